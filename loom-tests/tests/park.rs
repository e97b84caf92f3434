//! The park token: an unpark before, during or after the decision to sleep makes it return.

use heist_scheduler::protocol::Parker;
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::model;

/// Two threads each do their work and unpark; the parked one sees all of it in the end.
#[test]
fn park_returns_after_each_unpark() {
    model("park_returns_after_each_unpark", Some(3), || {
        let parker = Arc::new(Parker::default());
        let work = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (parker, work) = (parker.clone(), work.clone());
                thread::spawn(move || {
                    work.fetch_add(1, Ordering::Relaxed);
                    parker.unpark(|| unreachable!("it sleeps here"));
                })
            })
            .collect();
        while work.load(Ordering::Relaxed) < 2 {
            parker.park();
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

/// The same where the thread sleeps elsewhere: in a place that can be woken once, ahead of time too.
#[test]
fn park_elsewhere_returns_after_each_unpark() {
    model("park_elsewhere_returns_after_each_unpark", Some(3), || {
        let parker = Arc::new(Parker::default());
        let elsewhere = Arc::new((Mutex::new(false), Condvar::new()));
        let work = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (parker, elsewhere, work) = (parker.clone(), elsewhere.clone(), work.clone());
                thread::spawn(move || {
                    work.fetch_add(1, Ordering::Relaxed);
                    parker.unpark(|| {
                        *elsewhere.0.lock() = true;
                        elsewhere.1.notify_all();
                    });
                })
            })
            .collect();
        while work.load(Ordering::Relaxed) < 2 {
            parker.park_in(|| {
                let mut woken = elsewhere.0.lock();
                while !std::mem::take(&mut *woken) {
                    elsewhere.1.wait(&mut woken);
                }
            });
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}
