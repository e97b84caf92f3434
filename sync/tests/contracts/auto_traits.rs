//! Which types may be sent, shared and moved, for a payload that may be neither, that may only be sent, and that may be
//! both. For what tokio has too, as there.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use heist_sync::*;

type Neither = Rc<u8>;
type Sent = Cell<u8>;
type Plain = u8;

const NONE: (bool, bool) = (false, false);
const SEND: (bool, bool) = (true, false);
const SYNC: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

struct Probe<T>(PhantomData<T>);

/// What a method of `Probe` answers where the trait is there comes first; these are for where it isn't.
trait Lacks {
    fn may_be_sent(&self) -> bool {
        false
    }
    fn may_be_shared(&self) -> bool {
        false
    }
    fn may_be_moved(&self) -> bool {
        false
    }
}

impl<T> Lacks for Probe<T> {}

impl<T: Send> Probe<T> {
    fn may_be_sent(&self) -> bool {
        true
    }
}

impl<T: Sync> Probe<T> {
    fn may_be_shared(&self) -> bool {
        true
    }
}

impl<T: Unpin> Probe<T> {
    fn may_be_moved(&self) -> bool {
        true
    }
}

/// The type of what `f`, which is never called, gives.
fn given<T>(_: impl FnOnce() -> T) -> Probe<T> {
    Probe(PhantomData)
}

/// For a closure that is never called.
fn any<T>() -> T {
    unreachable!("only its type counts")
}

macro_rules! is {
    ($probe:expr, $name:expr, $both:expr, $moved:expr) => {
        let probe = $probe;
        let (name, both): (String, (bool, bool)) = ($name, $both);
        assert_eq!(
            (probe.may_be_sent(), probe.may_be_shared()),
            both,
            "(Send, Sync) of {name}"
        );
        assert_eq!(probe.may_be_moved(), $moved, "Unpin of {name}");
    };
}

/// A type without a payload, or with one given.
macro_rules! plain {
    ($($type:ty: $both:expr;)*) => {
        $(is!(given(any::<$type>), stringify!($type).to_owned(), $both, true);)*
    };
}

/// A type with a payload: what it is for each of the three.
macro_rules! payload {
    ($($(::$module:ident)* $type:ident<$($lt:lifetime,)? _>: $neither:expr, $sent:expr, $plain:expr;)*) => {$(
        let name = |of: &str| format!("{}<{of}>", stringify!($type));
        is!(given(any::<heist_sync$(::$module)*::$type<$($lt,)? Neither>>), name("Neither"), $neither, true);
        is!(given(any::<heist_sync$(::$module)*::$type<$($lt,)? Sent>>), name("Sent"), $sent, true);
        is!(given(any::<heist_sync$(::$module)*::$type<$($lt,)? Plain>>), name("Plain"), $plain, true);
    )*};
}

/// What an asynchronous method gives, for each of the three.
macro_rules! method {
    ($($name:ident: $self:ty => $call:expr, $neither:expr, $sent:expr, $plain:expr;)*) => {$(
        {
            type T = Neither;
            is!(given(|| { let $name: $self = any(); $call }), concat!(stringify!($self), ": ", stringify!($call of Neither)).to_owned(), $neither, false);
        }
        {
            type T = Sent;
            is!(given(|| { let $name: $self = any(); $call }), concat!(stringify!($self), ": ", stringify!($call of Sent)).to_owned(), $sent, false);
        }
        {
            type T = Plain;
            is!(given(|| { let $name: $self = any(); $call }), concat!(stringify!($self), ": ", stringify!($call of Plain)).to_owned(), $plain, false);
        }
    )*};
}

#[test]
fn types_without_a_payload() {
    plain! {
        AcquireError: BOTH;
        Barrier: BOTH;
        BarrierWaitResult: BOTH;
        BrokenBarrier: BOTH;
        Event: BOTH;
        CancellationToken: BOTH;
        Condvar: BOTH;
        DropGuard: BOTH;
        DropGuardRef<'static>: BOTH;
        Notify: BOTH;
        OwnedSemaphorePermit: BOTH;
        Semaphore: BOTH;
        SemaphorePermit<'static>: BOTH;
        TryAcquireError: BOTH;
        TryLockError: BOTH;
        broadcast::error::RecvError: BOTH;
        broadcast::error::TryRecvError: BOTH;
        mpsc::error::TryRecvError: BOTH;
        oneshot::error::RecvError: BOTH;
        oneshot::error::TryRecvError: BOTH;
        watch::error::RecvError: BOTH;
    }
    is!(
        given(any::<Notified<'static>>),
        "Notified".into(),
        BOTH,
        false
    );
    is!(
        given(any::<OwnedNotified>),
        "OwnedNotified".into(),
        BOTH,
        false
    );
    is!(
        given(any::<WaitForCancellationFuture<'static>>),
        "cancelled".into(),
        BOTH,
        false
    );
    is!(
        given(any::<WaitForCancellationFutureOwned>),
        "cancelled_owned".into(),
        BOTH,
        false
    );
}

#[test]
fn locks_and_their_guards() {
    payload! {
        Mutex<_>: NONE, BOTH, BOTH;
        MutexGuard<'static, _>: NONE, SEND, BOTH;
        MappedMutexGuard<'static, _>: NONE, SEND, BOTH;
        OwnedMutexGuard<_>: NONE, SEND, BOTH;
        OnceCell<_>: NONE, SEND, BOTH;
        SetOnce<_>: NONE, SEND, BOTH;
        RwLock<_>: NONE, SEND, BOTH;
        RwLockReadGuard<'static, _>: NONE, NONE, BOTH;
        RwLockUpgradableReadGuard<'static, _>: NONE, NONE, BOTH;
        RwLockWriteGuard<'static, _>: NONE, NONE, BOTH;
        RwLockMappedWriteGuard<'static, _>: NONE, NONE, BOTH;
        OwnedRwLockReadGuard<_>: NONE, NONE, BOTH;
        OwnedRwLockUpgradableReadGuard<_>: NONE, NONE, BOTH;
        OwnedRwLockWriteGuard<_>: NONE, NONE, BOTH;
        OwnedRwLockMappedWriteGuard<_>: NONE, NONE, BOTH;
    }
    plain! {
        OwnedMappedMutexGuard<Neither, Neither>: NONE;
        OwnedMappedMutexGuard<Neither, Sent>: NONE;
        OwnedMappedMutexGuard<Neither, Plain>: NONE;
        OwnedMappedMutexGuard<Sent, Neither>: NONE;
        OwnedMappedMutexGuard<Sent, Sent>: SEND;
        OwnedMappedMutexGuard<Sent, Plain>: SEND;
        OwnedMappedMutexGuard<Plain, Neither>: NONE;
        OwnedMappedMutexGuard<Plain, Sent>: SEND;
        OwnedMappedMutexGuard<Plain, Plain>: BOTH;
    }
}

#[test]
fn ends_of_channels() {
    payload! {
        ::broadcast Receiver<_>: NONE, BOTH, BOTH;
        ::broadcast Sender<_>: NONE, BOTH, BOTH;
        ::broadcast WeakSender<_>: NONE, BOTH, BOTH;
        ::mpmc Receiver<_>: NONE, BOTH, BOTH;
        ::mpmc Sender<_>: NONE, BOTH, BOTH;
        ::mpmc WeakReceiver<_>: NONE, BOTH, BOTH;
        ::mpmc WeakSender<_>: NONE, BOTH, BOTH;
        ::mpsc OwnedPermit<_>: NONE, BOTH, BOTH;
        ::mpsc Permit<'static, _>: NONE, BOTH, BOTH;
        ::mpsc PermitIterator<'static, _>: NONE, BOTH, BOTH;
        ::mpsc Receiver<_>: NONE, BOTH, BOTH;
        ::mpsc Sender<_>: NONE, BOTH, BOTH;
        ::mpsc UnboundedReceiver<_>: NONE, BOTH, BOTH;
        ::mpsc UnboundedSender<_>: NONE, BOTH, BOTH;
        ::mpsc WeakSender<_>: NONE, BOTH, BOTH;
        ::mpsc WeakUnboundedSender<_>: NONE, BOTH, BOTH;
        ::mpsc::error SendError<_>: NONE, SEND, BOTH;
        ::mpsc::error TrySendError<_>: NONE, SEND, BOTH;
        ::oneshot Receiver<_>: NONE, BOTH, BOTH;
        ::oneshot Sender<_>: NONE, BOTH, BOTH;
        ::queue LifoQueue<_>: NONE, BOTH, BOTH;
        ::queue Queue<_>: NONE, BOTH, BOTH;
        ::watch Receiver<_>: NONE, NONE, BOTH;
        ::watch Ref<'static, _>: NONE, NONE, SYNC;
        ::watch Sender<_>: NONE, NONE, BOTH;
    }
}

#[test]
fn futures() {
    method! {
        it: &'static Mutex<T> => it.lock(), NONE, BOTH, BOTH;
        it: std::sync::Arc<Mutex<T>> => it.lock_owned(), NONE, BOTH, BOTH;
        it: &'static RwLock<T> => it.read(), NONE, NONE, BOTH;
        it: &'static RwLock<T> => it.write(), NONE, NONE, BOTH;
        it: &'static RwLock<T> => it.upgradable_read(), NONE, NONE, BOTH;
        it: &'static SetOnce<T> => it.wait(), NONE, NONE, BOTH;
        it: &'static mut broadcast::Receiver<T> => it.recv(), NONE, BOTH, BOTH;
        it: &'static broadcast::Sender<T> => it.closed(), NONE, BOTH, BOTH;
        it: &'static mut mpsc::Receiver<T> => it.recv(), NONE, BOTH, BOTH;
        it: &'static mut mpsc::UnboundedReceiver<T> => it.recv(), NONE, BOTH, BOTH;
        it: &'static mpsc::Sender<T> => it.closed(), NONE, BOTH, BOTH;
        it: &'static mpsc::Sender<T> => it.reserve(), NONE, BOTH, BOTH;
        it: mpsc::Sender<T> => it.reserve_owned(), NONE, BOTH, BOTH;
        it: &'static mpsc::Sender<T> => it.send(any()), NONE, SEND, BOTH;
        it: &'static mpmc::Sender<T> => it.send(any()), NONE, SEND, BOTH;
        it: &'static mpmc::Receiver<T> => it.recv(), NONE, BOTH, BOTH;
        it: &'static mut oneshot::Sender<T> => it.closed(), NONE, BOTH, BOTH;
        it: &'static mut watch::Receiver<T> => it.changed(), NONE, NONE, BOTH;
        it: &'static watch::Sender<T> => it.closed(), NONE, NONE, BOTH;
    }
    let semaphore = any::<&'static Semaphore>;
    is!(
        given(|| semaphore().acquire()),
        "acquire".into(),
        BOTH,
        false
    );
    is!(
        given(|| semaphore().acquire_many(2)),
        "acquire_many".into(),
        BOTH,
        false
    );
}
