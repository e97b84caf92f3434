//! Futures that were given what others wait for and are not polled are reported, with the place that made them.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use heist_sync::futurelock::{self, Futurelock};
use heist_sync::waits::Wait;
use heist_sync::{Mutex, RwLock, Semaphore, mpmc, mpsc, oneshot};
use support::{task, within_limit};

/// Longer than any limit here.
const LONG: Duration = Duration::from_secs(3_600);

/// Whether something of that kind, asked for on that line of this file, is in the register: tests run side by side.
fn told(wait: Wait, line: u32) -> bool {
    let all = futurelock::unpolled(Duration::ZERO);
    all.iter().any(|found| {
        let place = found.location();
        found.wait() == wait && place.line() == line && place.file() == file!()
    })
}

fn watch() {
    futurelock::report_after(LONG / 2);
}

/// Held by tests that look, lest one finds what is another's.
static LOOKING: StdMutex<()> = StdMutex::new(());

/// All that was reported to the handler, of which there is one for all tests.
fn reports() -> Vec<Futurelock> {
    static SEEN: StdMutex<Vec<Futurelock>> = StdMutex::new(Vec::new());
    futurelock::on_report(|report| SEEN.lock().unwrap().push(report.clone()));
    SEEN.lock().unwrap().clone()
}

/// The program of the report that gave the thing its name: a task waits for a lock in one branch of a `select!`, leaves
/// that branch when time is up, and takes the same lock in the other, while it still holds the first future.
#[test]
fn the_select_that_keeps_a_future_in_line_for_the_lock_it_takes_is_reported() {
    within_limit(|| {
        let _looking = LOOKING.lock().unwrap();
        watch();
        reports();
        let lock = Arc::new(Mutex::new(()));
        let (time_is_up, sleep) = oneshot::channel::<()>();
        let background = lock.try_lock().unwrap();

        let line = line!();
        let main = async {
            let mut future1 = Box::pin(lock.lock());
            let up = select_by_reference(future1.as_mut(), sleep).await;
            assert!(up, "the lock is held in the background");
            // The deadlock: `future1` is in line before this, and is not polled any more.
            let _guard = lock.lock().await;
            unreachable!("it waits for ever");
        };
        let mut main = task(main);
        main.expect_pending();
        time_is_up.send(()).unwrap();
        assert!(main.woken());
        main.expect_pending();

        drop(background);
        main.expect_pending();
        assert!(lock.try_lock().is_ok(), "free, and yet nobody moves");
        futurelock::look(Instant::now() + LONG);
        futurelock::look(Instant::now() + LONG);
        let seen = reports();
        let mine = |report: &&Futurelock| (line..line + 9).contains(&report.location().line());
        let reports: Vec<_> = seen.iter().filter(mine).collect();
        assert_eq!(reports.len(), 1, "once, and the one that is not polled");
        assert_eq!(reports[0].location().line(), line + 2);
        assert!(reports[0].unpolled_for() >= LONG / 2);
    });
}

/// `select!` with a borrowed future: whether `sleep` came first.
async fn select_by_reference<F: Future>(
    mut future: Pin<&mut F>,
    sleep: oneshot::Receiver<()>,
) -> bool {
    let mut sleep = std::pin::pin!(sleep);
    std::future::poll_fn(|cx: &mut Context<'_>| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        sleep.as_mut().poll(cx).map(|_| true)
    })
    .await
}

#[test]
fn a_waiter_is_watched_from_its_grant_to_its_next_poll_or_its_drop() {
    watch();
    let lock = Mutex::new(());
    for polled in [true, false] {
        let guard = lock.try_lock().unwrap();
        let (line, mut waiting) = (line!(), task(lock.lock()));
        waiting.expect_pending();
        assert!(!told(Wait::Mutex, line), "it waits by right");
        drop(guard);
        assert!(told(Wait::Mutex, line));
        if polled {
            let _guard = waiting.expect_ready();
            assert!(!told(Wait::Mutex, line));
        } else {
            drop(waiting);
            assert!(!told(Wait::Mutex, line));
        }
    }
}

#[test]
fn a_place_is_reported_once_and_again_when_its_count_has_doubled() {
    let _looking = LOOKING.lock().unwrap();
    watch();
    reports();
    let semaphore = Semaphore::new(0);
    let line = line!() + 1;
    let acquire = || semaphore.acquire();
    let mut waiting = Vec::new();
    let mut grant = |count: usize| {
        for _ in 0..count {
            let mut one = task(acquire());
            one.expect_pending();
            waiting.push(one);
        }
        semaphore.add_permits(count);
        futurelock::look(Instant::now() + LONG);
        let mine = |report: &Futurelock| {
            (report.location().line(), report.location().file()) == (line, file!())
        };
        let mine: Vec<_> = reports().into_iter().filter(mine).collect();
        mine.iter().map(Futurelock::count).collect::<Vec<_>>()
    };
    assert_eq!(grant(1), [1]);
    assert_eq!(grant(1), [1, 2]);
    assert_eq!(grant(1), [1, 2]);
    assert_eq!(grant(1), [1, 2, 4]);
    assert_eq!(grant(996), [1, 2, 4, 1_000]);
    assert_eq!(grant(999), [1, 2, 4, 1_000]);
    assert_eq!(grant(1), [1, 2, 4, 1_000, 2_000]);
    let all = futurelock::unpolled(Duration::ZERO);
    let mine = all.iter().filter(|one| one.location().line() == line);
    let mine: Vec<_> = mine.collect();
    assert_eq!(mine.len(), 2_000);
    assert!(mine[0].to_string().contains("2000 futures"), "{}", mine[0]);
    drop(waiting);
}

#[test]
fn one_that_is_refused_holds_nothing_up() {
    watch();
    let semaphore = Semaphore::new(0);
    let (line, mut waiting) = (line!(), task(semaphore.acquire()));
    waiting.expect_pending();
    semaphore.close();
    assert!(!told(Wait::Semaphore, line));
    assert!(waiting.expect_ready().is_err());
}

#[test]
fn what_each_kind_of_waiter_was_given_is_told_with_the_place_that_asked() {
    watch();
    let semaphore = Arc::new(Semaphore::new(0));
    let (line, mut permit) = (line!(), task(semaphore.acquire()));
    permit.expect_pending();
    semaphore.add_permits(1);
    assert!(told(Wait::Semaphore, line));
    permit.expect_ready().unwrap().forget();
    let (line, mut permit) = (line!(), task(semaphore.clone().acquire_owned()));
    permit.expect_pending();
    semaphore.add_permits(1);
    assert!(told(Wait::Semaphore, line));
    drop(permit);
    assert!(!told(Wait::Semaphore, line));

    let lock = RwLock::new(());
    let guard = lock.try_read().unwrap();
    let (line, mut write) = (line!(), task(lock.write()));
    write.expect_pending();
    drop(guard);
    assert!(told(Wait::Write, line));
    drop(write);

    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let (line, mut send) = (line!(), task(sender.send(2)));
    send.expect_pending();
    receiver.try_recv().unwrap();
    assert!(told(Wait::MpscSend, line));
    send.expect_ready().unwrap();
    let (line, mut room) = (line!(), task(sender.reserve()));
    room.expect_pending();
    receiver.try_recv().unwrap();
    assert!(told(Wait::MpscSend, line));
    drop(room);

    let (sender, receiver) = mpmc::bounded(1);
    sender.try_send(1).unwrap();
    let (line, mut send) = (line!(), task(sender.send(2)));
    send.expect_pending();
    receiver.try_recv().unwrap();
    assert!(told(Wait::MpmcSend, line));
    drop(send);
}
