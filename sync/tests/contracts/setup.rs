//! One primitive, ready to be waited on.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

/// A method's name, and what makes a primitive to call it on.
pub(crate) type Case = (&'static str, Box<dyn Fn() -> Setup + Send + Sync>);

type Wait = Pin<Box<dyn Future<Output = ()>>>;

pub(crate) struct Setup {
    /// A future of the method, which waits. Where there may be only one, a second is ready.
    pub(crate) wait: Box<dyn Fn() -> Wait>,
    /// Lets one of them complete, or all.
    pub(crate) event: Box<dyn Fn()>,
    /// Calls what there is to call.
    pub(crate) touch: Arc<dyn Fn() + Send + Sync>,
    /// One who comes after the event finds it.
    pub(crate) lasts: bool,
    /// The method is one future, which can be polled again after a panic. An `async fn` can't.
    pub(crate) survives_panics: bool,
    /// The event has a value to give out, so a waker's panic ends in it.
    pub(crate) quiet: bool,
    /// How many events serve the one behind a wait that is forgotten; `None` where it may wait for ever.
    pub(crate) behind_forgotten: Option<usize>,
    /// Gives up the shares in the primitive that forgotten futures have, where there are no others any more.
    pub(crate) abandon: Box<dyn Fn()>,
}

/// A case of a method that is an `async fn`.
pub(crate) fn case<P, W, F>(
    name: &'static str,
    new: impl Fn() -> P + Send + Sync + 'static,
    wait: W,
    event: impl Fn(&P) + Clone + Send + Sync + 'static,
) -> Case
where
    P: Send + Sync + 'static,
    W: Fn(Arc<P>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    let make = move || {
        let primitive = Arc::new(new());
        let (shared, wait_on) = (primitive.clone(), wait.clone());
        let (touched, touch_by) = (primitive.clone(), wait.clone());
        let counted = primitive.clone();
        let event = event.clone();
        Setup {
            wait: Box::new(move || Box::pin(wait_on(shared.clone()))),
            event: Box::new(move || event(&primitive)),
            touch: Arc::new(move || {
                let mut future = Box::pin(touch_by(touched.clone()));
                let mut cx = Context::from_waker(Waker::noop());
                let _ = future.as_mut().poll(&mut cx);
            }),
            lasts: true,
            survives_panics: false,
            quiet: false,
            behind_forgotten: None,
            abandon: Box::new(move || {
                // Those of the four closures here are no future's.
                for _ in 4..Arc::strong_count(&counted) {
                    // SAFETY: a forgotten future neither uses nor drops its share.
                    unsafe { Arc::decrement_strong_count(Arc::as_ptr(&counted)) };
                }
            }),
        }
    };
    (name, Box::new(make))
}

/// For an event that gives out a value.
pub(crate) fn quiet((name, make): Case) -> Case {
    let make = move || Setup {
        quiet: true,
        ..make()
    };
    (name, Box::new(make))
}

/// For an event that all hear of.
pub(crate) fn all((name, make): Case) -> Case {
    let make = move || Setup {
        behind_forgotten: Some(1),
        ..make()
    };
    (name, Box::new(make))
}

/// For an event that can happen again, for the next.
pub(crate) fn again((name, make): Case) -> Case {
    let make = move || Setup {
        behind_forgotten: Some(2),
        ..make()
    };
    (name, Box::new(make))
}

/// For what leaves nothing behind for one who comes later.
pub(crate) fn passing((name, make): Case) -> Case {
    let make = move || Setup {
        lasts: false,
        ..make()
    };
    (name, Box::new(make))
}

/// For a named future instead of an `async fn`.
pub(crate) fn sturdy((name, make): Case) -> Case {
    let make = move || Setup {
        survives_panics: true,
        ..make()
    };
    (name, Box::new(make))
}

/// Something that one wait at a time may have.
pub(crate) struct Lender<T>(Mutex<Option<T>>);

/// It goes back when this is dropped.
pub(crate) struct Lent<'a, T>(Option<T>, &'a Lender<T>);

impl<T> Lender<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    /// `None` while somebody else has it, or after `take`.
    pub(crate) fn lend(&self) -> Option<Lent<'_, T>> {
        let value = self.take()?;
        Some(Lent(Some(value), self))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("lent")
    }
}

impl<T> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("lent")
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        *self.1.0.lock().unwrap() = self.0.take();
    }
}
