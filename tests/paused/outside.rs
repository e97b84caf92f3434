//! Paused time and the world outside: sockets, other runtimes, futures that were made elsewhere.

use super::*;
use heist::io::AsyncReadExt;
#[cfg(unix)]
use heist::io::AsyncWriteExt;
#[cfg(unix)]
use heist::net::UnixStream;
use heist::net::{TcpListener, TcpStream};

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (one, other) = heist::join!(TcpStream::connect(address), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

#[test]
fn a_connection_that_is_made_waits_for_no_deadline() {
    in_each(|| async {
        let start = Instant::now();
        let _ends = connected().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[cfg(unix)]
#[test]
fn data_that_has_arrived_comes_before_a_jump() {
    in_each(|| async {
        let start = Instant::now();
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let reader = heist::spawn(async move {
            let mut byte = [0];
            // The data has arrived when `write_all` returns. Of TCP, not even loopback promises that.
            other.read_exact(&mut byte).await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
        });
        // Until it waits, or may as well.
        for _ in 0..10 {
            heist::task::yield_now().await;
        }
        one.write_all(b"x").await.unwrap();
        sleep(ms(100)).await;
        reader.await.unwrap();
        assert_eq!(start.elapsed(), ms(100));
    });
}

#[test]
fn a_timeout_on_a_socket_fires_if_no_data_is_there() {
    in_each(|| async {
        let start = Instant::now();
        let (_one, mut other) = connected().await;
        let mut byte = [0];
        timeout(HOUR, other.read(&mut byte)).await.unwrap_err();
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[cfg(unix)]
#[test]
fn a_blocking_job_keeps_time_from_jumping_while_data_is_on_its_way() {
    in_each(|| async {
        let start = Instant::now();
        let (mut one, other) = UnixStream::pair().unwrap();
        let sender = heist::spawn(async move {
            heist::task::spawn_blocking(|| std::thread::sleep(ms(20)))
                .await
                .unwrap();
            one.write_all(b"hello").await.unwrap();
            one
        });
        let received = timeout(HOUR, async move {
            let mut other = other;
            let mut bytes = [0; 5];
            other.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        assert_eq!(received.await.as_ref(), Ok(b"hello"));
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(sender.await.unwrap());
    });
}

#[test]
fn a_message_from_another_thread_ends_a_wait_without_a_deadline() {
    in_each(|| async {
        let start = Instant::now();
        for _ in 0..20 {
            let (sender, receiver) = heist::sync::oneshot::channel();
            let thread = std::thread::spawn(move || sender.send(()));
            receiver.await.unwrap();
            thread.join().unwrap().unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

/// Other threads wake tasks at any time, also as time jumps: no wake is lost, and in no poll does time move.
#[test]
fn time_moves_in_no_poll_while_other_threads_wake_tasks() {
    within_limit(|| {
        for workers in [0, 1, 2, 4] {
            let runtime = paused(workers);
            let (sender, mut receiver) = heist::sync::mpsc::unbounded_channel::<u64>();
            let feeders: Vec<_> = (0..3)
                .map(|_| {
                    let sender = sender.clone();
                    std::thread::spawn(move || {
                        for nth in 0..300 {
                            sender.send(nth).unwrap();
                            if nth % 10 == 0 {
                                std::thread::sleep(Duration::from_micros(50));
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            runtime.block_on(async {
                let ticker = heist::spawn(async {
                    loop {
                        sleep(Duration::from_micros(300)).await;
                    }
                });
                let mut received = 0;
                while let Some(nth) = receiver.recv().await {
                    received += 1;
                    heist::spawn(async move {
                        let before = Instant::now();
                        let length = Duration::from_micros(1 + nth * 37 % 500);
                        let mut slept = pin!(sleep_until(before + length));
                        poll_fn(|cx| {
                            let _ = slept.as_mut().poll(cx);
                            std::thread::yield_now();
                            Poll::Ready(())
                        })
                        .await;
                        assert_eq!(before.elapsed(), Duration::ZERO, "within one poll");
                        slept.await;
                        assert_eq!(before.elapsed(), length, "neither early nor late");
                    })
                    .await
                    .unwrap();
                }
                assert_eq!(received, 900);
                ticker.abort();
            });
            for feeder in feeders {
                feeder.join().unwrap();
            }
        }
    });
}

#[test]
fn each_runtime_has_its_own_time() {
    within_limit(|| {
        let (still, runs) = (paused(2), Runtime::new().unwrap());
        let before = std::time::Instant::now();
        still.block_on(sleep(HOUR));
        let now = runs.block_on(async { Instant::now() });
        assert!(now.into_std() >= before && now.into_std() <= std::time::Instant::now());
        runs.block_on(sleep(ms(1)));
        assert!(
            Instant::now().into_std() <= std::time::Instant::now(),
            "and none outside"
        );
        // Time of the one goes on beside the other, and a sleep keeps to the runtime that it was first polled in.
        let mut slept = Box::pin(still.block_on(poll_fn(|_| Poll::Ready(sleep(ms(1))))));
        let _ = runs.block_on(poll_fn(|cx| {
            Poll::Ready(slept.as_mut().poll(cx).is_pending())
        }));
    });
}

#[test]
fn a_sleep_made_outside_counts_from_the_systems_time() {
    in_each(|| async {
        let inside = Instant::now();
        let deadline = std::thread::spawn(|| {
            let slept = sleep(HOUR);
            (slept.deadline(), slept)
        });
        let (deadline, slept) = deadline.join().unwrap();
        slept.await;
        assert_eq!(Instant::now(), deadline.max(inside));
    });
}

#[test]
fn a_foreign_loop_that_takes_turns_makes_time_jump() {
    within_limit(|| {
        let runtime = paused(0);
        let start = {
            let _entered = runtime.enter();
            Instant::now()
        };
        let task = runtime.spawn(async move {
            for nth in 1..=10 {
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), nth * HOUR);
            }
        });
        let mut turns = 0;
        while !task.is_finished() {
            let turn = runtime.turn(None);
            turns += 1;
            assert!(task.is_finished() || turn.wait() == Some(Duration::ZERO));
        }
        assert!(turns <= 25, "{turns} turns");
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn turns_that_may_not_wait_make_time_jump() {
    within_limit(|| {
        let runtime = paused(0);
        let task = runtime.spawn(async {
            let start = Instant::now();
            for nth in 1..=10 {
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), nth * HOUR);
                let job = heist::task::spawn_blocking(|| std::thread::sleep(ms(1)));
                job.await.unwrap();
                assert_eq!(start.elapsed(), nth * HOUR);
            }
        });
        while !task.is_finished() {
            runtime.turn(Some(Duration::ZERO));
        }
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn what_a_thread_from_outside_wakes_by_advance_runs_before_time_jumps() {
    /// Takes its time to wake nobody.
    struct Slow;

    impl std::task::Wake for Slow {
        fn wake(self: Arc<Self>) {
            std::thread::sleep(ms(20));
        }
    }

    within_limit(|| {
        for workers in [0, 1, 2] {
            let runtime = paused(workers);
            let start = {
                let _entered = runtime.enter();
                Instant::now()
            };
            let handle = runtime.handle().clone();
            let (go, gone) = std::sync::mpsc::channel();
            let outside = std::thread::spawn(move || {
                gone.recv().unwrap();
                let _entered = handle.enter();
                // Of several threads, as each has its own share of the timers.
                let wait = || {
                    let _entered = handle.enter();
                    let mut slow_one = Box::pin(sleep(ms(1)));
                    let slow = Waker::from(Arc::new(Slow));
                    let polled = slow_one.as_mut().poll(&mut Context::from_waker(&slow));
                    assert!(polled.is_pending());
                    slow_one
                };
                let _slow = std::thread::scope(|scope| {
                    let waiting = [(); 4].map(|()| scope.spawn(wait));
                    waiting.map(|thread| thread.join().unwrap())
                });
                let mut advance = pin!(time::advance(ms(2)));
                let mut cx = Context::from_waker(Waker::noop());
                while advance.as_mut().poll(&mut cx).is_pending() {}
            });
            let elapsed = runtime.block_on(async {
                // Time stands still as long as this root is polled.
                let far = heist::spawn(sleep(HOUR));
                heist::task::yield_now().await;
                let mut due = pin!(sleep(ms(2)));
                let mut told = Some(go);
                poll_fn(|cx| {
                    let polled = due.as_mut().poll(cx);
                    if let Some(go) = told.take() {
                        go.send(()).unwrap();
                        std::thread::sleep(ms(20));
                    }
                    polled
                })
                .await;
                far.abort();
                start.elapsed()
            });
            assert_eq!(elapsed, ms(2));
            outside.join().unwrap();
        }
    });
}
