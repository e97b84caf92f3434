//! What `broadcast` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use heist_sync::broadcast::error::{RecvError, SendError, TryRecvError};
use heist_sync::broadcast::{self, Receiver, Sender, WeakSender};
use heist_sync::coop;
use heist_sync::waits::{self, Wait};
use support::{Drops, Tracked, Wakes, calling_waker, task, within_limit};

#[test]
fn every_receiver_gets_every_value_in_order() {
    let (sender, first) = broadcast::channel(16);
    let mut receivers = vec![first, sender.subscribe(), sender.subscribe()];
    for i in 0..10 {
        assert_eq!(sender.send(i).unwrap(), 3);
    }
    for receiver in &mut receivers {
        assert_eq!(receiver.len(), 10);
        for i in 0..10 {
            assert_eq!(receiver.try_recv(), Ok(i));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert!(receiver.is_empty());
    }
}

#[test]
fn a_send_wakes_all_who_wait_once_and_in_the_order_of_coming() {
    let (sender, first) = broadcast::channel(4);
    let mut receivers: Vec<_> = (0..8).map(|_| sender.subscribe()).collect();
    drop(first);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks: Vec<_> = receivers
        .iter_mut()
        .map(|receiver| task(receiver.recv()))
        .collect();
    for (i, task) in tasks.iter_mut().enumerate() {
        let order = order.clone();
        struct Note(Arc<Mutex<Vec<usize>>>, usize);
        impl std::task::Wake for Note {
            fn wake(self: Arc<Self>) {
                self.0.lock().unwrap().push(self.1);
            }
        }
        assert!(
            task.poll_with(&std::task::Waker::from(Arc::new(Note(order, i))))
                .is_pending()
        );
    }
    assert_eq!(sender.send(1).unwrap(), 8);
    sender.send(2).unwrap();
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    for task in &mut tasks {
        assert_eq!(task.expect_ready(), Ok(1));
    }
}

#[test]
fn the_capacity_is_rounded_up_to_a_power_of_two() {
    let (sender, mut receiver) = broadcast::channel(3);
    for i in 0..4 {
        sender.send(i).unwrap();
    }
    assert_eq!(receiver.try_recv(), Ok(0));
}

#[test]
fn capacities_that_make_no_sense_are_refused() {
    for capacity in [0, usize::MAX / 2 + 1, usize::MAX] {
        assert!(catch_unwind(|| broadcast::channel::<u8>(capacity)).is_err());
        assert!(catch_unwind(|| Sender::<u8>::new(capacity)).is_err());
    }
}

#[test]
fn one_who_lags_is_told_by_how_much_and_goes_on_with_the_oldest() {
    let (sender, mut receiver) = broadcast::channel(4);
    for i in 0..11 {
        sender.send(i).unwrap();
    }
    assert_eq!(receiver.len(), 11);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(7)));
    assert_eq!(receiver.len(), 4);
    assert_eq!(receiver.try_recv(), Ok(7));
    for i in 11..14 {
        sender.send(i).unwrap();
    }
    assert_eq!(
        task(receiver.recv()).expect_ready(),
        Err(RecvError::Lagged(2))
    );
    drop(sender);
    for i in 10..14 {
        assert_eq!(receiver.blocking_recv(), Ok(i));
    }
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn one_who_lags_on_a_closed_channel_is_told_first_and_gets_the_rest() {
    let (sender, mut receiver) = broadcast::channel(1);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    assert!(receiver.is_closed());
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Lagged(1)));
    assert_eq!(receiver.blocking_recv(), Ok(2));
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
}

#[test]
fn the_end_of_the_last_sender_wakes_those_who_wait() {
    let (sender, mut first) = broadcast::channel::<u8>(4);
    let mut second = first.resubscribe();
    let other = sender.clone();
    let (mut one, mut two) = (task(first.recv()), task(second.recv()));
    one.expect_pending();
    two.expect_pending();
    drop(sender);
    assert!(!one.woken() && !two.woken());
    drop(other);
    assert!(one.woken() && two.woken());
    assert_eq!(one.expect_ready(), Err(RecvError::Closed));
    assert_eq!(two.expect_ready(), Err(RecvError::Closed));
}

#[test]
fn without_a_receiver_sending_fails_until_there_is_one_again() {
    let (sender, receiver) = broadcast::channel(4);
    drop(receiver);
    let SendError(value) = sender.send(1).unwrap_err();
    assert_eq!(value, 1);
    let mut receiver = sender.subscribe();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(sender.send(2).unwrap(), 1);
    let mut waiting = task(receiver.recv());
    assert_eq!(waiting.expect_ready(), Ok(2));
}

#[test]
fn one_that_subscribes_after_the_end_by_another_receiver_sees_the_end() {
    let (sender, mut receiver) = broadcast::channel(4);
    sender.send(1).unwrap();
    drop(sender);
    let mut late = receiver.resubscribe();
    assert_eq!(late.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn closed_completes_once_there_is_no_receiver() {
    let sender = Sender::<u8>::new(4);
    task(sender.closed()).expect_ready();
    let receivers = [sender.subscribe(), sender.subscribe()];
    let mut closed = task(sender.closed());
    waits::forget();
    closed.expect_pending();
    assert_eq!(waits::left(), Wait::ReceiversGone);
    let [first, second] = receivers;
    drop(first);
    assert!(!closed.woken());
    drop(second);
    assert!(closed.woken());
    closed.expect_ready();
}

#[test]
fn closed_waits_on_where_a_receiver_came_in_between() {
    let (sender, receiver) = broadcast::channel::<u8>(4);
    let mut closed = task(sender.closed());
    closed.expect_pending();
    drop(receiver);
    let again = sender.subscribe();
    assert!(closed.woken());
    closed.expect_pending();
    drop(again);
    assert!(closed.woken());
    closed.expect_ready();
    sender.blocking_closed();
}

#[test]
fn weak_senders_keep_nothing_open() {
    let (sender, mut receiver) = broadcast::channel(4);
    let weak = sender.downgrade();
    let other = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 2));
    let upgraded = weak.upgrade().unwrap();
    assert_eq!((weak.strong_count(), other.weak_count()), (2, 2));
    assert_eq!(receiver.sender_strong_count(), 2);
    assert_eq!(receiver.sender_weak_count(), 2);
    assert!(upgraded.same_channel(&sender));
    upgraded.send(1).unwrap();
    drop((sender, other));
    assert!(!receiver.is_closed());
    drop(upgraded);
    assert!(receiver.is_closed());
    assert!(weak.upgrade().is_none());
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn what_is_kept_is_counted() {
    let (sender, mut first) = broadcast::channel(4);
    let mut second = sender.subscribe();
    assert!(sender.is_empty());
    for i in 0..7 {
        sender.send(i).unwrap();
        assert_eq!(sender.len(), (i + 1).min(4));
    }
    assert!(first.try_recv().is_err() && first.try_recv() == Ok(3));
    assert_eq!(sender.len(), 4);
    drop(second.try_recv());
    assert_eq!(second.try_recv(), Ok(3));
    assert_eq!(sender.len(), 3);
    drop(first);
    assert_eq!(sender.len(), 3);
    assert_eq!(second.try_recv(), Ok(4));
    assert_eq!(sender.len(), 2);
    drop(second);
    assert!(sender.is_empty());
    assert_eq!(sender.receiver_count(), 0);
}

/// A value that counts its clones.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

#[test]
fn the_last_receiver_gets_the_value_without_a_clone() {
    let clones = Arc::new(AtomicUsize::new(0));
    let (sender, mut first) = broadcast::channel(4);
    sender.send(Counted(clones.clone())).unwrap();
    drop(first.try_recv().unwrap());
    assert_eq!(clones.load(Ordering::Relaxed), 0);
    let mut others = [sender.subscribe(), sender.subscribe()];
    sender.send(Counted(clones.clone())).unwrap();
    for receiver in &mut others {
        receiver.try_recv().unwrap();
    }
    first.try_recv().unwrap();
    assert_eq!(clones.load(Ordering::Relaxed), 2);
    assert_eq!(Arc::strong_count(&clones), 1);
}

#[test]
fn values_are_dropped_once_received_by_all_or_overwritten_or_unwanted() {
    #[derive(Clone, Debug)]
    struct Shared(Arc<Tracked>);
    let drops = Drops::default();
    let value = |i| Shared(Arc::new(drops.value(i)));
    let (sender, mut first) = broadcast::channel(2);
    let second = sender.subscribe();
    sender.send(value(0)).unwrap();
    drop(first.try_recv().ok().map(|value| value.0));
    assert_eq!(drops.seen(), []);
    drop(second);
    assert_eq!(drops.seen(), [0]);
    for i in 1..4 {
        sender.send(value(i)).unwrap();
    }
    assert_eq!(drops.seen(), [0, 1]);
    drop(first);
    assert_eq!(drops.seen(), [0, 1, 2, 3]);
    let receiver = sender.subscribe();
    sender.send(value(4)).unwrap();
    drop(sender);
    assert_eq!(drops.seen(), [0, 1, 2, 3]);
    drop(receiver);
    assert_eq!(drops.seen(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_recv_that_is_dropped_at_any_poll_loses_nothing() {
    for polls in 0..4 {
        let (sender, mut receiver) = broadcast::channel(4);
        let mut cancelled = task(receiver.recv());
        for _ in 0..polls {
            cancelled.expect_pending();
        }
        sender.send(1).unwrap();
        assert_eq!(cancelled.woken(), polls > 0);
        drop(cancelled);
        assert_eq!(task(receiver.recv()).expect_ready(), Ok(1));
        let mut waiting = task(receiver.recv());
        waiting.expect_pending();
        sender.send(2).unwrap();
        assert_eq!(waiting.expect_ready(), Ok(2));
    }
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (sender, mut receiver) = broadcast::channel(4);
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(receiver.recv());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    sender.send(1).unwrap();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn receivers_that_come_and_go_leave_no_waiter_behind() {
    let (sender, _receiver) = broadcast::channel(4);
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let rounds = if cfg!(miri) { 100 } else { 100_000 };
    for _ in 0..rounds {
        let mut receiver = sender.subscribe();
        assert!(task(receiver.recv()).poll_with(&waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&wakes), 2);
    assert_eq!(sender.receiver_count(), 1);
    sender.send(1).unwrap();
    assert_eq!(wakes.take(), 0);
}

#[test]
fn wakes_grow_with_the_receivers_and_not_with_their_square() {
    let receivers = if cfg!(miri) { 20 } else { 2_000 };
    let (sender, first) = broadcast::channel(4);
    let mut all: Vec<_> = (1..receivers).map(|_| sender.subscribe()).collect();
    all.push(first);
    let mut tasks: Vec<_> = all
        .iter_mut()
        .map(|receiver| task(receiver.recv()))
        .collect();
    tasks.iter_mut().for_each(|task| task.expect_pending());
    sender.send(1).unwrap();
    // One wake each, though none has run since the first value.
    sender.send(2).unwrap();
    for task in &mut tasks {
        assert!(task.woken());
        assert_eq!(task.expect_ready(), Ok(1));
        assert!(!task.woken());
    }
}

#[test]
fn values_that_are_always_there_still_end_a_poll() {
    let (sender, mut receiver) = broadcast::channel(4);
    let mut taken = 0;
    let mut greedy = task(async {
        loop {
            sender.send(1).unwrap();
            receiver.recv().await.unwrap();
            taken += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(taken, 128);
}

#[test]
fn one_that_waits_says_for_what() {
    let (_sender, mut receiver) = broadcast::channel::<u8>(4);
    waits::forget();
    task(receiver.recv()).expect_pending();
    assert_eq!(waits::left(), Wait::BroadcastRecv);
}

#[test]
fn wakers_that_come_back_find_it_unlocked() {
    within_limit(|| {
        let (sender, receiver) = broadcast::channel::<u32>(2);
        let ends = Mutex::new(Some((sender.clone(), receiver)));
        let waker = calling_waker(move || {
            // Not from within itself.
            let taken = ends.lock().unwrap().take();
            if let Some((sender, mut receiver)) = taken {
                sender.send(7).unwrap();
                let _ = receiver.try_recv();
                let _ = task(receiver.recv()).poll();
                let _ = (sender.len(), sender.subscribe().len());
                *ends.lock().unwrap() = Some((sender, receiver));
            }
        });
        let mut own = sender.subscribe();
        for _ in 0..5 {
            let mut waiting = task(own.recv());
            if waiting.poll_with(&waker).is_pending() {
                let _ = waiting.poll_with(&waker.clone());
            }
            sender.send(1).unwrap();
            drop(waiting);
            let _ = task(own.recv()).poll_with(&waker);
        }
    });
}

#[test]
fn a_waker_that_panics_keeps_the_others_from_nothing() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let (sender, mut first) = broadcast::channel(4);
    let mut second = sender.subscribe();
    let mut one = task(first.recv());
    assert!(one.poll_with(&Arc::new(Panics).into()).is_pending());
    let mut two = task(second.recv());
    two.expect_pending();
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(1))).is_err());
    assert!(two.woken());
    assert_eq!(two.expect_ready(), Ok(1));
    assert_eq!(one.expect_ready(), Ok(1));
}

/// A value whose clone and drop call back.
struct Calling(Arc<dyn Fn(&'static str) + Send + Sync>);

impl Clone for Calling {
    fn clone(&self) -> Self {
        (self.0)("clone");
        Self(self.0.clone())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        (self.0)("drop");
    }
}

#[test]
fn clones_and_drops_of_values_may_use_the_channel() {
    within_limit(|| {
        type Ends = (Sender<Calling>, Vec<Receiver<Calling>>);
        let ends: Arc<Mutex<Option<Ends>>> = Arc::default();
        let within = ends.clone();
        let called = Arc::new(AtomicUsize::new(0));
        let count = called.clone();
        let call = Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let taken = within.lock().unwrap().take();
            if let Some((sender, mut receivers)) = taken {
                // The slot that is being cloned is overwritten, and another receiver goes.
                let quiet = || Calling(Arc::new(|_| ()));
                for _ in 0..3 {
                    let _ = sender.send(quiet());
                }
                let _ = receivers.pop();
                let new = sender.subscribe();
                let _ = (sender.len(), new.len());
                *within.lock().unwrap() = Some((sender, receivers));
            }
        });
        let (sender, mut first) = broadcast::channel(2);
        let others = (0..4).map(|_| sender.subscribe()).collect();
        *ends.lock().unwrap() = Some((sender.clone(), others));
        for _ in 0..3 {
            let _ = sender.send(Calling(call.clone()));
            while !matches!(first.try_recv(), Err(TryRecvError::Empty)) {}
        }
        assert!(called.load(Ordering::Relaxed) > 3);
        drop(first);
        *ends.lock().unwrap() = None;
    });
}

#[test]
fn a_clone_that_receives_its_own_value_panics_rather_than_stand_still() {
    within_limit(|| {
        let other: Arc<Mutex<Option<Receiver<Calling>>>> = Arc::default();
        let within = other.clone();
        let call = move |what: &str| {
            let taken = within.lock().unwrap().take();
            if let (Some(mut receiver), "clone") = (taken, what) {
                let _ = receiver.try_recv();
            }
        };
        let (sender, mut first) = broadcast::channel(2);
        *other.lock().unwrap() = Some(sender.subscribe());
        let mut third = sender.subscribe();
        sender.send(Calling(Arc::new(call))).ok().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| first.try_recv().is_ok())).is_err());
        // The value is still there for the rest.
        assert!(third.try_recv().is_ok());
        assert!(sender.is_empty());
    });
}

#[test]
fn a_clone_that_panics_passes_one_value_and_harms_nothing_else() {
    struct Touchy(Arc<AtomicBool>, u32);
    impl Clone for Touchy {
        fn clone(&self) -> Self {
            assert!(!self.0.load(Ordering::Relaxed), "in a clone");
            Self(self.0.clone(), self.1)
        }
    }
    let panics = Arc::new(AtomicBool::new(true));
    let (sender, mut first) = broadcast::channel(4);
    let mut second = sender.subscribe();
    let mut third = sender.subscribe();
    for i in 0..2 {
        sender.send(Touchy(panics.clone(), i)).ok().unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| first.try_recv().is_ok())).is_err());
    panics.store(false, Ordering::Relaxed);
    let recv = |receiver: &mut Receiver<Touchy>| receiver.try_recv().ok().map(|value| value.1);
    assert_eq!(recv(&mut first), Some(1));
    for receiver in [&mut second, &mut third] {
        assert_eq!(recv(receiver), Some(0));
        assert_eq!(recv(receiver), Some(1));
    }
    assert!(sender.is_empty());
}

/// A value whose drop panics while a flag is set.
#[derive(Clone)]
struct Explosive(Arc<AtomicBool>, Arc<AtomicUsize>);

impl Drop for Explosive {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0.load(Ordering::Relaxed) && !std::thread::panicking() {
            panic!("in a drop");
        }
    }
}

#[test]
fn a_value_whose_drop_panics_keeps_nobody_asleep_and_nothing_undone() {
    let (armed, dropped) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let value = || Explosive(armed.clone(), dropped.clone());
    let (sender, slow) = broadcast::channel(1);
    let mut quick = sender.subscribe();
    sender.send(value()).ok().unwrap();
    drop(quick.try_recv());
    let mut waiting = task(quick.recv());
    waiting.expect_pending();
    // What is overwritten panics: the value is sent all the same, and the waiter woken.
    armed.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(value()).is_ok())).is_err());
    assert!(waiting.woken());
    armed.store(false, Ordering::Relaxed);
    assert!(waiting.expect_ready().is_ok());
    drop(waiting);
    drop(quick);
    // What the last receiver leaves panics: the senders hear of its end.
    let mut closed = task(sender.closed());
    closed.expect_pending();
    armed.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(slow))).is_err());
    assert!(closed.woken());
    closed.expect_ready();
    assert!(sender.is_empty());
}

#[test]
fn a_receiver_drops_all_it_leaves_though_each_drop_panics() {
    let (armed, dropped) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (sender, receiver) = broadcast::channel(4);
    for _ in 0..4 {
        let value = Explosive(armed.clone(), dropped.clone());
        sender.send(value).ok().unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
    assert!(sender.is_empty());
}

/// Two threads that clone one of these at a time lose counts, or worse, as `Cell` is not `Sync`.
#[derive(Default)]
struct Unshared(Cell<usize>, Cell<bool>);

impl Clone for Unshared {
    fn clone(&self) -> Self {
        assert!(!self.1.replace(true), "two clones at once");
        self.0.set(self.0.get() + 1);
        std::thread::yield_now();
        assert!(self.1.replace(false));
        Self(Cell::new(self.0.get()), Cell::new(false))
    }
}

#[test]
fn values_that_cannot_be_shared_are_cloned_one_after_the_other() {
    within_limit(|| {
        let (rounds, receivers) = if cfg!(miri) { (5, 3) } else { (2_000, 4) };
        let (sender, first) = broadcast::channel(8);
        drop(first);
        let threads: Vec<_> = (0..receivers)
            .map(|_| {
                let mut receiver = sender.subscribe();
                std::thread::spawn(move || {
                    let (mut got, mut missed) = (0, 0);
                    loop {
                        match receiver.blocking_recv() {
                            Ok(_) => got += 1,
                            Err(RecvError::Lagged(n)) => missed += n as usize,
                            Err(RecvError::Closed) => return got + missed,
                        }
                    }
                })
            })
            .collect();
        for _ in 0..rounds {
            sender.send(Unshared::default()).ok().unwrap();
        }
        drop(sender);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), rounds);
        }
    });
}

#[test]
fn senders_and_receivers_on_many_threads_lose_nothing() {
    within_limit(|| {
        let count = if cfg!(miri) { 20 } else { 5_000 };
        let (sender, first) = broadcast::channel(16);
        let receivers: Vec<_> = [first, sender.subscribe(), sender.subscribe()]
            .into_iter()
            .map(|mut receiver| {
                std::thread::spawn(move || {
                    let (mut all, mut last) = (0, [None; 2]);
                    loop {
                        match receiver.blocking_recv() {
                            Ok((who, i)) => {
                                assert!(last[who] < Some(i));
                                last[who] = Some(i);
                                all += 1;
                            }
                            Err(RecvError::Lagged(missed)) => all += missed,
                            Err(RecvError::Closed) => return all,
                        }
                    }
                })
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|who| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for i in 0..count {
                        sender.send((who, i)).unwrap();
                    }
                })
            })
            .collect();
        drop(sender);
        for thread in senders {
            thread.join().unwrap();
        }
        for thread in receivers {
            assert_eq!(thread.join().unwrap(), 2 * count);
        }
    });
}

#[test]
fn errors_and_ends_read_as_they_should() {
    let (sender, receiver) = broadcast::channel::<u8>(1);
    assert_eq!(format!("{sender:?}"), "broadcast::Sender");
    assert_eq!(format!("{receiver:?}"), "broadcast::Receiver");
    assert_eq!(format!("{:?}", sender.downgrade()), "broadcast::WeakSender");
    assert!(receiver.same_channel(&sender.subscribe()));
    assert_eq!(RecvError::Lagged(3).to_string(), "channel lagged by 3");
    assert_eq!(RecvError::Closed.to_string(), "channel closed");
    assert_eq!(TryRecvError::Empty.to_string(), "channel empty");
    assert_eq!(TryRecvError::Lagged(3).to_string(), "channel lagged by 3");
    assert_eq!(SendError(1).to_string(), "channel closed");
}

#[test]
fn the_types_may_be_sent_and_shared_where_the_value_may_be_sent() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    check::<Sender<Cell<u8>>>();
    check::<WeakSender<Cell<u8>>>();
    check::<Receiver<Cell<u8>>>();
    fn sends<T: Send + Sync>(_: T) {}
    let (sender, mut receiver) = broadcast::channel::<Unshared>(1);
    sends(sender.closed());
    fn sends_only<T: Send>(_: T) {}
    sends_only(receiver.recv());
}
