//! A foreign waker that blocks the thread that calls it, while every worker is busy: the runtime's events, timers and
//! lookout go on.

#[path = "../../reactor/tests/support/blocking_waker.rs"]
mod blocking_waker;
#[path = "support/watch.rs"]
mod watch;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use blocking_waker::{SOON, blocking_waker, both_are_served, pair};
use heist_reactor::io::ReadBuf;
use heist_reactor::testing::block_on;
use heist_reactor::time::{Instant, Sleep, sleep, sleep_until};
use heist_scheduler::runtime::{Builder, Runtime};
use heist_scheduler::task::LocalSet;
use watch::{current_thread, watchdog};

/// A sleep that waits with this waker. On a busy machine it may take some tries to get one.
fn sleeping(waker: &Waker) -> Pin<Box<Sleep>> {
    loop {
        let mut slept = Box::pin(sleep(SOON));
        let polled = slept.as_mut().poll(&mut Context::from_waker(waker));
        if polled.is_pending() {
            return slept;
        }
    }
}

/// Blocks a thread of the runtime that this thread has entered, in a waker for a timer and in one for a socket.
fn block_in_wakers(test: impl Fn()) {
    let (gate, waker) = blocking_waker();
    let _sleeps = sleeping(&waker);
    gate.called.recv().expect("it is woken");
    test();

    let (second, waker) = blocking_waker();
    let (inside, mut outside) = pair();
    let polled = inside.poll_peek(
        &mut Context::from_waker(&waker),
        &mut ReadBuf::new(&mut [0]),
    );
    assert!(polled.is_pending());
    outside.write_all(b"x").expect("it is connected");
    second.called.recv().expect("it is woken");
    test();
    drop(gate);
    test();
}

/// A runtime with so many workers, and as many spares.
fn with_spares(workers: usize, spares: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).max_spare_workers(spares);
    builder.build().expect("a runtime")
}

/// Keeps this many threads of the runtime busy, until the end.
fn burn(runtime: &Runtime, threads: usize, test: impl FnOnce()) {
    let (begun, end) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    for _ in 0..threads {
        let (begun, end) = (begun.clone(), end.clone());
        runtime.spawn(async move {
            begun.fetch_add(1, Ordering::Relaxed);
            while !end.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    while begun.load(Ordering::Relaxed) < threads {
        std::thread::yield_now();
    }
    let tested = catch_unwind(AssertUnwindSafe(test));
    end.store(true, Ordering::Relaxed);
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
}

#[test]
fn while_all_workers_are_busy_a_waker_that_blocks_holds_up_no_event_and_no_timer() {
    let _dog = watchdog();
    for workers in [1, 2] {
        let runtime = with_spares(workers, 0);
        let _entered = runtime.enter();
        burn(&runtime, workers, || block_in_wakers(both_are_served));
    }
}

#[test]
fn a_hook_that_blocks_as_it_hears_of_a_stall_holds_up_nothing() {
    let _dog = watchdog();
    let (calls, called) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).max_spare_workers(0);
    builder.stall_threshold(SOON).on_stall(move |_| {
        let _ = calls.send(());
        let _ = gate.lock().expect("no panic").recv();
    });
    let runtime = builder.build().expect("a runtime");
    let _entered = runtime.enter();
    burn(&runtime, 1, || {
        // Somebody has to wait for the one that burns.
        drop(runtime.spawn(async {}));
        called.recv().expect("it is told");
        both_are_served();
        drop(open);
    });
}

#[test]
fn the_lookout_goes_on_beside_a_waker_that_blocks() {
    let _dog = watchdog();
    // Two of the spares may be blocked by the wakers, as a worker with nothing to do calls them, too.
    let runtime = with_spares(1, 3);
    let _entered = runtime.enter();
    burn(&runtime, 1, || {
        block_in_wakers(|| {
            // The one worker is busy: a spare comes for it, which the lookout brings.
            block_on(runtime.spawn(async {})).expect("no panic");
        });
    });
}

#[test]
fn any_number_of_wakers_may_block_beside_each_other() {
    let _dog = watchdog();
    for workers in [1, 2] {
        let runtime = with_spares(workers, 1);
        let _entered = runtime.enter();
        let gates: Vec<_> = (0..8)
            .map(|_| {
                let (gate, waker) = blocking_waker();
                let _sleeps = sleeping(&waker);
                gate.called.recv().expect("it is woken");
                let woken = runtime.spawn(async { sleep(SOON).await });
                block_on(woken).expect("no panic");
                gate
            })
            .collect();
        drop(gates);
    }
}

#[test]
fn a_local_set_whose_poller_blocks_holds_up_nothing() {
    let _dog = watchdog();
    let runtime = with_spares(1, 0);
    let _entered = runtime.enter();
    burn(&runtime, 1, || {
        let local = LocalSet::new();
        let (gate, waker) = blocking_waker();
        let mut local = pin!(local);
        let mut cx = Context::from_waker(&waker);
        // Longer than any machine keeps a thread from going on: the waker must not be called in this poll.
        drop(local.spawn_local(sleep(Duration::from_secs(2))));
        assert!(local.as_mut().poll(&mut cx).is_pending());
        gate.called.recv().expect("it is woken");
        both_are_served();
        drop(gate);
        while local
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
        {
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_task_that_is_woken_together_with_one_that_blocks_is_polled() {
    let _dog = watchdog();
    let runtime = with_spares(1, 1);
    for _ in 0..10 {
        let (gate, waker) = blocking_waker();
        let task = runtime.spawn(async move {
            let deadline = Instant::now() + SOON;
            let mut slept = Box::pin(sleep_until(deadline));
            let polled = slept.as_mut().poll(&mut Context::from_waker(&waker));
            // Due last, so that it would be woken last if each were woken in its turn.
            sleep_until(deadline + Duration::from_nanos(1)).await;
            (slept, polled.is_pending())
        });
        let (_slept, waits) = block_on(task).expect("no panic");
        if waits {
            gate.called.recv().expect("it is woken");
        }
    }
}

/// Two runtimes, because a socket may be moved into a task of another one.
#[test]
fn a_waker_that_blocks_at_shutdown_delays_no_task_that_is_woken_with_it() {
    let _dog = watchdog();
    let other = with_spares(1, 1);
    for ending in [current_thread(), with_spares(1, 1), with_spares(2, 2)] {
        let entered = ending.enter();
        let (gates, mut kept) = (RefCell::new(Vec::new()), Vec::new());
        let mut waits_with_a_blocking_waker = || {
            let (gate, waker) = blocking_waker();
            let (inside, outside) = pair();
            let mut context = Context::from_waker(&waker);
            let polled = inside.poll_peek(&mut context, &mut ReadBuf::new(&mut [0]));
            assert!(polled.is_pending());
            gates.borrow_mut().push(gate);
            kept.push((inside, outside));
        };
        waits_with_a_blocking_waker();
        let (inside, _outside) = pair();
        let (polls, polled) = mpsc::channel();
        let task = other.spawn(async move {
            let peek = poll_fn(|cx| {
                let peeked = inside.poll_peek(cx, &mut ReadBuf::new(&mut [0]));
                polls.send(()).expect("the test listens");
                peeked
            });
            peek.await.is_err()
        });
        polled.recv().expect("it is polled");
        waits_with_a_blocking_waker();
        drop(entered);
        let ends = std::thread::spawn(move || drop(ending));
        assert!(block_on(task).expect("no panic"), "its reactor has ended");
        drop(gates);
        ends.join().expect("no panic");
    }
}

#[test]
fn the_default_reactors_thread_may_block_beside_a_busy_current_thread_runtime() {
    let _dog = watchdog();
    let runtime = current_thread();
    // Its one thread is here, in a poll that lasts; outside any runtime the default reactor serves.
    runtime.block_on(async {
        std::thread::scope(|scope| {
            let outside = scope.spawn(|| block_in_wakers(both_are_served));
            outside.join().expect("no panic");
        });
        sleep(SOON).await;
    });
}
