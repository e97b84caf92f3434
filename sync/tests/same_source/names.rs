// Every type, function and macro of tokio 1.54's stable `runtime`, `sync`, `task` and `time` that heist has too, and the
// methods that can be named without naming a type that they are generic over. `rt` is the one crate or the other.

#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_root {
    use super::rt::{join, main, pin, select, spawn, task_local, test, try_join};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_runtime {
    use super::rt::runtime::{
        Builder, EnterGuard, Handle, Id, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor,
        RuntimeMetrics, TryCurrentError, is_rt_shutdown_err, worker_index,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync {
    use super::rt::sync::{
        AcquireError, Barrier, BarrierWaitResult, MappedMutexGuard, Mutex, MutexGuard, Notify,
        OnceCell, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedRwLockMappedWriteGuard,
        OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock,
        RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
        SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_broadcast {
    use super::rt::sync::broadcast::{Receiver, Sender, WeakSender, channel};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_broadcast_error {
    use super::rt::sync::broadcast::error::{RecvError, SendError, TryRecvError};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_futures {
    use super::rt::sync::futures::{Notified, OwnedNotified};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_mpsc {
    use super::rt::sync::mpsc::{
        OwnedPermit, Permit, PermitIterator, Receiver, Sender, UnboundedReceiver, UnboundedSender,
        WeakSender, WeakUnboundedSender, channel, unbounded_channel,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_mpsc_error {
    use super::rt::sync::mpsc::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_oneshot {
    use super::rt::sync::oneshot::{Receiver, Sender, channel};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_oneshot_error {
    use super::rt::sync::oneshot::error::{RecvError, TryRecvError};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_watch {
    use super::rt::sync::watch::{Receiver, Ref, Sender, channel};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_sync_watch_error {
    use super::rt::sync::watch::error::{RecvError, SendError};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_task {
    use super::rt::task::{
        AbortHandle, Id, JoinError, JoinHandle, JoinSet, LocalEnterGuard, LocalKey, LocalSet,
        Unconstrained, block_in_place, consume_budget, id, spawn, spawn_blocking, spawn_local,
        try_id, unconstrained, yield_now,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_task_coop {
    use super::rt::task::coop::{
        Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative, has_budget_remaining,
        poll_proceed, unconstrained,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_task_futures {
    use super::rt::task::futures::TaskLocalFuture;
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_time {
    use super::rt::time::{
        Duration, Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at,
        sleep, sleep_until, timeout, timeout_at,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_time_error {
    use super::rt::time::error::Elapsed;
}

/// Names methods.
macro_rules! has {
    ($($type:ty: $($method:ident)*;)*) => { $($(let _ = <$type>::$method;)*)* };
}

#[allow(deprecated, dead_code, reason = "what is named is enough")]
fn names() {
    has! {
        rt::runtime::Builder: build build_local enable_all enable_io enable_time event_interval global_queue_interval max_blocking_threads max_io_events_per_busy_tick max_io_events_per_tick new_current_thread new_multi_thread thread_keep_alive thread_stack_size worker_threads;
        rt::runtime::Handle: current enter id metrics name runtime_flavor try_current;
        rt::runtime::LocalRuntime: enter handle metrics new shutdown_background shutdown_timeout;
        rt::runtime::Runtime: enter handle metrics new shutdown_background shutdown_timeout;
        rt::runtime::RuntimeMetrics: global_queue_depth num_alive_tasks num_workers worker_park_count worker_park_unpark_count worker_total_busy_duration;
        rt::runtime::TryCurrentError: is_missing_context is_thread_local_destroyed;
        rt::sync::Barrier: new wait;
        rt::sync::BarrierWaitResult: is_leader;
        rt::sync::Mutex<u8>: blocking_lock blocking_lock_owned const_new get_mut into_inner lock lock_owned new try_lock try_lock_owned;
        rt::sync::MutexGuard<'_, u8>: mutex;
        rt::sync::Notify: const_new new notified notified_owned notify_last notify_one notify_waiters;
        rt::sync::OnceCell<u8>: const_new const_new_with get get_mut initialized into_inner new new_with set take;
        rt::sync::OwnedMutexGuard<u8>: mutex;
        rt::sync::OwnedRwLockMappedWriteGuard<u8, u8>: rwlock;
        rt::sync::OwnedRwLockReadGuard<u8, u8>: rwlock;
        rt::sync::OwnedRwLockWriteGuard<u8>: downgrade into_mapped rwlock;
        rt::sync::OwnedSemaphorePermit: forget merge num_permits semaphore split;
        rt::sync::RwLock<u8>: blocking_read blocking_write const_new const_with_max_readers get_mut into_inner new read read_owned try_read try_read_owned try_write try_write_owned with_max_readers write write_owned;
        rt::sync::RwLockWriteGuard<'_, u8>: downgrade into_mapped;
        rt::sync::Semaphore: acquire acquire_many acquire_many_owned acquire_owned add_permits available_permits blocking_acquire blocking_acquire_many blocking_acquire_many_owned blocking_acquire_owned close const_new forget_permits is_closed new try_acquire try_acquire_many try_acquire_many_owned try_acquire_owned;
        rt::sync::SemaphorePermit<'_>: forget merge num_permits semaphore split;
        rt::sync::SetError<u8>: is_already_init_err is_initializing_err;
        rt::sync::SetOnce<u8>: const_new const_new_with get initialized into_inner new new_with set wait;
        rt::sync::broadcast::Receiver<u8>: blocking_recv is_closed is_empty len recv resubscribe same_channel sender_strong_count sender_weak_count try_recv;
        rt::sync::broadcast::Sender<u8>: closed downgrade is_empty len new receiver_count same_channel send strong_count subscribe weak_count;
        rt::sync::broadcast::WeakSender<u8>: strong_count upgrade weak_count;
        rt::sync::futures::Notified<'_>: enable;
        rt::sync::futures::OwnedNotified: enable;
        rt::sync::mpsc::OwnedPermit<u8>: release same_channel same_channel_as_sender send;
        rt::sync::mpsc::Permit<'_, u8>: send;
        rt::sync::mpsc::Receiver<u8>: blocking_recv blocking_recv_many capacity close is_closed is_empty len max_capacity poll_recv poll_recv_many recv recv_many sender_strong_count sender_weak_count try_recv;
        rt::sync::mpsc::Sender<u8>: blocking_send capacity closed downgrade is_closed max_capacity reserve reserve_many reserve_owned same_channel send send_timeout strong_count try_reserve try_reserve_many try_reserve_owned try_send weak_count;
        rt::sync::mpsc::UnboundedReceiver<u8>: blocking_recv blocking_recv_many close is_closed is_empty len poll_recv poll_recv_many recv recv_many sender_strong_count sender_weak_count try_recv;
        rt::sync::mpsc::UnboundedSender<u8>: closed downgrade is_closed same_channel send strong_count weak_count;
        rt::sync::mpsc::WeakSender<u8>: strong_count upgrade weak_count;
        rt::sync::mpsc::WeakUnboundedSender<u8>: strong_count upgrade weak_count;
        rt::sync::mpsc::error::SendTimeoutError<u8>: into_inner;
        rt::sync::mpsc::error::TrySendError<u8>: into_inner;
        rt::sync::oneshot::Receiver<u8>: blocking_recv close is_empty is_terminated try_recv;
        rt::sync::oneshot::Sender<u8>: closed is_closed poll_closed send;
        rt::sync::watch::Receiver<u8>: borrow borrow_and_update changed has_changed is_closed mark_changed mark_unchanged same_channel;
        rt::sync::watch::Ref<'_, u8>: has_changed;
        rt::sync::watch::Sender<u8>: borrow closed is_closed new receiver_count same_channel send send_replace sender_count subscribe;
        rt::task::AbortHandle: abort id is_finished;
        rt::task::JoinError: id into_panic is_cancelled is_panic try_into_panic;
        rt::task::JoinHandle<u8>: abort abort_handle id is_finished;
        rt::task::JoinSet<u8>: abort_all detach_all is_empty join_all join_next join_next_with_id len new poll_join_next poll_join_next_with_id shutdown try_join_next try_join_next_with_id;
        rt::task::LocalKey<u8>: get try_get;
        rt::task::LocalSet: enter id new;
        rt::task::coop::RestoreOnPending: made_progress;
        rt::task::futures::TaskLocalFuture<u8, u8>: take_value;
        rt::time::Instant: checked_add checked_duration_since checked_sub duration_since elapsed from_std into_std now saturating_duration_since;
        rt::time::Interval: missed_tick_behavior period poll_tick reset reset_after reset_at reset_immediately set_missed_tick_behavior tick;
        rt::time::Sleep: deadline is_elapsed reset;
        rt::time::Timeout<u8>: get_mut get_ref into_inner;
    }
}
