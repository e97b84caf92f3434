//! What `mpmc` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::{SinkExt as _, StreamExt as _};
use heist_sync::coop;
use heist_sync::mpmc::error::{SendError, TryRecvError, TrySendError};
use heist_sync::mpmc::{self, bounded, unbounded};
use heist_sync::sys::rand::Rand;
use support::{Drops, Wakes, block_on, calling_waker, task, within_limit};

/// The kinds of channels by capacity.
const KINDS: [Option<usize>; 5] = [Some(0), Some(1), Some(2), Some(40), None];

fn channel<T>(capacity: Option<usize>) -> (mpmc::Sender<T>, mpmc::Receiver<T>) {
    capacity.map_or_else(unbounded, bounded)
}

#[test]
fn messages_arrive_in_order_across_many_blocks() {
    for capacity in [Some(7), None] {
        let (sender, receiver) = channel(capacity);
        let (mut sent, mut received) = (0, 0);
        while received < if cfg!(miri) { 150 } else { 1_000 } {
            while sent - received < 7 {
                assert_eq!(receiver.len(), sent - received);
                sender.try_send(sent).unwrap();
                sent += 1;
            }
            assert_eq!(sender.is_full(), capacity.is_some());
            for _ in 0..1 + received % 7 {
                assert_eq!(receiver.clone().try_recv(), Ok(received));
                received += 1;
            }
        }
    }
}

#[test]
fn receivers_are_served_in_turn_and_nobody_overtakes() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let (mut first, mut second) = (task(receiver.recv()), task(receiver.recv()));
        first.expect_pending();
        second.expect_pending();
        sender.try_send(1).unwrap();
        assert!(first.woken() && !second.woken());
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let mut third = task(receiver.recv());
        third.expect_pending();
        assert_eq!(first.expect_ready(), Some(1));
        sender.try_send(2).unwrap();
        assert!(second.woken() && !third.woken());
        assert_eq!(second.expect_ready(), Some(2));
    }
}

#[test]
fn senders_wait_in_turn_and_nobody_overtakes() {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        if capacity == 1 {
            sender.try_send(0).unwrap();
        }
        let (mut first, mut second) = (task(sender.send(1)), task(sender.send(2)));
        first.expect_pending();
        second.expect_pending();
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        if capacity == 1 {
            assert_eq!(receiver.try_recv(), Ok(0));
            assert!(first.woken() && !second.woken());
            first.expect_ready().unwrap();
        }
        assert_eq!(receiver.try_recv(), Ok(1));
        if capacity == 0 {
            assert!(first.woken() && !second.woken());
            first.expect_ready().unwrap();
            assert_eq!(receiver.try_recv(), Ok(2));
        }
        assert!(second.woken());
        second.expect_ready().unwrap();
    }
}

#[test]
fn a_cancelled_recv_hands_its_message_on() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let mut waits = [(); 3].map(|()| Some(task(receiver.recv())));
        for wait in waits.iter_mut().flatten() {
            wait.expect_pending();
        }
        sender.try_send(1).unwrap();
        // Cancelled after the message was meant for it, one after the other.
        for wait in &mut waits {
            let wait = wait.take().unwrap();
            assert!(wait.woken());
            drop(wait);
        }
        assert_eq!(receiver.len(), 1);
        assert_eq!(
            task(receiver.recv()).expect_ready(),
            Some(1),
            "{capacity:?}"
        );
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn a_cancelled_recv_that_had_nothing_yet_leaves_no_trace() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let (mut first, mut second) = (task(receiver.recv()), task(receiver.recv()));
        first.expect_pending();
        second.expect_pending();
        drop(first);
        sender.try_send(1).unwrap();
        assert!(second.woken());
        assert_eq!(second.expect_ready(), Some(1));
        task(receiver.recv()).expect_pending();
        drop(task(receiver.recv()));
        assert!(capacity != Some(0) || sender.try_send(2) == Err(TrySendError::Full(2)));
    }
}

#[test]
fn a_cancelled_send_sends_nothing_and_makes_way() {
    for capacity in [0, 1] {
        let drops = Drops::default();
        let (sender, receiver) = bounded(capacity);
        if capacity == 1 {
            assert!(sender.try_send(drops.value(0)).is_ok());
        }
        let (mut first, mut second) = (
            task(sender.send(drops.value(1))),
            task(sender.send(drops.value(2))),
        );
        first.expect_pending();
        second.expect_pending();
        drop(first);
        assert_eq!(drops.seen(), [1]);
        assert_eq!(
            receiver.try_recv().unwrap().1,
            2 * usize::from(capacity == 0)
        );
        assert!(second.woken());
        assert!(second.expect_ready().is_ok());
    }
}

#[test]
fn what_is_not_sent_comes_back() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let mut filled = 0;
        while capacity.is_some() && sender.try_send(9).is_ok() {
            filled += 1;
        }
        let mut waiting = capacity.map(|_| task(sender.send(1)));
        if let Some(waiting) = &mut waiting {
            waiting.expect_pending();
        }
        assert!(receiver.close() && !sender.close());
        if let Some(mut waiting) = waiting {
            assert!(waiting.woken());
            assert_eq!(waiting.expect_ready(), Err(SendError(1)));
        }
        assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
        assert_eq!(task(sender.send(3)).expect_ready(), Err(SendError(3)));
        for _ in 0..filled {
            assert_eq!(task(receiver.recv()).expect_ready(), Some(9));
        }
        assert_eq!(task(receiver.recv()).expect_ready(), None);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn the_end_waits_for_messages_that_are_meant_for_others() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let (mut first, mut second) = (task(receiver.recv()), task(receiver.recv()));
        first.expect_pending();
        second.expect_pending();
        sender.try_send(1).unwrap();
        drop(sender);
        let mut third = task(receiver.recv());
        third.expect_pending();
        assert!(first.woken() && !second.woken());
        // Given up, so it is the second's; received by that, so it is the end for the third.
        drop(first);
        assert!(second.woken() && !third.woken());
        assert_eq!(second.expect_ready(), Some(1));
        assert!(third.woken());
        assert_eq!(third.expect_ready(), None);
    }
}

#[test]
fn the_last_end_of_either_side_closes_and_tells_the_other() {
    for capacity in KINDS {
        let (sender, receiver) = channel::<u32>(capacity);
        let (weak_sender, weak_receiver) = (sender.downgrade(), receiver.downgrade());
        let other = weak_sender.upgrade().unwrap();
        assert_eq!((other.sender_count(), other.weak_sender_count()), (2, 1));
        let (mut one, mut two) = (task(receiver.recv()), task(receiver.recv()));
        one.expect_pending();
        two.expect_pending();
        drop(sender);
        assert!(!one.woken() && !receiver.is_closed());
        drop(other);
        assert!(one.woken() && two.woken());
        assert_eq!((one.expect_ready(), two.expect_ready()), (None, None));
        assert!(weak_sender.upgrade().is_none() && receiver.is_closed());

        let (sender, receiver) = channel::<u32>(capacity);
        let mut closed = task(sender.closed());
        closed.expect_pending();
        drop(weak_receiver);
        let weak = receiver.downgrade();
        let other = weak.clone().upgrade().unwrap();
        assert_eq!(
            (sender.receiver_count(), sender.weak_receiver_count()),
            (2, 1)
        );
        drop(receiver);
        assert!(!closed.woken());
        drop(other);
        assert!(closed.woken() && weak.upgrade().is_none() && sender.is_closed());
        closed.expect_ready();
        assert!(sender.try_send(1).is_err());
    }
}

#[test]
fn recv_many_appends_up_to_the_limit() {
    for capacity in [Some(8), None] {
        let (sender, receiver) = channel(capacity);
        let mut buffer = vec![100];
        assert_eq!(task(receiver.recv_many(&mut buffer, 0)).expect_ready(), 0);
        task(receiver.recv_many(&mut buffer, 5)).expect_pending();
        for i in 0..8 {
            sender.try_send(i).unwrap();
        }
        assert_eq!(task(receiver.recv_many(&mut buffer, 5)).expect_ready(), 5);
        drop(sender);
        assert_eq!(task(receiver.recv_many(&mut buffer, 50)).expect_ready(), 3);
        assert_eq!(buffer, [100, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(task(receiver.recv_many(&mut buffer, 5)).expect_ready(), 0);
    }
    let (sender, receiver) = bounded(0);
    let mut senders: Vec<_> = (0..3).map(|i| task(sender.send(i))).collect();
    senders
        .iter_mut()
        .for_each(|sending| sending.expect_pending());
    let mut buffer = Vec::new();
    assert_eq!(task(receiver.recv_many(&mut buffer, 9)).expect_ready(), 3);
    assert!(senders.iter().all(|sending| sending.woken()));
    assert_eq!(buffer, [0, 1, 2]);
}

#[test]
fn each_message_is_dropped_once_wherever_it_was() {
    for count in [0, 1, 31, 32, 33, 64, 65] {
        for received in [0, count / 2, count] {
            let drops = Drops::default();
            let (sender, receiver) = unbounded();
            for i in 0..count {
                assert!(sender.try_send(drops.value(i)).is_ok());
            }
            for _ in 0..received {
                drop(receiver.try_recv().unwrap());
            }
            drop(receiver);
            assert!(sender.try_send(drops.value(count)).is_err());
            drop(sender);
            assert_eq!(drops.seen(), (0..=count).collect::<Vec<_>>());
        }
    }
    // Given to one who waited, and was cancelled.
    let drops = Drops::default();
    let (sender, receiver) = bounded(0);
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    assert!(sender.try_send(drops.value(7)).is_ok());
    drop(receiving);
    assert!(drops.seen().is_empty());
    drop(receiver);
    assert_eq!(drops.seen(), [7]);
}

#[test]
fn a_message_whose_drop_panics_does_not_keep_the_others() {
    struct Bomb(usize, Drops);
    impl Drop for Bomb {
        fn drop(&mut self) {
            drop(self.1.value(self.0));
            assert_ne!(self.0, 3, "a message that panics");
        }
    }
    let drops = Drops::default();
    let (sender, receiver) = bounded(10);
    for i in 0..10 {
        assert!(sender.try_send(Bomb(i, drops.clone())).is_ok());
    }
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
    assert!(caught.is_err());
    assert_eq!(drops.seen(), (0..10).collect::<Vec<_>>());
    assert!(sender.is_closed());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    for capacity in [0, 1] {
        let (early, late) = (Wakes::new(), Wakes::new());
        let (sender, receiver) = bounded(capacity);
        let mut receiving = task(receiver.recv());
        assert!(receiving.poll_with(&early.waker()).is_pending());
        assert!(receiving.poll_with(&late.waker()).is_pending());
        sender.try_send(1).unwrap();
        assert_eq!((early.take(), late.take()), (0, 1));
        assert_eq!(receiving.expect_ready(), Some(1));
        let _ = sender.try_send(2);
        let mut sending = task(sender.send(3));
        assert!(sending.poll_with(&early.waker()).is_pending());
        assert!(sending.poll_with(&late.waker()).is_pending());
        receiver.try_recv().unwrap();
        assert_eq!((early.take(), late.take()), (0, 1));
    }
}

#[test]
fn wakers_that_come_back_into_the_channel_find_it_unlocked() {
    for capacity in KINDS {
        within_limit(move || {
            let (sender, receiver) = channel(capacity);
            let (again, back) = (sender.clone(), receiver.downgrade());
            let waker = calling_waker(move || {
                let _ = again.try_send(7);
                let _ = task(again.send(8)).poll();
                if let Some(receiver) = back.upgrade() {
                    let _ = receiver.try_recv();
                    let _ = task(receiver.recv()).poll();
                }
            });
            for _ in 0..3 {
                let mut waits = [(); 2].map(|()| task(receiver.recv()));
                for wait in &mut waits {
                    if wait.poll_with(&waker).is_pending() {
                        let _ = wait.poll_with(&waker.clone());
                    }
                }
                drop(waits);
                let mut sending = task(sender.send(1));
                if sending.poll_with(&waker).is_pending() {
                    let _ = sending.poll_with(&waker.clone());
                }
                while receiver.try_recv().is_ok() {}
            }
            drop(receiver);
            assert!(sender.is_closed());
        });
    }
}

#[test]
fn a_channel_keeps_no_waker_of_one_who_has_gone() {
    for capacity in [0, 1] {
        let wakes = Wakes::new();
        let (sender, receiver) = bounded(capacity);
        assert!(task(receiver.recv()).poll_with(&wakes.waker()).is_pending());
        let _ = sender.try_send(1);
        assert!(task(sender.send(2)).poll_with(&wakes.waker()).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 1);
    }
}

#[test]
fn channels_that_are_always_ready_still_end_a_poll() {
    let (sender, receiver) = unbounded();
    let (mut sent, mut received) = (0, 0);
    let mut greedy = task(async {
        loop {
            sender.send(()).await.unwrap();
            sent += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(sent, 128);
    for _ in 0..128 {
        sender.try_send(()).unwrap();
    }
    let mut greedy = task(async {
        loop {
            receiver.recv().await.unwrap();
            received += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(received, 128);
}

#[test]
fn every_message_arrives_once_and_in_each_sender_s_order() {
    const ENDS: usize = 3;
    let per_sender = if cfg!(miri) { 20 } else { 2_000 };
    for capacity in KINDS {
        within_limit(move || {
            let (sender, receiver) = channel(capacity);
            let senders: Vec<_> = (0..ENDS)
                .map(|who| {
                    let sender = sender.clone();
                    std::thread::spawn(move || {
                        for i in 0..per_sender {
                            // Now and then it gives up at first; where they meet, what it gave up may have arrived.
                            let gives_up = i % 3 == 0 && capacity != Some(0);
                            if gives_up && task(sender.send((who, i))).poll().is_ready() {
                                continue;
                            }
                            sender.blocking_send((who, i)).unwrap();
                        }
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..ENDS)
                .map(|_| {
                    let receiver = receiver.clone();
                    std::thread::spawn(move || {
                        let (mut seen, mut many) = (Vec::new(), Vec::new());
                        loop {
                            if let Poll::Ready(Some(value)) = task(receiver.recv()).poll() {
                                seen.push(value);
                            }
                            if receiver.blocking_recv_many(&mut many, 3) == 0 {
                                return seen;
                            }
                            seen.append(&mut many);
                        }
                    })
                })
                .collect();
            drop(receiver);
            for thread in senders {
                thread.join().unwrap();
            }
            let mut all = Vec::new();
            for thread in receivers {
                let seen = thread.join().unwrap();
                for who in 0..ENDS {
                    let numbers = seen.iter().filter(|value| value.0 == who);
                    assert!(numbers.is_sorted_by_key(|value| value.1));
                }
                all.extend(seen);
            }
            all.sort_unstable();
            all.dedup_by(|a, b| {
                assert_ne!(a, b, "a message arrived twice");
                false
            });
            assert_eq!(all.len(), ENDS * per_sender);
        });
    }
}

#[test]
fn dropping_the_receivers_amid_senders_drops_each_message_once() {
    let rounds = if cfg!(miri) { 3 } else { 60 };
    for capacity in KINDS {
        within_limit(move || {
            for round in 0..rounds {
                let drops = Drops::default();
                let (sender, receiver) = channel(capacity);
                let threads: Vec<_> = (0..2)
                    .map(|who| {
                        let (sender, drops) = (sender.clone(), drops.clone());
                        std::thread::spawn(move || {
                            for i in 0..20 {
                                let _ = sender.blocking_send(drops.value(who * 20 + i));
                            }
                        })
                    })
                    .collect();
                drop(sender);
                let other = receiver.clone();
                let taking = std::thread::spawn(move || drop(other.blocking_recv()));
                for _ in 0..round % 30 {
                    drop(receiver.blocking_recv());
                }
                drop(receiver);
                for thread in threads {
                    thread.join().unwrap();
                }
                taking.join().unwrap();
                let mut seen = drops.seen();
                seen.sort_unstable();
                assert_eq!(seen, (0..40).collect::<Vec<_>>());
            }
        });
    }
}

#[test]
fn a_receiver_can_be_a_stream_and_a_sender_a_sink() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let mut sink = pin!(sender.sink());
        let mut stream = pin!(receiver.stream());
        assert!(task(stream.next()).poll().is_pending());
        // It waits in turn also between two polls.
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        task(sink.send(0)).expect_ready().unwrap();
        assert_eq!(task(stream.next()).expect_ready(), Some(0));
        // Fed until it is full, and one more, which waits.
        let mut fed = 1;
        while fed < 50 && task(sink.feed(fed)).poll().is_ready() {
            fed += 1;
        }
        let mut flush = task(sink.flush());
        assert_eq!(flush.poll().is_pending(), capacity.is_some());
        assert_eq!(task(stream.next()).expect_ready(), Some(1));
        if capacity.is_some() {
            assert!(flush.woken());
            flush.expect_ready().unwrap();
        }
        for expected in 2..fed {
            assert_eq!(task(stream.next()).expect_ready(), Some(expected));
        }
        assert!(task(stream.next()).poll().is_pending());
        drop(flush);
        receiver.close();
        assert_eq!(task(sink.send(9)).expect_ready(), Err(SendError(9)));
        assert_eq!(task(stream.next()).expect_ready(), None);
        assert_eq!(task(stream.next()).expect_ready(), None);
    }
}

#[test]
fn a_stream_may_own_its_receiver() {
    for capacity in KINDS {
        let (sender, receiver) = channel(capacity);
        let (mut first, mut second) = (receiver.clone().into_stream(), receiver.into_stream());
        assert!(task(first.next()).poll().is_pending());
        assert!(task(second.next()).poll().is_pending());
        sender.try_send(1).unwrap();
        // It was the first one's.
        drop(first);
        assert_eq!(task(second.next()).expect_ready(), Some(1));
        assert!(task(second.next()).poll().is_pending());
        drop(second);
        assert!(sender.is_closed());
    }
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    for capacity in KINDS {
        let (sender, receiver) = channel::<std::cell::Cell<u32>>(capacity);
        check(&sender);
        check(&receiver);
        check(&sender.downgrade());
        check(&receiver.downgrade());
        send(&sender.send(std::cell::Cell::new(1)));
        send(&receiver.recv());
        send(&sender.closed());
    }
    let (sender, receiver) = bounded::<u32>(3);
    sender.try_send(1).unwrap();
    assert_eq!(
        format!("{sender:?} {receiver:?} {:?}", sender.downgrade()),
        "Sender { len: 1, capacity: Some(3), closed: false } Receiver { len: 1, capacity: Some(3), closed: false } \
         WeakSender { .. }"
    );
    assert!(std::panic::catch_unwind(|| bounded::<u32>(usize::MAX)).is_err());
}

/// Waits that have begun, each with what tells them apart.
type Waits<K, F> = Vec<(K, support::Task<F>)>;

/// Polls one of the waits; takes it out if it is done.
fn poll_one<K, F: Future>(waits: &mut Waits<K, F>, index: usize) -> Option<(K, F::Output)> {
    let Poll::Ready(output) = waits.get_mut(index)?.1.poll() else {
        return None;
    };
    Some((waits.remove(index).0, output))
}

/// Drops one of the waits, if there are so many.
fn cancel_one<K, F>(waits: &mut Waits<K, F>, rand: &Rand) -> Option<K> {
    let index = rand.below(waits.len() as u32 + 1) as usize;
    (index < waits.len()).then(|| waits.remove(index).0)
}

/// Random sends, receptions and cancellations, held against a plain queue.
#[test]
fn a_channel_is_a_queue_whatever_is_cancelled() {
    for seed in 0..if cfg!(miri) { 4 } else { 600 } {
        let rand = Rand::new(seed);
        let bound = 1 + rand.below(4) as usize;
        let (sender, receiver) = bounded(bound);
        let (mut sending, mut receiving) = (Waits::new(), Waits::new());
        let mut queue = VecDeque::new();
        for step in 0..200 {
            match rand.below(6) {
                0 | 1 => {
                    sending.push((step, task(sender.send(step))));
                    let last = sending.len() - 1;
                    if let Some((number, sent)) = poll_one(&mut sending, last) {
                        assert!(sent.is_ok());
                        queue.push_back(number);
                    }
                }
                2 => {
                    if let Ok(value) = receiver.try_recv() {
                        assert_eq!(queue.pop_front(), Some(value), "{seed} {step}");
                    }
                }
                3 => {
                    receiving.push(((), task(receiver.recv())));
                    let last = receiving.len() - 1;
                    if let Some((_, value)) = poll_one(&mut receiving, last) {
                        assert_eq!(queue.pop_front(), value, "{seed} {step}");
                    }
                }
                4 => drop(cancel_one(&mut sending, &rand)),
                _ => drop(cancel_one(&mut receiving, &rand)),
            }
            // Those that were released go on now and then only.
            while rand.below(3) > 0
                && let Some((number, sent)) = poll_one(&mut sending, 0)
            {
                assert!(sent.is_ok());
                queue.push_back(number);
            }
            while rand.below(3) > 0
                && let Some((_, value)) = poll_one(&mut receiving, 0)
            {
                assert_eq!(queue.pop_front(), value, "{seed} {step}");
            }
            assert_eq!(receiver.len(), queue.len());
            assert!(queue.len() <= bound);
        }
        drop((sending, receiving));
        sender.close();
        while let Some(value) = task(receiver.recv()).expect_ready() {
            assert_eq!(queue.pop_front(), Some(value));
        }
        assert!(queue.is_empty());
    }
}

/// Whatever is cancelled at a rendezvous, a value is received once, or comes back, or is dropped with its send.
#[test]
fn a_rendezvous_loses_nothing_whatever_is_cancelled() {
    for seed in 0..if cfg!(miri) { 4 } else { 600 } {
        let rand = Rand::new(seed);
        let (sender, receiver) = bounded(0);
        let (mut sending, mut receiving) = (Waits::new(), Waits::new());
        let (mut sent, mut cancelled, mut received) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..200 {
            match rand.below(6) {
                0 => match sender.try_send(step) {
                    Ok(()) => sent.push(step),
                    Err(error) => assert_eq!(error, TrySendError::Full(step)),
                },
                1 => sending.push((step, task(sender.send(step)))),
                2 => received.extend(receiver.try_recv()),
                3 => receiving.push(((), task(receiver.recv()))),
                4 => cancelled.extend(cancel_one(&mut sending, &rand)),
                _ => drop(cancel_one(&mut receiving, &rand)),
            }
            let index = rand.below(8) as usize;
            if let Some((number, result)) = poll_one(&mut sending, index) {
                assert!(result.is_ok());
                sent.push(number);
            }
            if let Some((_, value)) = poll_one(&mut receiving, index) {
                received.extend(value);
            }
        }
        sender.close();
        for (number, mut wait) in sending {
            match wait.expect_ready() {
                Ok(()) => sent.push(number),
                Err(SendError(back)) => {
                    assert_eq!(back, number);
                    cancelled.push(number);
                }
            }
        }
        drop(receiving);
        received.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(receiver.len(), 0);
        received.sort_unstable();
        let once = received.is_sorted_by(|a, b| a < b);
        let none_lost = sent.iter().all(|number| received.contains(number));
        sent.append(&mut cancelled);
        let none_made_up = received.iter().all(|number| sent.contains(number));
        assert_eq!(
            (once, none_lost, none_made_up),
            (true, true, true),
            "{seed}"
        );
    }
}

#[test]
fn waits_that_are_given_up_leave_nothing_behind() {
    let rounds = if cfg!(miri) { 100 } else { 100_000 };
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        for _ in 0..rounds {
            task(receiver.recv()).expect_pending();
        }
        let _ = sender.try_send(0);
        for _ in 0..rounds {
            task(sender.send(1)).expect_pending();
        }
        let _ = receiver.try_recv();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.len(), 0);
    }
}

#[test]
fn threads_meet() {
    within_limit(|| {
        let (sender, receiver) = bounded(0);
        let thread = std::thread::spawn(move || {
            let mut sum = 0;
            while let Some(value) = block_on(receiver.recv()) {
                sum += value;
            }
            sum
        });
        for i in 0..100 {
            sender.blocking_send(i).unwrap();
        }
        drop(sender);
        assert_eq!(thread.join().unwrap(), 4_950);
    });
}
