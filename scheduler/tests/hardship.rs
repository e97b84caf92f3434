//! What a process may do to its runtimes, each in a child of its own: fork, run out of threads, end with runtimes in
//! thread-locals.
#![cfg(unix)]

#[path = "support/watch.rs"]
mod watch;

use std::any::Any;
use std::cell::RefCell;
use std::future::pending;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use heist_reactor::time::{interval, sleep};
use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task::{self, JoinSet, LocalSet};
use heist_sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use watch::{current_thread, each_kind, on_drop, watchdog, workers};

/// Runs a test that is marked as ignored, alone, in a process of its own. What such a process leaves behind on purpose,
/// in locals that end with it, is no leak for a sanitizer to report.
fn alone(name: &str) {
    let status = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", name, "--test-threads=1"])
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .status()
        .expect("a process");
    assert!(status.success(), "{status}");
}

/// What a runtime is for.
fn works(runtime: &Runtime) {
    let answer = runtime.block_on(async {
        let task = task::spawn(async {
            sleep(Duration::from_micros(10)).await;
            20
        });
        let job = task::spawn_blocking(|| 22);
        task.await.expect("no panic") + job.await.expect("no panic")
    });
    assert_eq!(answer, 42);
}

unsafe extern "C" {
    safe fn fork() -> i32;
    safe fn _exit(status: i32) -> !;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}

#[test]
fn the_child_of_a_fork_leaves_the_parents_runtimes_alone_and_has_its_own() {
    alone("inner_fork");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn inner_fork() {
    let _dog = watchdog();
    let inherited = each_kind();
    inherited.iter().for_each(works);
    let kept: Vec<_> = inherited
        .iter()
        .map(|runtime| runtime.spawn(pending::<()>()))
        .collect();
    in_a_fork(move || {
        // What nobody polls here is nothing to the parent, nor is its drop.
        drop(kept);
        drop(inherited);
    });
    // Once no runtime is left whose threads sleep, a child may have its own.
    in_a_fork(|| each_kind().iter().for_each(works));
}

/// Calls `f` in the child of a fork; the parent drops it, and waits for the child.
fn in_a_fork(f: impl FnOnce()) {
    let child = fork();
    if child == 0 {
        // A panic must not unwind into the harness, which is the parent's.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        _exit(i32::from(worked.is_err()));
    }
    let mut status = -1;
    // SAFETY: `status` is there for the call's length.
    assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's");
}

/// Runs an ignored test as a user that has so many threads and processes; `false` where that can't be had.
fn with_threads(threads: usize, name: &str) -> bool {
    // A place that any user can read.
    let place = std::env::temp_dir().join(format!("heist-threads-{}", std::process::id()));
    let copied = fs::copy(std::env::current_exe().expect("this test"), &place);
    copied.expect("room for a copy");
    let run = |arguments: &[&str]| {
        // A user who has no other process: the threads of all of them count.
        let user = 60_000 + std::process::id() % 5_000;
        Command::new("setpriv")
            .args([format!("--reuid={user}"), format!("--regid={user}")])
            .arg("--clear-groups")
            .args(["prlimit", &format!("--nproc={threads}")])
            .arg(&place)
            .args(arguments)
            .current_dir(Path::new("/"))
            .output()
    };
    // No root, no such program, or a place from which nothing may be run.
    let able = run(&["--list", "--ignored"]).is_ok_and(|listed| listed.status.success());
    let ran = able.then(|| run(&["--ignored", "--exact", name, "--test-threads=1"]));
    let _ = fs::remove_file(&place);
    if let Some(ran) = ran {
        let output = ran.expect("as before");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
    able
}

#[cfg(target_os = "linux")]
#[test]
fn where_threads_are_refused_a_runtime_says_so_and_the_others_go_on() {
    if !with_threads(12, "inner_few_threads") {
        eprintln!("skipped: it takes root and setpriv");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_descriptors_are_refused_a_poll_that_blocks_delays_no_other_task() {
    let exe = std::env::current_exe().expect("this test");
    let ran = Command::new("prlimit")
        .arg("--nofile=128")
        .arg(exe)
        .args(["--ignored", "--exact", "inner_no_descriptors"])
        .args(["--test-threads=1"])
        .status();
    match ran {
        Ok(status) => assert!(status.success(), "{status}"),
        Err(_) => eprintln!("skipped: it takes prlimit"),
    }
}

#[test]
#[ignore = "run by the test above, in a process that may have few descriptors"]
fn inner_no_descriptors() {
    let _dog = watchdog();
    let runtime = workers(1);
    works(&runtime);
    let taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    let (begins, begun) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel();
    let blocked = runtime.spawn(async move {
        begins.send(()).expect("awaited");
        gate.recv().expect("it opens")
    });
    begun.recv().expect("it is polled");
    let opens = runtime.spawn(async move { open.send(7).expect("awaited") });
    assert_eq!(runtime.block_on(blocked).expect("no panic"), 7);
    runtime.block_on(opens).expect("no panic");
    drop(taken);
}

#[test]
#[ignore = "run by the test above, by a user with few threads"]
fn inner_few_threads() {
    let _dog = watchdog();
    let small = workers(1);
    for _ in 0..10 {
        let refused = Builder::new_multi_thread().worker_threads(64).build();
        assert!(refused.is_err());
    }
    works(&small);
    // Takes all that are left.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let mut taken = Vec::new();
    loop {
        let gate = gate.clone();
        let wait = move || {
            let _ = gate.lock().expect("nobody panics").recv();
        };
        match thread::Builder::new().spawn(wait) {
            Ok(thread) => taken.push(thread),
            Err(_) => break,
        }
    }
    let alone = current_thread();
    assert_eq!(
        alone.block_on(alone.spawn(async { 7 })).expect("no panic"),
        7
    );
    let job = alone.spawn_blocking(|| ());
    assert!(alone.block_on(job).expect_err("no thread").is_cancelled());
    // Blocks in place with nobody to stand in.
    let in_place = small.spawn(async { task::block_in_place(|| 7) });
    assert_eq!(small.block_on(in_place).expect("no panic"), 7);
    drop(open);
    taken
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
    works(&small);
    works(&alone);
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

fn keep(value: impl Any) {
    KEPT.with(|kept| kept.borrow_mut().push(Box::new(value)));
}

#[test]
fn a_process_ends_well_with_anything_of_heist_in_its_locals() {
    for name in ["inner_main_with_locals", "inner_threads_with_locals"] {
        alone(name);
    }
}

/// Fills this thread's locals, by a runtime that stays in them, or one that has gone.
fn fill(early: bool, kind: usize, gone: bool) {
    if early {
        KEPT.with(|_| {});
    }
    let runtime = each_kind().swap_remove(kind);
    works(&runtime);
    let entered: &'static Handle = Box::leak(Box::new(runtime.handle().clone()));
    keep(entered.enter());
    let (send, mut receive) = mpsc::channel::<Box<dyn Any + Send>>(4);
    send.try_send(Box::new(runtime.spawn(pending::<()>())))
        .expect("room");
    keep(send.clone());
    runtime.block_on(async {
        let mut timer = Box::pin(interval(Duration::from_secs(60)));
        timer.tick().await;
        keep(timer);
        assert!(receive.recv().await.is_some());
    });
    let (once, waits) = oneshot::channel::<()>();
    keep((once, runtime.spawn(waits)));
    keep(runtime.spawn(async move { while receive.recv().await.is_some() {} }));
    let mutex = Arc::new(Mutex::new(()));
    keep(mutex.clone().try_lock_owned());
    keep(runtime.spawn(async move { drop(mutex.lock().await) }));
    let permits = Arc::new(Semaphore::new(1));
    keep(permits.clone().try_acquire_owned());
    let notify = Arc::new(Notify::new());
    let told = notify.clone();
    keep(on_drop(move || told.notify_waiters()));
    let mut set = JoinSet::new();
    set.spawn_on(async move { notify.notified().await }, runtime.handle());
    keep(set);
    let local = LocalSet::new();
    drop(local.spawn_local(pending::<()>()));
    keep(local);
    let handle = runtime.handle().clone();
    keep(on_drop(move || {
        drop(handle.spawn(async { sleep(Duration::from_secs(60)).await }));
        drop(handle.spawn_blocking(|| keep(())));
    }));
    if gone { drop(runtime) } else { keep(runtime) }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn inner_threads_with_locals() {
    let _dog = watchdog();
    for early in [true, false] {
        for gone in [true, false] {
            for kind in 0..3 {
                let filled = thread::spawn(move || fill(early, kind, gone));
                filled.join().expect("no panic");
            }
        }
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn inner_main_with_locals() {
    // With one test thread this is the main thread, whose locals go as the process does.
    for kind in 0..3 {
        fill(false, kind, kind == 1);
    }
}
