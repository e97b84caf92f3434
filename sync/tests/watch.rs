//! What `watch` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use heist_sync::coop;
use heist_sync::waits::{self, Wait};
use heist_sync::watch::{self, Receiver, Ref, Sender};
use support::{Drops, Wakes, calling_waker, task, within_limit};

#[test]
fn a_receiver_sees_the_last_value_and_that_it_has_changed() {
    let (sender, mut receiver) = watch::channel(0);
    assert!(!receiver.has_changed().unwrap());
    assert!(!receiver.borrow().has_changed());
    for i in 1..4 {
        sender.send(i).unwrap();
    }
    assert!(receiver.has_changed().unwrap());
    assert!(receiver.borrow().has_changed());
    assert_eq!(*receiver.borrow(), 3);
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.borrow_and_update().has_changed());
    assert!(!receiver.has_changed().unwrap());
    assert!(!sender.borrow().has_changed());
}

#[test]
fn changed_completes_once_a_change() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = task(receiver.changed());
    waiting.expect_pending();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_ok());
    drop(waiting);
    task(receiver.changed()).expect_pending();
    assert_eq!(*receiver.borrow(), 2);
    sender.send(3).unwrap();
    assert!(task(receiver.changed()).expect_ready().is_ok());
}

#[test]
fn a_change_wakes_all_who_wait_once() {
    let (sender, first) = watch::channel(0);
    let mut receivers: Vec<_> = (0..64).map(|_| first.clone()).collect();
    let mut tasks: Vec<_> = receivers
        .iter_mut()
        .map(|one| task(one.changed()))
        .collect();
    tasks.iter_mut().for_each(|task| task.expect_pending());
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    for task in &mut tasks {
        assert!(task.woken());
        assert!(task.expect_ready().is_ok());
    }
    drop(tasks);
    for receiver in &mut receivers {
        assert!(!receiver.borrow_and_update().has_changed());
    }
}

#[test]
fn clones_have_seen_what_their_origin_has_and_subscribers_all() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1).unwrap();
    let old = receiver.clone();
    receiver.mark_unchanged();
    let seen = receiver.clone();
    assert!(old.has_changed().unwrap());
    assert!(!seen.has_changed().unwrap());
    assert!(!sender.subscribe().has_changed().unwrap());
    assert_eq!(sender.receiver_count(), 3);
}

#[test]
fn a_receiver_may_count_the_value_as_new() {
    let (_sender, mut receiver) = watch::channel(0);
    receiver.mark_changed();
    assert!(receiver.has_changed().unwrap());
    assert!(receiver.borrow().has_changed());
    assert!(task(receiver.changed()).expect_ready().is_ok());
    task(receiver.changed()).expect_pending();
}

#[test]
fn the_end_comes_after_the_last_change() {
    let (sender, mut receiver) = watch::channel(0);
    let other = sender.clone();
    assert_eq!(sender.sender_count(), 2);
    let mut waiting = receiver.clone();
    let mut waiting = task(waiting.changed());
    waiting.expect_pending();
    drop(sender);
    assert!(!waiting.woken());
    other.send(1).unwrap();
    drop(other);
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_ok());
    assert!(receiver.is_closed());
    assert!(receiver.has_changed().is_err());
    assert!(receiver.borrow().has_changed());
    assert!(receiver.blocking_changed().is_ok());
    assert!(receiver.blocking_changed().is_err());
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn the_end_wakes_those_who_wait() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = task(receiver.changed());
    waiting.expect_pending();
    drop(sender);
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_err());
}

#[test]
fn wait_for_looks_at_the_current_value_first_seen_or_not() {
    let (sender, mut receiver) = watch::channel(5);
    {
        let mut waiting = task(receiver.wait_for(|&value| value == 5));
        let found = waiting.expect_ready().unwrap();
        assert!(*found == 5 && !found.has_changed());
    }
    let mut looked = Vec::new();
    let mut waiting = task(receiver.wait_for(|&value| {
        looked.push(value);
        value > 7
    }));
    waiting.expect_pending();
    sender.send(6).unwrap();
    waiting.expect_pending();
    waiting.expect_pending();
    sender.send(7).unwrap();
    sender.send(8).unwrap();
    assert!(waiting.woken());
    assert_eq!(*waiting.expect_ready().unwrap(), 8);
    drop(waiting);
    assert_eq!(looked, [5, 6, 8]);
    assert!(!receiver.has_changed().unwrap());
}

#[test]
fn wait_for_looks_at_the_last_value_and_ends() {
    for last in [1, 2] {
        let (sender, mut receiver) = watch::channel(0);
        let mut waiting = task(receiver.wait_for(|&value| value == 2));
        waiting.expect_pending();
        sender.send(last).unwrap();
        drop(sender);
        match waiting.expect_ready() {
            Ok(found) => assert!(last == 2 && *found == 2),
            Err(_) => assert_eq!(last, 1),
        }
    }
    let (sender, mut receiver) = watch::channel(0);
    drop(sender);
    assert!(receiver.blocking_wait_for(|&value| value == 0).is_ok());
    assert!(receiver.blocking_wait_for(|&value| value == 1).is_err());
}

#[test]
fn sending_needs_a_receiver_but_replacing_does_not() {
    let sender = Sender::new(0);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1).unwrap_err().0, 1);
    assert_eq!(*sender.borrow(), 0);
    assert_eq!(sender.send_replace(2), 0);
    sender.send_modify(|value| *value += 1);
    assert!(sender.send_if_modified(|value| {
        *value += 1;
        true
    }));
    let receiver = sender.subscribe();
    assert!(!receiver.has_changed().unwrap());
    assert!(sender.send(5).is_ok());
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn what_was_not_modified_wakes_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = task(receiver.changed());
    waiting.expect_pending();
    assert!(!sender.send_if_modified(|value| {
        *value = 1;
        false
    }));
    assert!(!waiting.woken());
    waiting.expect_pending();
    assert_eq!(*sender.borrow(), 1);
}

#[test]
fn closed_completes_once_there_is_no_receiver() {
    let (sender, receiver) = watch::channel(0);
    let mut closed = task(sender.closed());
    waits::forget();
    closed.expect_pending();
    assert_eq!(waits::left(), Wait::ReceiversGone);
    let other = receiver.clone();
    drop(receiver);
    assert!(!closed.woken());
    drop(other);
    assert!(closed.woken());
    // One that comes before this looks keeps it waiting.
    let again = sender.subscribe();
    closed.expect_pending();
    drop(again);
    assert!(closed.woken());
    closed.expect_ready();
    sender.blocking_closed();
}

#[test]
fn a_closure_that_panics_harms_nothing() {
    let (sender, mut receiver) = watch::channel(0);
    let mut other = receiver.clone();
    let mut waiting = task(other.changed());
    waiting.expect_pending();
    for modify in [
        |sender: &Sender<i32>| sender.send_modify(|_| panic!("in a closure")),
        |sender: &Sender<i32>| {
            sender.send_if_modified(|_| panic!("in a closure"));
        },
    ] {
        assert!(catch_unwind(|| modify(&sender)).is_err());
    }
    assert!(!waiting.woken());
    let mut looking = Box::pin(receiver.wait_for(|_| panic!("in a closure")));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        looking.as_mut().poll(&mut cx).is_ready()
    }));
    assert!(polled.is_err());
    drop(looking);
    sender.send(1).unwrap();
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_ok());
    assert_eq!(*receiver.borrow_and_update(), 1);
    assert_eq!(sender.send_replace(2), 1);
}

#[test]
fn a_value_whose_drop_panics_keeps_nobody_asleep() {
    struct Explosive(bool);
    impl Drop for Explosive {
        fn drop(&mut self) {
            if self.0 {
                panic!("in a drop");
            }
        }
    }
    let (sender, mut receiver) = watch::channel(Explosive(true));
    let mut waiting = task(receiver.changed());
    waiting.expect_pending();
    let sent = catch_unwind(AssertUnwindSafe(|| sender.send(Explosive(false)).is_ok()));
    assert!(sent.is_err());
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_ok());
    drop(waiting);
    assert!(!receiver.borrow().0);
}

#[test]
fn the_value_replaced_is_dropped_outside_the_lock() {
    within_limit(|| {
        type Hold = Arc<Mutex<Option<Sender<Option<Calling>>>>>;
        struct Calling(Hold, Arc<AtomicUsize>);
        impl Drop for Calling {
            fn drop(&mut self) {
                self.1.fetch_add(1, Ordering::Relaxed);
                let taken = self.0.lock().unwrap().take();
                if let Some(sender) = taken {
                    drop(sender.borrow());
                    sender.send_replace(None);
                    *self.0.lock().unwrap() = Some(sender);
                }
            }
        }
        let hold = Hold::default();
        let drops = Arc::new(AtomicUsize::new(0));
        let value = || Some(Calling(hold.clone(), drops.clone()));
        let (sender, _receiver) = watch::channel(value());
        *hold.lock().unwrap() = Some(sender.clone());
        sender.send(value()).ok().unwrap();
        sender.send_replace(value());
        *hold.lock().unwrap() = None;
        assert_eq!(
            drops.load(Ordering::Relaxed),
            3 - usize::from(sender.borrow().is_some())
        );
    });
}

#[test]
fn values_are_dropped_once_replaced_or_with_the_channel() {
    let drops = Drops::default();
    let (sender, receiver) = watch::channel(drops.value(0));
    sender.send(drops.value(1)).unwrap();
    assert_eq!(drops.seen(), [0]);
    drop(sender);
    assert_eq!(receiver.borrow().1, 1);
    drop(receiver);
    assert_eq!(drops.seen(), [0, 1]);
}

#[test]
fn a_wait_that_is_dropped_at_any_poll_loses_nothing() {
    for polls in 0..4 {
        let (sender, mut receiver) = watch::channel(0);
        let mut cancelled = task(receiver.changed());
        for _ in 0..polls {
            cancelled.expect_pending();
        }
        sender.send(1).unwrap();
        assert_eq!(cancelled.woken(), polls > 0);
        drop(cancelled);
        assert!(receiver.has_changed().unwrap());
        assert!(task(receiver.changed()).expect_ready().is_ok());
        let mut cancelled = task(receiver.wait_for(|&value| value == 3));
        for _ in 0..polls {
            cancelled.expect_pending();
        }
        sender.send(3).unwrap();
        drop(cancelled);
        assert!(
            task(receiver.wait_for(|&value| value == 3))
                .expect_ready()
                .is_ok()
        );
    }
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (sender, mut receiver) = watch::channel(0);
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(receiver.changed());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    sender.send(1).unwrap();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn receivers_that_come_and_go_leave_no_waiter_behind() {
    let (sender, receiver) = watch::channel(0);
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let rounds = if cfg!(miri) { 100 } else { 100_000 };
    for _ in 0..rounds {
        let mut receiver = receiver.clone();
        assert!(task(receiver.changed()).poll_with(&waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&wakes), 2);
    assert_eq!(sender.receiver_count(), 1);
    sender.send(1).unwrap();
    assert_eq!(wakes.take(), 0);
}

#[test]
fn changes_that_are_always_there_still_end_a_poll() {
    for wait_for in [false, true] {
        let (sender, mut receiver) = watch::channel(0);
        let mut seen = 0;
        let mut greedy = task(async {
            loop {
                sender.send_modify(|value| *value += 1);
                if wait_for {
                    receiver.wait_for(|_| true).await.unwrap();
                } else {
                    receiver.changed().await.unwrap();
                }
                seen += 1;
            }
        });
        coop::budget(|| greedy.expect_pending());
        assert!(greedy.woken());
        drop(greedy);
        assert_eq!(seen, 128);
    }
}

#[test]
fn one_that_waits_says_for_what() {
    let (_sender, mut receiver) = watch::channel(0);
    for wait_for in [false, true] {
        waits::forget();
        if wait_for {
            task(receiver.wait_for(|_| false)).expect_pending();
        } else {
            task(receiver.changed()).expect_pending();
        }
        assert_eq!(waits::left(), Wait::WatchChanged);
    }
}

#[test]
fn wakers_that_come_back_find_it_unlocked() {
    within_limit(|| {
        let (sender, receiver) = watch::channel(0);
        let ends = Mutex::new(Some((sender.clone(), receiver.clone())));
        let waker = calling_waker(move || {
            // Not from within itself.
            let taken = ends.lock().unwrap().take();
            if let Some((sender, mut receiver)) = taken {
                sender.send_modify(|value| *value += 1);
                receiver.borrow_and_update();
                let _ = task(receiver.changed()).poll();
                drop(receiver.clone());
                *ends.lock().unwrap() = Some((sender, receiver));
            }
        });
        let mut own = receiver;
        for _ in 0..5 {
            let mut waiting = task(own.changed());
            if waiting.poll_with(&waker).is_pending() {
                let _ = waiting.poll_with(&waker.clone());
            }
            sender.send_replace(1);
            drop(waiting);
            let _ = task(own.changed()).poll_with(&waker);
        }
        let mut closed = task(sender.closed());
        let _ = closed.poll_with(&waker);
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
    let (sender, mut first) = watch::channel(0);
    let mut second = first.clone();
    let mut one = task(first.changed());
    assert!(one.poll_with(&Arc::new(Panics).into()).is_pending());
    let mut two = task(second.changed());
    two.expect_pending();
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(1))).is_err());
    assert!(two.woken());
    assert!(two.expect_ready().is_ok() && one.expect_ready().is_ok());
}

#[test]
fn receivers_on_threads_all_come_to_the_last_value() {
    within_limit(|| {
        let changes = if cfg!(miri) { 30 } else { 20_000 };
        let (sender, receiver) = watch::channel((0, 0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = receiver.clone();
                std::thread::spawn(move || {
                    let mut last = 0;
                    while receiver.blocking_changed().is_ok() {
                        let seen = *receiver.borrow_and_update();
                        assert_eq!(seen.0, seen.1);
                        assert!(seen.0 >= last);
                        last = seen.0;
                    }
                    last
                })
            })
            .collect();
        let finder = {
            let mut receiver = receiver.clone();
            std::thread::spawn(move || *receiver.blocking_wait_for(|v| v.0 == changes).unwrap())
        };
        let other = sender.clone();
        let half = std::thread::spawn(move || {
            for _ in 0..changes / 2 {
                other.send_modify(|value| *value = (value.0 + 1, value.1 + 1));
            }
        });
        for _ in 0..changes / 2 {
            sender.send_modify(|value| *value = (value.0 + 1, value.1 + 1));
        }
        half.join().unwrap();
        drop(sender);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), changes);
        }
        assert_eq!(finder.join().unwrap(), (changes, changes));
    });
}

#[test]
fn errors_and_ends_read_as_they_should() {
    let (sender, receiver) = watch::channel(7);
    let shared = "Shared { value: RwLock { data: 7 }, version: Version(0), is_closed: false, ref_count_rx: 1 }";
    assert_eq!(
        format!("{sender:?}"),
        format!("Sender {{ shared: {shared} }}")
    );
    assert_eq!(
        format!("{receiver:?}"),
        format!("Receiver {{ shared: {shared}, version: Version(0) }}")
    );
    assert_eq!(
        format!("{:?}", receiver.borrow()),
        "Ref { inner: 7, has_changed: false }"
    );
    assert!(receiver.same_channel(&sender.subscribe()));
    assert!(sender.same_channel(&sender.clone()));
    assert!(!sender.same_channel(&Sender::default()));
    drop(receiver);
    let refused = sender.send(8).unwrap_err();
    assert_eq!(
        format!("{refused:?} {refused}"),
        "SendError { .. } channel closed"
    );
    let mut receiver = sender.subscribe();
    drop(sender);
    let ended = receiver.blocking_changed().unwrap_err();
    assert_eq!(format!("{ended:?} {ended}"), "RecvError(()) channel closed");
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    check::<Sender<u8>>();
    check::<Receiver<u8>>();
    fn shared<T: Sync + Unpin>() {}
    shared::<Ref<'static, u8>>();
    fn sends<T: Send>(_: T) {}
    let (sender, mut receiver) = watch::channel(1);
    sends(sender.closed());
    sends(receiver.changed());
    sends(receiver.wait_for(|_| true));
}
