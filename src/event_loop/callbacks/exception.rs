//! Where errors go that can't be returned to any caller.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use heist_sync::sys::Mutex;

/// What an exception handler is given.
///
/// # Examples
///
/// ```
/// use heist::event_loop::ExceptionContext;
///
/// let context = ExceptionContext::new("the cache is full").with_error(std::io::Error::other("quota"));
/// assert_eq!(context.to_string(), "the cache is full: quota");
/// assert!(context.panic().is_none() && context.error().is_some());
/// ```
pub struct ExceptionContext {
    message: String,
    cause: Option<Cause>,
    location: Option<&'static Location<'static>>,
}

enum Cause {
    Panic(Box<dyn Any + Send>),
    Error(Box<dyn Error + Send + Sync>),
}

impl ExceptionContext {
    /// Makes a context with a message.
    ///
    /// # Examples
    ///
    /// ```
    /// let context = heist::event_loop::ExceptionContext::new("the cache is full");
    /// assert_eq!(context.to_string(), "the cache is full");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cause: None,
            location: None,
        }
    }

    /// Adds the error behind it.
    ///
    /// # Examples
    ///
    /// ```
    /// let context = heist::event_loop::ExceptionContext::new("the cache is full").with_error("quota");
    /// assert_eq!(context.to_string(), "the cache is full: quota");
    /// ```
    pub fn with_error(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Cause::Error(error.into()));
        self
    }

    pub(crate) fn at(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self
    }

    pub(crate) fn with_panic(mut self, payload: Box<dyn Any + Send>) -> Self {
        self.cause = Some(Cause::Panic(payload));
        self
    }

    /// Where what failed was scheduled or spawned. It is known of all that the loop reports by itself.
    ///
    /// For a protocol's callback, what its handle runs, and a server's factory, it is where the connection or the server was
    /// asked for. For a task of [`start_server`](crate::event_loop::EventLoop::start_server) it is where that was called. For
    /// a [`Future`](crate::event_loop::Future) it is where the future was made.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let (promise, file) = event_loop.create_future();
    /// event_loop.set_exception_handler(Some(Box::new(move |_, context| {
    ///     let _ = promise.set_result(context.location().unwrap().file());
    /// })));
    /// event_loop.call_soon(|| panic!("oh no"));
    /// assert_eq!(file.await.unwrap(), file!());
    /// # }
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// What happened, as a message.
    ///
    /// # Examples
    ///
    /// ```
    /// let context = heist::event_loop::ExceptionContext::new("the cache is full").with_error("quota");
    /// assert_eq!(context.message(), "the cache is full");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let context = heist::event_loop::ExceptionContext::new("the cache is full").with_error("quota");
    /// assert_eq!(context.error().unwrap().to_string(), "quota");
    /// ```
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(Cause::Error(error)) => Some(&**error),
            _ => None,
        }
    }

    /// What a callback panicked with, if it panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let (promise, payload) = event_loop.create_future();
    /// event_loop.set_exception_handler(Some(Box::new(move |_, context| {
    ///     let _ = promise.set_result(context.panic().unwrap().downcast_ref::<u32>().copied());
    /// })));
    /// event_loop.call_soon(|| std::panic::panic_any(7u32));
    /// assert_eq!(payload.await.unwrap(), Some(7));
    /// # }
    /// ```
    pub fn panic(&self) -> Option<&(dyn Any + Send)> {
        match &self.cause {
            Some(Cause::Panic(payload)) => Some(&**payload),
            _ => None,
        }
    }

    /// The message of the panic, if a callback panicked with one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let (promise, message) = event_loop.create_future();
    /// event_loop.set_exception_handler(Some(Box::new(move |_, context| {
    ///     let _ = promise.set_result(context.panic_message().map(str::to_owned));
    /// })));
    /// event_loop.call_soon(|| panic!("oh no"));
    /// assert_eq!(message.await.unwrap().as_deref(), Some("oh no"));
    /// # }
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        let payload = self.panic()?;
        payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Debug for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExceptionContext")
            .field("message", &self.message)
            .field("location", &self.location)
            .field("error", &self.error())
            .field(
                "panic",
                &self
                    .panic()
                    .map(|_| self.panic_message().unwrap_or("not a string")),
            )
            .finish()
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(Cause::Error(error)) => write!(f, ": {error}"),
            Some(Cause::Panic(_)) => {
                write!(f, ": {}", self.panic_message().unwrap_or("not a string"))
            }
            None => Ok(()),
        }
    }
}

/// The handler of a loop, of whatever type.
pub(crate) struct Reports<H> {
    handler: Mutex<Option<Arc<H>>>,
}

impl<H> Reports<H> {
    pub(crate) fn new() -> Self {
        Self {
            handler: Mutex::new(None),
        }
    }

    pub(crate) fn get(&self) -> Option<Arc<H>> {
        self.handler.lock().clone()
    }

    pub(crate) fn set(&self, handler: Option<Arc<H>>) {
        let old = std::mem::replace(&mut *self.handler.lock(), handler);
        drop(old);
    }

    /// Gives the context to the handler by `call`, or to the default handler. Never panics, whatever the handler and the
    /// context's destructor do.
    pub(crate) fn report(
        &self,
        context: ExceptionContext,
        call: impl FnOnce(&H, &ExceptionContext),
    ) {
        let handler = self.handler.lock().clone();
        let reported = catch_unwind(AssertUnwindSafe(|| {
            let Some(handler) = handler else {
                write_to_stderr(&context);
                return;
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(&handler, &context))) {
                write_to_stderr(&context);
                write_to_stderr(
                    &ExceptionContext::new("the exception handler panicked").with_panic(payload),
                );
            }
        }));
        // A payload that panics when it is dropped is forgotten, so that it can't.
        if let Err(payload) = reported {
            std::mem::forget(payload);
        }
        let dropped = catch_unwind(AssertUnwindSafe(move || drop(context)));
        if let Err(payload) = dropped {
            std::mem::forget(payload);
        }
    }
}

/// What the default handler does.
pub(crate) fn write_to_stderr(context: &ExceptionContext) {
    // If this fails, nobody is left to tell.
    let _ = match context.location {
        Some(location) => writeln!(io::stderr(), "heist: {context} (scheduled at {location})"),
        None => writeln!(io::stderr(), "heist: {context}"),
    };
}
