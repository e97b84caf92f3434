//! The budget: whatever completes at once, with a value or with an error, ends the poll of a task that does nothing
//! else before long.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use heist::io::{AsyncReadExt, AsyncWriteExt};
use heist::net::{TcpListener, TcpStream};
use heist::runtime::{Builder, Runtime};
use heist::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use heist::task::{self, JoinSet, LocalSet, TaskGroup, coop};
use heist::time::{Duration, interval, sleep, timeout};

/// What a poll may do.
const BUDGET: usize = 128;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Polls a loop of `operation`, which never has to wait, once within a budget, and gives how often it went round.
/// Each round may be several operations.
#[track_caller]
fn rounds(mut operation: impl AsyncFnMut()) -> usize {
    let rounds = Cell::new(0);
    let mut forever = pin!(async {
        loop {
            operation().await;
            rounds.set(rounds.get() + 1);
            // Far beyond any budget: the test fails rather than hangs.
            assert!(rounds.get() < 100 * BUDGET, "the loop does not yield");
        }
    });
    let polled: Poll<()> = coop::budget(|| {
        forever
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    });
    assert!(polled.is_pending());
    rounds.get()
}

/// As [`rounds`], and holds them to the budget.
#[track_caller]
fn yields(operation: impl AsyncFnMut()) {
    let rounds = rounds(operation);
    assert!((1..=BUDGET).contains(&rounds), "{rounds} rounds");
}

#[test]
fn channels_yield_with_messages_and_closed() {
    let (sender, mut receiver) = mpsc::channel(1_000);
    yields(async || sender.send(1).await.expect("open"));
    yields(async || assert!(receiver.recv().await.is_some()));
    receiver.close();
    yields(async || assert!(sender.send(1).await.is_err()));
    yields(async || assert!(sender.reserve().await.is_err()));
    yields(async || sender.closed().await);
    drop(sender);
    while receiver.try_recv().is_ok() {}
    yields(async || assert!(receiver.recv().await.is_none()));
    yields(async || assert_eq!(receiver.recv_many(&mut Vec::new(), 10).await, 0));

    let (sender, mut receiver) = mpsc::unbounded_channel();
    for i in 0..1_000 {
        sender.send(i).expect("open");
    }
    yields(async || assert!(receiver.recv().await.is_some()));
    receiver.close();
    yields(async || sender.closed().await);

    yields(async || {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).expect("open");
        assert_eq!(receiver.await, Ok(1));
    });
    yields(async || {
        let (sender, receiver) = oneshot::channel::<()>();
        drop(sender);
        assert!(receiver.await.is_err());
    });
    yields(async || {
        let (mut sender, receiver) = oneshot::channel::<()>();
        drop(receiver);
        sender.closed().await;
    });
}

#[test]
fn locks_yield_free_and_closed() {
    let mutex = Arc::new(Mutex::new(0));
    yields(async || *mutex.lock().await += 1);
    yields(async || *mutex.clone().lock_owned().await += 1);
    let semaphore = Arc::new(Semaphore::new(1));
    yields(async || drop(semaphore.acquire().await.expect("open")));
    yields(async || drop(semaphore.clone().acquire_owned().await.expect("open")));
    semaphore.close();
    yields(async || assert!(semaphore.acquire().await.is_err()));
    yields(async || assert!(semaphore.clone().acquire_many_owned(1).await.is_err()));
    let notify = Notify::new();
    yields(async || {
        notify.notify_one();
        notify.notified().await;
    });
}

#[test]
fn timers_yield_also_those_that_are_over() {
    let runtime = runtime();
    let _entered = runtime.enter();
    yields(async || sleep(Duration::ZERO).await);
    yields(async || assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err()));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for i in 0..1_000 {
        sender.send(i).expect("open");
    }
    yields(async || {
        let limited = timeout(Duration::from_secs(3_600), receiver.recv()).await;
        assert!(limited.expect("in time").is_some());
    });
    let mut ticks = interval(Duration::from_nanos(1));
    yields(async || {
        ticks.tick().await;
    });
}

#[test]
fn a_limit_is_looked_at_also_where_the_future_uses_the_whole_budget() {
    // Greedy, and always woken: only the limit can end it.
    runtime().block_on(async {
        let greedy = async {
            loop {
                coop::consume_budget().await;
            }
        };
        let limited = timeout(Duration::from_millis(5), greedy).await;
        assert!(limited.map(|(): ()| ()).is_err());
    });
}

#[test]
fn joins_yield_with_outputs_and_errors() {
    let runtime = runtime();
    let handles: Vec<_> = (0..1_000)
        .map(|i| runtime.spawn(async move { i }))
        .collect();
    let mut set = JoinSet::new();
    for i in 0..1_000 {
        set.spawn_on(async move { i }, runtime.handle());
    }
    let last = runtime.spawn(async {});
    runtime.block_on(last).expect("no panic");
    assert!(handles.iter().all(task::JoinHandle::is_finished));
    let mut handles = handles.into_iter();
    yields(async || assert!(handles.next().expect("enough").await.is_ok()));
    yields(async || drop(set.join_next().await));
    yields(async || assert!(JoinSet::<()>::new().join_next().await.is_none()));
    yields(async || assert!(TaskGroup::<(), ()>::new().join().await.is_ok()));
    let handle = runtime.handle().clone();
    drop(runtime);
    yields(async || assert!(handle.spawn(async {}).await.is_err()));
}

#[test]
fn sockets_yield_at_their_end_and_with_errors() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let (peer, _) = listener.accept().await.expect("accepts");
        peer.set_linger(Some(Duration::ZERO)).expect("a socket");
        // A reset.
        drop(peer);
        let error = stream.read(&mut [0]).await.expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        yields(async || assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))));
        yields(async || assert!(stream.write(&[0]).await.is_err()));
        yields(async || stream.readable().await.expect("it is"));
        yields(async || stream.writable().await.expect("it is"));
        yields(async || drop(stream.peek(&mut [0]).await));
    });
}

#[test]
fn foreign_futures_take_part_by_the_functions_of_this_module() {
    yields(async || coop::consume_budget().await);
    yields(async || coop::cooperative(ready(())).await);
    yields(async || assert!(coop::cooperative(ready(Err::<(), ()>(()))).await.is_err()));
    let mut left = Vec::new();
    yields(async || {
        left.push(coop::has_budget_remaining());
        poll_fn(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress())).await;
    });
    assert_eq!(left.len(), BUDGET + 1);
    assert!(left[..BUDGET].iter().all(|left| *left) && !left[BUDGET]);
    // Without the last call the unit goes back: waiting is free.
    let mut polls = 0;
    let mut waits = pin!(coop::cooperative(poll_fn(|_| {
        polls += 1;
        Poll::<()>::Pending
    })));
    coop::budget(|| {
        for _ in 0..1_000 {
            assert!(
                waits
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }
        assert!(coop::has_budget_remaining());
    });
    assert_eq!(polls, 1_000);
}

#[test]
fn unconstrained_lifts_the_budget_of_what_it_polls_alone() {
    let mut free = pin!(coop::unconstrained(async {
        for _ in 0..10 * BUDGET {
            coop::consume_budget().await;
            assert!(coop::has_budget_remaining());
        }
        // And whoever cooperates inside is lifted too.
        for _ in 0..10 * BUDGET {
            coop::cooperative(ready(())).await;
        }
    }));
    let polled = coop::budget(|| {
        let polled = free.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(coop::has_budget_remaining());
        polled
    });
    assert!(polled.is_ready());
}

/// A task of a stream that never runs dry, against a timer and a neighbour, on one thread.
#[test]
fn a_task_that_never_waits_starves_neither_timers_nor_neighbours_nor_local_tasks() {
    let runtime = runtime();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let (stop, rounds) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let greedy = |stop: Arc<AtomicBool>, rounds: Arc<AtomicUsize>| async move {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            while !stop.load(Ordering::SeqCst) {
                sender.send(()).expect("open");
                receiver.recv().await.expect("open");
                rounds.fetch_add(1, Ordering::SeqCst);
            }
        };
        let spawned = heist::spawn(greedy(stop.clone(), rounds.clone()));
        let beside = task::spawn_local(greedy(stop.clone(), rounds.clone()));
        sleep(Duration::from_millis(1)).await;
        heist::spawn(async {}).await.expect("no panic");
        task::spawn_local(async {}).await.expect("no panic");
        stop.store(true, Ordering::SeqCst);
        spawned.await.expect("no panic");
        beside.await.expect("no panic");
        assert!(rounds.load(Ordering::SeqCst) > 0);
    });
}
