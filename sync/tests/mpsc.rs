//! What `mpsc` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream as _, StreamExt as _};
use heist_sync::coop;
use heist_sync::mpsc::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use heist_sync::mpsc::{self, channel, unbounded_channel};
use support::{Drops, Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn messages_arrive_in_order_across_many_blocks() {
    let (sender, mut receiver) = channel(7);
    let (mut sent, mut received) = (0, 0);
    while received < 1_000 {
        while sent - received < 7 {
            assert_eq!(receiver.len(), sent - received);
            sender.try_send(sent).unwrap();
            sent += 1;
        }
        assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
        for _ in 0..1 + received % 7 {
            assert_eq!(receiver.try_recv(), Ok(received));
            received += 1;
        }
    }
}

#[test]
fn an_unbounded_channel_takes_all() {
    let (sender, mut receiver) = unbounded_channel();
    for i in 0..10_000 {
        sender.send(i).unwrap();
        assert_eq!(receiver.len(), i + 1);
    }
    drop(sender);
    for i in 0..10_000 {
        assert_eq!(task(receiver.recv()).expect_ready(), Some(i));
    }
    assert_eq!(task(receiver.recv()).expect_ready(), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_receiver_that_waits_is_woken_once_by_a_message() {
    let (sender, mut receiver) = channel(4);
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    sender.try_send(1).unwrap();
    assert!(receiving.woken());
    sender.try_send(2).unwrap();
    assert!(!receiving.woken(), "it is awake");
    assert_eq!(receiving.expect_ready(), Some(1));
}

#[test]
fn senders_wait_in_turn_and_nobody_overtakes() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut first = task(sender.send(1));
    let mut second = task(sender.send(2));
    first.expect_pending();
    second.expect_pending();
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(first.woken() && !second.woken());
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!(sender.capacity(), 0);
    first.expect_ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(second.woken());
    second.expect_ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn a_cancelled_send_sends_nothing_and_makes_way() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut first = task(sender.send(1));
    let mut second = task(sender.send(2));
    first.expect_pending();
    second.expect_pending();
    assert_eq!(receiver.try_recv(), Ok(0));
    // Cancelled after the room had been given to it.
    assert!(first.woken());
    drop(first);
    assert!(second.woken());
    second.expect_ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_cancelled_recv_takes_nothing() {
    let (sender, mut receiver) = channel(4);
    for i in 0..100 {
        task(receiver.recv()).expect_pending();
        let mut receiving = task(receiver.recv());
        receiving.expect_pending();
        sender.try_send(i).unwrap();
        drop(receiving);
        assert_eq!(task(receiver.recv()).expect_ready(), Some(i));
    }
}

#[test]
fn permits_hold_room_and_give_it_back() {
    let (sender, mut receiver) = channel(3);
    let one = sender.try_reserve().unwrap();
    let mut two = sender.try_reserve_many(2).unwrap();
    assert_eq!((sender.capacity(), two.len()), (0, 2));
    assert!(sender.try_reserve_many(1).is_err());
    two.next().unwrap().send("of two");
    drop(two);
    assert_eq!(sender.capacity(), 1);
    one.send("one");
    let owned = sender.clone().try_reserve_owned().unwrap();
    assert!(owned.same_channel_as_sender(&sender));
    drop(owned.send("owned"));
    let refused = sender.clone().try_reserve_owned();
    assert!(matches!(refused, Err(TrySendError::Full(_))));
    for expected in ["of two", "one", "owned"] {
        assert_eq!(receiver.try_recv(), Ok(expected));
    }
    drop(sender.clone().try_reserve_owned().unwrap().release());
    assert_eq!(sender.capacity(), 3);
    assert!(task(sender.reserve_many(4)).expect_ready().is_err());
    assert_eq!(
        task(sender.reserve_many(0)).expect_ready().unwrap().len(),
        0
    );
}

#[test]
fn many_permits_are_not_starved_by_single_messages() {
    let (sender, mut receiver) = channel(3);
    for i in 0..3 {
        sender.try_send(i).unwrap();
    }
    let mut many = task(sender.reserve_many(3));
    let mut single = task(sender.send(9));
    many.expect_pending();
    single.expect_pending();
    for i in 0..3 {
        assert!(!many.woken());
        assert_eq!(receiver.try_recv(), Ok(i));
    }
    assert!(many.woken() && !single.woken());
    drop(many.expect_ready().unwrap());
    assert!(single.woken());
}

#[test]
fn a_closed_channel_gives_out_what_was_sent_and_what_permits_send() {
    let (sender, mut receiver) = channel(4);
    sender.try_send(1).unwrap();
    let used = sender.try_reserve().unwrap();
    let unused = sender.try_reserve().unwrap();
    receiver.close();
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(task(sender.send(9)).expect_ready(), Err(SendError(9)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    used.send(2);
    assert_eq!(receiver.try_recv(), Ok(2));
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    drop(unused);
    assert!(receiving.woken());
    assert_eq!(receiving.expect_ready(), None);
}

#[test]
fn a_cancelled_reservation_of_many_lets_a_closing_receiver_end() {
    let (sender, mut receiver) = channel::<u32>(2);
    let permit = sender.try_reserve().unwrap();
    let mut many = task(sender.reserve_many(2));
    many.expect_pending();
    receiver.close();
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    assert!(many.woken());
    drop(many);
    drop(permit);
    assert!(receiving.woken());
    assert_eq!(receiving.expect_ready(), None);
}

#[test]
fn room_that_was_granted_and_never_used_does_not_hold_up_the_end() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let mut granted = task(sender.send(2));
    granted.expect_pending();
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    drop(granted);
    assert!(receiving.woken());
    assert_eq!(receiving.expect_ready(), None);
}

#[test]
fn the_last_sender_ends_the_channel_and_wakes_the_receiver() {
    let (sender, mut receiver) = channel::<u32>(1);
    let weak = sender.downgrade();
    let other = weak.upgrade().unwrap();
    assert_eq!((weak.strong_count(), sender.weak_count()), (2, 1));
    drop(sender);
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    drop(other);
    assert!(receiving.woken());
    assert_eq!(receiving.expect_ready(), None);
    drop(receiving);
    assert!(weak.upgrade().is_none());
    assert!(receiver.is_closed());
}

#[test]
fn dropping_the_receiver_wakes_all_senders() {
    let (sender, receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut sending = task(sender.send(1));
    let mut closed = task(sender.closed());
    sending.expect_pending();
    closed.expect_pending();
    drop(receiver);
    assert!(sending.woken() && closed.woken());
    assert_eq!(sending.expect_ready(), Err(SendError(1)));
    closed.expect_ready();
    task(sender.closed()).expect_ready();
}

#[test]
fn recv_many_appends_up_to_the_limit() {
    let (sender, mut receiver) = channel(8);
    let mut buffer = vec![100];
    assert_eq!(task(receiver.recv_many(&mut buffer, 0)).expect_ready(), 0);
    task(receiver.recv_many(&mut buffer, 5)).expect_pending();
    for i in 0..8 {
        sender.try_send(i).unwrap();
    }
    let mut waiting = task(sender.send(8));
    waiting.expect_pending();
    assert_eq!(task(receiver.recv_many(&mut buffer, 5)).expect_ready(), 5);
    assert!(waiting.woken());
    waiting.expect_ready().unwrap();
    drop(waiting);
    drop(sender);
    assert_eq!(task(receiver.recv_many(&mut buffer, 50)).expect_ready(), 4);
    assert_eq!(buffer, [100, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(task(receiver.recv_many(&mut buffer, 5)).expect_ready(), 0);
}

#[test]
fn each_message_is_dropped_once_wherever_it_was() {
    for count in [0, 1, 31, 32, 33, 64, 65] {
        for received in [0, count / 2, count] {
            let drops = Drops::default();
            let (sender, mut receiver) = unbounded_channel();
            for i in 0..count {
                sender.send(drops.value(i)).unwrap();
            }
            for _ in 0..received {
                drop(receiver.try_recv().unwrap());
            }
            drop(receiver);
            assert!(sender.send(drops.value(count)).is_err());
            drop(sender);
            assert_eq!(drops.seen(), (0..=count).collect::<Vec<_>>());
        }
    }
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
    let (sender, receiver) = channel(10);
    for i in 0..10 {
        assert!(sender.try_send(Bomb(i, drops.clone())).is_ok());
    }
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
    assert!(caught.is_err());
    assert_eq!(drops.seen(), (0..10).collect::<Vec<_>>());
    assert!(sender.is_closed());
}

#[test]
fn a_permit_outlives_its_receiver() {
    let drops = Drops::default();
    let (sender, receiver) = channel(1);
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    permit.send(drops.value(1));
    drop(sender);
    assert_eq!(drops.seen(), [1]);
}

#[test]
fn messages_that_hold_room_of_their_channel_are_dropped_one_after_the_other() {
    struct Holding {
        _room: mpsc::OwnedPermit<Self>,
    }
    const MESSAGES: usize = 100_000;
    let (sender, receiver) = channel(2 * MESSAGES);
    for _ in 0..MESSAGES {
        let _room = sender.clone().try_reserve_owned().unwrap();
        assert!(sender.try_send(Holding { _room }).is_ok());
    }
    drop(receiver);
    assert_eq!(sender.capacity(), 2 * MESSAGES);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (early, late) = (Wakes::new(), Wakes::new());
    let (sender, mut receiver) = channel(1);
    let mut receiving = task(receiver.recv());
    assert!(receiving.poll_with(&early.waker()).is_pending());
    assert!(receiving.poll_with(&late.waker()).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((early.take(), late.take()), (0, 1));
    drop(receiving);
    let mut sending = task(sender.send(2));
    assert!(sending.poll_with(&early.waker()).is_pending());
    assert!(sending.poll_with(&late.waker()).is_pending());
    receiver.try_recv().unwrap();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn a_receiver_that_is_gone_keeps_no_task_alive() {
    let wakes = Wakes::new();
    let (sender, mut receiver) = channel::<u32>(1);
    assert!(task(receiver.recv()).poll_with(&wakes.waker()).is_pending());
    drop(receiver);
    assert_eq!(Arc::strong_count(&wakes), 1);
    drop(sender);
}

#[test]
fn wakers_that_come_back_into_the_channel_find_it_unlocked() {
    within_limit(|| {
        let (sender, mut receiver) = channel(1);
        let again = sender.clone();
        let waker = calling_waker(move || {
            let _ = again.try_send(7);
            let _ = task(again.send(8)).poll();
        });
        for _ in 0..3 {
            let _ = task(receiver.recv()).poll_with(&waker);
            let _ = task(receiver.recv()).poll_with(&waker.clone());
            let mut sending = task(sender.send(1));
            let _ = sending.poll_with(&waker);
            let _ = sending.poll_with(&waker.clone());
            while receiver.try_recv().is_ok() {}
        }
        drop(receiver);
        assert!(sender.is_closed());
    });
}

#[test]
fn channels_that_are_always_ready_still_end_a_poll() {
    let (sender, mut receiver) = channel(1_000);
    let mut sent = 0;
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
    for _ in sent..1_000 {
        sender.try_send(()).unwrap();
    }
    let mut received = 0;
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
    drop(receiver);
    // Errors count as well.
    let mut failing = task(async {
        loop {
            assert!(sender.send(()).await.is_err());
        }
    });
    coop::budget(|| failing.expect_pending());
    assert!(failing.woken());
}

#[test]
fn every_message_arrives_once_and_in_each_sender_s_order() {
    const SENDERS: usize = 3;
    let per_sender = if cfg!(miri) { 40 } else { 30_000 };
    for buffer in [1, 2, 32, 1_000] {
        within_limit(move || {
            let (sender, mut receiver) = channel(buffer);
            let threads: Vec<_> = (0..SENDERS)
                .map(|who| {
                    let sender = sender.clone();
                    std::thread::spawn(move || {
                        for i in 0..per_sender {
                            match i % 5 {
                                0 => block_on(sender.reserve()).unwrap().send((who, i)),
                                1 => {
                                    // A wait that is given up at its first poll.
                                    if let Poll::Ready(permit) = task(sender.reserve()).poll() {
                                        drop(permit);
                                    }
                                    block_on(sender.send((who, i))).unwrap();
                                }
                                _ => block_on(sender.send((who, i))).unwrap(),
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            let mut next = [0; SENDERS];
            let mut many = Vec::new();
            loop {
                if next[0] % 2 == 0 {
                    many.extend(block_on(receiver.recv()));
                } else {
                    block_on(receiver.recv_many(&mut many, 7));
                }
                if many.is_empty() {
                    break;
                }
                for (who, i) in many.drain(..) {
                    assert_eq!(next[who], i);
                    next[who] += 1;
                }
            }
            assert_eq!(next, [per_sender; SENDERS]);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

#[test]
fn dropping_the_receiver_amid_senders_drops_each_message_once() {
    let rounds = if cfg!(miri) { 3 } else { 300 };
    within_limit(move || {
        for round in 0..rounds {
            let drops = Drops::default();
            let (sender, mut receiver) = unbounded_channel();
            let threads: Vec<_> = (0..2)
                .map(|who| {
                    let (sender, drops) = (sender.clone(), drops.clone());
                    std::thread::spawn(move || {
                        for i in 0..50 {
                            let _ = sender.send(drops.value(who * 50 + i));
                        }
                    })
                })
                .collect();
            drop(sender);
            for _ in 0..round % 70 {
                let _ = receiver.try_recv();
            }
            drop(receiver);
            for thread in threads {
                thread.join().unwrap();
            }
            let mut seen = drops.seen();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_receiver_is_a_stream_of_its_messages() {
    let (sender, mut receiver) = channel(4);
    assert!(task(receiver.next()).poll().is_pending());
    for i in 0..3 {
        sender.try_send(i).unwrap();
    }
    assert_eq!(receiver.size_hint(), (3, None));
    assert_eq!(block_on(receiver.next()), Some(0));
    drop(sender);
    assert_eq!(block_on(receiver.collect::<Vec<_>>()), [1, 2]);
    let (sender, receiver) = unbounded_channel();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(block_on(receiver.collect::<Vec<_>>()), [1]);
}

#[test]
fn a_buffer_of_nothing_or_of_too_much_is_refused() {
    for buffer in [0, usize::MAX] {
        assert!(std::panic::catch_unwind(|| channel::<u32>(buffer)).is_err());
    }
    let (sender, _receiver) = channel::<u32>(heist_sync::Semaphore::MAX_PERMITS);
    assert!(sender.capacity() > 200_000_000);
    let more_than_it_holds = sender.capacity() + 1;
    assert!(
        task(sender.reserve_many(more_than_it_holds))
            .expect_ready()
            .is_err()
    );
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn check<T: Send + Sync>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe + Unpin>(_: &T) {}
    let (sender, mut receiver) = channel::<std::cell::Cell<u32>>(2);
    check(&sender);
    check(&sender.downgrade());
    check(&sender.try_reserve());
    send(&sender.send(std::cell::Cell::new(1)));
    send(&sender.reserve());
    send(&sender.closed());
    send(&receiver.recv());
    check(&receiver);
    let (sender, receiver): (mpsc::UnboundedSender<u32>, _) = unbounded_channel();
    check(&sender);
    check(&receiver);
    unwinds(&sender);
    unwinds(&receiver);
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "UnboundedSender { closed: false } UnboundedReceiver { len: 0, closed: false }"
    );
}

/// Random sends, receptions, permits and cancellations, held against a plain queue.
#[test]
fn a_channel_is_a_queue_whatever_is_cancelled() {
    use heist_sync::sys::rand::Rand;
    use std::collections::VecDeque;
    for seed in 0..if cfg!(miri) { 4 } else { 400 } {
        let rand = Rand::new(seed);
        let bound = 1 + rand.below(5) as usize;
        let (sender, mut receiver) = channel(bound);
        let (mut queue, mut permits, mut waiting) = (VecDeque::new(), Vec::new(), VecDeque::new());
        for step in 0..200 {
            match rand.below(6) {
                0 | 1 => {
                    let mut sending = task(sender.send(step));
                    match sending.poll() {
                        Poll::Ready(sent) => {
                            assert!(sent.is_ok());
                            queue.push_back(step);
                        }
                        Poll::Pending => waiting.push_back((step, sending)),
                    }
                }
                2 | 3 => match receiver.try_recv() {
                    Ok(received) => assert_eq!(Some(received), queue.pop_front(), "{seed}"),
                    Err(error) => {
                        assert_eq!(error, TryRecvError::Empty);
                        assert!(queue.is_empty(), "{seed} {step}");
                    }
                },
                4 => match (sender.try_reserve(), permits.pop()) {
                    (Ok(permit), None) => permits.push(permit),
                    (_, Some(permit)) => {
                        permit.send(step);
                        queue.push_back(step);
                    }
                    (Err(_), None) => {}
                },
                _ => {
                    let index = rand.below(waiting.len() as u32 + 1) as usize;
                    waiting.remove(index);
                    permits.pop();
                }
            }
            while !waiting.is_empty() && queue.len() + permits.len() < bound {
                let (number, mut sending) = waiting.pop_front().unwrap();
                assert!(sending.woken(), "{seed} {step}");
                assert!(sending.expect_ready().is_ok());
                queue.push_back(number);
            }
            assert!(waiting.iter().all(|(_, sending)| !sending.woken()));
            assert_eq!(
                (receiver.len(), receiver.is_empty()),
                (queue.len(), queue.is_empty())
            );
            let room = if waiting.is_empty() {
                bound - queue.len() - permits.len()
            } else {
                0
            };
            assert_eq!(sender.capacity(), room, "{seed} {step}");
        }
    }
}

#[test]
fn waits_that_are_given_up_leave_nothing_behind() {
    let rounds = if cfg!(miri) { 100 } else { 100_000 };
    let (sender, mut receiver) = channel(1);
    for _ in 0..rounds {
        task(receiver.recv()).expect_pending();
    }
    sender.try_send(0).unwrap();
    for _ in 0..rounds {
        task(sender.send(1)).expect_pending();
    }
    assert_eq!(sender.capacity(), 0);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(sender.capacity(), 1);
    sender.try_send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_block_of_large_messages_is_not_made_on_the_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let sending = thread.spawn(|| {
        let (sender, mut receiver) = unbounded_channel();
        sender.send([7u8; 1 << 15]).unwrap();
        receiver.try_recv().unwrap()[0]
    });
    assert_eq!(sending.unwrap().join().unwrap(), 7);
}

#[test]
fn a_send_with_a_limit_is_done_refused_or_too_late_and_gives_the_message_back() {
    within_limit(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        let long = Duration::from_secs(3_600);
        block_on(sender.send_timeout(1, long)).unwrap();
        let error = block_on(sender.send_timeout(2, Duration::from_millis(1))).unwrap_err();
        assert_eq!(error, SendTimeoutError::Timeout(2));
        assert_eq!(error.to_string(), "timed out waiting on send operation");
        // In time: one that waits for ever, and one with a limit that no clock can hold.
        for limit in [long, Duration::MAX] {
            let mut send = task(sender.send_timeout(3, limit));
            send.expect_pending();
            assert!(receiver.try_recv().is_ok());
            assert!(send.woken());
            send.expect_ready().unwrap();
        }
        // Given up, it leaves nothing behind; closed, it hears of it.
        let mut send = task(sender.send_timeout(4, long));
        send.expect_pending();
        drop(send);
        let mut send = task(sender.send_timeout(5, long));
        send.expect_pending();
        receiver.close();
        assert_eq!(send.expect_ready(), Err(SendTimeoutError::Closed(5)));
        assert_eq!(receiver.try_recv(), Ok(3));
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn limits_of_many_sends_end_in_their_order() {
    within_limit(|| {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        std::thread::scope(|threads| {
            for millis in [5, 1, 3] {
                let sender = &sender;
                threads.spawn(move || {
                    let begun = std::time::Instant::now();
                    let limit = Duration::from_millis(millis);
                    let late = block_on(sender.send_timeout(1, limit)).unwrap_err();
                    assert_eq!(late.into_inner(), 1);
                    assert!(begun.elapsed() >= limit, "never early");
                });
            }
        });
        drop(receiver);
    });
}
