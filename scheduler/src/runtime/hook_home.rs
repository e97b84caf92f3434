//! How the hooks of a runtime's threads are called inside the runtime.

use heist_sync::sys::{Arc, Mutex};

use super::entered;
use crate::workers::hooks::Hook;
use crate::workers::shared::Shared;

/// The runtime that its threads' hooks are called in. Empty once the runtime has ended: it is a reference from the runtime's
/// threads to the runtime.
#[derive(Default)]
pub(super) struct HookHome(std::sync::Arc<Mutex<Option<Arc<Shared>>>>);

impl HookHome {
    /// The runtime begins. Call it before any of its threads starts.
    pub(super) fn set(&self, shared: &Arc<Shared>) {
        *self.0.lock() = Some(shared.clone());
    }

    /// A hook that calls `hook` inside the runtime.
    pub(super) fn around(&self, hook: &Hook) -> Hook {
        let (home, hook) = (self.0.clone(), hook.clone());
        std::sync::Arc::new(move || {
            let shared = home.lock().clone();
            let _entered = shared.map(entered::enter);
            hook();
        })
    }
}

impl Drop for HookHome {
    fn drop(&mut self) {
        // It may be the last reference, so it is dropped while the lock is free.
        let shared = self.0.lock().take();
        drop(shared);
    }
}
