//! What the channels promise alike: that a message is received, refused, or dropped where its sender can see it; that no
//! waker's panic costs a message; and that a channel says the same of its capacity in all ways.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::Sink as _;
use heist_sync::mpsc::error::{SendError, TrySendError};
use heist_sync::sys::rand::Rand;
use heist_sync::{Semaphore, mpmc, mpsc, oneshot};
use support::{Drops, calling_waker, task, within_limit};

// The end.

#[test]
fn a_send_that_was_given_room_before_the_receiver_went_is_refused() {
    for closes in [false, true] {
        let drops = Drops::default();
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(drops.value(0)).unwrap();
        let mut sending = task(sender.send(drops.value(1)));
        sending.expect_pending();
        drop(receiver.try_recv().unwrap());
        assert!(sending.woken());
        let mut receiver = Some(receiver);
        if closes {
            receiver.as_mut().unwrap().close();
        } else {
            receiver = None;
        }
        let SendError(refused) = sending.expect_ready().unwrap_err();
        assert_eq!(refused.1, 1);
        if let Some(mut receiver) = receiver {
            assert!(task(receiver.recv()).expect_ready().is_none());
        }
    }
}

#[test]
fn a_send_that_was_given_room_before_the_close_is_refused_with_several_receivers() {
    for closes in [false, true] {
        let drops = Drops::default();
        let (sender, receiver) = mpmc::bounded(1);
        sender.try_send(drops.value(0)).unwrap();
        let mut sending = task(sender.send(drops.value(1)));
        sending.expect_pending();
        drop(receiver.try_recv().unwrap());
        assert!(sending.woken());
        if closes {
            receiver.close();
            assert!(sending.expect_ready().is_err());
            assert!(task(receiver.recv()).expect_ready().is_none());
        } else {
            drop(receiver);
            assert!(sending.expect_ready().is_err());
        }
        drop(sending);
        assert_eq!(drops.seen(), [0, 1]);
    }
}

#[test]
fn room_that_was_given_before_the_close_is_refused_and_given_back() {
    fn refused<F: Future<Output = Result<(), ()>>>(ask: impl FnOnce(mpsc::Sender<u32>) -> F) {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let mut asking = task(ask(sender));
        asking.expect_pending();
        assert_eq!(receiver.try_recv(), Ok(0));
        assert!(asking.woken());
        receiver.close();
        assert_eq!(asking.expect_ready(), Err(()));
        assert_eq!(task(receiver.recv()).expect_ready(), None);
    }
    refused(|s| async move { s.reserve().await.map(drop).map_err(drop) });
    refused(|s| async move { s.reserve_many(1).await.map(drop).map_err(drop) });
    refused(|s| async move { s.reserve_owned().await.map(drop).map_err(drop) });
    // The limit is kept by a thread that outlives the test, which Miri takes for a leak.
    if !cfg!(miri) {
        refused(|s| async move {
            let sent = s.send_timeout(1, Duration::from_secs(60)).await;
            sent.map_err(drop)
        });
    }
}

#[test]
fn what_a_permit_sends_is_received_after_a_close_and_dropped_once_nobody_receives() {
    let drops = Drops::default();
    let (sender, mut receiver) = mpsc::channel(2);
    let (first, second) = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    receiver.close();
    first.send(drops.value(1));
    assert_eq!(receiver.try_recv().unwrap().1, 1);
    drop(receiver);
    second.send(drops.value(2));
    assert_eq!(drops.seen(), [1, 2], "the sender is still there");
    drop(sender);
}

/// A message that sends another when it is dropped.
struct Relay(Option<(mpsc::OwnedPermit<Relay>, Drops)>);

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some((permit, drops)) = self.0.take() {
            drop(drops.value(1));
            drop(permit.send(Relay(None)));
        }
    }
}

#[test]
fn a_message_that_sends_as_it_is_dropped_leaves_nothing_behind() {
    let drops = Drops::default();
    let (sender, receiver) = mpsc::channel(2);
    let permit = sender.clone().try_reserve_owned().unwrap();
    let relay = Relay(Some((permit, drops.clone())));
    assert!(sender.try_send(relay).is_ok());
    drop(receiver);
    assert_eq!((drops.seen(), sender.capacity()), (vec![1], 2));
}

/// Polls tasks that were woken, in an order by chance, until nobody is; returns how many are left.
fn run(mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>>, rand: &Rand) -> usize {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let mut flags: Vec<_> = tasks
        .iter()
        .map(|_| Arc::new(Flag(AtomicBool::new(true))))
        .collect();
    loop {
        let woken = |flag: &Arc<Flag>| flag.0.load(Ordering::SeqCst);
        let ready: Vec<_> = (0..tasks.len()).filter(|i| woken(&flags[*i])).collect();
        if ready.is_empty() {
            return tasks.len();
        }
        let next = ready[rand.below(ready.len() as u32) as usize];
        flags[next].0.store(false, Ordering::SeqCst);
        let waker = Waker::from(flags[next].clone());
        let polled = tasks[next].as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            drop(tasks.swap_remove(next));
            flags.swap_remove(next);
        }
    }
}

type Request = oneshot::Sender<u32>;

async fn ask<F: Future<Output = bool>>(send: impl Fn(Request) -> F) {
    loop {
        let (answer, answered) = oneshot::channel();
        if !send(answer).await || answered.await.is_err() {
            return;
        }
    }
}

#[test]
fn clients_of_an_actor_that_ends_all_hear_of_it() {
    let rand = Rand::new(3);
    for round in 0..if cfg!(miri) { 8 } else { 3_000 } {
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        let buffer = 1 + round % 3;
        if round % 2 == 0 {
            let (sender, mut requests) = mpsc::channel::<Request>(buffer);
            for _ in 0..4 {
                let sender = sender.clone();
                tasks.push(Box::pin(async move {
                    ask(async |request| sender.send(request).await.is_ok()).await;
                }));
            }
            tasks.push(Box::pin(async move {
                for _ in 0..6 {
                    let request = requests.recv().await.unwrap();
                    let _ = request.send(7);
                }
            }));
        } else {
            let (sender, requests) = mpmc::bounded::<Request>(buffer);
            for _ in 0..4 {
                let sender = sender.clone();
                tasks.push(Box::pin(async move {
                    ask(async |request| sender.send(request).await.is_ok()).await;
                }));
            }
            tasks.push(Box::pin(async move {
                for _ in 0..6 {
                    let request = requests.recv().await.unwrap();
                    let _ = request.send(7);
                }
            }));
        }
        assert_eq!(run(tasks, &rand), 0, "clients that wait for ever");
    }
}

#[test]
fn nothing_stays_of_what_races_with_the_end_of_the_receivers() {
    within_limit(|| {
        for round in 0..if cfg!(miri) { 2 } else { 200 } {
            let drops = Drops::default();
            let (sender, receiver) = mpsc::unbounded_channel();
            let (shared, receivers) = mpmc::unbounded();
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (sender, shared, drops) = (sender.clone(), shared.clone(), drops.clone());
                    std::thread::spawn(move || {
                        for i in 0..40 {
                            let _ = sender.send(drops.value(i));
                            let _ = shared.try_send(drops.value(i));
                        }
                    })
                })
                .collect();
            (0..round % 7).for_each(|_| std::thread::yield_now());
            drop((receiver, receivers));
            threads.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(drops.seen().len(), 240, "both have a sender left");
            drop((sender, shared));
        }
    });
}

// Futures that are forgotten.

#[test]
fn receivers_that_are_forgotten_harm_no_channel_that_ends() {
    for (waits, messages) in [(17, 16), (100, 64), (3, 40), (33, 33)] {
        let drops = Drops::default();
        let (sender, receiver) = mpmc::unbounded();
        for _ in 0..waits {
            let mut wait = Box::pin(receiver.recv());
            let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            // Where a leak check finds it.
            forget(wait);
        }
        for message in 0..messages {
            sender.try_send(drops.value(message)).unwrap();
        }
        drop(receiver);
        assert_eq!(drops.seen(), (0..messages).collect::<Vec<_>>());
        assert!(sender.try_send(drops.value(0)).is_err());
        drop(sender);
    }
}

fn forget<F>(future: Pin<Box<F>>) {
    struct Kept(#[expect(dead_code, reason = "it is a root")] *mut ());
    // SAFETY: nobody follows it.
    unsafe impl Send for Kept {}
    static FORGOTTEN: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    // SAFETY: it stays where it is, for ever.
    let future = unsafe { Pin::into_inner_unchecked(future) };
    FORGOTTEN
        .lock()
        .unwrap()
        .push(Kept(Box::into_raw(future).cast()));
}

#[test]
fn one_who_comes_behind_a_forgotten_receiver_gets_the_next_message() {
    for capacity in [Some(0), Some(2), None] {
        let (sender, receiver) = capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
        let mut wait = Box::pin(receiver.recv());
        let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        forget(wait);
        let mut behind = task(receiver.recv());
        behind.expect_pending();
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert!(behind.woken());
        assert!(behind.expect_ready().is_some());
    }
}

// Wakers that panic.

/// A waker that panics when it is woken.
fn bomb() -> Waker {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("a waker that panics"));
        }
    }
    Arc::new(Bomb).into()
}

#[test]
fn a_sender_s_waker_that_panics_costs_the_receiver_no_message() {
    type Take<R> = fn(&mut R) -> Option<u32>;
    let takes: [Take<mpsc::Receiver<u32>>; 4] = [
        |receiver| receiver.try_recv().ok(),
        |receiver| task(receiver.recv()).expect_ready(),
        |receiver| receiver.blocking_recv(),
        |receiver| {
            let mut buffer = Vec::new();
            assert_eq!(receiver.blocking_recv_many(&mut buffer, 9), 1);
            buffer.pop()
        },
    ];
    for take in takes {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let mut sending = task(sender.send(2));
        assert!(sending.poll_with(&bomb()).is_pending());
        assert_eq!(take(&mut receiver), Some(1));
        assert_eq!(sending.expect_ready(), Ok(()));
        assert_eq!(take(&mut receiver), Some(2));
    }
    let takes: [Take<mpmc::Receiver<u32>>; 4] = [
        |receiver| receiver.try_recv().ok(),
        |receiver| task(receiver.recv()).expect_ready(),
        |receiver| receiver.blocking_recv(),
        |receiver| {
            let mut buffer = Vec::new();
            assert_eq!(receiver.blocking_recv_many(&mut buffer, 9), 1);
            buffer.pop()
        },
    ];
    for take in takes {
        for capacity in [0, 1] {
            let (sender, mut receiver) = mpmc::bounded(capacity);
            if capacity == 1 {
                sender.try_send(1).unwrap();
            }
            let mut sending = task(sender.send(1 + capacity as u32));
            assert!(sending.poll_with(&bomb()).is_pending());
            assert_eq!(take(&mut receiver), Some(1));
            assert_eq!(sending.expect_ready(), Ok(()));
            if capacity == 1 {
                assert_eq!(take(&mut receiver), Some(2));
            }
        }
    }
}

#[test]
fn a_claim_is_collected_whatever_the_wakers_do() {
    let (sender, receiver) = mpmc::bounded(1);
    let mut receiving = task(receiver.recv());
    receiving.expect_pending();
    sender.try_send(1).unwrap();
    let mut sending = task(sender.send(2));
    assert!(sending.poll_with(&bomb()).is_pending());
    assert_eq!(receiving.expect_ready(), Some(1));
    assert_eq!(sending.expect_ready(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_receiver_s_waker_that_panics_costs_no_message() {
    let (sender, mut receiver) = mpsc::channel(1);
    assert!(task(receiver.recv()).poll_with(&bomb()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| sender.try_send(1))).is_err());
    assert_eq!(receiver.try_recv(), Ok(1));
    for capacity in [0, 1] {
        let (sender, receiver) = mpmc::bounded(capacity);
        let mut receiving = task(receiver.recv());
        assert!(receiving.poll_with(&bomb()).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| sender.try_send(1))).is_err());
        assert_eq!(receiving.expect_ready(), Some(1));
    }
}

/// A waker whose first clone, or the drop of it, panics.
fn clone_bomb() -> Waker {
    let armed = AtomicBool::new(true);
    calling_waker(move || {
        if armed.swap(false, Ordering::SeqCst) {
            resume_unwind(Box::new("a clone that panics"));
        }
    })
}

#[test]
fn a_waker_whose_clone_panics_leaves_a_sink_its_message() {
    for capacity in [0, 1] {
        let (sender, receiver) = mpmc::bounded(capacity);
        if capacity == 1 {
            sender.try_send(0).unwrap();
        }
        let mut sink = pin!(sender.sink());
        sink.as_mut().start_send(1).unwrap();
        let waker = clone_bomb();
        let flush = catch_unwind(AssertUnwindSafe(|| {
            sink.as_mut().poll_flush(&mut Context::from_waker(&waker))
        }));
        assert!(flush.is_err());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sink.as_mut().poll_flush(&mut cx).is_pending());
        if capacity == 1 {
            assert_eq!(receiver.try_recv(), Ok(0));
            assert!(sink.as_mut().poll_flush(&mut cx).is_ready());
        }
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}

#[test]
fn a_sender_s_own_waker_that_panics_as_it_is_dropped_costs_no_value() {
    let calls = AtomicUsize::new(0);
    // The second call is the drop of the clone that the channel has.
    let waker = calling_waker(move || {
        if calls.fetch_add(1, Ordering::SeqCst) == 1 {
            resume_unwind(Box::new("a drop that panics"));
        }
    });
    let (mut sender, receiver) = oneshot::channel();
    let closed = sender.poll_closed(&mut Context::from_waker(&waker));
    assert!(closed.is_pending());
    assert_eq!(sender.send(2), Ok(()));
    assert_eq!(receiver.blocking_recv(), Ok(2));
}

// Capacities.

#[test]
fn a_channel_says_the_same_of_its_capacity_in_all_ways() {
    const MOST: usize = (1 << 28) - 1;
    for (asked, is) in [
        (1, 1),
        (MOST - 1, MOST - 1),
        (MOST, MOST),
        (MOST + 1, MOST),
        (Semaphore::MAX_PERMITS, MOST),
    ] {
        let (sender, receiver) = mpsc::channel::<u8>(asked);
        assert_eq!((sender.capacity(), sender.max_capacity()), (is, is));
        assert_eq!((receiver.capacity(), receiver.max_capacity()), (is, is));
        assert!(task(sender.reserve_many(is + 1)).expect_ready().is_err());
        let refused = sender.try_reserve_many(is + 1);
        assert_eq!(refused.err(), Some(TrySendError::Full(())));
        let all = task(sender.reserve_many(is)).expect_ready().unwrap();
        assert_eq!((all.len(), sender.capacity()), (is, 0));
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        drop(all);
        let all = sender.try_reserve_many(is).unwrap();
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        drop(all);
        assert_eq!(sender.capacity(), is);

        let (sender, receiver) = mpmc::bounded::<u8>(asked);
        assert_eq!(
            (sender.capacity(), receiver.capacity()),
            (Some(is), Some(is))
        );
        assert_eq!((sender.is_full(), sender.try_send(1)), (false, Ok(())));
        assert_eq!(sender.is_full(), is == 1);
        assert_eq!(sender.try_send(1).is_err(), is == 1);
    }
}

#[test]
fn a_channel_is_full_where_room_is_on_its_way_to_a_sender() {
    let (sender, receiver) = mpmc::bounded(1);
    sender.try_send(1).unwrap();
    let mut sending = task(sender.send(2));
    sending.expect_pending();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(sender.is_full() && sender.try_send(3).is_err());
    sending.expect_ready().unwrap();
}

// Who is told of a mistake, and what a wait takes.

/// Calls `f`, which panics in this very file.
#[track_caller]
fn blames_the_caller(f: impl FnOnce()) {
    thread_local! {
        static FILE: Cell<Option<String>> = const { Cell::new(None) };
    }
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            FILE.set(info.location().map(|place| place.file().to_owned()));
            before(info);
        }));
    });
    FILE.set(None);
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    assert_eq!(FILE.take().as_deref(), Some(file!()));
}

#[test]
fn panics_point_to_the_caller() {
    blames_the_caller(|| drop(mpsc::channel::<u8>(0)));
    blames_the_caller(|| drop(mpsc::channel::<u8>(Semaphore::MAX_PERMITS + 1)));
    blames_the_caller(|| drop(mpmc::bounded::<u8>(Semaphore::MAX_PERMITS + 1)));
    let completed = || {
        let (sender, mut receiver) = oneshot::channel();
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        receiver
    };
    blames_the_caller(|| _ = completed().blocking_recv());
    blames_the_caller(|| {
        let _ = pin!(completed()).poll(&mut Context::from_waker(Waker::noop()));
    });
    let (sender, _receiver) = mpmc::bounded(1);
    let mut sink = pin!(sender.sink());
    sink.as_mut().start_send(1).unwrap();
    blames_the_caller(|| _ = sink.as_mut().start_send(2));
}

#[test]
fn a_wait_for_a_message_has_no_room_for_one() {
    const LARGE: usize = 4_096;
    let (_sender, receiver) = mpmc::unbounded::<[u8; LARGE]>();
    assert!(size_of_val(&receiver.recv()) < 128);
    let (_sender, mut receiver) = mpsc::channel::<[u8; LARGE]>(1);
    assert!(size_of_val(&receiver.recv()) < 128);
    assert!(size_of_val(&receiver.recv_many(&mut Vec::new(), 3)) < 128);
}

#[test]
fn many_claims_given_up_in_any_order_lose_no_message() {
    let rand = Rand::new(5);
    let count = if cfg!(miri) { 70 } else { 500 };
    let (sender, receiver) = mpmc::unbounded();
    let (mut sent, mut received) = (0, 0);
    let mut waits: Vec<_> = (0..count).map(|_| task(receiver.recv())).collect();
    waits.iter_mut().for_each(|wait| wait.expect_pending());
    while !waits.is_empty() {
        match rand.below(4) {
            0 | 1 => {
                sender.try_send(sent).unwrap();
                sent += 1;
            }
            2 => drop(waits.swap_remove(rand.below(waits.len() as u32) as usize)),
            _ => {
                let index = rand.below(waits.len() as u32) as usize;
                if let Poll::Ready(taken) = waits[index].poll() {
                    assert_eq!(taken, Some(received));
                    received += 1;
                    drop(waits.swap_remove(index));
                }
            }
        }
    }
    while let Ok(taken) = receiver.try_recv() {
        assert_eq!(taken, received);
        received += 1;
    }
    assert_eq!((received, receiver.len()), (sent, 0));
}
