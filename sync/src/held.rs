//! The evidence that a lock is held, inside each guard of [`Mutex`](crate::Mutex) and [`RwLock`](crate::RwLock).
//!
//! A guard has no `drop` of its own: it consists of this evidence and a pointer. So it can be taken apart and put
//! together again as another guard (mapped, downgraded) while the lock stays held. If a user's closure panics in
//! between, the evidence is dropped with the rest, and the lock is released.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;

/// How a guard keeps the lock alive: by a reference, or by a share.
pub(crate) trait Owner {
    /// The lock without its data.
    type Raw;

    fn raw(&self) -> &Self::Raw;
}

/// The way in which a lock is held.
pub(crate) trait Mode<R> {
    /// Releases a lock that is held in this way.
    fn release(raw: &R);
}

/// A lock that is held in mode `M`. Dropping this releases the lock.
pub(crate) struct Held<O: Owner, M: Mode<O::Raw>> {
    owner: O,
    mode: PhantomData<M>,
}

impl<O: Owner, M: Mode<O::Raw>> Held<O, M> {
    /// The caller has just been given the lock in this mode.
    #[inline]
    pub(crate) fn new(owner: O) -> Self {
        Self {
            owner,
            mode: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn owner(&self) -> &O {
        &self.owner
    }

    /// Takes the owner out without releasing the lock, which the caller holds from now on.
    #[inline]
    pub(crate) fn into_owner(self) -> O {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither dropped nor used again, so the owner is moved out once.
        unsafe { ptr::read(&this.owner) }
    }
}

impl<O: Owner, M: Mode<O::Raw>> Drop for Held<O, M> {
    #[inline]
    fn drop(&mut self) {
        M::release(self.owner.raw());
    }
}
