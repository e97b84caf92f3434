//! Signal handlers: callbacks of the loop for signals.

use std::collections::HashMap;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use heist_sync::sys::Mutex;

use super::base::EventLoop;
use crate::runtime::Id;
use crate::signal::unix::{SignalKind, signal};
use crate::sync::oneshot;
use crate::task::AbortOnDropHandle;

/// The runtime and the number of the signal.
type Key = (Id, i32);
/// The number of the handler, and its task once that runs.
type Entry = (u64, Option<AbortOnDropHandle<()>>);
type Table = Mutex<HashMap<Key, Entry>>;

static TABLE: OnceLock<Table> = OnceLock::new();

/// The number of the next handler.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

fn table() -> &'static Table {
    TABLE.get_or_init(Mutex::default)
}

fn is_set(key: Key, number: u64) -> bool {
    table()
        .lock()
        .get(&key)
        .is_some_and(|entry| entry.0 == number)
}

impl EventLoop {
    /// Calls `callback` as one of the loop's callbacks for each signal of this kind. Signals that come while it waits or
    /// runs may count as one.
    ///
    /// If the loop has a handler for this kind already, it is replaced. From the first handler on, the signal does not
    /// do what it does by default, also after the handler is removed.
    ///
    /// # Errors
    ///
    /// If the system refuses: some signals can't be handled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use heist::signal::unix::SignalKind;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let (promise, hung_up) = event_loop.create_future();
    ///     event_loop.add_signal_handler(SignalKind::hangup(), move || {
    ///         let _ = promise.set_result(());
    ///     })?;
    ///     # let kill = || std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
    ///     kill()?;
    ///     hung_up.await.unwrap();
    ///     assert!(event_loop.remove_signal_handler(SignalKind::hangup()));
    ///     Ok(())
    /// }
    /// ```
    pub fn add_signal_handler(
        &self,
        kind: SignalKind,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        let entered = self.handle().enter();
        let mut signals = signal(kind)?;
        drop(entered);
        let event_loop = self.clone();
        let mut callback: Box<dyn FnMut() + Send> = Box::new(callback);
        let key = (self.handle().id(), kind.as_raw_value());
        // Ordering: Relaxed is enough for a number that no other handler has.
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut entries = table().lock();
        // Those of loops that are gone.
        let is_over = |entry: &Entry| entry.1.as_ref().is_some_and(|task| task.is_finished());
        let over: Vec<_> = entries.extract_if(|_, entry| is_over(entry)).collect();
        let old = entries.insert(key, (number, None));
        drop(entries);
        drop((old, over));
        let task = self.create_task(async move {
            while signals.recv().await.is_some() {
                let (give_back, back) = oneshot::channel();
                event_loop.call_soon(move || {
                    // It may have been replaced or removed since the signal was heard.
                    if is_set(key, number) {
                        callback();
                    }
                    let _ = give_back.send(callback);
                });
                match back.await {
                    Ok(same) => callback = same,
                    // It has panicked, which is reported, and is gone.
                    Err(_) => return,
                }
            }
        });
        let mut task = Some(AbortOnDropHandle::new(task));
        if let Some(entry) = table()
            .lock()
            .get_mut(&key)
            .filter(|entry| entry.0 == number)
        {
            entry.1 = task.take();
        }
        // If it was replaced meanwhile, it ends here.
        drop(task);
        Ok(())
    }

    /// Removes the handler of this kind of signal. Returns whether there was one.
    pub fn remove_signal_handler(&self, kind: SignalKind) -> bool {
        let key = (self.handle().id(), kind.as_raw_value());
        let old = table().lock().remove(&key);
        old.is_some()
    }
}
