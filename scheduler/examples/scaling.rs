//! What a spawn, a wake, a yield and a join cost, for counting and not for timing: `benches/scaling` runs it under
//! valgrind with more and more workers. `scaling SHAPE WORKERS N` does the thing N times and ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use heist_scheduler::runtime::Builder;
use heist_scheduler::task;

/// Spawns `n` tasks and leaves them to themselves; done when the last has run.
async fn spawn(n: usize) {
    let (ran, done) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(None::<Waker>)),
    );
    for _ in 0..n {
        let (ran, done) = (ran.clone(), done.clone());
        drop(task::spawn(async move {
            if ran.fetch_add(1, Ordering::AcqRel) + 1 == n {
                let waker = done.lock().expect("no panic").take();
                waker.into_iter().for_each(Waker::wake);
            }
        }));
    }
    poll_fn(|cx| {
        *done.lock().expect("no panic") = Some(cx.waker().clone());
        if ran.load(Ordering::Acquire) == n {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Spawns a task and waits for it, `n` times.
async fn join(n: usize) {
    for _ in 0..n {
        task::spawn(async {}).await.expect("no panic");
    }
}

/// Yields `n` times.
async fn poll(n: usize) {
    for _ in 0..n {
        task::yield_now().await;
    }
}

/// Two tasks wake each other, `n` wakes in all.
async fn wake(n: usize) {
    /// Whose turn it is, and who waits for it.
    struct Table {
        turn: usize,
        waiting: [Option<Waker>; 2],
    }
    let table = Arc::new(Mutex::new(Table {
        turn: 0,
        waiting: [None, None],
    }));
    let player = |me: usize| {
        let table = table.clone();
        poll_fn(move |cx| {
            let mut table = table.lock().expect("no panic");
            if table.turn % 2 == me {
                table.turn += 1;
                let other = table.waiting[1 - me].take();
                other.into_iter().for_each(Waker::wake);
            }
            if table.turn >= n {
                return Poll::Ready(());
            }
            table.waiting[me] = Some(cx.waker().clone());
            Poll::Pending
        })
    };
    let (first, second) = (task::spawn(player(0)), task::spawn(player(1)));
    first.await.expect("no panic");
    second.await.expect("no panic");
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().expect("scaling SHAPE WORKERS N");
    let (shape, workers, n) = (next(), next(), next());
    let n: usize = n.parse().expect("N is a number");
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers.parse().expect("WORKERS is a number"))
        .build()
        .expect("a runtime");
    let whole = runtime.spawn(async move {
        match shape.as_str() {
            "spawn" => spawn(n).await,
            "wake" => wake(n).await,
            "poll" => poll(n).await,
            "join" => join(n).await,
            _ => panic!("spawn, wake, poll or join"),
        }
    });
    runtime.block_on(whole).expect("no panic");
}
