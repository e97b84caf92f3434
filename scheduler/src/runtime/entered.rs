//! Which runtime a thread is in: the one entered by hand last, or else the one that it works for.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::ptr;

use heist_sync::sys::{Arc, thread_local_const};

use crate::cell::{Id, JoinHandle, Origin};
use crate::workers::home;
use crate::workers::seat;
use crate::workers::shared::Shared;

thread_local_const! {
    /// The runtimes that were entered, each with the number of its guard, the innermost last.
    static ENTERED: RefCell<Vec<(u64, Arc<Shared>)>> = RefCell::new(Vec::new());
}

thread_local_const! {
    static NEXT_NUMBER: Cell<u64> = Cell::new(0);
}

/// The runtime that this thread is in: the one entered last, else the one that it works for.
pub(crate) fn current() -> Option<Arc<Shared>> {
    ENTERED
        .try_with(|entered| entered.borrow().last().map(|(_, shared)| shared.clone()))
        .ok()
        .flatten()
        .or_else(|| seat::with_host(|host| host.cloned()))
}

/// The runtime that was entered last on this thread, and the number of its guard.
pub(crate) fn innermost() -> Option<(u64, Arc<Shared>)> {
    let innermost = ENTERED.try_with(|entered| entered.borrow().last().cloned());
    innermost.ok().flatten()
}

/// Whether this thread's list of entered runtimes has been destroyed, because the thread ends.
pub(super) fn is_gone() -> bool {
    ENTERED.try_with(|_| ()).is_err()
}

/// A number for what this thread enters now. It is larger than those of all that it has entered before.
pub(crate) fn next_number() -> u64 {
    NEXT_NUMBER.with(|next| next.replace(next.get() + 1))
}

/// Whether [`current`] would return `shared`.
pub(crate) fn is_current(shared: &Shared) -> bool {
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        entered
            .last()
            .map(|(_, entered)| ptr::eq(&**entered, shared))
    });
    match entered {
        Ok(Some(same)) => same,
        _ => seat::is_host(shared),
    }
}

/// Spawns on the runtime that [`current`] would return. Takes no reference to it if none was entered by hand. Returns
/// the future if this thread is in no runtime.
#[inline]
pub(crate) fn try_spawn<F>(future: F, id: Id, origin: Origin) -> Result<JoinHandle<F::Output>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        entered.last().map(|(_, shared)| shared.clone())
    });
    if let Ok(Some(shared)) = entered {
        return Ok(home::spawn(&shared, future, id, origin));
    }
    seat::with_host(|host| match host {
        Some(shared) => Ok(home::spawn(shared, future, id, origin)),
        None => Err(future),
    })
}

/// Makes a runtime this thread's current one, until the guard is dropped. Guards may be dropped in any order.
#[derive(Debug)]
pub(crate) struct Entered {
    number: u64,
    _reactor: heist_reactor::EnterGuard,
    /// It belongs to the thread that entered: it may be shared, but not sent.
    _not_send: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

pub(crate) fn enter(shared: Arc<Shared>) -> Entered {
    let number = next_number();
    let reactor = shared.driver.enter();
    // On a thread whose locals are gone, nothing can be entered, and nothing needs to be left.
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((number, shared)));
    Entered {
        number,
        _reactor: reactor,
        _not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered
                .iter()
                .rposition(|&(number, _)| number == self.number);
            at.map(|at| entered.remove(at))
        });
        // It may be the last reference to a runtime, so it is dropped after the borrow has ended.
        drop(left);
    }
}
