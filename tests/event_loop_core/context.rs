//! Context variables: who inherits what.

use std::panic::catch_unwind;
use std::time::Duration;

use heist::event_loop::context::{Context, ContextVar, copy_context, scope};
use heist::event_loop::{EventLoop, to_thread};
use heist::task::yield_now;

use super::{Log, on_each};

static GIVEN: ContextVar<u32> = ContextVar::new("given").inherited();
static KEPT: ContextVar<u32> = ContextVar::new("kept");

#[test]
fn callbacks_inherit_what_is_set_where_they_are_scheduled() {
    on_each(|event_loop| {
        let log = Log::default();
        let noting = |what: &'static str| {
            let log = log.clone();
            move || log.note(format!("{what} {:?} {:?}", GIVEN.get(), KEPT.get()))
        };
        let (promise, future) = event_loop.create_future::<()>();
        let mut context = Context::new();
        context.run(|| {
            GIVEN.set(1);
            KEPT.set(1);
            event_loop.call_soon(noting("soon"));
            event_loop.call_later(Duration::ZERO, noting("later"));
            let done = noting("done");
            future.add_done_callback(move |_| done());
            // What comes after the scheduling doesn't count.
            GIVEN.set(2);
        });
        GIVEN.set(3);
        event_loop.stop();
        event_loop.run_forever();
        promise.set_result(()).unwrap();
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(
            log.take(),
            [
                "soon Some(1) None",
                "later Some(1) None",
                "done Some(1) None"
            ]
        );
        assert_eq!(
            (context.get(&GIVEN), context.get(&KEPT)),
            (Some(2), Some(1))
        );
    });
}

#[test]
fn each_callback_has_a_context_of_its_own() {
    on_each(|event_loop| {
        let log = Log::default();
        GIVEN.set(10);
        for _ in 0..2 {
            let log = log.clone();
            event_loop.call_soon(move || {
                let before = GIVEN.set(11).old_value();
                log.note(format!("{before:?}"));
            });
        }
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["Some(10)", "Some(10)"]);
        assert_eq!(GIVEN.get(), Some(10));
    });
}

#[test]
fn tasks_inherit_and_keep_what_they_set() {
    on_each(|event_loop| {
        let output = event_loop.run_until_complete(async {
            GIVEN.set(20);
            KEPT.set(20);
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    EventLoop::current().create_task(async move {
                        let inherited = (GIVEN.get(), KEPT.get());
                        GIVEN.set(number);
                        KEPT.set(number);
                        for _ in 0..5 {
                            yield_now().await;
                            assert_eq!((GIVEN.get(), KEPT.get()), (Some(number), Some(number)));
                        }
                        inherited
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), (Some(20), None));
            }
            (GIVEN.get(), KEPT.get())
        });
        assert_eq!(output, Ok((Some(20), Some(20))));
    });
}

#[test]
fn a_plain_task_has_no_context_until_it_brings_one() {
    on_each(|event_loop| {
        GIVEN.set(30);
        let output = event_loop.run_until_complete(async {
            let plain = heist::spawn(async {
                let none = GIVEN.get();
                (none, catch_unwind(|| GIVEN.set(31)).is_err())
            });
            assert_eq!(plain.await.unwrap(), (None, true));
            let scoped = heist::spawn(scope(copy_context(), async {
                yield_now().await;
                GIVEN.get()
            }));
            scoped.await.unwrap()
        });
        assert_eq!(output, Ok(Some(30)));
    });
}

#[test]
fn a_token_brings_back_what_was_there() {
    let mut context = Context::new();
    context.run(|| {
        let first = KEPT.set(1);
        let second = KEPT.set(2);
        assert_eq!(second.old_value(), Some(1));
        KEPT.reset(second);
        assert_eq!(KEPT.get(), Some(1));
        KEPT.reset(first);
        assert_eq!(KEPT.get(), None);
        let token = KEPT.set(3);
        assert!(catch_unwind(std::panic::AssertUnwindSafe(|| GIVEN_TOO.reset(token))).is_err());
    });
    static GIVEN_TOO: ContextVar<u32> = ContextVar::new("given too");
    assert_eq!((context.len(), context.is_empty()), (1, false));
}

#[test]
fn a_panic_in_a_context_leaves_the_outer_one() {
    let mut outer = Context::new();
    outer.run(|| {
        KEPT.set(1);
        let mut inner = Context::new();
        let ran = catch_unwind(std::panic::AssertUnwindSafe(|| {
            inner.run(|| {
                KEPT.set(2);
                panic!("inside");
            })
        }));
        assert!(ran.is_err());
        assert_eq!((KEPT.get(), inner.get(&KEPT)), (Some(1), Some(2)));
    });
}

#[test]
fn a_function_on_a_thread_has_a_copy_of_everything() {
    on_each(|event_loop| {
        let output = event_loop.run_until_complete(async {
            KEPT.set(40);
            let read = to_thread(|| KEPT.set(41).old_value()).await.unwrap();
            (read, KEPT.get())
        });
        assert_eq!(output, Ok((Some(40), Some(40))));
    });
}

#[test]
fn a_future_is_dropped_in_its_context() {
    struct Reads(Log);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.0.note(format!("{:?}", KEPT.get()));
        }
    }
    let (mut context, log) = (Context::new(), Log::default());
    context.run(|| drop(KEPT.set(5)));
    let reads = Reads(log.clone());
    drop(scope(context, async move { drop(reads) }));
    assert_eq!(log.take(), ["Some(5)"]);
}
