//! What others keep with a runtime: one value of each type, until the runtime ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use heist_scheduler::runtime::{Builder, Runtime};

/// Counts its drops.
struct Kept(Arc<AtomicUsize>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn runtimes() -> [Runtime; 3] {
    let multi = |workers| Builder::new_multi_thread().worker_threads(workers).build();
    [
        Builder::new_current_thread().build().unwrap(),
        multi(1).unwrap(),
        multi(2).unwrap(),
    ]
}

#[test]
fn a_value_is_dropped_once_with_its_runtime_however_that_ends() {
    let ends: [fn(Runtime); 4] = [
        drop,
        |runtime| assert!(runtime.shutdown(Duration::from_secs(5)).is_clean()),
        |runtime| runtime.shutdown_timeout(Duration::from_secs(5)),
        Runtime::shutdown_background,
    ];
    for end in ends {
        for runtime in runtimes() {
            let (drops, handle) = (Arc::new(AtomicUsize::new(0)), runtime.handle().clone());
            assert!(handle.extension(|| Kept(drops.clone())).is_some());
            assert!(handle.extension::<Kept>(|| unreachable!()).is_some());
            assert_eq!(drops.load(Ordering::SeqCst), 0);
            end(runtime);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
            assert!(handle.extension::<Kept>(|| unreachable!()).is_none());
        }
    }
}

#[test]
fn each_type_and_each_runtime_has_a_value_of_its_own() {
    let [one, other, _] = runtimes();
    assert_eq!(*one.handle().extension(|| 1_u8).unwrap(), 1);
    assert_eq!(*one.handle().extension(|| 2_u16).unwrap(), 2);
    assert_eq!(*other.handle().extension(|| 3_u8).unwrap(), 3);
    assert_eq!(*one.handle().extension(|| 4_u8).unwrap(), 1);
}

#[test]
fn threads_that_ask_at_once_get_the_same_value() {
    for runtime in runtimes() {
        let (handle, together) = (runtime.handle(), Barrier::new(4));
        let ask = |number: u32| {
            together.wait();
            Arc::as_ptr(&handle.extension(|| number).unwrap()) as usize
        };
        let addresses = thread::scope(|scope| {
            let ask = &ask;
            let threads = [0, 1, 2, 3].map(|number| scope.spawn(move || ask(number)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(addresses.iter().all(|address| *address == addresses[0]));
    }
}

#[test]
fn a_value_may_make_another_one_and_may_panic_in_its_drop() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    for runtime in runtimes() {
        let (drops, handle) = (Arc::new(AtomicUsize::new(0)), runtime.handle().clone());
        let outer = handle.extension(|| {
            handle.extension(|| Kept(drops.clone()));
            Panics
        });
        drop(outer);
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}
