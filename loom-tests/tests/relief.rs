//! Workers that change threads: the offer on which one lies that no thread uses, and a whole runtime whose worker is
//! blocked.
#![cfg(not(miri))]

#[path = "support/poll.rs"]
mod poll;

use std::time::Duration;

use heist_scheduler::protocol::{Adrift, Idle, Offer, Parker, Place, Whole};
use heist_scheduler::task;
use heist_sync::oneshot;
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::{Census, model};
use poll::block_on;

/// A worker on its offer, asleep, with its parker, as a runtime has it.
struct Scene {
    idle: Idle,
    parker: Parker,
    offer: Offer<Arc<()>>,
}

impl Scene {
    fn place(&self) -> Place<'_> {
        Place {
            idle: &self.idle,
            index: 0,
            parker: &self.parker,
        }
    }

    /// Its thread leaves it there.
    fn leave(&self, worker: Arc<()>) {
        self.offer.fall_asleep(worker, self.place());
    }

    /// Somebody has work for it. Whether a thread has to be sent.
    fn post(&self) -> bool {
        self.idle.claim().is_some() && self.parker.unpark(|| {}) && self.offer.ask()
    }

    /// A thread has it: it searches if it was claimed and counts, and finds nothing.
    fn arrive(&self, counts: bool) {
        if self.place().get_up(counts) {
            let _ = self.idle.search_ended(|| false);
        }
    }

    fn new() -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(1),
            parker: Parker::default(),
            offer: Offer::new(),
        })
    }

    /// All have gone: nobody counts as searching any more, so that a sleeper is claimed.
    fn at_rest(&self) {
        self.idle.announce(0, false);
        assert!(self.idle.claim().is_some(), "somebody searches for ever");
    }
}

/// Two post work for a worker whose thread returns meanwhile: one thread has the worker in the end, the one that was
/// sent or its own, and the count of those who search comes out even.
#[test]
fn relief_one_thread_has_the_worker() {
    let census = Census::new(&["relieved", "taken back"]);
    let counted = census.clone();
    model("relief_one_thread_has_the_worker", Some(3), move || {
        let scene = Scene::new();
        scene.leave(Arc::new(()));
        let posting: Vec<_> = (0..2)
            .map(|_| {
                let scene = scene.clone();
                thread::spawn(move || {
                    // Whoever has to send a thread is it.
                    let sent = scene.post().then(|| scene.offer.answer()).flatten();
                    sent.map(|(worker, counts)| {
                        scene.arrive(counts);
                        worker
                    })
                })
            })
            .collect();
        let back = scene.offer.take_back();
        let back = back.map(|(worker, counts)| {
            scene.arrive(counts);
            worker
        });
        let sent: Vec<_> = posting
            .into_iter()
            .filter_map(|thread| thread.join().expect("no panic"))
            .collect();
        assert_eq!(sent.len() + usize::from(back.is_some()), 1, "R1");
        scene.at_rest();
        counted.saw(if back.is_some() {
            "taken back"
        } else {
            "relieved"
        });
    });
    census.assert_all_seen();
}

/// The same where no thread can be had: the worker's own finds it again, and the count comes out even.
#[test]
fn relief_refused_leaves_the_worker_to_its_thread() {
    let census = Census::new(&["refused", "never asked"]);
    let counted = census.clone();
    model(
        "relief_refused_leaves_the_worker_to_its_thread",
        Some(3),
        move || {
            let scene = Scene::new();
            scene.leave(Arc::new(()));
            let posting: Vec<_> = (0..2)
                .map(|_| {
                    let scene = scene.clone();
                    thread::spawn(move || {
                        let asked = scene.post();
                        if asked {
                            assert!(!scene.offer.refuse(scene.place(), || false));
                        }
                        asked
                    })
                })
                .collect();
            let (_worker, counts) = scene.offer.take_back().expect("nobody else takes it");
            scene.arrive(counts);
            let asked = posting.into_iter().fold(0, |n, thread| {
                n + usize::from(thread.join().expect("no panic"))
            });
            assert!(asked <= 1, "R3");
            scene.at_rest();
            counted.saw(if asked == 1 { "refused" } else { "never asked" });
        },
    );
    census.assert_all_seen();
}

/// Two post work for a worker whose thread is blocked for long, and no thread can be had. The first thread that is free
/// comes for it: one, and only one.
#[test]
fn relief_the_first_free_thread_comes_for_the_refused() {
    let census = Census::new(&["by one", "by the other"]);
    let counted = census.clone();
    model(
        "relief_the_first_free_thread_comes_for_the_refused",
        Some(3),
        move || {
            let scene = Scene::new();
            scene.leave(Arc::new(()));
            let post = |scene: Arc<Scene>| {
                if !scene.post() || scene.offer.refuse(scene.place(), || false) {
                    return 0;
                }
                match scene.offer.want() {
                    true => usize::from(scene.offer.answer_late().is_some()),
                    false => 0,
                }
            };
            let posting: Vec<_> = (0..2)
                .map(|_| {
                    let scene = scene.clone();
                    thread::spawn(move || post(scene))
                })
                .collect();
            let came: Vec<_> = posting.into_iter().map(|t| t.join().unwrap()).collect();
            assert_eq!(came.iter().sum::<usize>(), 1, "one thread has the worker");
            scene.at_rest();
            counted.saw(if came[0] == 1 {
                "by one"
            } else {
                "by the other"
            });
        },
    );
    census.assert_all_seen();
}

/// The worker's own thread returns, and leaves it there anew, while a free thread comes for the refused worker.
/// If that thread doesn't find it refused, it takes nothing: the worker that lies there anew sleeps, and is woken as ever.
#[test]
fn relief_a_free_thread_comes_for_no_other_stay() {
    let census = Census::new(&["free thread", "own thread", "both in turn"]);
    let counted = census.clone();
    model(
        "relief_a_free_thread_comes_for_no_other_stay",
        Some(3),
        move || {
            let scene = Scene::new();
            scene.leave(Arc::new(()));
            let (posting, own) = (scene.clone(), scene.clone());
            let posting = thread::spawn(move || {
                let refused = posting.post() && !posting.offer.refuse(posting.place(), || false);
                let late = refused && posting.offer.want();
                late.then(|| posting.offer.answer_late()).flatten()
            });
            let own = thread::spawn(move || {
                let Some((worker, counts)) = own.offer.take_back() else {
                    return false;
                };
                own.arrive(counts);
                own.leave(worker);
                true
            });
            let late = posting.join().expect("no panic");
            let returned = own.join().expect("no panic");
            assert!(late.is_some() || returned, "one of them has had it");
            if late.is_some() {
                assert!(!scene.idle.is_asleep(0), "a thread has it");
                assert!(scene.offer.take_back().is_none());
            } else {
                // It sleeps: whoever has work for it sends a thread.
                assert!(scene.post());
                assert!(scene.offer.take_back().is_some(), "it lies there");
            }
            counted.saw(match (late, returned) {
                (Some(_), false) => "free thread",
                (Some(_), true) => "both in turn",
                (None, _) => "own thread",
            });
        },
    );
    census.assert_all_seen();
}

/// A worker's thread leaves and returns twice, while another posts work: a thread that was sent for the first stay may
/// come during the second. Nobody is lost, and the worker isn't in two hands.
#[test]
fn relief_a_late_thread_finds_the_next_stay() {
    let census = Census::new(&["own thread", "late thread"]);
    let counted = census.clone();
    model(
        "relief_a_late_thread_finds_the_next_stay",
        Some(2),
        move || {
            let scene = Scene::new();
            scene.leave(Arc::new(()));
            let posting = {
                let scene = scene.clone();
                thread::spawn(move || {
                    if !scene.post() {
                        return None;
                    }
                    let there = scene.clone();
                    let sent = thread::spawn(move || {
                        let (worker, counts) = there.offer.answer()?;
                        there.arrive(counts);
                        Some(worker)
                    });
                    sent.join().expect("no panic")
                })
            };
            let mut own = None;
            for _ in 0..2 {
                if let Some((worker, counts)) = scene.offer.take_back() {
                    scene.arrive(counts);
                    own = Some(worker.clone());
                    scene.leave(worker);
                }
            }
            drop(own);
            let late = posting.join().expect("no panic");
            if late.is_none() {
                let (_worker, counts) = scene.offer.take_back().expect("it lies there");
                scene.arrive(counts);
            }
            scene.at_rest();
            counted.saw(match late {
                Some(_) => "late thread",
                None => "own thread",
            });
        },
    );
    census.assert_all_seen();
}

/// A worker is dismissed by a thread that was sent to it, while its own thread returns and another posts work: where it
/// lies down it stays, whoever was on the way, until it is engaged again.
#[test]
fn relief_a_dismissed_worker_stays_down() {
    let census = Census::new(&["dismissed", "posted for", "taken back"]);
    let counted = census.clone();
    model("relief_a_dismissed_worker_stays_down", Some(2), move || {
        let scene = Scene::new();
        scene.leave(Arc::new(()));
        let sent = |scene: &Scene| {
            let (worker, counts) = scene.offer.answer()?;
            scene.arrive(counts);
            Some(worker)
        };
        let dismissing = thread::spawn({
            let scene = scene.clone();
            move || {
                let asked = scene.parker.unpark(|| {}) && scene.offer.ask();
                if let Some(worker) = asked.then(|| sent(&scene)).flatten() {
                    scene.offer.lay_down(worker, scene.place());
                }
            }
        });
        let posting = thread::spawn({
            let scene = scene.clone();
            move || scene.post().then(|| sent(&scene)).flatten()
        });
        let back = scene.offer.take_back();
        let back = back.map(|(worker, counts)| {
            scene.arrive(counts);
            worker
        });
        dismissing.join().expect("no panic");
        let posted = posting.join().expect("no panic");
        counted.saw(match (&posted, &back) {
            (Some(_), None) => "posted for",
            (None, Some(_)) => "taken back",
            (Some(_), Some(_)) => panic!("R1"),
            (None, None) => {
                assert!(!scene.offer.ask(), "nobody is to come for it");
                scene.idle.search();
                scene.offer.open();
                assert!(scene.offer.ask());
                assert!(sent(&scene).is_some());
                "dismissed"
            }
        });
        scene.at_rest();
    });
    census.assert_all_seen();
}

/// The one worker's thread blocks in a task for another task, which comes from outside: another thread runs that.
#[test]
fn relief_what_comes_for_a_blocked_worker_runs() {
    model(
        "relief_what_comes_for_a_blocked_worker_runs",
        Some(2),
        || {
            let (whole, seats) = Whole::new(1);
            let (send, receive) = oneshot::channel();
            let blocked = whole
                .handle()
                .spawn(async move { task::block_in_place(|| block_on(receive)) });
            let workers: Vec<_> = seats
                .into_iter()
                .map(|seat| thread::spawn(move || seat.work()))
                .collect();
            drop(whole.handle().spawn(async move { send.send(Arc::new(())) }));
            assert!(block_on(blocked).expect("no panic").is_ok());
            whole.close();
            whole.join_workers();
            for worker in workers {
                worker.join().expect("no panic");
            }
            assert_eq!(whole.live(), 0);
        },
    );
}

/// The runtime ends while its one worker's thread blocks in a task, for what another task sends as it is dropped.
#[test]
fn relief_a_blocked_worker_against_shutdown() {
    struct SendsAtTheEnd(Option<oneshot::Sender<()>>);

    impl Drop for SendsAtTheEnd {
        fn drop(&mut self) {
            let _ = self.0.take().expect("dropped once").send(());
        }
    }

    model("relief_a_blocked_worker_against_shutdown", Some(2), || {
        let (whole, seats) = Whole::new(1);
        let (send, receive) = oneshot::channel();
        let last = SendsAtTheEnd(Some(send));
        drop(whole.handle().spawn(async move {
            let _last = last;
            std::future::pending::<()>().await;
        }));
        drop(whole.handle().spawn(async move {
            task::block_in_place(|| block_on(receive)).expect("it is sent");
        }));
        let workers: Vec<_> = seats
            .into_iter()
            .map(|seat| thread::spawn(move || seat.work()))
            .collect();
        whole.close();
        for worker in workers {
            worker.join().expect("no panic");
        }
        whole.join_workers();
        assert_eq!(whole.live(), 0);
    });
}

/// A thread lends its worker for a poll, the lookout calls it in, and another unparks it meanwhile: one thread has the
/// worker in the end, its own or the one that was sent, and the count of those who search comes out even.
#[test]
fn relief_a_lent_worker_is_called_in_or_taken_back() {
    let census = Census::new(&["called in", "taken back"]);
    let counted = census.clone();
    model(
        "relief_a_lent_worker_is_called_in_or_taken_back",
        Some(3),
        move || {
            let scene = Scene::new();
            let loan = scene.offer.lend(Arc::new(()));
            let calling = thread::spawn({
                let scene = scene.clone();
                move || {
                    let called = scene.offer.call_in(|| scene.idle.search());
                    let sent = called && scene.offer.ask();
                    let (worker, counts) = sent.then(|| scene.offer.answer()).flatten()?;
                    scene.arrive(counts);
                    Some(worker)
                }
            });
            let unparking = thread::spawn({
                let scene = scene.clone();
                move || {
                    // It has a thread, so nobody is to be sent.
                    assert!(!scene.parker.unpark(|| {}));
                }
            });
            let back = scene.offer.end_loan(loan);
            let called = calling.join().expect("no panic");
            unparking.join().expect("no panic");
            counted.saw(match (&back, &called) {
                (Some(_), None) => "taken back",
                (None, Some(_)) => "called in",
                _ => panic!("R1"),
            });
            scene.at_rest();
        },
    );
    census.assert_all_seen();
}

/// A thread lends its worker and is replaced; the one that has it then lends it too, and so it lies there again when the
/// first comes back: the number of the loan tells whose it is. A third has work for it meanwhile, and sends nobody.
#[test]
fn relief_an_old_loan_takes_back_nothing() {
    let census = Census::new(&["during the next loan", "before or after"]);
    let counted = census.clone();
    model(
        "relief_an_old_loan_takes_back_nothing",
        Some(3),
        move || {
            let scene = Scene::new();
            let loan = scene.offer.lend(Arc::new(()));
            assert!(scene.offer.call_in(|| scene.idle.search()));
            assert!(scene.offer.ask());
            let lent = Arc::new(Mutex::new(false));
            let replacing = thread::spawn({
                let (scene, lent) = (scene.clone(), lent.clone());
                move || {
                    let (worker, counts) = scene.offer.answer().expect("it lies there");
                    scene.arrive(counts);
                    let loan = scene.offer.lend(worker);
                    *lent.lock() = true;
                    let back = scene.offer.end_loan(loan);
                    *lent.lock() = false;
                    back.expect("nobody called it in")
                }
            });
            let late = thread::spawn({
                let scene = scene.clone();
                move || assert!(!scene.post() && !scene.offer.ask())
            });
            let during = *lent.lock();
            assert!(scene.offer.end_loan(loan).is_none(), "it was called in");
            drop(replacing.join().expect("no panic"));
            late.join().expect("no panic");
            scene.at_rest();
            counted.saw(if during {
                "during the next loan"
            } else {
                "before or after"
            });
        },
    );
    census.assert_all_seen();
}

/// Three threads come back from blocking and find their workers in use: one goes on at a time, each that ends lets the
/// next one in, and none stays in line for ever.
#[test]
fn relief_those_adrift_go_on_in_turn() {
    let census = Census::new(&["waited", "went on at once"]);
    let counted = census.clone();
    model("relief_those_adrift_go_on_in_turn", Some(3), move || {
        let adrift = Arc::new(Adrift::new());
        let going = Arc::new(AtomicUsize::new(0));
        let go_on = |number: u32| {
            let (adrift, going, counted) = (adrift.clone(), going.clone(), counted.clone());
            move || {
                let finds = going.load(Ordering::SeqCst);
                counted.saw(["went on at once", "waited"][finds]);
                adrift.go_on(number, 1, Duration::MAX);
                assert_eq!(going.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                going.fetch_sub(1, Ordering::SeqCst);
                adrift.stop(number);
            }
        };
        // Numbers that no thread has, so that the operating system says nothing of them.
        let threads = [u32::MAX, u32::MAX - 1].map(|number| thread::spawn(go_on(number)));
        go_on(u32::MAX - 2)();
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
    census.assert_all_seen();
}
