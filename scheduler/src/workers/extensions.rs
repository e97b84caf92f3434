//! Values that others keep with a runtime: at most one of each type, until the runtime ends.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use heist_sync::protocol::drop_payload;
use heist_sync::sys::Mutex;

type Values = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// The values of one runtime. `None` once the runtime has ended.
pub(crate) struct Extensions(Mutex<Option<Values>>);

impl Extensions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Values::new())))
    }

    /// The value of this type, or else what `make` returns. `make` runs with no lock held. `None` once the runtime has
    /// ended.
    pub(crate) fn get_or_insert<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Option<Arc<T>> {
        let key = TypeId::of::<T>();
        let present = self.0.lock().as_ref()?.get(&key).cloned();
        let value = match present {
            Some(value) => value,
            None => {
                let made: Arc<dyn Any + Send + Sync> = Arc::new(make());
                let mut values = self.0.lock();
                let value = values.as_mut()?.entry(key).or_insert_with(|| made.clone());
                // What another thread has put there meanwhile stays. What was made here is dropped after the lock.
                value.clone()
            }
        };
        value.downcast().ok()
    }

    /// Drops all values, for good.
    pub(crate) fn close(&self) {
        let values = self.0.lock().take();
        for value in values.into_iter().flat_map(HashMap::into_values) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                drop_payload(payload);
            }
        }
    }
}
