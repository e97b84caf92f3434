//! `stdin`, `stdout`, `stderr`. Each test runs a program of its own, which is this file again, with a role to play.
#![cfg(not(miri))]

use std::io::{Read, Write};
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use heist::runtime::{Builder, Handle};
use heist_reactor::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use heist_reactor::testing::{CountWakes, block_on, within_limit};

const ROLE: &str = "HEIST_STDIO_ROLE";
/// The test harness prints a few lines before this.
const START: &[u8] = b"<start>";

/// This program again, in the role.
fn play(role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "roles", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child has printed after the start. Its exit code must be 0.
fn printed(child: Child) -> Vec<u8> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let start = output
        .stdout
        .windows(START.len())
        .position(|part| part == START);
    output.stdout[start.expect("it has started") + START.len()..].to_vec()
}

/// The child's part.
#[test]
fn roles() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    std::io::stdout().write_all(START).unwrap();
    std::io::stdout().flush().unwrap();
    match &*role {
        "echo" => echo(),
        "drops a read" => drop_a_read(),
        "leaves at once" => leave_at_once(),
        "is read from in vain" => shut_down_in_a_read(),
        "both outputs" => write_to_both(),
        "closed output" => write_to_nobody(),
        role => panic!("no role {role}"),
    }
    std::process::exit(0);
}

fn echo() {
    block_on(async {
        let copied = io::copy(&mut io::stdin(), &mut io::stdout()).await.unwrap();
        assert_eq!(copied, 3_000_000);
    });
}

#[test]
fn everything_goes_through_stdin_and_stdout() {
    within_limit(|| {
        let mut child = play("echo");
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| ((at * 7) >> 3) as u8).collect();
        let (mut stdin, sent) = (child.stdin.take().unwrap(), bytes.clone());
        let feeding = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
        assert!(printed(child) == bytes);
        feeding.join().unwrap();
    });
}

fn drop_a_read() {
    let mut lines = BufReader::new(io::stdin()).lines();
    let (_, waker) = CountWakes::new();
    let polled = pin!(lines.next_line()).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    block_on(async {
        let mut stdout = io::stdout();
        stdout.write_all(b"dropped ").await.unwrap();
        stdout.flush().await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap() {
            stdout.write_all(line.as_bytes()).await.unwrap();
        }
        stdout.shutdown().await.unwrap();
        // The end stays the end, and a read of nothing is none.
        let mut stdin = lines.into_inner().into_inner();
        assert_eq!(stdin.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(stdin.read(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn what_a_dropped_read_has_read_is_there_for_the_next() {
    within_limit(|| {
        let mut child = play("drops a read");
        let mut heard = Vec::new();
        while !heard.ends_with(b"dropped ") {
            let mut byte = [0];
            let stdout = child.stdout.as_mut().unwrap();
            stdout.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"one\ntwo").unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"onetwo");
    });
}

/// The pool's only thread is busy while something is written, so the write waits in the queue when the runtime ends.
fn leave_at_once() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (started, has_started) = mpsc::channel();
    let (end, wait) = mpsc::channel::<()>();
    drop(runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = wait.recv();
    }));
    has_started.recv().unwrap();
    let mut stdout = io::stdout();
    runtime.block_on(stdout.write_all(b"last words")).unwrap();
    runtime.shutdown_background();
    drop(end);
    // This waits for the write. It flushes by the default pool.
    block_on(stdout.flush()).unwrap();
}

#[test]
fn what_stdout_has_taken_is_written_though_the_runtime_ends() {
    within_limit(|| assert_eq!(printed(play("leaves at once")), b"last words"));
}

fn shut_down_in_a_read() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (_, waker) = CountWakes::new();
    let mut stdin = io::stdin();
    runtime.block_on(async {
        let polled = pin!(stdin.read_u8()).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    });
    let begun = Instant::now();
    runtime.shutdown_timeout(Duration::from_millis(50));
    assert!(begun.elapsed() < Duration::from_secs(60));
    // A runtime that has ended serves no other read.
    let other = Builder::new_current_thread().build().unwrap();
    let handle: Handle = other.handle().clone();
    drop(other);
    let _entered = handle.enter();
    let error = block_on(io::stdin().read_u8()).unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    let error = block_on(io::stdout().write(b"x")).unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    std::io::stdout().write_all(b"ended").unwrap();
}

#[test]
fn a_read_that_waits_holds_up_no_shutdown_beyond_its_time() {
    within_limit(|| {
        let mut child = play("is read from in vain");
        // It stays open until the child has ended.
        let stdin = child.stdin.take();
        assert_eq!(printed(child), b"ended");
        drop(stdin);
    });
}

fn write_to_both() {
    block_on(async {
        let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
        for part in 0..10 {
            let text = format!("{part}\n");
            stdout.write_all(text.as_bytes()).await.unwrap();
            stderr.write_all(text.as_bytes()).await.unwrap();
        }
        stdout.flush().await.unwrap();
        stderr.flush().await.unwrap();
    });
}

#[test]
fn each_output_keeps_its_order() {
    within_limit(|| {
        let output = play("both outputs").wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let expected = b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert!(output.stdout.ends_with(expected), "{output:?}");
        assert!(output.stderr.ends_with(expected), "{output:?}");
    });
}

fn write_to_nobody() {
    // Wait until the reader has gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let mut stdout = io::stdout();
    block_on(async {
        // It is taken, and then fails.
        stdout.write_all(b"into the void\n").await.unwrap();
        let error = stdout.flush().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
    let polled = {
        let (_, waker) = CountWakes::new();
        pin!(stdout.write(b"")).poll(&mut Context::from_waker(&waker))
    };
    assert!(matches!(polled, Poll::Ready(Ok(0))));
}

#[test]
fn an_error_of_a_write_is_reported_by_the_next_call() {
    within_limit(|| {
        let mut child = play("closed output");
        let mut start = Vec::new();
        let mut stdout = child.stdout.take().unwrap();
        while !start.ends_with(START) {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            start.push(byte[0]);
        }
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    });
}
