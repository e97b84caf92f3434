//! The blocking pool: a job against a thread that lingers or gives up waiting, against the maximum, against the pool's
//! end and against an operating system that gives no thread.

use std::io;
use std::sync::Arc as StdArc;
use std::time::Duration;

use heist_reactor::protocol::{Job, Pool, PoolConfig, Refused, Spawner};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};

/// Under loom a wait of zero times out at any moment, every other one never.
const AT_ONCE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(1);

fn pool(max_threads: usize, keep_alive: Duration, spawner: Spawner) -> Arc<Pool> {
    Arc::new(Pool::new(PoolConfig {
        thread_name: StdArc::new(|| "pool".to_owned()),
        thread_stack_size: None,
        max_threads,
        keep_alive,
        on_thread_start: None,
        on_thread_stop: None,
        spawner,
    }))
}

/// The operating system gives every thread.
fn willing() -> Spawner {
    Box::new(|builder, body| builder.spawn(body))
}

/// The operating system gives only the first `threads` threads.
fn unwilling_after(threads: usize) -> Spawner {
    let started = AtomicUsize::new(0);
    Box::new(move |builder, body| {
        // Ordering: hint only: the count alone decides.
        if started.fetch_add(1, Ordering::Relaxed) < threads {
            builder.spawn(body)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    })
}

/// What has become of jobs. A job that is neither run nor dropped leaves the model standing still.
#[derive(Default)]
struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    run: usize,
    dropped: usize,
}

/// One job's entry in the tally: made once, by running or by being dropped.
struct Entry {
    tally: Arc<Tally>,
    has_run: bool,
}

impl Entry {
    fn job(tally: &Arc<Tally>) -> Job {
        let entry = Entry {
            tally: tally.clone(),
            has_run: false,
        };
        Box::new(move || {
            let mut entry = entry;
            entry.has_run = true;
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = self.tally.counts.lock();
        if self.has_run {
            counts.run += 1;
        } else {
            counts.dropped += 1;
        }
        drop(counts);
        self.tally.changed.notify_all();
    }
}

impl Tally {
    fn wait(&self, done: usize) -> Counts {
        let mut counts = self.counts.lock();
        while counts.run + counts.dropped < done {
            self.changed.wait(&mut counts);
        }
        *counts
    }
}

/// Ends the pool and holds it to its counts.
fn end(pool: &Pool) {
    pool.shutdown();
    assert!(pool.join(None), "every thread ends");
    assert_eq!((pool.num_threads(), pool.num_idle()), (0, 0));
}

/// Two jobs come in while the one thread that the pool may have gives up waiting after the first.
#[test]
fn a_job_that_meets_a_thread_giving_up_runs() {
    model("a_job_that_meets_a_thread_giving_up_runs", Some(2), || {
        let pool = pool(1, AT_ONCE, willing());
        let tally = Arc::new(Tally::default());
        let submitter = thread::spawn({
            let (pool, job) = (pool.clone(), Entry::job(&tally));
            move || pool.submit(job).expect("it is open")
        });
        pool.submit(Entry::job(&tally)).expect("it is open");
        assert_eq!(tally.wait(2), Counts { run: 2, dropped: 0 });
        submitter.join().unwrap();
        end(&pool);
    });
}

/// Three jobs for the one thread that the pool may have, which never gives up: each finds it starting, running,
/// finishing or idle, and runs.
#[test]
fn a_job_at_the_maximum_runs() {
    model("a_job_at_the_maximum_runs", Some(2), || {
        let pool = pool(1, NEVER, willing());
        let tally = Arc::new(Tally::default());
        let submitter = thread::spawn({
            let (pool, job) = (pool.clone(), Entry::job(&tally));
            move || pool.submit(job).expect("it is open")
        });
        pool.submit(Entry::job(&tally)).expect("it is open");
        pool.submit(Entry::job(&tally)).expect("it is open");
        assert_eq!(tally.wait(3), Counts { run: 3, dropped: 0 });
        submitter.join().unwrap();
        assert_eq!(pool.num_threads(), 1);
        end(&pool);
    });
}

/// Two jobs come in while the one thread waits awake after its first: whoever trusts in it, it looks before it sleeps.
#[test]
fn a_job_that_meets_a_lingering_thread_runs() {
    model("a_job_that_meets_a_lingering_thread_runs", Some(3), || {
        let pool = pool(1, NEVER, willing());
        let tally = Arc::new(Tally::default());
        pool.submit(Entry::job(&tally)).expect("it is open");
        tally.wait(1);
        let submitter = thread::spawn({
            let (pool, job) = (pool.clone(), Entry::job(&tally));
            move || pool.submit(job).expect("it is open")
        });
        pool.submit(Entry::job(&tally)).expect("it is open");
        assert_eq!(tally.wait(3), Counts { run: 3, dropped: 0 });
        submitter.join().unwrap();
        end(&pool);
    });
}

/// Two jobs of which each waits until the other runs, twice: each has a thread of its own, wherever the two threads
/// stand after the first time. Two that trusted in one lingering thread would wait for ever.
#[test]
fn jobs_that_wait_for_each_other_both_run() {
    model("jobs_that_wait_for_each_other_both_run", Some(1), || {
        let pool = pool(2, NEVER, willing());
        let running = Arc::new(Tally::default());
        for at_the_end in [2, 4] {
            for _ in 0..2 {
                let running = running.clone();
                let job = Box::new(move || {
                    running.counts.lock().run += 1;
                    running.changed.notify_all();
                    running.wait(at_the_end);
                });
                pool.submit(job).expect("it is open");
            }
            running.wait(at_the_end);
        }
        end(&pool);
    });
}

/// Two jobs of which each waits until the other runs come in while the one thread lingers, sleeps or gives up after its first
/// job. One that is taken now has a thread of its own; one that comes back is run by its submitter.
#[test]
fn a_job_taken_now_waits_behind_no_other() {
    let census = Census::new(&["taken", "came back"]);
    let counted = census.clone();
    model(
        "a_job_taken_now_waits_behind_no_other",
        Some(2),
        move || {
            let pool = pool(1, AT_ONCE, willing());
            let running = Arc::new(Tally::default());
            let submit = move |pool: &Pool, running: &Arc<Tally>, at_the_end: usize| {
                let running = running.clone();
                let job = Box::new(move || {
                    running.counts.lock().run += 1;
                    running.changed.notify_all();
                    running.wait(at_the_end);
                });
                match pool.submit_now(job) {
                    Ok(()) => "taken",
                    Err(Refused::NoThread(job, _)) => {
                        job();
                        "came back"
                    }
                    Err(Refused::Shutdown(_)) => panic!("it is open"),
                }
            };
            submit(&pool, &running, 1);
            running.wait(1);
            let submitter = thread::spawn({
                let (pool, running) = (pool.clone(), running.clone());
                move || submit(&pool, &running, 3)
            });
            counted.saw(submit(&pool, &running, 3));
            counted.saw(submitter.join().unwrap());
            running.wait(3);
            end(&pool);
        },
    );
    census.assert_all_seen();
}

/// Jobs come in while the pool ends: each is run, dropped or given back, by the time that the threads have ended.
#[test]
fn a_job_that_meets_the_end_of_the_pool_is_resolved() {
    let census = Census::new(&["run", "dropped", "refused"]);
    let counted = census.clone();
    model(
        "a_job_that_meets_the_end_of_the_pool_is_resolved",
        Some(2),
        move || {
            let pool = pool(1, NEVER, willing());
            let tally = Arc::new(Tally::default());
            let submitter = thread::spawn({
                let (pool, jobs) = (pool.clone(), [Entry::job(&tally), Entry::job(&tally)]);
                move || jobs.map(|job| pool.submit(job).err())
            });
            pool.shutdown();
            let refused = submitter.join().unwrap();
            end(&pool);
            let given_back = refused.iter().flatten().count();
            for refused in refused.iter().flatten() {
                assert!(matches!(refused, Refused::Shutdown(_)));
                counted.saw("refused");
            }
            let counts = *tally.counts.lock();
            assert_eq!(
                counts.run + counts.dropped + given_back,
                2,
                "a job was forgotten"
            );
            (0..counts.run).for_each(|_| counted.saw("run"));
            (0..counts.dropped).for_each(|_| counted.saw("dropped"));
        },
    );
    census.assert_all_seen();
}

/// Mandatory jobs come in while the pool ends: each is given back or runs, and the pool's end waits for it. A job that isn't
/// mandatory is dropped from between them.
#[test]
fn a_mandatory_job_that_meets_the_end_of_the_pool_runs() {
    let census = Census::new(&["run", "dropped", "refused"]);
    let counted = census.clone();
    model(
        "a_mandatory_job_that_meets_the_end_of_the_pool_runs",
        Some(2),
        move || {
            let pool = pool(1, NEVER, willing());
            let (mandatory, optional) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
            let submitter = thread::spawn({
                let pool = pool.clone();
                let jobs = [Entry::job(&mandatory), Entry::job(&mandatory)];
                let other = Entry::job(&optional);
                move || {
                    let [first, second] = jobs;
                    let first = pool.submit_mandatory(first).is_ok();
                    let other = pool.submit(other).is_ok();
                    let second = pool.submit_mandatory(second).is_ok();
                    (usize::from(first) + usize::from(second), other)
                }
            });
            pool.shutdown();
            let (taken, other_taken) = submitter.join().unwrap();
            end(&pool);
            let counts = *mandatory.counts.lock();
            assert_eq!(counts.run, taken, "one that was taken did not run");
            assert_eq!(counts.dropped, 2 - taken, "one that was refused is dropped");
            (0..taken).for_each(|_| counted.saw("run"));
            (taken..2).for_each(|_| counted.saw("refused"));
            if other_taken && optional.counts.lock().dropped == 1 {
                counted.saw("dropped");
            }
        },
    );
    census.assert_all_seen();
}

/// Two submitters, two threads that may give up at any moment: at rest the counts are exact, as the pool's end finds
/// every thread.
#[test]
fn the_counts_are_exact_at_rest() {
    model("the_counts_are_exact_at_rest", Some(2), || {
        let pool = pool(2, AT_ONCE, willing());
        let tally = Arc::new(Tally::default());
        pool.submit(Entry::job(&tally)).expect("it is open");
        pool.submit(Entry::job(&tally)).expect("it is open");
        assert_eq!(tally.wait(2), Counts { run: 2, dropped: 0 });
        let (idle, threads) = (pool.num_idle(), pool.num_threads());
        assert!(idle <= 2 && threads <= 2, "{idle} idle of {threads}");
        end(&pool);
    });
}

/// No thread at all is given; a second job may come in trusting in the thread of the first. Each is given back, or
/// dropped where nobody holds it any more, and none is left in the queue.
#[test]
fn without_a_thread_no_job_stays_queued() {
    let census = Census::new(&["both given back", "one dropped"]);
    let counted = census.clone();
    model("without_a_thread_no_job_stays_queued", None, move || {
        let pool = pool(1, NEVER, unwilling_after(0));
        let tally = Arc::new(Tally::default());
        let submitters = [(); 2].map(|()| {
            let (pool, job) = (pool.clone(), Entry::job(&tally));
            thread::spawn(move || pool.submit(job).err())
        });
        let refused = submitters.map(|submitter| submitter.join().unwrap());
        let given_back = refused.iter().flatten().count();
        for refused in refused.iter().flatten() {
            assert!(matches!(refused, Refused::NoThread(..)));
        }
        let counts = *tally.counts.lock();
        assert_eq!(counts.run, 0);
        assert_eq!(counts.dropped + given_back, 2, "a job was orphaned");
        counted.saw(if given_back == 2 {
            "both given back"
        } else {
            "one dropped"
        });
        end(&pool);
    });
    census.assert_all_seen();
}

/// No thread at all is given. A mandatory job that was taken because somebody trusted in the thread of another runs all the same.
#[test]
fn without_a_thread_a_mandatory_job_that_was_taken_runs() {
    let name = "without_a_thread_a_mandatory_job_that_was_taken_runs";
    let census = Census::new(&["both given back", "one run"]);
    let counted = census.clone();
    model(name, None, move || {
        let pool = pool(1, NEVER, unwilling_after(0));
        let tally = Arc::new(Tally::default());
        let submitters = [(); 2].map(|()| {
            let (pool, job) = (pool.clone(), Entry::job(&tally));
            thread::spawn(move || pool.submit_mandatory(job).is_ok())
        });
        let taken = submitters.map(|submitter| submitter.join().unwrap());
        let taken = taken.into_iter().filter(|taken| *taken).count();
        assert_eq!(tally.wait(2).run, taken, "what was taken has run");
        counted.saw(["both given back", "one run"][taken]);
        end(&pool);
    });
    census.assert_all_seen();
}

/// One thread is given and no more: every job runs on it.
#[test]
fn with_one_thread_a_refused_second_is_no_error() {
    model(
        "with_one_thread_a_refused_second_is_no_error",
        Some(2),
        || {
            let pool = pool(2, NEVER, unwilling_after(1));
            let tally = Arc::new(Tally::default());
            pool.submit(Entry::job(&tally)).expect("a thread is given");
            let submitter = thread::spawn({
                let (pool, job) = (pool.clone(), Entry::job(&tally));
                move || pool.submit(job).expect("a thread is alive")
            });
            submitter.join().unwrap();
            assert_eq!(tally.wait(2), Counts { run: 2, dropped: 0 });
            end(&pool);
        },
    );
}
