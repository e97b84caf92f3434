//! The reactor thread's short sleep: whoever puts the tick off keeps nobody from ending the thread.

use std::cell::Cell;
use std::time::Duration;

use heist_reactor::protocol::Ticker;
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::{Census, model};

/// In a model nobody waits for that long: the sleep has to be ended.
const LONG: Duration = Duration::from_secs(3_600);

/// The thread sleeps, a worker puts its tick off, and a third ends the thread. If its ring were lost, the model would stand
/// still.
#[test]
fn a_tick_put_off_does_not_hide_the_end() {
    let census = Census::new(&["slept", "did not sleep"]);
    let counted = census.clone();
    model("a_tick_put_off_does_not_hide_the_end", None, move || {
        let ticker = Arc::new(Ticker::new().expect("a watchdog"));
        let stopped = Arc::new(Mutex::new(false));
        let putting_off = thread::spawn({
            let (ticker, stopped) = (ticker.clone(), stopped.clone());
            move || ticker.put_off(LONG, || *stopped.lock())
        });
        let stopping = thread::spawn({
            let (ticker, stopped) = (ticker.clone(), stopped.clone());
            move || {
                *stopped.lock() = true;
                ticker.end();
            }
        });
        let slept = Cell::new(false);
        let goes_on = ticker.sleep(LONG, || {
            let stopped = *stopped.lock();
            if !stopped {
                slept.set(true);
            }
            stopped
        });
        assert!(!goes_on, "nothing else ends this sleep");
        counted.saw(if slept.get() {
            "slept"
        } else {
            "did not sleep"
        });
        putting_off.join().unwrap();
        stopping.join().unwrap();
    });
    census.assert_all_seen();
}
