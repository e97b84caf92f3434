//! Which tasks are reported as stuck on a future that was given a lock and isn't polled.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use heist_scheduler::task;
use heist_sync::{Mutex, futurelock};
use watch::{current_thread, watchdog};

/// Longer than any limit here.
const LONG: Duration = Duration::from_secs(3_600);

/// Whether anything of this file is reported by a look after a long time.
fn reported() -> bool {
    static SEEN: StdMutex<Vec<&Location<'static>>> = StdMutex::new(Vec::new());
    futurelock::on_report(|report| SEEN.lock().unwrap().push(report.location()));
    futurelock::look(Instant::now() + LONG);
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    seen.iter().any(|place| place.file() == file!())
}

#[test]
fn a_future_is_reported_once_its_task_waits_for_something_else_and_not_before_its_turn() {
    let _dog = watchdog();
    futurelock::report_after(LONG / 2);
    let runtime = current_thread();
    let lock = Arc::new(Mutex::new(()));
    let (asks, asked) = heist_sync::oneshot::channel();
    let (_never, ever) = heist_sync::oneshot::channel::<()>();
    let holds = lock.clone();
    runtime.block_on(async {
        let guard = lock.lock().await;
        let stuck = task::spawn(async move {
            let mut waits = pin!(holds.lock());
            let queued = poll_fn(|cx| {
                assert!(waits.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            });
            queued.await;
            asks.send(()).expect("the test waits");
            let _ = ever.await;
        });
        asked.await.expect("it queues");
        drop(guard);
        assert!(!reported(), "its task is ready and has not had its turn");
        while !reported() {
            task::yield_now().await;
        }
        stuck.abort();
        assert!(stuck.await.is_err());
        assert!(!reported());
    });
}
