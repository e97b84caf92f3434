//! A current-thread runtime driven by an event loop that knows nothing of it but a descriptor.
#![cfg(unix)]

#[path = "support/watch.rs"]
mod watch;

use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use heist_reactor::io::{AsyncReadExt, AsyncWriteExt};
use heist_reactor::net::{TcpListener, TcpStream};
use heist_reactor::time::sleep;
use heist_scheduler::runtime::Runtime;
use heist_scheduler::task;
use heist_sync::{mpsc as channel, oneshot};
use rustix::event::{PollFd, PollFlags, poll};
use watch::{current_thread, watchdog, workers};

/// A foreign event loop: waits in poll(2), and turns the runtime when it is told to. How many turns that took.
fn drive(runtime: &Runtime, done: impl Fn() -> bool) -> usize {
    let descriptor = runtime
        .descriptor()
        .expect("a current-thread runtime has one");
    // SAFETY: it lives as long as the runtime.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let mut turns = 0;
    loop {
        let turn = runtime.turn(Some(Duration::ZERO));
        turns += 1;
        if done() {
            return turns;
        }
        let timeout = turn.wait().map(|wait| wait.try_into().expect("a time"));
        let mut wanted = [PollFd::new(&descriptor, PollFlags::IN)];
        poll(&mut wanted, timeout.as_ref()).expect("poll");
    }
}

#[test]
fn timers_sockets_and_wakes_from_other_threads_make_the_descriptor_readable() {
    let _dog = watchdog();
    let runtime = current_thread();
    let (send, receive) = oneshot::channel();
    let all = runtime.spawn(async move {
        sleep(Duration::from_millis(2)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = task::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            stream.write_all(&byte).await.unwrap();
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        echo.await.unwrap();
        let from_outside = thread::spawn(move || send.send(7).unwrap());
        let got = receive.await.unwrap();
        from_outside.join().unwrap();
        (byte, got)
    });
    let turns = drive(&runtime, || all.is_finished());
    assert!(turns < 200, "{turns} turns: it never waited");
    assert_eq!(runtime.block_on(all).unwrap(), (*b"x", 7));
}

#[test]
fn a_thousand_messages_from_another_thread_arrive_one_by_one() {
    let _dog = watchdog();
    let runtime = current_thread();
    let (send, mut receive) = channel::channel(1);
    let (answer, answers) = mpsc::channel();
    let all = runtime.spawn(async move {
        while let Some(i) = receive.recv().await {
            answer.send(i).unwrap();
        }
    });
    let outside = thread::spawn(move || {
        for i in 0..1_000 {
            send.blocking_send(i).unwrap();
            assert_eq!(answers.recv().unwrap(), i);
        }
    });
    drive(&runtime, || all.is_finished());
    outside.join().unwrap();
}

#[test]
fn a_turn_waits_no_longer_than_its_limit_and_returns_though_tasks_never_end() {
    let _dog = watchdog();
    let runtime = current_thread();
    let before = Instant::now();
    let turn = runtime.turn(Some(Duration::from_millis(5)));
    assert!(before.elapsed() >= Duration::from_millis(5));
    assert_eq!((turn.polls(), turn.wait()), (0, None));
    drop(runtime.spawn(async {
        loop {
            task::yield_now().await;
        }
    }));
    let turn = runtime.turn(None);
    assert!(turn.polls() > 0);
    assert_eq!(turn.wait(), Some(Duration::ZERO), "there is more to do");
}

#[test]
fn turns_and_block_on_take_turns() {
    let _dog = watchdog();
    let runtime = current_thread();
    for i in 0..100 {
        let task = runtime.spawn(async move {
            sleep(Duration::from_micros(50)).await;
            i
        });
        drive(&runtime, || task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), i);
        let other = runtime.spawn(async move { i });
        assert_eq!(runtime.block_on(other).unwrap(), i);
    }
    // Left armed, it ends all the same.
    drop(runtime.spawn(std::future::pending::<()>()));
    runtime.turn(Some(Duration::ZERO));
}

#[test]
fn where_it_cannot_be_it_says_so() {
    let _dog = watchdog();
    let runtime = workers(1);
    assert!(runtime.descriptor().is_none());
    assert!(catch_unwind(AssertUnwindSafe(|| runtime.turn(None))).is_err());
    let runtime = current_thread();
    let inside = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { runtime.turn(None) })
    }));
    assert!(inside.is_err());
}
