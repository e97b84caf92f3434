//! Child processes where the system gives no descriptor for them: their ends are noticed by SIGCHLD. One test, as it takes the
//! descriptors of its process away.
#![cfg(all(target_os = "linux", not(miri)))]

use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::task::{Context, Waker};

use heist_reactor::process::{Child, Command};
use heist_reactor::signal::unix::{SignalKind, signal};
use heist_reactor::testing::{block_on, within_limit};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit, test_kill_process};

fn descriptors() -> Vec<String> {
    let all = std::fs::read_dir("/proc/self/fd").expect("proc");
    let targets = all.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
    targets
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}

/// Calls `f` while the process can open no descriptor.
fn without_descriptors<T>(f: impl FnOnce() -> T) -> T {
    let limit = getrlimit(Resource::Nofile);
    // The next descriptor would be at least the lowest that is free.
    let lowest = rustix::io::dup(std::io::stdin()).expect("room for one more");
    let most = std::os::fd::AsRawFd::as_raw_fd(&lowest).cast_unsigned();
    drop(lowest);
    let none = Rlimit {
        current: Some(most.into()),
        ..limit
    };
    setrlimit(Resource::Nofile, none).expect("less than before");
    let done = f();
    setrlimit(Resource::Nofile, limit).expect("as before");
    done
}

/// A child that ends when the end of the pipe is read.
fn waiting(input: &std::io::PipeReader) -> Child {
    let mut command = Command::new("cat");
    let command = command
        .stdin(input.try_clone().expect("room for one more"))
        .stdout(Stdio::inherit());
    without_descriptors(|| command.spawn()).expect("it needs none")
}

#[test]
fn the_ends_of_children_are_noticed_by_signal() {
    within_limit(|| {
        // What carries the signals is there before descriptors are short.
        let _listener = signal(SignalKind::child()).expect("a handler");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut children: Vec<_> = (0..20).map(|_| waiting(&reader)).collect();
        assert!(
            !descriptors().iter().any(|target| target.contains("pidfd")),
            "there was room for one"
        );
        let mut cx = Context::from_waker(Waker::noop());
        for child in &mut children {
            assert!(pin!(child.wait()).poll(&mut cx).is_pending());
        }
        let mut killed = children.pop().expect("20");
        block_on(killed.kill()).expect("it runs");
        assert_eq!(block_on(killed.wait()).unwrap().signal(), Some(9));
        let pids = children.iter().map(|child| child.id().expect("it runs"));
        let pids: Vec<_> = pids
            .map(|id| Pid::from_raw(id.cast_signed()).expect("a number"))
            .collect();
        // Some are waited for, and some are dropped: these stay without a descriptor as well.
        let dropped = children.split_off(10);
        without_descriptors(|| drop(dropped));
        let waits = std::thread::spawn(move || {
            for mut child in children {
                assert!(block_on(child.wait()).expect("it is ours").success());
            }
        });
        drop(writer);
        waits.join().expect("no panic");
        for pid in pids {
            while test_kill_process(pid).is_ok() {
                std::thread::yield_now();
            }
        }
        // One that has ended before anybody listens for it.
        let mut ended = without_descriptors(|| Command::new("true").spawn()).expect("a child");
        while ended.try_wait().expect("it is ours").is_none() {
            std::thread::yield_now();
        }
        assert!(block_on(ended.wait()).unwrap().success());
    });
}
