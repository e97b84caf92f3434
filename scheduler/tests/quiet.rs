//! A runtime with nothing to do does nothing: no thread of it wakes up.

#![cfg(target_os = "linux")]

#[path = "support/watch.rs"]
mod watch;

use std::fs;
use std::future::pending;
use std::thread;
use std::time::Duration;

use heist_reactor::time::sleep;
use heist_scheduler::runtime::Builder;
use watch::watchdog;

/// What the system says about each thread whose name begins so, in the field `field`.
fn fields_of(name: &str, field: &str) -> Vec<String> {
    let of = |thread: fs::DirEntry| {
        let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let status = read("comm").starts_with(name).then(|| read("status"))?;
        let value = |line: &str| Some(line.strip_prefix(field)?.trim().to_owned());
        status.lines().find_map(value)
    };
    let threads = fs::read_dir("/proc/self/task").expect("procfs");
    threads
        .filter_map(|thread| of(thread.expect("a thread")))
        .collect()
}

/// How often the threads whose names begin so have gone to sleep so far, in all.
fn sleeps_of(name: &str) -> usize {
    let counts = fields_of(name, "voluntary_ctxt_switches:");
    let count = |count: &String| count.parse::<usize>().expect("procfs");
    counts.iter().map(count).sum()
}

/// Whether one of them is awake. One that is awake all the time never goes to sleep.
fn one_is_awake(name: &str) -> bool {
    fields_of(name, "State:")
        .iter()
        .any(|state| !state.starts_with('S'))
}

/// The same for the threads of runtimes that have nothing to do.
fn sleeps() -> usize {
    sleeps_of("idle-heist")
}

/// The builder of a runtime whose threads have that name.
fn named(name: &str, workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name(name);
    builder
}

/// Waits until no thread has been awake for `time`: it hangs where one ticks on, or goes round and round.
fn wait_for_quiet(time: Duration) {
    wait_for_quiet_of("idle-heist", time);
}

/// The same for the threads whose names begin so.
fn wait_for_quiet_of(name: &str, time: Duration) {
    let mut before = sleeps_of(name);
    loop {
        thread::sleep(time);
        let now = sleeps_of(name);
        if now == before && !one_is_awake(name) {
            return;
        }
        before = now;
    }
}

#[test]
fn an_idle_runtime_sleeps_for_good() {
    let _dog = watchdog();
    let runtime = named("idle-heist", 2).build().expect("a runtime");
    // Long enough to see a thread that ticks ever more slowly, up to ten times a second.
    const QUIET: Duration = Duration::from_millis(250);
    wait_for_quiet(QUIET);
    drop(runtime.spawn(pending::<()>()));
    drop(runtime.spawn(sleep(Duration::from_secs(3_600))));
    runtime
        .block_on(runtime.spawn(sleep(Duration::from_millis(1))))
        .expect("it elapses");
    wait_for_quiet(QUIET);
    let job = runtime.spawn_blocking(|| ());
    runtime.block_on(job).expect("it runs");
    wait_for_quiet(QUIET);
}

/// Blocks until the other end is used or dropped.
fn blocks(gate: &std::sync::mpsc::Receiver<()>) {
    let _ = gate.recv();
}

#[test]
fn nobody_watches_a_poll_that_blocks_while_nothing_waits_and_help_comes_all_the_same() {
    let _dog = watchdog();
    for workers in [1, 2] {
        let runtime = named("idle-heist", workers).build().expect("a runtime");
        const QUIET: Duration = Duration::from_millis(250);
        let (first, gate) = std::sync::mpsc::channel();
        let (ran, runs) = std::sync::mpsc::channel::<()>();
        let blocked = runtime.spawn(async move {
            blocks(&gate);
            // Nobody looks, and this lies behind the poll; the poll waits for it.
            drop(heist_scheduler::task::spawn(async move { drop(ran) }));
            blocks(&runs);
            blocks(&gate);
        });
        wait_for_quiet(QUIET);
        first.send(()).expect("it is blocked");
        wait_for_quiet(QUIET);
        // Nor does this, which comes from outside, wait for the poll.
        runtime.block_on(runtime.spawn(async {})).expect("it runs");
        wait_for_quiet(QUIET);
        // An event that is for no task.
        runtime.block_on(sleep(Duration::from_millis(1)));
        wait_for_quiet(QUIET);
        drop(first);
        runtime.block_on(blocked).expect("no panic");
    }
}

/// Nobody watches two workers that are blocked. One goes on, looks out and falls asleep. Then the other one spawns a task, and
/// blocks until that has run.
#[test]
fn a_worker_that_looks_out_does_not_hide_that_nobody_watches() {
    let _dog = watchdog();
    let runtime = named("last-heist", 2)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    // Polls that are long: workers look out after each second one.
    let long = || async {
        for _ in 0..200 {
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_micros(300) {}
            heist_scheduler::task::yield_now().await;
        }
    };
    let tasks = [(); 4].map(|()| runtime.spawn(long()));
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
    const QUIET: Duration = Duration::from_millis(50);
    for _ in 0..8 {
        let (begun, begins) = std::sync::mpsc::channel();
        let (opens, blocked): (Vec<_>, Vec<_>) = (0..2)
            .map(|_| {
                let (open, gate) = std::sync::mpsc::channel::<bool>();
                let begun = begun.clone();
                let task = runtime.spawn(async move {
                    begun.send(()).expect("the test waits");
                    if gate.recv() == Ok(true) {
                        let (ran, runs) = std::sync::mpsc::channel::<()>();
                        drop(heist_scheduler::task::spawn(async move { drop(ran) }));
                        blocks(&runs);
                    }
                });
                (open, task)
            })
            .unzip();
        (0..2).for_each(|_| begins.recv().expect("it begins"));
        wait_for_quiet_of("last-heist", QUIET);
        opens[0].send(false).expect("it is blocked");
        wait_for_quiet_of("last-heist", QUIET);
        opens[1].send(true).expect("it is blocked");
        for task in blocked {
            runtime.block_on(task).expect("no panic");
        }
    }
}

/// As long as workers look out for each other, the reactor thread's tick is put off.
#[test]
fn nobody_wakes_up_beside_workers_that_do_short_polls() {
    let _dog = watchdog();
    for workers in [1, 2] {
        let runtime = named("busy-heist", workers).build().expect("a runtime");
        for _ in 0..2 * workers {
            drop(runtime.spawn(async {
                loop {
                    heist_scheduler::task::yield_now().await;
                }
            }));
        }
        // With ticks it would be one in a millisecond, or more.
        const TIME: u32 = 100;
        while {
            let before = sleeps_of("busy-heist");
            thread::sleep(Duration::from_millis(TIME.into()));
            // Fewer than before: a thread has ended.
            let slept = sleeps_of("busy-heist").checked_sub(before);
            slept.is_none_or(|slept| slept > TIME as usize / 2)
        } {}
    }
}

#[test]
fn a_runtime_whose_workers_all_block_and_that_may_have_no_more_looks_seldom() {
    let _dog = watchdog();
    let runtime = named("idle-heist", 2)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    let (begun, begins) = std::sync::mpsc::channel();
    let (opens, blocked): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let begun = begun.clone();
            let task = runtime.spawn(async move {
                begun.send(()).expect("the test waits");
                blocks(&gate);
            });
            (open, task)
        })
        .unzip();
    (0..2).for_each(|_| begins.recv().expect("it begins"));
    let waits = runtime.spawn(async {});
    // At most once a millisecond, and not with each fast tick; a machine that is slow makes it fewer.
    const TIME: u32 = 500;
    let seldom = |before| sleeps() - before <= TIME as usize * 3 / 2;
    while {
        let before = sleeps();
        thread::sleep(Duration::from_millis(TIME.into()));
        !seldom(before)
    } {}
    drop(opens);
    for task in blocked.into_iter().chain([waits]) {
        runtime.block_on(task).expect("no panic");
    }
}
