//! Child processes, as their users see them.
#![cfg(all(unix, not(miri)))]

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::task::{Context, Poll, Waker};

use heist::runtime::Builder;
use heist_reactor::io::{AsyncReadExt, AsyncWriteExt};
use heist_reactor::process::{Child, ChildStdout, Command};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::{Config, Monitor, Reactor};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A child that ends when its standard input does.
fn waiting() -> Child {
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::null());
    cat.spawn().expect("cat")
}

fn pid(child: &Child) -> Pid {
    let id = child.id().expect("not reaped");
    Pid::from_raw(id.cast_signed()).expect("a number")
}

/// Whether there is such a process, if only as a zombie.
fn exists(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// Waits until nothing is left of a process. The test's limit bounds it.
fn gone(pid: Pid) {
    while exists(pid) {
        std::thread::yield_now();
    }
}

/// A child that prints what it reads.
fn cat() -> Child {
    let mut cat = Command::new("cat");
    let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
    cat.spawn().unwrap()
}

#[test]
fn a_status_is_that_of_the_program() {
    run(async || {
        assert!(sh("exit 0").status().await.unwrap().success());
        assert_eq!(sh("exit 7").status().await.unwrap().code(), Some(7));
        let killed = sh("kill -TERM $$").status().await.unwrap();
        assert_eq!(killed.signal(), Some(15));
    });
}

#[test]
fn what_is_set_reaches_the_program() {
    run(async || {
        let mut command =
            sh("echo $0 $ONE $TWO $THREE; pwd; ps -o pgid= -p $$ | tr -d ' '; echo $$");
        command
            .arg("zero")
            .env("ONE", "1")
            .envs([("TWO", "2"), ("THREE", "3")])
            .env_remove("THREE")
            .current_dir("/")
            .process_group(0);
        let output = command.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["zero 1 2", "/"]);
        assert_eq!(lines[2], lines[3], "a process group of its own");
        assert!(output.status.success() && output.stderr.is_empty());

        let mut bare = Command::new("env");
        let output = bare.env_clear().env("ONLY", "this").output().await.unwrap();
        assert_eq!(output.stdout, b"ONLY=this\n");
        let mut named = Command::new("/bin/sh");
        let output = named.arg0("other").args(["-c", "cat /proc/$$/cmdline"]);
        let output = output.output().await.unwrap();
        if cfg!(target_os = "linux") {
            assert!(output.stdout.starts_with(b"other\0"));
        }
        assert_eq!(named.as_std().get_program(), "/bin/sh");
        assert!(!named.get_kill_on_drop() && named.kill_on_drop(true).get_kill_on_drop());
        assert_eq!(named.into_std().get_args().count(), 2);
    });
}

#[test]
fn both_outputs_are_read_beyond_what_pipes_hold() {
    run(async || {
        let script = "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 4";
        let output = sh(script).output().await.unwrap();
        assert_eq!(output.stdout.len(), 3_000_000);
        assert_eq!(output.stderr.len(), 2_000_000);
        assert_eq!(output.status.code(), Some(4));
    });
}

#[test]
fn a_filter_is_fed_and_read_at_once() {
    run(async || {
        let mut cat = cat();
        let (mut stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        let mut write = pin!(async move { stdin.write_all(&sent).await.map(|()| sent) });
        let mut stdout = stdout;
        let mut got = Vec::new();
        let mut read = pin!(stdout.read_to_end(&mut got));
        let (mut sent, mut all) = (None, None);
        poll_fn(|cx| {
            if sent.is_none()
                && let Poll::Ready(written) = write.as_mut().poll(cx)
            {
                sent = Some(written.unwrap());
                // This closes the pipe.
            }
            if all.is_none()
                && let Poll::Ready(read) = read.as_mut().poll(cx)
            {
                all = Some(read.unwrap());
            }
            if sent.is_some() && all.is_some() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        assert_eq!(Some(got), sent);
        assert!(cat.wait().await.unwrap().success());
    });
}

#[test]
fn a_pipe_is_handed_to_another_child() {
    run(async || {
        let mut echo = Command::new("echo");
        let mut echo = echo.arg("through").stdout(Stdio::piped()).spawn().unwrap();
        let stdout: Stdio = echo.stdout.take().unwrap().try_into().unwrap();
        let output = Command::new("cat").stdin(stdout).output().await.unwrap();
        assert_eq!(output.stdout, b"through\n");
        assert!(echo.wait().await.unwrap().success());
    });
}

#[test]
fn a_descriptor_that_is_taken_blocks_again() {
    run(async || {
        let mut child = waiting();
        let taken = child.stdin.take().unwrap().into_owned_fd().unwrap();
        let flags = rustix::fs::fcntl_getfl(taken.as_fd()).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        drop(taken);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn what_is_no_pipe_is_refused_or_read_to_its_end() {
    run(async || {
        let file = std::fs::File::open("/proc/self/status").or(std::fs::File::open("/etc/hosts"));
        let file = std::process::ChildStdout::from(std::os::fd::OwnedFd::from(file.unwrap()));
        if cfg!(target_os = "linux") {
            assert!(ChildStdout::from_std(file).is_err());
        }
        // A socket, whose reads end at the borders of its packets: each is short though there is more.
        let (ours, theirs) =
            socket2::Socket::pair(socket2::Domain::UNIX, socket2::Type::DGRAM, None).unwrap();
        let ours = std::process::ChildStdout::from(std::os::fd::OwnedFd::from(ours));
        let mut stdout = ChildStdout::from_std(ours).unwrap();
        let mut buffer = [0; 64];
        let mut read = pin!(stdout.read(&mut buffer));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        theirs.send(b"one").unwrap();
        theirs.send(b"two").unwrap();
        assert_eq!(read.await.unwrap(), 3);
        assert_eq!(stdout.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"two");
    });
}

#[test]
fn what_cannot_be_started_is_an_error() {
    run(async || {
        let missing = Command::new("/nowhere/at/all").spawn().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let missing = Command::new("/nowhere/at/all").output().await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let directory = Command::new("/").status().await.unwrap_err();
        assert_eq!(directory.kind(), ErrorKind::PermissionDenied);
        let nul = Command::new("a\0b").spawn().unwrap_err();
        assert_eq!(nul.kind(), ErrorKind::InvalidInput);
        let mut full = Command::new("true");
        let full = full.spawn_with(|_| Err(io::Error::from_raw_os_error(libc::EAGAIN)));
        assert_eq!(full.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut refused = Command::new("true");
        // SAFETY: it does nothing but fail.
        unsafe { refused.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EAGAIN))) };
        assert_eq!(
            refused.spawn().unwrap_err().raw_os_error(),
            Some(libc::EAGAIN)
        );
    });
}

#[test]
fn a_status_is_the_same_each_time() {
    run(async || {
        let mut child = sh("exit 9").spawn().unwrap();
        let first = child.wait().await.unwrap();
        assert_eq!(first.code(), Some(9));
        assert_eq!(child.wait().await.unwrap(), first);
        assert_eq!(child.try_wait().unwrap(), Some(first));
        assert_eq!(child.id(), None);
        // It has ended, so nothing is killed, least of all another process with that number.
        child.start_kill().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait_with_output().await.unwrap().status, first);
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    run(async || {
        let mut child = waiting();
        // What keeps the child from ending.
        let stdin = child.stdin.take();
        for _ in 0..3 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(child.wait()).poll(&mut cx).is_pending());
        }
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn wait_closes_the_childs_input_and_try_wait_does_not() {
    run(async || {
        let mut child = waiting();
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.stdin.is_some());
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn a_child_that_ignores_the_request_to_end_is_killed() {
    run(async || {
        let mut child = sh("trap '' TERM; echo ready; cat");
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut ready = [0; 6];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .await
            .unwrap();
        kill_process(pid(&child), Signal::TERM).unwrap();
        let stdin = child.stdin.take();
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        drop(stdin);
    });
}

#[test]
fn many_children_end_at_once_each_with_its_own_status() {
    run(async || {
        let mut children: Vec<_> = (0..200)
            .map(|id| {
                let mut command = sh("read line; exit $0");
                let child = command.arg(id.to_string()).stdin(Stdio::piped()).spawn();
                child.expect("room for 200")
            })
            .collect();
        let pids: Vec<_> = children.iter().map(pid).collect();
        // All come to their end in one go.
        children.iter_mut().for_each(|child| child.stdin = None);
        for (id, child) in children.iter_mut().enumerate().rev() {
            let status = child.wait().await.unwrap();
            assert_eq!(status.code(), Some(id as i32));
        }
        for pid in pids {
            assert!(!exists(pid), "{pid:?} is left");
        }
    });
}

#[test]
fn children_that_are_dropped_are_reaped_before_and_after_their_end() {
    run(async || {
        let (mut pids, mut inputs) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let ends = Command::new("true").spawn().unwrap();
            let mut waits = waiting();
            pids.extend([pid(&ends), pid(&waits)]);
            inputs.extend(waits.stdin.take());
        }
        assert!(
            pids.iter().skip(1).step_by(2).all(|&pid| exists(pid)),
            "they wait"
        );
        drop(inputs);
        pids.into_iter().for_each(gone);
    });
}

#[test]
fn kill_on_drop_kills_and_reaps() {
    run(async || {
        let mut command = sh("exec sleep 1000");
        let child = command.kill_on_drop(true).spawn().unwrap();
        let killed = pid(&child);
        drop(child);
        gone(killed);
        // Also where the future of `output` is dropped.
        let mut command = sh("echo $$ >&2; exec sleep 1000 2>/dev/null");
        let mut child = command
            .kill_on_drop(true)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let killed = pid(&child);
        let mut stderr = child.stderr.take().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut output = Box::pin(child.wait_with_output());
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.unwrap();
        assert!(output.as_mut().poll(&mut cx).is_pending());
        drop(output);
        gone(killed);
    });
}

#[test]
fn one_that_is_not_to_be_killed_goes_on() {
    run(async || {
        let mut command = sh("read line; echo $line");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let left = pid(&child);
        drop(child);
        stdin.write_all(b"still here\n").await.unwrap();
        let mut text = String::new();
        stdout.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "still here\n");
        gone(left);
    });
}

struct Plain;

impl Monitor for Plain {}

#[test]
fn a_child_outlives_the_runtime_that_started_it() {
    within_limit(|| {
        let own = Reactor::new(Config::default()).expect("a poller");
        own.start_thread(Box::new(Plain)).expect("a thread");
        let (mut waited_for, mut dropped, mut asleep) = {
            let _entered = own.enter();
            (waiting(), waiting(), waiting())
        };
        let input = waited_for.stdin.take();
        let asleep_input = asleep.stdin.take();
        let sleeper = std::thread::spawn(move || block_on(asleep.wait()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(waited_for.wait()).poll(&mut cx).is_pending());
        // One is an orphan before the end of the runtime.
        let orphan = pid(&dropped);
        let orphans_input = dropped.stdin.take();
        drop(dropped);
        own.shutdown();
        assert!(own.join_thread(None));
        drop(own);
        drop((input, orphans_input, asleep_input));
        assert!(block_on(waited_for.wait()).unwrap().success());
        assert!(sleeper.join().unwrap().unwrap().success());
        gone(orphan);
    });
}

#[test]
fn nothing_is_left_of_what_a_runtime_that_is_shut_down_starts() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        reactor.shutdown();
        let _entered = reactor.enter();
        let mut started = None;
        let mut command = sh("exec sleep 1000");
        let failed = command.stdout(Stdio::piped()).spawn_with(|command| {
            let child = command.spawn()?;
            started = Pid::from_raw(child.id().cast_signed());
            Ok(child)
        });
        assert!(failed.is_err());
        gone(started.expect("it was started"));
        // Without pipes it needs nothing of that runtime.
        assert!(block_on(Command::new("true").status()).unwrap().success());
    });
}

#[test]
fn children_are_waited_for_in_several_runtimes() {
    within_limit(|| {
        let runtimes = [Builder::new_current_thread(), Builder::new_multi_thread()];
        let [first, second] = runtimes.map(|mut builder| builder.build().expect("a runtime"));
        let mut child = first.block_on(async { waiting() });
        let mut other = second.block_on(async { waiting() });
        let (input, others_input) = (child.stdin.take(), other.stdin.take());
        // Polled where it was started, then elsewhere.
        first.block_on(async {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(child.wait()).poll(&mut cx).is_pending());
        });
        let moved = second.spawn(async move { child.wait().await });
        let here = std::thread::spawn(move || first.block_on(other.wait()));
        drop((input, others_input));
        assert!(second.block_on(moved).unwrap().unwrap().success());
        assert!(here.join().unwrap().unwrap().success());
    });
}

#[test]
fn status_and_output_start_before_they_are_polled() {
    within_limit(|| {
        let (read, write) = std::io::pipe().unwrap();
        let mut command = sh("echo started");
        let status = command.stdout(write).status();
        drop(command);
        let mut text = String::new();
        io::Read::read_to_string(&mut { read }, &mut text).unwrap();
        assert_eq!(text, "started\n");
        assert!(block_on(status).unwrap().success());
    });
}

#[test]
fn the_reader_of_a_dropped_pipe_kills_only_the_child() {
    run(async || {
        // The child writes into a pipe that nobody reads: SIGPIPE is its own, with the default that programs expect.
        let mut child = sh("head -c 1000000 /dev/zero; exit 3");
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        // And one that doesn't read: a write fails, and kills nobody.
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        let failed = stdin.write_all(&[0; 100_000]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn pipes_have_the_traits_of_futures_io() {
    run(async || {
        use futures_io::{AsyncRead, AsyncWrite};
        let mut cat = cat();
        let (mut stdin, mut stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let bufs = [io::IoSlice::new(b"ab"), io::IoSlice::new(b"c")];
        let written =
            poll_fn(|cx| AsyncWrite::poll_write_vectored(Pin::new(&mut stdin), cx, &bufs));
        assert_eq!(written.await.unwrap(), 3);
        poll_fn(|cx| AsyncWrite::poll_close(Pin::new(&mut stdin), cx))
            .await
            .unwrap();
        drop(stdin);
        let mut got = [0; 8];
        let read = poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut stdout), cx, &mut got)).await;
        assert_eq!(&got[..read.unwrap()], b"abc");
        cat.wait().await.unwrap();
    });
}
