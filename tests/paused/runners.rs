//! Whatever runs keeps time from jumping: tasks that yield, blocking jobs, tasks that block, several roots.

use super::*;
use heist::task::{LocalSet, block_in_place, spawn_blocking, yield_now};

#[test]
fn beside_a_task_that_never_rests_time_stands_still() {
    within_limit(|| {
        for workers in [0, 1, 2, 4, 8] {
            let runtime = paused(workers);
            runtime.block_on(async {
                let start = Instant::now();
                let stop = Arc::new(AtomicBool::new(false));
                let yielder = heist::spawn({
                    let stop = stop.clone();
                    async move {
                        while !stop.load(Ordering::SeqCst) {
                            yield_now().await;
                        }
                    }
                });
                let slept = heist::spawn(sleep(ms(1)));
                for _ in 0..2_000 {
                    yield_now().await;
                }
                assert!(!slept.is_finished());
                // Without a yield of its own, for a while.
                let (sender, receiver) = heist::sync::oneshot::channel();
                let thread = std::thread::spawn(move || {
                    std::thread::sleep(ms(20));
                    sender.send(())
                });
                receiver.await.unwrap();
                thread.join().unwrap().unwrap();
                assert_eq!(start.elapsed(), Duration::ZERO);
                time::advance(ms(1)).await;
                slept.await.unwrap();
                assert_eq!(start.elapsed(), ms(1), "`advance` moves it all the same");
                stop.store(true, Ordering::SeqCst);
                yielder.await.unwrap();
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), ms(1) + HOUR);
            });
        }
    });
}

#[test]
fn a_poll_that_takes_long_keeps_time_from_jumping() {
    in_each(|| async {
        let start = Instant::now();
        let slow = heist::spawn(async move {
            std::thread::sleep(ms(15));
            assert_eq!(start.elapsed(), Duration::ZERO);
        });
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        slow.await.unwrap();
    });
}

#[test]
fn a_blocking_job_keeps_time_from_jumping_until_it_has_ended() {
    in_each(|| async {
        let start = Instant::now();
        let jobs: Vec<_> = (0..4)
            .map(|nth| spawn_blocking(move || std::thread::sleep(ms(5 * nth))))
            .collect();
        let slept = heist::spawn(async move {
            sleep(HOUR).await;
            start.elapsed()
        });
        for job in jobs {
            job.await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
        assert_eq!(slept.await.unwrap(), HOUR);
    });
}

#[test]
fn a_job_that_nobody_waits_for_lets_time_jump_at_its_end() {
    in_each(|| async {
        let (start, ended) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        drop(spawn_blocking({
            let ended = ended.clone();
            move || {
                std::thread::sleep(ms(10));
                ended.store(true, Ordering::SeqCst);
            }
        }));
        sleep(HOUR).await;
        assert!(ended.load(Ordering::SeqCst));
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn jobs_and_tasks_that_hand_work_to_each_other_leave_no_gap() {
    in_each(|| async {
        let start = Instant::now();
        let watch = heist::spawn(async move {
            sleep(ms(1)).await;
            start.elapsed()
        });
        for nth in 0..200 {
            let sum = spawn_blocking(move || nth + 1).await.unwrap();
            let sum = heist::spawn(async move { sum + 1 }).await.unwrap();
            assert_eq!(sum, nth + 2);
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
        assert_eq!(watch.await.unwrap(), ms(1));
    });
}

#[test]
fn tasks_that_block_in_place_keep_time_from_jumping() {
    within_limit(|| {
        for workers in [1, 2, 4] {
            let runtime = paused(workers);
            runtime.block_on(async {
                let start = Instant::now();
                let tasks: Vec<_> = (1..=3)
                    .map(|nth| {
                        heist::spawn(async move {
                            block_in_place(|| std::thread::sleep(ms(4 * nth)));
                            // Perhaps without its worker.
                            assert_eq!(start.elapsed(), Duration::ZERO);
                            std::thread::sleep(ms(2));
                            block_in_place(|| std::thread::sleep(ms(2)));
                            assert_eq!(start.elapsed(), Duration::ZERO);
                        })
                    })
                    .collect();
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), HOUR);
                for task in tasks {
                    assert!(task.is_finished());
                    task.await.unwrap();
                }
            });
        }
    });
}

#[test]
fn a_block_on_in_a_task_waits_without_keeping_time_from_jumping() {
    within_limit(|| {
        for workers in [1, 2, 4] {
            let runtime = Arc::new(paused(workers));
            let handle = runtime.handle().clone();
            runtime.block_on(async {
                let start = Instant::now();
                let task = heist::spawn(async move {
                    handle.block_on(async {
                        sleep(HOUR).await;
                        assert_eq!(start.elapsed(), HOUR);
                    });
                    // Perhaps without its worker.
                    std::thread::sleep(ms(2));
                    assert_eq!(start.elapsed(), HOUR);
                    block_in_place(|| {
                        handle.block_on(async {
                            sleep(HOUR).await;
                            std::thread::sleep(ms(2));
                            assert_eq!(start.elapsed(), 2 * HOUR);
                        });
                        std::thread::sleep(ms(2));
                    });
                    assert_eq!(start.elapsed(), 2 * HOUR);
                });
                // And inside the root.
                let own = heist::runtime::Handle::current();
                own.block_on(sleep(ms(1)));
                assert_eq!(start.elapsed(), ms(1));
                task.await.unwrap();
                assert_eq!(start.elapsed(), 2 * HOUR);
            });
        }
    });
}

#[test]
fn a_poll_that_blocks_unannounced_and_loses_its_worker_keeps_time_from_jumping() {
    within_limit(|| {
        for workers in [1, 2] {
            let runtime = paused(workers);
            runtime.block_on(async {
                let start = Instant::now();
                // As many that spares come, and are replaced.
                let tasks: Vec<_> = (0..12)
                    .map(|_| {
                        heist::spawn(async move {
                            std::thread::sleep(ms(20));
                            assert_eq!(start.elapsed(), Duration::ZERO);
                        })
                    })
                    .collect();
                sleep(ms(1)).await;
                for task in tasks {
                    assert!(task.is_finished());
                    task.await.unwrap();
                }
                assert_eq!(start.elapsed(), ms(1));
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), ms(1) + HOUR);
            });
        }
    });
}

#[test]
fn several_threads_block_on_one_runtime_and_time_jumps_when_all_wait() {
    within_limit(|| {
        for workers in [0, 1, 2, 4] {
            let runtime = Arc::new(paused(workers));
            let start = runtime.block_on(async { Instant::now() });
            let go = Arc::new(std::sync::Barrier::new(4));
            let threads: Vec<_> = (1..=4_u32)
                .map(|nth| {
                    let (runtime, go) = (runtime.clone(), go.clone());
                    std::thread::spawn(move || {
                        runtime.block_on(async {
                            // Time stands still while the others come, as this is one poll.
                            go.wait();
                            let before = Instant::now();
                            assert_eq!(before, start);
                            for step in 1..=50 {
                                sleep(nth * ms(1)).await;
                                let elapsed = before.elapsed();
                                assert_eq!(elapsed, step * nth * ms(1));
                                // A poll in which time must not move.
                                std::thread::yield_now();
                                assert_eq!(before.elapsed(), elapsed);
                            }
                        });
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        }
    });
}

#[test]
fn roots_and_tasks_that_wake_each_other_across_threads_leave_no_gap() {
    within_limit(|| {
        for workers in [0, 1, 2] {
            let runtime = Arc::new(paused(workers));
            let (to, mut from) = heist::sync::mpsc::channel::<u32>(1);
            let (back, mut answers) = heist::sync::mpsc::channel::<u32>(1);
            let echo = std::thread::spawn({
                let runtime = runtime.clone();
                move || {
                    runtime.block_on(async move {
                        while let Some(n) = from.recv().await {
                            back.send(n).await.unwrap();
                        }
                    });
                }
            });
            runtime.block_on(async move {
                // The other thread is in its `block_on` from here on.
                to.send(0).await.unwrap();
                answers.recv().await.unwrap();
                let start = Instant::now();
                let early = heist::spawn(async move {
                    sleep(ms(1)).await;
                    start.elapsed()
                });
                for n in 0..500 {
                    to.send(n).await.unwrap();
                    assert_eq!(answers.recv().await, Some(n));
                    assert_eq!(start.elapsed(), Duration::ZERO);
                }
                assert_eq!(early.await.unwrap(), ms(1));
            });
            echo.join().unwrap();
        }
    });
}

#[test]
fn local_tasks_run_in_paused_time() {
    within_limit(|| {
        for workers in [0, 1, 4] {
            let runtime = paused(workers);
            let local = LocalSet::new();
            local.block_on(&runtime, async {
                let start = Instant::now();
                let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
                let tasks: Vec<_> = (0..20_u32)
                    .map(|nth| {
                        let order = order.clone();
                        heist::task::spawn_local(async move {
                            let length = (nth * 7 % 20) * ms(60_000);
                            sleep(length).await;
                            assert_eq!(start.elapsed(), length);
                            order.borrow_mut().push(length);
                        })
                    })
                    .collect();
                // A task of the runtime beside them.
                heist::spawn(async move {
                    sleep(ms(90_000)).await;
                    assert_eq!(start.elapsed(), ms(90_000));
                })
                .await
                .unwrap();
                for task in tasks {
                    task.await.unwrap();
                }
                assert!(order.borrow().is_sorted());
            });
        }
    });
}

#[test]
fn pausing_again_and_again_beside_busy_workers_loses_no_wake() {
    within_limit(|| {
        for workers in [0, 1, 2, 4] {
            let runtime = paused(workers);
            runtime.block_on(async {
                for round in 0..100_u64 {
                    let tasks: Vec<_> = (0..8)
                        .map(|nth| {
                            heist::spawn(async move {
                                sleep(Duration::from_micros(nth * round)).await;
                            })
                        })
                        .collect();
                    time::resume();
                    yield_now().await;
                    time::pause();
                    for task in tasks {
                        task.await.unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn an_eager_poll_on_any_thread_keeps_time_from_jumping() {
    within_limit(|| {
        let other = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        for workers in [0, 1, 2] {
            let runtime = paused(workers);
            let handle = runtime.handle().clone();
            let stands = move || {
                handle.spawn_eager(async {
                    let before = Instant::now();
                    std::thread::sleep(ms(20));
                    assert_eq!(Instant::now(), before);
                    sleep(ms(1)).await;
                    assert!(before.elapsed() >= ms(1));
                })
            };
            runtime.block_on(async {
                let ticks = heist::spawn(async {
                    loop {
                        sleep(HOUR).await;
                    }
                });
                stands().await.unwrap();
                let outside = std::thread::spawn(stands.clone());
                while !outside.is_finished() {
                    sleep(ms(1)).await;
                }
                outside.join().unwrap().await.unwrap();
                let there = other.spawn(poll_fn(move |_| Poll::Ready(stands())));
                there.await.unwrap().await.unwrap();
                ticks.abort();
            });
            // Nothing is counted any more.
            let elapsed = runtime.block_on(async {
                let start = Instant::now();
                sleep(HOUR).await;
                start.elapsed()
            });
            assert_eq!(elapsed, HOUR);
        }
    });
}

#[test]
fn a_block_on_inside_that_of_another_runtime_waits_without_keeping_time_from_jumping() {
    within_limit(|| {
        let between = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        for workers in [1, 2] {
            let runtime = paused(workers);
            let (own, other) = (runtime.handle().clone(), between.handle().clone());
            let nested = move || {
                let start = Instant::now();
                let inner = || own.block_on(async { sleep(HOUR).await });
                other.block_on(async { inner() });
                assert_eq!(start.elapsed(), HOUR);
            };
            runtime.block_on(async { nested() });
            let task = runtime.spawn(async move { nested() });
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn roots_that_end_after_they_were_woken_again_let_time_jump() {
    within_limit(|| {
        let runtime = paused(0);
        let woken = |panics: bool| {
            poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                if panics {
                    std::panic::resume_unwind(Box::new(()));
                }
                Poll::Ready(())
            })
        };
        for round in 0..200 {
            let go = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    go.wait();
                    for nth in 0..round % 5 {
                        let block = || runtime.block_on(woken(nth % 2 == 1));
                        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(block));
                        assert_eq!(ended.is_err(), nth % 2 == 1);
                    }
                });
                runtime.block_on(async {
                    let start = Instant::now();
                    go.wait();
                    for nth in 1..=100 {
                        sleep(HOUR).await;
                        assert_eq!(start.elapsed(), nth * HOUR);
                    }
                });
            });
        }
    });
}
