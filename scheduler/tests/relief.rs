//! A thread that blocks, or polls for long, holds nobody up: workers change threads, and spares stand in.

#[path = "support/watch.rs"]
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::{Duration, Instant};

use heist_reactor::time::sleep;
use heist_scheduler::runtime::{Builder, Handle, Runtime, Stall};
use heist_scheduler::task;
use heist_sync::oneshot;
use watch::{current_thread, on_drop, watchdog, workers};

/// Waits until it is so, yielding the processor.
fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

#[test]
fn what_lies_behind_a_blocked_worker_runs_on_another_thread() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (send, receive) = mpsc::channel();
    let blocked = runtime.spawn(async move {
        // One in the slot, others in the queue, one that has yielded.
        for i in 0..3 {
            let send = send.clone();
            drop(task::spawn(async move {
                task::yield_now().await;
                send.send(i).expect("the blocked task waits");
            }));
        }
        task::block_in_place(|| {
            let mut got: Vec<i32> = (0..3).map(|_| receive.recv().unwrap()).collect();
            got.sort_unstable();
            got
        })
    });
    assert_eq!(runtime.block_on(blocked).unwrap(), [0, 1, 2]);
}

#[test]
fn what_comes_while_a_worker_is_blocked_runs_on_another_thread() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (send, receive) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    let blocked = runtime.spawn(async move {
        task::block_in_place(|| {
            begun.send(()).unwrap();
            receive.recv().unwrap()
        })
    });
    begins.recv().unwrap();
    // Nothing was there to do when it blocked; this comes from outside, and from a timer.
    let answer = runtime.block_on(async {
        let timer = task::spawn(sleep(Duration::from_millis(1)));
        timer.await.unwrap();
        task::spawn(async move { send.send(7) })
            .await
            .unwrap()
            .unwrap();
        blocked.await.unwrap()
    });
    assert_eq!(answer, 7);
}

#[test]
fn a_task_goes_on_after_it_blocked_with_its_worker_or_without() {
    let _dog = watchdog();
    let runtime = workers(1);
    for relieved in [false, true] {
        let done = runtime.spawn(async move {
            let (send, receive) = mpsc::channel();
            if relieved {
                drop(task::spawn(async move { send.send(()).unwrap() }));
            } else {
                send.send(()).unwrap();
            }
            let before = task::id();
            task::block_in_place(|| receive.recv().unwrap());
            assert_eq!(task::id(), before);
            // What it spawns, wakes, waits for and yields to from here works as ever.
            let child = task::spawn(async { 1 });
            task::yield_now().await;
            sleep(Duration::from_micros(100)).await;
            let (tell, told) = oneshot::channel();
            drop(task::spawn(async move { tell.send(2) }));
            child.await.unwrap()
                + told.await.unwrap()
                + Handle::current().spawn(async { 4 }).await.unwrap()
        });
        assert_eq!(runtime.block_on(done).unwrap(), 7);
    }
}

#[test]
fn many_tasks_may_block_at_once_and_wait_for_each_other() {
    let _dog = watchdog();
    let runtime = workers(2);
    let n = 40;
    let barrier = Arc::new(Barrier::new(n));
    let all: Vec<_> = (0..n)
        .map(|_| {
            let barrier = barrier.clone();
            runtime.spawn(async move {
                task::block_in_place(|| barrier.wait());
            })
        })
        .collect();
    for one in all {
        runtime.block_on(one).unwrap();
    }
}

#[test]
fn blocking_may_be_nested_in_every_way() {
    let _dog = watchdog();
    let runtime = workers(1);
    let answer = runtime.spawn(async {
        task::block_in_place(|| {
            task::block_in_place(|| {
                Handle::current().block_on(async {
                    task::block_in_place(|| {
                        let other = current_thread();
                        let inner =
                            other.block_on(async { task::spawn(async { 20 }).await.unwrap() });
                        let more = Handle::current()
                            .block_on(task::spawn(async { 22 }))
                            .unwrap();
                        inner + more
                    })
                })
            })
        })
    });
    assert_eq!(runtime.block_on(answer).unwrap(), 42);
}

#[test]
fn a_nested_block_on_waits_for_tasks_of_the_same_worker() {
    let _dog = watchdog();
    let runtime = Arc::new(workers(1));
    let inner = runtime.clone();
    let answer = runtime.spawn(async move {
        let other = task::spawn(async {
            sleep(Duration::from_millis(1)).await;
            7
        });
        let answer = inner.block_on(other).unwrap();
        drop(inner);
        answer
    });
    assert_eq!(runtime.block_on(answer).unwrap(), 7);
}

#[test]
fn a_primitive_that_blocks_its_thread_gives_the_worker_away() {
    let _dog = watchdog();
    let runtime = workers(1);
    let answer = runtime.spawn(async {
        let (send, receive) = oneshot::channel();
        drop(task::spawn(async move { send.send(7) }));
        receive.blocking_recv().unwrap()
    });
    assert_eq!(runtime.block_on(answer).unwrap(), 7);
}

#[test]
fn a_panic_while_blocked_is_the_tasks() {
    let _dog = watchdog();
    let runtime = workers(1);
    for relieved in [false, true] {
        let error = runtime
            .block_on(runtime.spawn(async move {
                let (send, receive) = mpsc::channel();
                drop(task::spawn(async move { send.send(()) }));
                task::block_in_place(|| {
                    if relieved {
                        receive.recv().unwrap();
                    }
                    panic!("while blocked")
                })
            }))
            .expect_err("it panics");
        assert!(error.is_panic());
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
    }
}

#[test]
fn a_current_thread_runtime_refuses_to_block_in_place() {
    let _dog = watchdog();
    let runtime = current_thread();
    let refused = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { task::block_in_place(|| ()) });
    }));
    assert!(refused.is_err());
    assert_eq!(task::block_in_place(|| 7), 7, "outside, it is a call");
}

#[test]
fn a_worker_that_was_refused_a_thread_gets_the_first_that_is_free() {
    let _dog = watchdog();
    // Two threads in all.
    let mut builder = heist_scheduler::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).max_worker_threads(1);
    builder.max_spare_workers(0).max_blocking_threads(1);
    let runtime = builder.build().unwrap();
    let (blocks, blocked) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (goes_on, went_on) = mpsc::channel();
    let (let_go, last_gate) = mpsc::channel::<()>();
    let first = runtime.spawn(async move {
        task::block_in_place(|| {
            blocks.send(()).unwrap();
            let _ = gate.recv();
        });
        goes_on.send(()).unwrap();
        let _ = last_gate.recv();
    });
    blocked.recv().unwrap();
    let (spawns, spawned) = mpsc::channel();
    let second = runtime.spawn(async move {
        // The first one comes back, and goes on without its worker.
        drop(open);
        went_on.recv().unwrap();
        task::block_in_place(|| {
            let third = task::spawn(async { 3 });
            spawns.send(()).unwrap();
            third.blocking_join().unwrap()
        })
    });
    spawned.recv().unwrap();
    drop(let_go);
    assert_eq!(runtime.block_on(second).unwrap(), 3);
    runtime.block_on(first).unwrap();
}

#[test]
fn a_runtime_ends_while_a_task_blocks_for_another_tasks_drop() {
    let _dog = watchdog();
    for n in [1, 2] {
        let runtime = workers(n);
        let (dropped, drops) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        drop(runtime.spawn(async move {
            let _tells = on_drop(move || dropped.send(()).unwrap());
            std::future::pending::<()>().await;
        }));
        drop(runtime.spawn(async move {
            task::block_in_place(|| {
                begun.send(()).unwrap();
                drops.recv().unwrap();
            });
        }));
        begins.recv().unwrap();
        drop(runtime);
    }
}

#[test]
fn a_drop_that_blocks_at_the_end_for_another_drop_gets_it() {
    let _dog = watchdog();
    for _ in 0..50 {
        let runtime = workers(1);
        let (dropped, drops) = mpsc::channel();
        runtime.block_on(async {
            drop(task::spawn(async move {
                let _tells = on_drop(move || {
                    let _ = dropped.send(());
                });
                std::future::pending::<()>().await;
            }));
            drop(task::spawn(async move {
                let _blocks = on_drop(move || task::block_in_place(|| drops.recv().unwrap()));
                std::future::pending::<()>().await;
            }));
            task::spawn(task::yield_now()).await.unwrap();
        });
        drop(runtime);
    }
}

/// Blocks a thread, unannounced, until told.
struct Gate(Mutex<mpsc::Receiver<()>>);

impl Gate {
    fn new() -> (mpsc::Sender<()>, Arc<Self>) {
        let (open, gate) = mpsc::channel();
        (open, Arc::new(Self(Mutex::new(gate))))
    }

    fn wait(&self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

/// Blocks all workers of a runtime without a word; they are free when the answer is dropped.
fn block_all(runtime: &Runtime, workers: usize) -> mpsc::Sender<()> {
    let (open, gate) = Gate::new();
    let blocked = Arc::new(AtomicUsize::new(0));
    for _ in 0..workers {
        let (gate, blocked) = (gate.clone(), blocked.clone());
        drop(runtime.spawn(async move {
            blocked.fetch_add(1, Ordering::SeqCst);
            gate.wait();
        }));
    }
    until(|| blocked.load(Ordering::SeqCst) == workers);
    open
}

#[test]
fn a_spare_stands_in_when_all_workers_are_held_up_and_goes_again() {
    let _dog = watchdog();
    let runtime = workers(2);
    let open = block_all(&runtime, 2);
    let metrics = runtime.metrics();
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    assert!((1..=2).contains(&metrics.num_spare_workers()));
    let slept = runtime.spawn(sleep(Duration::from_millis(1)));
    runtime.block_on(slept).unwrap();
    drop(open);
    until(|| metrics.num_spare_workers() == 0);
    // And comes again.
    let open = block_all(&runtime, 2);
    assert_eq!(runtime.block_on(runtime.spawn(async { 8 })).unwrap(), 8);
    drop(open);
}

#[test]
fn there_are_never_more_spares_for_polls_that_burn_than_the_bound() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(2)
        .stall_threshold(Duration::from_millis(1))
        .build()
        .expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let (stop, begun) = (stop.clone(), begun.clone());
        drop(runtime.spawn(async move {
            begun.fetch_add(1, Ordering::SeqCst);
            while !stop.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }));
    }
    until(|| begun.load(Ordering::SeqCst) == 3);
    // Time enough for a fourth, if there were one.
    let outside = Instant::now() + Duration::from_millis(20);
    until(|| Instant::now() > outside);
    assert_eq!(begun.load(Ordering::SeqCst), 3);
    assert_eq!(runtime.metrics().num_spare_workers(), 2);
    stop.store(true, Ordering::SeqCst);
    until(|| begun.load(Ordering::SeqCst) == 5);
}

#[test]
fn a_runtime_without_spares_waits() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    let open = block_all(&runtime, 1);
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    let task = runtime.spawn(async move { flag.store(true, Ordering::SeqCst) });
    until(|| runtime.metrics().stall_count() == 1);
    assert!(!ran.load(Ordering::SeqCst));
    drop(open);
    runtime.block_on(task).unwrap();
}

#[test]
fn a_task_that_yielded_behind_a_stalled_worker_runs_elsewhere() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (open, gate) = Gate::new();
    let (tell, told) = mpsc::channel();
    let all = runtime.spawn(async move {
        drop(task::spawn(async move {
            task::yield_now().await;
            tell.send(()).unwrap();
        }));
        // The child has yielded by now, and lies behind this poll.
        task::yield_now().await;
        gate.wait();
    });
    told.recv().unwrap();
    drop(open);
    runtime.block_on(all).unwrap();
}

#[test]
fn a_stall_is_reported_once_with_all_that_is_known() {
    let _dog = watchdog();
    let (report, reports) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .stall_threshold(Duration::from_millis(2))
        .on_stall(move |stall| {
            report.send(stall.clone()).unwrap();
            panic!("in the handler")
        })
        .build()
        .expect("a runtime");
    let (open, gate) = Gate::new();
    let (begun, begins) = mpsc::channel();
    let line = line!() + 4;
    let stalls = {
        let _inside = runtime.enter();
        task::Builder::new()
            .name("the one that blocks")
            .spawn(async move {
                begun.send((task::id(), thread_number())).unwrap();
                gate.wait();
            })
            .unwrap()
    };
    let (id, thread) = begins.recv().unwrap();
    until(|| !is_running(thread));
    // Others wait for its worker, so that it counts.
    runtime.block_on(runtime.spawn(async {})).unwrap();
    // On a loaded machine others may stall too.
    let of_it = |stall: &Stall| stall.task_id() == id;
    let stall = reports.iter().find(of_it).unwrap();
    assert_eq!(stall.task_name(), Some("the one that blocks"));
    let location = stall.spawned_at().expect("the task is alive");
    assert!(location.file().ends_with("relief.rs"));
    assert!(location.line().abs_diff(line) < 3, "{location}");
    assert!(stall.duration() >= Duration::from_millis(2));
    assert_eq!(stall.worker(), 0);
    if cfg!(target_os = "linux") {
        assert!(
            stall
                .thread_state()
                .expect("Linux says")
                .contains("sleeping")
        );
    }
    assert!(stall.to_string().contains("the one that blocks"));
    drop(open);
    runtime.block_on(stalls).unwrap();
    drop(runtime);
    assert_eq!(
        reports.iter().filter(of_it).count(),
        0,
        "one poll, one report"
    );
}

/// The number of this thread, for the operating system.
#[cfg(target_os = "linux")]
fn thread_number() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

#[cfg(not(target_os = "linux"))]
fn thread_number() -> i32 {
    0
}

/// Whether a thread of this process runs, or waits for a processor. Only Linux says so.
fn is_running(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    // Its state follows its name, which is in parentheses.
    stat.is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('R'))
    })
}

#[test]
fn a_stall_after_a_poll_has_blocked_in_place_is_told_of_its_own_thread() {
    let _dog = watchdog();
    let (report, reports) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(0)
        .stall_threshold(Duration::from_millis(2))
        .on_stall(move |stall| report.send(stall.clone()).unwrap())
        .build()
        .expect("a runtime");
    let (told, stop) = (mpsc::channel(), Arc::new(AtomicBool::new(false)));
    let gates = [Gate::new(), Gate::new()];
    let mut tasks = Vec::new();
    let opens = gates.map(|(open, gate)| {
        let (begun, stop) = (told.0.clone(), stop.clone());
        tasks.push(runtime.spawn(async move {
            task::block_in_place(|| {
                begun.send(()).unwrap();
                gate.wait();
            });
            // For the first with the worker, which the second has left to block.
            begun.send(()).unwrap();
            while !stop.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }));
        // On a thread of its own each.
        told.1.recv().unwrap();
        open
    });
    let [first, second] = opens;
    drop(first);
    told.1.recv().unwrap();
    let waits = runtime.spawn(async {});
    let stall = reports.recv().unwrap();
    assert_eq!(stall.task_id(), tasks[0].id());
    if let Some(state) = stall.thread_state() {
        assert_eq!(state, "running");
    }
    stop.store(true, Ordering::SeqCst);
    drop(second);
    for task in tasks.into_iter().chain([waits]) {
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn the_number_of_workers_changes_while_tasks_run() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_worker_threads(4)
        .build()
        .expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let stop = stop.clone();
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    task::yield_now().await;
                    task::spawn(async {}).await.unwrap();
                }
            })
        })
        .collect();
    for workers in [4, 2, 3, 1, 4, 1, 2] {
        runtime.handle().set_worker_threads(workers).unwrap();
        assert_eq!(runtime.metrics().num_workers(), workers);
        runtime.block_on(runtime.spawn(async {})).unwrap();
    }
    let error = runtime.handle().set_worker_threads(5).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(current_thread().handle().set_worker_threads(2).is_err());
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn more_workers_run_more_at_once_and_fewer_fewer() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_worker_threads(3)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    runtime.handle().set_worker_threads(3).unwrap();
    let barrier = Arc::new(Barrier::new(3));
    let together: Vec<_> = (0..3)
        .map(|_| {
            let barrier = barrier.clone();
            runtime.spawn(async move {
                barrier.wait();
            })
        })
        .collect();
    for one in together {
        runtime.block_on(one).unwrap();
    }
    runtime.handle().set_worker_threads(1).unwrap();
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
}

#[test]
fn workers_change_threads_all_the_time_and_nothing_is_lost() {
    let _dog = watchdog();
    let runtime = workers(2);
    let tasks: Vec<_> = (0..64u64)
        .map(|seed| {
            runtime.spawn(async move {
                let mut sum = 0;
                for i in 0..40 {
                    match (seed + i) % 4 {
                        0 => sum += task::block_in_place(|| i),
                        1 => sum += task::spawn(async move { i }).await.unwrap(),
                        2 => {
                            sum += Handle::current()
                                .block_on(task::spawn(async move { task::block_in_place(|| i) }))
                                .unwrap();
                        }
                        _ => {
                            task::yield_now().await;
                            sum += i;
                        }
                    }
                }
                sum
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap(), 780);
    }
}

#[test]
fn a_worker_that_is_dismissed_while_its_thread_blocks_stays_away() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_worker_threads(2)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    for _ in 0..100 {
        let (open, gate) = Gate::new();
        let (begun, begins) = mpsc::channel();
        let blocked: Vec<_> = (0..2)
            .map(|_| {
                let (gate, begun) = (gate.clone(), begun.clone());
                runtime.spawn(async move {
                    task::block_in_place(|| {
                        begun.send(()).unwrap();
                        gate.wait();
                    });
                    task::spawn(async {}).await.unwrap();
                })
            })
            .collect();
        for _ in 0..2 {
            begins.recv().unwrap();
        }
        runtime.handle().set_worker_threads(1).unwrap();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        drop(open);
        for one in blocked {
            runtime.block_on(one).unwrap();
        }
        runtime.handle().set_worker_threads(2).unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let pair = [barrier.clone(), barrier].map(|barrier| {
            runtime.spawn(async move {
                barrier.wait();
            })
        });
        for one in pair {
            runtime.block_on(one).unwrap();
        }
    }
}

#[test]
fn a_runtime_dropped_while_its_own_task_blocks_does_not_wait_for_itself() {
    let _dog = watchdog();
    let runtime = workers(2);
    let (done, dones) = mpsc::channel();
    let handle = runtime.handle().clone();
    drop(handle.spawn(async move {
        task::block_in_place(|| drop(runtime));
        done.send(()).unwrap();
    }));
    dones.recv().unwrap();
}
