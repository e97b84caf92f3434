// Sleeps, timeouts, intervals and jumps in whole milliseconds, because tokio rounds up to them. No two tasks are due at once,
// because their order is nobody's promise. `rt` is the one crate or the other.

use std::fmt::Debug;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rt::runtime::{Builder, Runtime};
use rt::sync::{Notify, Semaphore, mpsc, watch};
use rt::task::{JoinSet, LocalSet, spawn_blocking, yield_now};
use rt::time::{self, Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout};

/// What was seen, and when.
#[derive(Clone)]
struct Seen {
    lines: Arc<Mutex<Vec<String>>>,
    start: Instant,
}

impl Seen {
    fn note(&self, what: impl Debug) {
        let at = self.start.elapsed();
        self.lines.lock().unwrap().push(format!("{at:?}: {what:?}"));
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build().expect("a runtime")
}

/// Numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(super) fn results() -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    macro_rules! run {
        ($($part:ident)*) => {
            $(
                let kept = lines.clone();
                paused().block_on(async move {
                    let seen = Seen { lines: kept, start: Instant::now() };
                    seen.note(stringify!($part));
                    $part(seen).await;
                });
            )*
        };
    }
    run! { crowds ticks missed_ticks timeouts_around advances resets races jobs local chains aborts far }
    Arc::try_unwrap(lines).unwrap().into_inner().unwrap()
}

/// Thousands of sleeps, made in random order, no two due at once.
async fn crowds(seen: Seen) {
    let mut set = JoinSet::new();
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut order: Vec<u64> = (1..=1_500).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, (next(&mut random) % (at as u64 + 1)) as usize);
    }
    for nth in order {
        let (seen, length) = (seen.clone(), nth * nth % 1_000_003 * 2_000 + nth);
        set.spawn(async move {
            sleep(ms(length)).await;
            seen.note(nth);
            sleep(ms(nth)).await;
            length
        });
    }
    while let Some(ended) = set.join_next().await {
        let _ = ended.unwrap();
    }
    seen.note("all");
}

async fn ticks(seen: Seen) {
    let mut set = JoinSet::new();
    for (nth, period) in [(1, 70), (2, 110), (3, 130)] {
        let seen = seen.clone();
        set.spawn(async move {
            let mut ticks = interval_at(seen.start + ms(nth), ms(period * 1_000));
            for _ in 0..50 {
                let due = ticks.tick().await;
                seen.note((nth, due - seen.start));
            }
        });
    }
    while let Some(ended) = set.join_next().await {
        ended.unwrap();
    }
    let mut ticks = interval(ms(10));
    seen.note(ticks.tick().await - seen.start);
    ticks.reset();
    seen.note(ticks.tick().await - seen.start);
    ticks.reset_after(ms(77));
    seen.note(ticks.tick().await - seen.start);
    ticks.reset_immediately();
    seen.note(ticks.tick().await - seen.start);
    ticks.reset_at(Instant::now() + ms(3));
    seen.note(ticks.tick().await - seen.start);
    seen.note(ticks.period());
}

async fn missed_ticks(seen: Seen) {
    use MissedTickBehavior::{Burst, Delay, Skip};
    for behavior in [Burst, Delay, Skip] {
        let mut random = 77;
        let mut ticks = interval(ms(50));
        ticks.set_missed_tick_behavior(behavior);
        for _ in 0..200 {
            let due = ticks.tick().await;
            seen.note((behavior, due - seen.start));
            match next(&mut random) % 5 {
                0 => sleep(ms(next(&mut random) % 300)).await,
                1 => time::advance(ms(next(&mut random) % 120)).await,
                2 => time::advance(ms(5)).await,
                3 => time::advance(ms(56)).await,
                _ => {}
            }
        }
    }
}

async fn timeouts_around(seen: Seen) {
    let (sender, mut receiver) = mpsc::channel::<u32>(1);
    let permits = Arc::new(Semaphore::new(1));
    let notify = Arc::new(Notify::new());
    let (told, mut hears) = watch::channel(0);
    let other = rt::spawn({
        let (seen, permits, notify) = (seen.clone(), permits.clone(), notify.clone());
        async move {
            for nth in 0..60 {
                sleep(ms(13)).await;
                let permit = permits.acquire().await.unwrap();
                seen.note(("has it", nth));
                sleep(ms(u64::from(nth) * 7 + 1)).await;
                drop(permit);
                let _ = timeout(ms(29), sender.send(nth)).await;
                notify.notify_one();
                told.send_replace(nth);
            }
        }
    });
    for nth in 0..200 {
        let got = timeout(ms(17), receiver.recv()).await;
        seen.note(("receives", nth, got.is_err(), got.ok().flatten()));
        let got = timeout(ms(19), permits.acquire()).await;
        seen.note(("acquires", nth, got.is_ok()));
        drop(got);
        seen.note(("notified", timeout(ms(5), notify.notified()).await.is_ok()));
        let heard = timeout(ms(11), hears.changed()).await;
        seen.note(("heard", heard.map(|changed| changed.is_ok()).ok()));
    }
    other.await.unwrap();
    seen.note(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    seen.note(timeout(Duration::ZERO, async { 1 }).await.ok());
    let inner = timeout(ms(10), timeout(ms(5), pending::<()>())).await;
    seen.note(inner.is_ok());
    let inner = timeout(ms(5), timeout(ms(10), pending::<()>())).await;
    seen.note(inner.is_err());
}

async fn advances(seen: Seen) {
    for (nth, length) in [3, 10, 500, 1_001, 86_400_000].into_iter().enumerate() {
        let seen = seen.clone();
        rt::spawn(async move {
            sleep(ms(length)).await;
            seen.note(("woken", nth));
        });
    }
    yield_now().await;
    for step in [0, 1, 1, 1, 2, 5, 489, 1, 1, 500, 1, 86_398_998, 1] {
        time::advance(ms(step)).await;
        // Whether those that it woke run first is nobody's promise.
        yield_now().await;
        seen.note(("advanced", step));
    }
    let mut unpolled = pin!(sleep(ms(5)));
    time::advance(ms(5)).await;
    unpolled.as_mut().await;
    seen.note("at once");
    time::resume();
    time::pause();
}

async fn resets(seen: Seen) {
    let mut random = 5;
    let mut slept = pin!(sleep(ms(10)));
    for _ in 0..100 {
        let length = ms(next(&mut random) % 1_000 + 1);
        slept.as_mut().reset(Instant::now() + length);
        let length = ms(next(&mut random) % 1_000 + 1);
        let first = timeout(length, slept.as_mut()).await;
        seen.note((first.is_ok(), slept.is_elapsed()));
    }
    sleep_until(seen.start).await;
    seen.note("long ago");
}

async fn races(seen: Seen) {
    let mut random = 99;
    let mut ticks = interval(ms(7));
    let mut slept = pin!(sleep(ms(100)));
    for _ in 0..300 {
        let length = ms(next(&mut random) % 20 * 10 + 3);
        rt::select! {
            biased;
            due = ticks.tick() => seen.note(("tick", due - seen.start)),
            () = sleep(length) => seen.note("other"),
            () = slept.as_mut() => {
                seen.note("slept");
                slept.as_mut().reset(Instant::now() + ms(93));
            }
        }
    }
}

async fn jobs(seen: Seen) {
    let mut set = JoinSet::new();
    for nth in 0..20u64 {
        let seen = seen.clone();
        set.spawn(async move {
            sleep(ms(nth * 10)).await;
            let there = seen.clone();
            let job = spawn_blocking(move || {
                std::thread::sleep(ms(1));
                there.note(("job", nth));
                rt::spawn(async move {
                    sleep(ms(5)).await;
                    there.note(("its task", nth));
                })
            });
            job.await.unwrap().await.unwrap();
        });
    }
    while let Some(ended) = set.join_next().await {
        ended.unwrap();
    }
}

async fn local(seen: Seen) {
    let set = LocalSet::new();
    for nth in 0..50u64 {
        let seen = seen.clone();
        set.spawn_local(async move {
            sleep(ms(nth * 37 % 50 * 3)).await;
            seen.note(("local", nth));
        });
    }
    set.await;
}

/// Tasks that hand a token on: time stands still while one has it.
async fn chains(seen: Seen) {
    let (first, mut from) = mpsc::channel::<u32>(1);
    for nth in 0..20u32 {
        let (to, next) = mpsc::channel(1);
        let (mut before, seen) = (std::mem::replace(&mut from, next), seen.clone());
        rt::spawn(async move {
            while let Some(token) = before.recv().await {
                if token % 7 == nth % 7 {
                    sleep(ms(u64::from(nth) + 1)).await;
                    seen.note((nth, token));
                }
                yield_now().await;
                let _ = to.send(token + 1).await;
            }
        });
    }
    for token in 0..30 {
        first.send(token).await.unwrap();
        seen.note(timeout(ms(500), from.recv()).await.ok());
    }
}

async fn aborts(seen: Seen) {
    struct Drops(Seen, u64);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.note(("dropped", self.1));
        }
    }
    let tasks: Vec<_> = (0..30u64)
        .map(|nth| {
            let drops = Drops(seen.clone(), nth);
            rt::spawn(async move {
                sleep(ms(nth * 14 + 3)).await;
                drops.0.note(("done", nth));
            })
        })
        .collect();
    for (nth, task) in tasks.into_iter().enumerate() {
        sleep(ms(7)).await;
        if nth % 3 == 0 {
            task.abort();
            seen.note(task.await.is_err_and(|error| error.is_cancelled()));
        }
    }
    let panics = rt::spawn(async {
        sleep(ms(500)).await;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    seen.note(panics.await.is_err_and(|error: rt::task::JoinError| error.is_panic()));
}

async fn far(seen: Seen) {
    for days in [1, 100, 300, 600, 1_000, 10_000] {
        sleep(Duration::from_secs(86_400 * days)).await;
        seen.note(days);
    }
    seen.note(timeout(Duration::MAX, async { 1 }).await.ok());
    seen.note(timeout(Duration::MAX, sleep(ms(1))).await.is_ok());
}
