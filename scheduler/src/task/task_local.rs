//! Values that belong to a future: they are there while it is polled or dropped.
//!
//! Each key has a thread-local slot. While a scoped future is polled, its value is in the slot of the polling thread, and
//! the value that was there before is in the future. The two are swapped before each poll and swapped back after it,
//! even if the poll panics. So the value goes with the future from thread to thread.
//!
//! The slot is borrowed for the length of a swap and of a `with`. No user code runs during a swap.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// A key of [`task_local!`](../macro.task_local.html): it gives each scoped future a value of its own.
///
/// [`scope`](Self::scope) gives a future its value, and [`with`](Self::with) and [`get`](Self::get) read it from inside.
/// Tasks that the future spawns don't inherit the value: give it to them with a `scope` of their own.
///
/// The value is there for everything that runs on the thread while the future is polled. That includes a nested
/// `block_on`, the tasks of a [`LocalSet`](super::LocalSet) that the future polls, and the first poll of a task that it
/// [spawns eagerly](super::spawn_eager). Keys work on any executor.
///
/// # Examples
/// ```
/// heist::task_local! {
///     static REQUEST: u32;
/// }
///
/// fn log(message: &str) -> String {
///     format!("[{}] {message}", REQUEST.get())
/// }
///
/// #[heist::main]
/// async fn main() {
///     let one = heist::spawn(REQUEST.scope(1, async { log("begins") }));
///     let two = heist::spawn(REQUEST.scope(2, async { log("begins") }));
///     assert_eq!(one.await.unwrap(), "[1] begins");
///     assert_eq!(two.await.unwrap(), "[2] begins");
///     assert!(REQUEST.try_get().is_err());
/// }
/// ```
pub struct LocalKey<T: 'static> {
    /// For the macro alone.
    #[doc(hidden)]
    pub inner: std::thread::LocalKey<RefCell<Option<T>>>,
}

/// Why a scope can't be entered.
enum Refused {
    Borrowed,
    ThreadEnds,
}

impl Refused {
    #[track_caller]
    fn panic(&self) -> ! {
        match self {
            Self::Borrowed => {
                panic!("cannot enter a task-local scope while the task-local storage is borrowed")
            }
            Self::ThreadEnds => panic!(
                "cannot enter a task-local scope during or after destruction of the underlying thread-local"
            ),
        }
    }
}

impl<T: 'static> LocalKey<T> {
    /// Gives `f` the value `value`: it is there while `f` is polled, and while `f` is dropped.
    ///
    /// Scopes may be nested: the innermost value counts. `f` is dropped as soon as it completes. The value is dropped
    /// with the returned future, outside its scope; so is the value of a future that is cancelled or that panics.
    ///
    /// # Cancel safety
    /// The same as for `f`.
    ///
    /// # Panics
    /// The future panics if `f` does, if it is polled inside a [`with`](Self::with) of the same key, if it is polled
    /// again after it completed, or if it is polled while the thread's locals are being destroyed.
    ///
    /// # Examples
    /// ```
    /// heist::task_local! {
    ///     static DEPTH: u32;
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     DEPTH.scope(1, async {
    ///         DEPTH.scope(2, async { assert_eq!(DEPTH.get(), 2) }).await;
    ///         assert_eq!(DEPTH.get(), 1);
    ///     }).await;
    /// }
    /// ```
    pub fn scope<F>(&'static self, value: T, f: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture {
            local: self,
            slot: Some(value),
            future: Some(f),
            _pinned: PhantomPinned,
        }
    }

    /// Calls `f` with the value `value`, which is dropped afterwards.
    ///
    /// # Panics
    /// Panics if `f` does, or if called inside a [`with`](Self::with) of the same key.
    ///
    /// # Examples
    /// ```
    /// heist::task_local! {
    ///     static NAME: &'static str;
    /// }
    ///
    /// assert_eq!(NAME.sync_scope("crawler", || NAME.get().len()), 7);
    /// ```
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut slot = Some(value);
        match self.swapped(&mut slot, f) {
            Ok(result) => result,
            Err(refused) => refused.panic(),
        }
    }

    /// Calls `f` with the current value.
    ///
    /// # Panics
    /// Panics if `f` does, or outside any scope of this key. [`try_with`](Self::try_with) returns an error instead.
    ///
    /// # Examples
    /// ```
    /// heist::task_local! {
    ///     static USER: String;
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let length = USER.scope("Robin".into(), async { USER.with(|name| name.len()) });
    ///     assert_eq!(length.await, 5);
    /// }
    /// ```
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Calls `f` with the current value.
    ///
    /// # Errors
    /// Fails outside any scope of this key.
    ///
    /// # Panics
    /// Panics if `f` does.
    ///
    /// # Examples
    /// ```
    /// heist::task_local! {
    ///     static USER: String;
    /// }
    ///
    /// assert!(USER.try_with(|name| name.len()).is_err());
    /// let length = USER.sync_scope("Robin".into(), || USER.try_with(|name| name.len()));
    /// assert_eq!(length.ok(), Some(5));
    /// ```
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // The borrow can't fail, because no code of others runs while the slot is borrowed for a swap. If the thread's
        // locals are gone, this is outside any scope.
        let result = self.inner.try_with(|slot| slot.borrow().as_ref().map(f));
        result.ok().flatten().ok_or(AccessError(()))
    }

    /// Calls `f` with the value of `slot` in the thread's slot. Afterwards `slot` has its value again.
    fn swapped<R>(
        &'static self,
        slot: &mut Option<T>,
        f: impl FnOnce() -> R,
    ) -> Result<R, Refused> {
        /// Swaps back, however `f` ends.
        struct Swapped<'a, T: 'static>(&'static LocalKey<T>, &'a mut Option<T>);

        impl<T> Drop for Swapped<'_, T> {
            fn drop(&mut self) {
                // Whoever borrows the slot inside `f` has given it back by the end of `f`. The slot is there, because
                // the thread-local is destroyed outside any call of `f`.
                self.0
                    .inner
                    .with(|inner| mem::swap(self.1, &mut *inner.borrow_mut()));
            }
        }

        let swap = self.inner.try_with(|inner| match inner.try_borrow_mut() {
            Ok(mut inner) => {
                mem::swap(slot, &mut *inner);
                Ok(())
            }
            Err(_) => Err(Refused::Borrowed),
        });
        swap.unwrap_or(Err(Refused::ThreadEnds))?;
        let _swapped = Swapped(self, slot);
        Ok(f())
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the current value.
    ///
    /// # Panics
    /// Panics outside any scope of this key. [`try_get`](Self::try_get) returns an error instead.
    ///
    /// # Examples
    /// ```
    /// heist::task_local! {
    ///     static REQUEST: u32;
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     assert!(REQUEST.try_get().is_err());
    ///     REQUEST.scope(7, async { assert_eq!(REQUEST.get(), 7) }).await;
    /// }
    /// ```
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the current value.
    ///
    /// # Errors
    /// Fails outside any scope of this key.
    ///
    /// [`get`](Self::get) has an example.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        local: &'static LocalKey<T>,
        // Its own value, or, while it is polled, the one around it.
        slot: Option<T>,
        #[pin]
        future: Option<F>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            if mem::needs_drop::<F>() && future.is_some() {
                // If it can't be dropped with its value, it is dropped without, with the other fields.
                let _ = this.local.swapped(this.slot, || future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out of the future. `None` if it was taken before.
    ///
    /// If the future hasn't completed, it goes on without a value, and so does its drop.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    ///
    /// heist::task_local! {
    ///     static COUNT: Cell<u32>;
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut counted = Box::pin(COUNT.scope(Cell::new(0), async {
    ///         COUNT.with(|count| count.set(count.get() + 1));
    ///     }));
    ///     counted.as_mut().await;
    ///     assert_eq!(counted.as_mut().take_value(), Some(Cell::new(1)));
    /// }
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().slot.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut future = this.future;
        let polled = this.local.swapped(this.slot, || {
            let poll = future.as_mut().as_pin_mut()?.poll(cx);
            if poll.is_ready() {
                // It is dropped with its value.
                future.set(None);
            }
            Some(poll)
        });
        match polled {
            Ok(Some(poll)) => poll,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(refused) => refused.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture")
            .field("value", &self.slot)
            .finish_non_exhaustive()
    }
}

/// There is no value: [`LocalKey::try_with`] or [`LocalKey::try_get`] was called outside any scope of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessError")
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl Error for AccessError {}
