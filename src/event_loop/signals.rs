//! Signal handlers: callbacks of the loop for signals.

use std::collections::HashMap;
use std::io;
use std::sync::OnceLock;

use heist_sync::sys::Mutex;

use super::base::EventLoop;
use crate::runtime::Id;
use crate::signal::unix::{SignalKind, signal};
use crate::sync::oneshot;
use crate::task::AbortOnDropHandle;

type Table = Mutex<HashMap<(Id, i32), AbortOnDropHandle<()>>>;

static TABLE: OnceLock<Table> = OnceLock::new();

fn table() -> &'static Table {
    TABLE.get_or_init(Mutex::default)
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
        let task = self.create_task(async move {
            while signals.recv().await.is_some() {
                let (give_back, back) = oneshot::channel();
                event_loop.call_soon(move || {
                    callback();
                    let _ = give_back.send(callback);
                });
                match back.await {
                    Ok(same) => callback = same,
                    // It has panicked, which is reported, and is gone.
                    Err(_) => return,
                }
            }
        });
        let key = (self.handle().id(), kind.as_raw_value());
        let mut table = table().lock();
        // Those of loops that are gone.
        let over: Vec<_> = table.extract_if(|_, task| task.is_finished()).collect();
        let old = table.insert(key, AbortOnDropHandle::new(task));
        drop(table);
        drop((old, over));
        Ok(())
    }

    /// Removes the handler of this kind of signal. Returns whether there was one.
    pub fn remove_signal_handler(&self, kind: SignalKind) -> bool {
        let key = (self.handle().id(), kind.as_raw_value());
        let old = table().lock().remove(&key);
        old.is_some()
    }
}
