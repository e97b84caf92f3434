//! The hot paths, for counting and not for timing: `.ci/instructions` runs them under callgrind and compares the
//! instructions of each with `benches/instructions.tsv`.
//!
//! `counts SHAPE N` does the shape's operation N times, all on one thread: with futures polled by hand, on the
//! current-thread runtime, or on the one worker of a multi-thread runtime. `counts --list` names the shapes.

use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heist::io::unix::AsyncFd;
use heist::io::{AsyncReadExt as _, AsyncWriteExt as _};
use heist::net::UnixStream;
use heist::runtime::{Builder, Runtime};
use heist::sync::{Mutex, Semaphore, mpsc, oneshot};
use heist::task::yield_now;
use heist::{spawn, time};

/// Shapes that read the clock as they run. How often they look for events depends on how fast the machine is.
const TIMED: [&str; 2] = ["yield", "poll"];

/// The name, the operation, and a function that does it so many times.
type Shape = (&'static str, &'static str, fn(usize));

const SHAPES: &[Shape] = &[
    ("spawn", "a task spawned, run and done", |n| {
        alone(spawns(n))
    }),
    ("join", "a task spawned, run and joined", |n| {
        alone(joins(n))
    }),
    ("yield", "a yield and the next poll", |n| alone(yields(n))),
    ("poll", "a task wakes itself and is polled", |n| {
        alone(polls(n))
    }),
    ("wake", "a task wakes another, which is polled", |n| {
        alone(wakes(n))
    }),
    ("block-on", "a block_on of a ready future", block_ons),
    ("timeout", "a timeout made, polled once and dropped", |n| {
        alone(timeouts(n))
    }),
    ("mpsc", "a message sent and received", messages),
    ("mpsc-tasks", "the same between two tasks", |n| {
        alone(task_messages(n))
    }),
    ("oneshot", "a oneshot made, sent and received", oneshots),
    ("oneshot-wait", "the same, waited for", awaited_oneshots),
    ("mutex", "a mutex locked and unlocked", locks),
    ("mutex-wait", "the same, waited for", awaited_locks),
    ("semaphore", "a permit taken and given back", permits),
    ("semaphore-wait", "the same, waited for", awaited_permits),
    (
        "register",
        "a descriptor registered and deregistered",
        |n| alone(registrations(n)),
    ),
    ("event", "a byte sent, waited for and received", |n| {
        alone(events(n))
    }),
    ("worker-spawn", "spawn on a worker", |n| worker(spawns(n))),
    ("worker-join", "join on a worker", |n| worker(joins(n))),
    ("worker-yield", "yield on a worker", |n| worker(yields(n))),
    ("worker-poll", "poll on a worker", |n| worker(polls(n))),
    ("worker-wake", "wake on a worker", |n| worker(wakes(n))),
    ("worker-mpsc-tasks", "mpsc-tasks on a worker", |n| {
        worker(task_messages(n))
    }),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => {
            for (name, what, _) in SHAPES {
                let timed = if TIMED.contains(name) { "\ttimed" } else { "" };
                println!("{name}\t{what}{timed}");
            }
        }
        [shape, n] => {
            let found = SHAPES.iter().find(|(name, ..)| *name == shape);
            let (.., run) = found.expect("a shape of --list");
            run(n.parse().expect("a number"));
        }
        _ => panic!("counts SHAPE N, or counts --list"),
    }
}

/// Runs `operations` as a task of a current-thread runtime.
fn alone(operations: impl Future<Output = ()> + Send + 'static) {
    run(Builder::new_current_thread(), operations);
}

/// Runs `operations` on the one worker of a multi-thread runtime.
fn worker(operations: impl Future<Output = ()> + Send + 'static) {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    run(builder, operations);
}

fn run(mut builder: Builder, operations: impl Future<Output = ()> + Send + 'static) {
    let runtime = builder.build().expect("a runtime");
    let whole = runtime.spawn(operations);
    runtime.block_on(whole).expect("no panic");
}

/// Spawns 16 tasks at a time, so that no queue grows, and lets them run.
async fn spawns(n: usize) {
    for _ in 0..n / 16 {
        for _ in 0..16 {
            drop(spawn(async {}));
        }
        yield_now().await;
    }
}

async fn joins(n: usize) {
    for _ in 0..n {
        spawn(async {}).await.expect("no panic");
    }
}

async fn yields(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

async fn polls(n: usize) {
    let mut left = n;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Two tasks wake each other, `n` wakes in all.
async fn wakes(n: usize) {
    let table = Arc::new(StdMutex::new((0, [None::<Waker>, None])));
    let player = |me: usize| {
        let table = table.clone();
        poll_fn(move |cx| {
            let (turn, waiting) = &mut *table.lock().expect("no panic");
            if *turn % 2 == me {
                *turn += 1;
                waiting[1 - me].take().into_iter().for_each(Waker::wake);
            }
            if *turn >= n {
                return Poll::Ready(());
            }
            waiting[me] = Some(cx.waker().clone());
            Poll::Pending
        })
    };
    let players = [spawn(player(0)), spawn(player(1))];
    for player in players {
        player.await.expect("no panic");
    }
}

fn block_ons(n: usize) {
    let runtime: Runtime = Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..n {
        runtime.block_on(async {});
    }
}

async fn timeouts(n: usize) {
    for _ in 0..n {
        let mut timeout = pin!(time::timeout(Duration::from_secs(30), pending::<()>()));
        poll_fn(|cx| {
            assert!(timeout.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

async fn registrations(n: usize) {
    let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    one.set_nonblocking(true).expect("a socket");
    for _ in 0..n {
        drop(AsyncFd::new(black_box(one.as_fd())).expect("a reactor"));
    }
}

/// Each byte is written into one socket, and the other waits for it. So each costs a turn of the reactor with one event.
async fn events(n: usize) {
    let (mut near, mut far) = UnixStream::pair().expect("a pair of sockets");
    for _ in 0..n {
        let mut byte = [0; 1];
        let mut read = pin!(far.read_exact(&mut byte));
        poll_fn(|cx| {
            assert!(read.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        near.write_all(&[7]).await.expect("an open socket");
        read.await.expect("an open socket");
    }
}

fn messages(n: usize) {
    let (sender, mut receiver) = mpsc::channel(128);
    for _ in 0..n {
        now(sender.send(black_box(1))).expect("a receiver");
        black_box(now(receiver.recv()));
    }
}

/// A sender that finds the channel full after every 16 messages, and a receiver that finds it empty.
async fn task_messages(n: usize) {
    let (sender, mut receiver) = mpsc::channel(16);
    spawn(async move {
        for message in 0..n {
            sender.send(message).await.expect("a receiver");
        }
    });
    while receiver.recv().await.is_some() {}
}

fn oneshots(n: usize) {
    for _ in 0..n {
        let (sender, receiver) = oneshot::channel();
        sender.send(black_box(1)).expect("a receiver");
        black_box(now(receiver)).expect("a value");
    }
}

fn awaited_oneshots(n: usize) {
    for _ in 0..n {
        let (sender, receiver) = oneshot::channel();
        let send = || sender.send(black_box(1)).expect("a receiver");
        black_box(after(receiver, send)).expect("a value");
    }
}

fn locks(n: usize) {
    let mutex = black_box(Mutex::new(0));
    for _ in 0..n {
        *now(mutex.lock()) += 1;
    }
}

fn awaited_locks(n: usize) {
    let mutex = black_box(Mutex::new(0));
    for _ in 0..n {
        let held = now(mutex.lock());
        *after(mutex.lock(), || drop(held)) += 1;
    }
}

fn permits(n: usize) {
    let semaphore = black_box(Semaphore::new(10));
    for _ in 0..n {
        drop(now(semaphore.acquire()).expect("an open semaphore"));
    }
}

fn awaited_permits(n: usize) {
    let semaphore = black_box(Semaphore::new(1));
    for _ in 0..n {
        let held = now(semaphore.acquire()).expect("an open semaphore");
        drop(after(semaphore.acquire(), || drop(held)).expect("an open semaphore"));
    }
}

/// The output of a future that needn't wait.
#[inline(always)]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nobody is there to be waited for"),
    }
}

/// The output of a future that waits until `done` was called.
#[inline(always)]
fn after<F: Future>(future: F, done: impl FnOnce()) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    done();
    now(future)
}
