//! Everything at once: tasks that spawn, join, abort, panic, yield, block, lock, send, sleep and talk over sockets, on
//! runtimes that come and go in every way, woken from foreign threads and from each other's runtimes.
//!
//! Each round follows from its seed, but for the order in which threads run. A round that fails prints its seed;
//! `HEIST_STRESS_SEED=n` begins there. `HEIST_STRESS_SECONDS=n` makes the test that long.
#![cfg(not(miri))]

#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as threads};
use std::thread;
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use heist_reactor::net::{TcpListener, TcpStream};
use heist_reactor::time::{sleep, timeout};
use heist_scheduler::runtime::{self, Builder, Handle, Runtime, RuntimeFlavor};
use heist_scheduler::task;
use heist_sync::sys::rand::Rand;
use heist_sync::{Mutex, Semaphore, mpsc, oneshot};
use watch::{OnDrop, on_drop, watchdog};

/// How long a task may lie in the queue from outside with nothing being polled. The machine may take the processors
/// away for a while; a wake that was lost would last for good.
const STUCK: Duration = Duration::from_secs(20);

/// What the tasks of a round share.
struct World {
    /// How many payloads live. Each future holds one.
    live: Arc<AtomicI64>,
    lock: Mutex<u64>,
    locked: AtomicUsize,
    permits: Semaphore,
    sink: mpsc::Sender<Payload>,
    /// A thread of no runtime, which answers.
    foreign: threads::Sender<oneshot::Sender<Payload>>,
    /// Another runtime, which may have ended.
    other: Option<Handle>,
    address: std::net::SocketAddr,
    /// The runtime whose tasks may block in place: not one where one thread does everything, nor one that has so few
    /// threads that all of them would wait for a task which only another could run.
    blocks: Option<runtime::Id>,
}

/// Counted while it lives.
struct Payload(Arc<AtomicI64>);

impl Payload {
    fn new(live: &Arc<AtomicI64>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self(live.clone())
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

type Life = Pin<Box<dyn Future<Output = Payload> + Send>>;

/// A task's life: some of everything, with children down to `depth`.
fn life(world: Arc<World>, seed: u64, depth: u32) -> Life {
    let payload = Payload::new(&world.live);
    Box::pin(async move {
        let random = Rand::new(seed);
        for _ in 0..1 + random.below(4) {
            let seed = u64::from(random.below(u32::MAX));
            if depth > 0 && random.below(2) == 0 {
                with_a_child(&world, seed, depth - 1).await;
            } else {
                alone(&world, seed).await;
            }
        }
        payload
    })
}

/// Spawns a child, and joins it, aborts it, or leaves it to itself.
async fn with_a_child(world: &Arc<World>, seed: u64, depth: u32) {
    let random = Rand::new(seed);
    let child = life(world.clone(), seed ^ 1, depth);
    match random.below(6) {
        0 => drop(task::spawn(child)),
        1 => {
            let child = task::spawn(child);
            if random.below(2) == 0 {
                task::yield_now().await;
            }
            child.abort();
            if let Err(error) = child.await {
                assert!(error.is_cancelled(), "{error}");
            }
        }
        2 => {
            let child = task::spawn(async move {
                drop(child.await);
                // Not by `panic!`, whose hook would print thousands of lines.
                std::panic::resume_unwind(Box::new(seed))
            });
            let result: Result<(), _> = child.await;
            if let Err(error) = result {
                assert!(error.is_panic() || error.is_cancelled(), "{error}");
            }
        }
        3 if world.other.is_some() => {
            let other = world.other.as_ref().expect("just asked");
            // That runtime may have ended, or end now.
            drop(other.spawn(child).await);
        }
        4 => drop(timeout(Duration::from_micros(seed % 900), task::spawn(child)).await),
        _ => drop(task::spawn(child).await),
    }
}

/// Does one thing that needs no child.
async fn alone(world: &World, seed: u64) {
    match seed % 17 {
        0 | 1 => {
            for _ in 0..seed % 7 {
                task::yield_now().await;
            }
        }
        2 => sleep(Duration::from_micros(seed % 1_500)).await,
        3 => drop(
            timeout(
                Duration::from_micros(seed % 300),
                sleep(Duration::from_secs(60)),
            )
            .await,
        ),
        4 => {
            let mut held = world.lock.lock().await;
            assert_eq!(world.locked.fetch_add(1, Ordering::Relaxed), 0, "two hold");
            // Cancelled in here, the guard goes first to be dropped and the count last.
            let _count = on_drop(|| {
                world.locked.fetch_sub(1, Ordering::Relaxed);
            });
            *held += 1;
            if seed & 16 == 0 {
                task::yield_now().await;
            }
        }
        5 => {
            let wait = world.permits.acquire_many(1 + (seed % 3) as u32);
            if let Ok(permits) = timeout(Duration::from_millis(1), wait).await {
                drop(permits.expect("never closed"));
            }
        }
        6 | 7 => drop(world.sink.send(Payload::new(&world.live)).await),
        8 => {
            let payload = Payload::new(&world.live);
            let work = move || drop(payload);
            drop(task::spawn_blocking(work).await);
        }
        9 => {
            let (answer, asked) = oneshot::channel();
            if world.foreign.send(answer).is_ok() {
                drop(asked.await);
            }
        }
        // Holds its worker up, at times for so long that a spare comes.
        10 => thread::sleep(Duration::from_micros(seed % 600)),
        13 if seed.is_multiple_of(8) => thread::sleep(Duration::from_millis(seed % 5)),
        14 => {
            // Fails where there is one thread, and beyond the places.
            drop(Handle::current().set_worker_threads(1 + (seed / 16 % 4) as usize));
        }
        // Twice, as a thread that was sent for the first time may arrive in the second.
        11 | 12 if world.blocks == Some(Handle::current().id()) => {
            task::block_in_place(|| thread::sleep(Duration::from_micros(seed % 300)));
            let deeper = || runs_inside(world, seed);
            task::block_in_place(deeper);
        }
        _ if seed.is_multiple_of(5) => drop(timeout(Duration::from_secs(5), talk(world)).await),
        _ => {}
    }
}

/// Blocks on a future inside a task, which blocks in place in turn.
fn runs_inside(world: &World, seed: u64) {
    let payload = Payload::new(&world.live);
    Handle::current().block_on(async {
        let done = task::spawn(async move { drop(payload) });
        task::yield_now().await;
        if seed.is_multiple_of(2) {
            // Cancelled where the runtime ends.
            drop(done.await);
        }
        task::block_in_place(thread::yield_now);
    });
}

/// Sends a byte over a socket, and gets it back.
async fn talk(world: &World) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(world.address).await?;
    let mut byte = [7];
    std::future::poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &byte)).await?;
    byte[0] = 0;
    std::future::poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut byte)).await?;
    assert!(byte[0] == 7 || byte[0] == 0, "a byte that nobody sent");
    Ok(())
}

/// Sends back what comes, on each connection that comes.
async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        task::spawn(async move {
            let mut byte = [0];
            let read = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut byte));
            if read.await.is_ok_and(|n| n == 1) {
                let sent = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &byte));
                drop(sent.await);
            }
        });
    }
}

/// Fails where a task lies in the queue from outside and nothing is polled for long.
fn sampler(runtime: &Runtime) -> (OnDrop<impl FnOnce() + use<>>, thread::JoinHandle<Duration>) {
    let metrics = runtime.metrics();
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let sampling = thread::spawn(move || {
        let mut longest = Duration::ZERO;
        let mut since = None;
        let mut polls = 0;
        while !stop.load(Ordering::Relaxed) {
            let now = (0..metrics.num_workers())
                .map(|worker| metrics.worker_poll_count(worker))
                .sum();
            let stuck = metrics.global_queue_depth() > 0 && polls == now;
            polls = now;
            since = stuck.then(|| since.unwrap_or_else(Instant::now));
            longest = longest.max(since.map_or(Duration::ZERO, |since| since.elapsed()));
            thread::park_timeout(Duration::from_micros(200));
        }
        longest
    });
    (
        on_drop(move || stopping.store(true, Ordering::Relaxed)),
        sampling,
    )
}

fn build(random: &Rand, blocking_threads: usize) -> Runtime {
    let mut builder = match random.below(4) {
        0 => Builder::new_current_thread(),
        n => {
            let mut builder = Builder::new_multi_thread();
            builder
                .worker_threads(n as usize)
                .max_worker_threads(4)
                .stall_threshold(Duration::from_millis(1));
            builder
        }
    };
    builder
        .max_blocking_threads(blocking_threads)
        .thread_keep_alive(Duration::from_millis(u64::from(random.below(3))))
        .build()
        .expect("a runtime")
}

/// A thread that answers who asks, and so wakes tasks from outside any runtime.
fn foreign_thread(live: Arc<AtomicI64>) -> threads::Sender<oneshot::Sender<Payload>> {
    let (ask, asked) = threads::channel::<oneshot::Sender<Payload>>();
    thread::spawn(move || {
        for answer in asked {
            drop(answer.send(Payload::new(&live)));
        }
    });
    ask
}

/// Ends a runtime in one of the ways there are.
fn end(runtime: Runtime, how: u32) {
    match how {
        0 => runtime.shutdown_timeout(Duration::from_secs(60)),
        1 => runtime.shutdown_background(),
        2 => drop(thread::spawn(move || drop(runtime))),
        _ => drop(runtime),
    }
}

/// One runtime, from its start to its end, beside `other`.
fn round(seed: u64, other: Option<Handle>) -> Handle {
    let random = Rand::new(seed);
    let live = Arc::new(AtomicI64::new(0));
    let few = random.below(2) == 0;
    let threads = if few { 1 + random.below(3) } else { 1_000 };
    let runtime = build(&random, threads as usize);
    let flavor = runtime.handle().runtime_flavor();
    let blocks = (!few && flavor == RuntimeFlavor::MultiThread).then(|| runtime.handle().id());
    let handle = runtime.handle().clone();
    let (stop, sampling) = sampler(&runtime);
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let (sink, mut received) = mpsc::channel(1 + random.below(8) as usize);
    let world = Arc::new(World {
        live: live.clone(),
        lock: Mutex::new(0),
        locked: AtomicUsize::new(0),
        permits: Semaphore::new(3),
        sink,
        foreign: foreign_thread(live.clone()),
        other,
        address: listener.local_addr().expect("it is bound"),
        blocks,
    });
    drop(runtime.spawn(echo(listener)));
    drop(runtime.spawn(async move { while received.recv().await.is_some() {} }));
    let tasks: Vec<_> = (0..4 + random.below(40))
        .map(|_| life(world.clone(), u64::from(random.below(u32::MAX)), 3))
        .map(|task| runtime.spawn(task))
        .collect();
    // To the end, or into the midst of it.
    let waits = tasks.len() as u32 * random.below(3) / 2;
    let joined = runtime.block_on(async {
        let mut joined = 0;
        for task in tasks.into_iter().take(waits as usize) {
            // A future that took a panic along would say so.
            task.await.expect("these neither panic nor are aborted");
            joined += 1;
        }
        joined
    });
    drop((stop, joined, world));
    let longest = sampling.join().expect("no panic");
    assert!(longest < STUCK, "a task lay in a queue for {longest:?}");
    end(runtime, random.below(5));
    // Some ways to end return early; in the end nothing is left, and nothing was dropped twice. The watchdog waits.
    while live.load(Ordering::Acquire) > 0 {
        thread::yield_now();
    }
    assert_eq!(live.load(Ordering::Acquire), 0);
    handle
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn everything_at_once() {
    let first = number("HEIST_STRESS_SEED").unwrap_or(1);
    let length = number("HEIST_STRESS_SECONDS").map(Duration::from_secs);
    let (start, before) = (Instant::now(), threads_alive());
    let mut handle = None;
    let rounds = (first..).take_while(|seed| match length {
        Some(length) => start.elapsed() < length,
        None => *seed < first + 150,
    });
    for seed in rounds {
        // The thread's name is what the watchdog and a panic print.
        let other = handle.take();
        let thread = thread::Builder::new().name(format!("HEIST_STRESS_SEED={seed}"));
        let running = thread.spawn(move || {
            let _dog = watchdog();
            round(seed, other)
        });
        handle = Some(running.expect("a thread").join().expect("the round fails"));
    }
    drop(handle);
    // The dog is one of them.
    let _dog = watchdog();
    while threads_alive() > before + 1 {
        thread::yield_now();
    }
}

/// How many threads the process has, but for those of `heist-sync` that stay. What a runtime left behind ends by itself, and
/// a process that ends in the midst of that seems to leak what it holds.
fn threads_alive() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .filter(|name| !name.starts_with("heist-futurelo"))
        .count()
}
