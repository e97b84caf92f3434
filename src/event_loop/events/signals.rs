//! Signal handlers: callbacks of the loop for signals.

use std::io;

use super::recurring::Place;
use crate::event_loop::EventLoop;
use crate::event_loop::context::Context;
use crate::signal::unix::{SignalKind, signal};

impl EventLoop {
    /// Calls `callback` as one of the loop's callbacks for each signal of this kind. Signals that come while it waits or
    /// runs may count as one.
    ///
    /// If the loop has a handler for this kind already, it is replaced. The new one is called for signals that came
    /// before and that the old one was not called for. From the first handler on, the signal does not
    /// do what it does by default, also after the handler is removed.
    ///
    /// # Errors
    ///
    /// If the system refuses: some signals can't be handled. If the loop is closed.
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
    #[track_caller]
    pub fn add_signal_handler(
        &self,
        kind: SignalKind,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        let place = Place::Signal(kind.as_raw_value());
        let callback: Box<dyn FnMut() + Send> = {
            let (context, mut callback) = (Context::inherited(), callback);
            Box::new(move || context.clone().run(&mut callback))
        };
        let Err(callback) = self.replace_recurring(place, callback) else {
            return Ok(());
        };
        let entered = self.handle().enter();
        let mut signals = signal(kind)?;
        drop(entered);
        self.add_recurring(place, callback, async move |called| {
            while signals.recv().await.is_some() {
                called.call().await;
            }
        })
    }

    /// Removes the handler of this kind of signal. Returns whether there was one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use heist::signal::unix::SignalKind;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// event_loop.add_signal_handler(SignalKind::user_defined1(), || ())?;
    /// assert!(event_loop.remove_signal_handler(SignalKind::user_defined1()));
    /// assert!(!event_loop.remove_signal_handler(SignalKind::user_defined1()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_signal_handler(&self, kind: SignalKind) -> bool {
        self.remove_recurring(Place::Signal(kind.as_raw_value()))
    }
}
