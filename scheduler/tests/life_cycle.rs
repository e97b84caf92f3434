//! Runtimes that come and go, beside each other, inside each other's contexts, from several threads; what a thread has
//! entered, and what it still may do as it ends.

#[path = "support/watch.rs"]
mod watch;

use std::cell::RefCell;
use std::fs;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use heist_reactor::time::sleep;
use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task::{self, JoinHandle};
use watch::{current_thread, each_kind, on_drop, watchdog, workers};

#[test]
fn guards_may_be_dropped_in_any_order() {
    let _dog = watchdog();
    let runtimes = [current_thread(), current_thread(), workers(1)];
    let [a, b, c] = &runtimes;
    let current = || Handle::try_current().ok().map(|handle| handle.id());
    let id = |runtime: &Runtime| Some(runtime.handle().id());
    assert_eq!(current(), None);
    let in_a = a.enter();
    let in_b = b.enter();
    let in_c = c.enter();
    assert_eq!(current(), id(c));
    drop(in_b);
    assert_eq!(current(), id(c));
    drop(in_c);
    assert_eq!(current(), id(a));
    let again = b.enter();
    drop(in_a);
    assert_eq!(current(), id(b));
    drop(again);
    assert_eq!(current(), None);
}

#[test]
fn a_block_on_is_in_its_own_runtime_and_leaves_it_however_it_ends() {
    let _dog = watchdog();
    for outer in each_kind() {
        for inner in each_kind() {
            let _entered = outer.enter();
            let id = inner.block_on(async { Handle::current().id() });
            assert_eq!(id, inner.handle().id());
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                inner.block_on(async { panic!("inside") })
            }));
            assert!(panicked.is_err());
            assert_eq!(Handle::current().id(), outer.handle().id());
            assert_eq!(inner.block_on(inner.spawn(async { 3 })).unwrap(), 3);
        }
    }
}

#[test]
fn outside_any_runtime_a_spawn_says_what_is_missing() {
    let _dog = watchdog();
    let panicked = catch_unwind(|| drop(task::spawn(async {})));
    let payload = panicked.expect_err("it panics");
    assert!(
        payload
            .downcast_ref::<&str>()
            .is_some_and(|text| text.contains("no runtime"))
            || payload
                .downcast_ref::<String>()
                .is_some_and(|text| text.contains("no runtime"))
    );
    assert!(Handle::try_current().is_err());
}

#[test]
fn several_threads_block_on_one_runtime_at_once() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let runtime = &runtime;
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for round in 0..500 {
                        let answer = runtime.block_on(async {
                            let task = task::spawn(async move {
                                if round % 10 == 0 {
                                    sleep(Duration::from_micros(100)).await;
                                }
                                task::yield_now().await;
                                (thread, round)
                            });
                            task.await.unwrap()
                        });
                        assert_eq!(answer, (thread, round));
                    }
                });
            }
        });
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn the_worker_of_a_current_thread_runtime_is_handed_over_when_its_thread_leaves() {
    let _dog = watchdog();
    let runtime = &current_thread();
    for _ in 0..200 {
        // The one that leaves first holds the worker as often as not; the other's task must go on.
        thread::scope(|scope| {
            scope.spawn(|| runtime.block_on(task::yield_now()));
            scope.spawn(|| {
                runtime.block_on(async {
                    for _ in 0..5 {
                        task::spawn(task::yield_now()).await.unwrap();
                    }
                });
            });
            scope.spawn(|| {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    runtime.block_on(async {
                        task::spawn(task::yield_now()).await.unwrap();
                        std::panic::resume_unwind(Box::new("it leaves in a hurry"));
                    })
                }));
                assert!(panicked.is_err());
            });
        });
    }
}

#[test]
fn futures_cross_from_one_runtime_to_another() {
    let _dog = watchdog();
    for here in each_kind() {
        for there in each_kind() {
            // Only a multi-thread runtime goes on by itself.
            let driven = there.handle().runtime_flavor()
                != heist_scheduler::runtime::RuntimeFlavor::CurrentThread;
            let timer = {
                let _entered = there.enter();
                sleep(Duration::from_millis(1))
            };
            let far: JoinHandle<usize> = there.spawn(async {
                task::yield_now().await;
                5
            });
            if driven {
                here.block_on(async {
                    timer.await;
                    assert_eq!(task::spawn(far).await.unwrap().unwrap(), 5);
                });
            } else {
                drop(here.spawn(timer));
                let near = here.spawn(far);
                assert_eq!(
                    there.block_on(async {
                        while !near.is_finished() {
                            task::yield_now().await;
                            here_turns(&here);
                        }
                        poll_fn(|_| Poll::Ready(5)).await
                    }),
                    5
                );
            }
        }
    }
}

/// Gives a current-thread runtime a turn, from a thread of its own, as this one is blocked on another.
fn here_turns(runtime: &Runtime) {
    thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(task::yield_now()));
    });
}

#[test]
fn a_timer_whose_runtime_has_gone_keeps_its_time_elsewhere() {
    let _dog = watchdog();
    for here in each_kind() {
        for there in each_kind() {
            let timer = || {
                let _entered = there.enter();
                sleep(Duration::from_millis(20))
            };
            let (waiting, late) = (here.spawn(timer()), timer());
            here.block_on(task::yield_now());
            drop(there);
            here.block_on(waiting).expect("it elapsed");
            here.block_on(here.spawn(late)).expect("it elapsed");
        }
    }
}

/// What a process holds: descriptors and threads.
#[cfg(target_os = "linux")]
fn held() -> (usize, usize) {
    let count = |path| fs::read_dir(path).expect("procfs").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Waits until the process holds no more than it did: the kernel lists a thread for a moment after it was joined.
#[cfg(target_os = "linux")]
fn wait_for(before: (usize, usize)) {
    while held() != before {
        thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn runtimes_that_come_and_go_leave_no_descriptor_and_no_thread() {
    in_a_process_of_its_own("inner_runtimes_that_come_and_go");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn inner_runtimes_that_come_and_go() {
    let _dog = watchdog();
    let round = |n| {
        let runtimes: Vec<_> = (0..n)
            .map(|i| {
                if i % 2 == 0 {
                    workers(2)
                } else {
                    current_thread()
                }
            })
            .collect();
        for runtime in &runtimes {
            runtime.block_on(async {
                task::spawn_blocking(|| {}).await.unwrap();
                task::spawn(sleep(Duration::from_micros(10))).await.unwrap();
                drop(task::spawn(pending::<()>()));
            });
        }
    };
    round(2);
    let before = held();
    for _ in 0..100 {
        round(4);
    }
    wait_for(before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_runtime_that_is_refused_a_thread_leaves_nothing_behind() {
    // Room for some stacks of 1 GiB, and not for all.
    let with_little_memory = |arguments| {
        Command::new("sh")
            .args(["-c", &format!("ulimit -v 4000000; exec \"$0\" {arguments}")])
            .arg(std::env::current_exe().expect("this test"))
            .status()
            .expect("a shell")
            .success()
    };
    // Under a sanitizer, which wants more memory than that for itself, the test can't be had.
    if with_little_memory("--list --ignored > /dev/null 2>&1") {
        assert!(with_little_memory(
            "--ignored --exact inner_refused_a_thread --test-threads=1"
        ));
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above, with little memory"]
fn inner_refused_a_thread() {
    let _dog = watchdog();
    let before = held();
    for workers in [1, 2, 3, 4, 8] {
        let built = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_stack_size(1 << 30)
            .build();
        assert!(workers < 8 || built.is_err());
        drop(built);
        wait_for(before);
    }
}

/// Runs a test that is marked as ignored, alone, in a process of its own.
fn in_a_process_of_its_own(name: &str) {
    let status = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", name, "--test-threads=1"])
        .status()
        .expect("a process");
    assert!(status.success());
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

fn keep(value: impl std::any::Any) {
    KEPT.with(|kept| kept.borrow_mut().push(Box::new(value)));
}

#[test]
fn a_thread_may_end_with_all_kinds_of_things_in_its_locals() {
    in_a_process_of_its_own("inner_things_in_locals");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn inner_things_in_locals() {
    let _dog = watchdog();
    let ended = Arc::new(AtomicUsize::new(0));
    for early in [true, false] {
        for kind in 0..3 {
            let ended = ended.clone();
            let body = move || {
                // Before and after the runtime's own locals are first used: they are destroyed in either order.
                if early {
                    KEPT.with(|_| {});
                }
                let runtime = each_kind().swap_remove(kind);
                let handle = runtime.handle().clone();
                runtime.block_on(task::yield_now());
                let mut timer = Box::pin(sleep(Duration::from_secs(60)));
                runtime.block_on(poll_fn(|cx| {
                    let _ = timer.as_mut().poll(cx);
                    Poll::Ready(())
                }));
                keep(timer);
                let waiting = handle.spawn(pending::<()>());
                keep(waiting.abort_handle());
                keep(waiting);
                let last = handle.clone();
                keep(on_drop(move || {
                    let _ = Handle::try_current();
                    drop(last.spawn(async { task::yield_now().await }));
                    let _entered = last.enter();
                    drop(catch_unwind(|| drop(task::spawn(async {}))));
                    drop(last.spawn_blocking(|| {}));
                    let _ = task::try_id();
                    ended.fetch_add(1, Ordering::SeqCst);
                }));
                keep(runtime);
            };
            thread::spawn(body).join().expect("no panic");
        }
    }
    assert_eq!(ended.load(Ordering::SeqCst), 6);
}

#[test]
fn a_handle_lives_on_after_its_runtime() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.handle().clone();
        drop(runtime);
        assert_eq!(handle.block_on(async { 4 }), 4);
        assert_eq!(handle.metrics().num_alive_tasks(), 0);
        let _entered = handle.enter();
        assert_eq!(Handle::current().id(), handle.id());
    }
}

#[test]
fn a_waker_wakes_from_wherever_it_is() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let other = workers(1);
        for place in 0..4 {
            let slot = Arc::new(Mutex::new(None::<Waker>));
            let seen = slot.clone();
            let woken = Arc::new(AtomicUsize::new(0));
            let flag = woken.clone();
            let waits = runtime.spawn(poll_fn(move |cx| {
                if flag.load(Ordering::Relaxed) == 1 {
                    return Poll::Ready(());
                }
                *seen.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }));
            let wake = move || {
                let waker = slot.lock().unwrap().take()?;
                // Relaxed: the wake itself has to carry it over.
                woken.store(1, Ordering::Relaxed);
                waker.wake();
                Some(())
            };
            let wake_there = || match place {
                0 => wake(),
                1 => thread::scope(|scope| scope.spawn(&wake).join().unwrap()),
                2 => other.block_on(async { wake() }),
                // A thread's last breath.
                _ => {
                    let (wake, done) = (&wake, Mutex::new(None));
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            let _guard = on_drop(|| *done.lock().unwrap() = wake());
                        });
                    });
                    done.into_inner().unwrap()
                }
            };
            while wake_there().is_none() {
                runtime.block_on(task::yield_now());
            }
            runtime.block_on(waits).unwrap();
        }
    }
}

#[test]
fn the_reactor_of_a_task_is_its_runtimes() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let entered = || heist_reactor::Reactor::try_current().is_some();
        let in_task = async move {
            let here = entered();
            here && task::spawn_blocking(entered).await.expect("no panic")
        };
        assert!(runtime.block_on(async move { entered() }));
        assert!(runtime.block_on(runtime.spawn(in_task)).expect("no panic"));
    }
}
