//! The macros as users write them.
#![cfg(feature = "macros")]

use std::future::{pending, ready};
use std::time::Duration;

use heist::sync::{mpsc, oneshot};
use heist::time::{sleep, timeout};

/// Fails rather than hangs.
async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(240), future)
        .await
        .expect("the test hangs")
}

mod entry {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::thread;

    #[heist::main]
    async fn with_defaults(number: u32) -> u32 {
        heist::spawn(async move { number + 1 }).await.unwrap()
    }

    #[heist::main(flavor = "current_thread")]
    async fn on_this_thread() -> thread::ThreadId {
        heist::spawn(async { thread::current().id() })
            .await
            .unwrap()
    }

    #[heist::main(flavor = "multi_thread", worker_threads = 1)]
    async fn on_one_worker() -> thread::ThreadId {
        heist::spawn(async { thread::current().id() })
            .await
            .unwrap()
    }

    #[heist::main(flavor = "local", name = "window")]
    async fn locally(kept: Rc<u32>) -> (u32, String) {
        let task = heist::task::spawn_local(async move { *kept });
        let runtime = heist::runtime::Handle::current();
        (task.await.unwrap(), runtime.name().unwrap().to_owned())
    }

    #[heist::main(flavor = "local", shutdown_grace = "1m")]
    async fn locally_with_a_grace(slow: Slow) {
        let kept = Rc::new(());
        heist::task::spawn_local(async move { (slow.run(3).await, kept) });
    }

    #[heist::main(worker_threads = 1, name = "crawler")]
    async fn named() -> String {
        let task = heist::spawn(async { heist::runtime::Handle::current() });
        task.await.unwrap().name().unwrap().to_owned()
    }

    #[heist::main(worker_threads = 1)]
    async fn fails() -> Result<(), Box<dyn std::error::Error>> {
        "no number".parse::<u32>()?;
        Ok(())
    }

    #[heist::main(worker_threads = 1)]
    async fn returns_early(early: bool) -> &'static str {
        if early {
            return "early";
        }
        "late"
    }

    /// Its attributes and generics are kept.
    #[heist::main(worker_threads = 1)]
    #[must_use]
    #[inline(never)]
    pub(super) async fn generic<'a, T, const N: usize>(values: &'a [T; N]) -> Vec<T>
    where
        T: Clone,
    {
        values.to_vec()
    }

    struct Holder(u32);

    impl Holder {
        #[heist::main(worker_threads = 1)]
        async fn method(&mut self, by: u32) -> u32 {
            self.0 += by;
            self.0
        }
    }

    mod elsewhere {
        pub(crate) use heist as renamed;
    }

    #[heist::main(crate = "elsewhere::renamed", worker_threads = 1)]
    async fn by_another_name() -> u32 {
        3
    }

    #[test]
    fn main_runs_the_body_on_the_runtime_that_it_names() {
        assert_eq!(with_defaults(1), 2);
        assert_eq!(on_this_thread(), thread::current().id());
        assert_ne!(on_one_worker(), thread::current().id());
        assert_eq!(locally(Rc::new(5)), (5, "window".to_owned()));
        assert_eq!(named(), "crawler");
    }

    #[test]
    fn main_keeps_results_early_returns_generics_and_receivers() {
        assert!(fails().unwrap_err().to_string().contains("invalid digit"));
        assert_eq!(
            (returns_early(true), returns_early(false)),
            ("early", "late")
        );
        assert_eq!(generic(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(Holder(1).method(2), 3);
        assert_eq!(by_another_name(), 3);
    }

    /// Counts the polls of a task, and notes that it was dropped.
    #[derive(Clone, Default)]
    struct Slow(Arc<AtomicUsize>, Arc<AtomicBool>);

    impl Slow {
        async fn run(self, polls: usize) {
            let _dropped = DropFlag(self.1.clone());
            for _ in 1..polls {
                self.0.fetch_add(1, Relaxed);
                heist::task::yield_now().await;
            }
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct DropFlag(Arc<AtomicBool>);

    impl Drop for DropFlag {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    #[heist::main(flavor = "current_thread", shutdown_grace = "1m")]
    async fn leaves_a_slow_task(slow: Slow) -> u32 {
        heist::spawn(slow.run(3));
        7
    }

    #[heist::main(worker_threads = 1, shutdown_grace = "60 s")]
    async fn leaves_a_slow_task_to_a_worker(slow: Slow) -> Result<(), Box<dyn std::error::Error>> {
        heist::spawn(slow.run(3));
        "no number".parse::<u32>()?;
        Ok(())
    }

    #[heist::main(flavor = "current_thread", shutdown_grace = "10ms")]
    async fn leaves_a_task_that_never_ends(slow: Slow) {
        heist::spawn(slow.run(usize::MAX));
    }

    #[heist::main(flavor = "current_thread")]
    async fn leaves_a_slow_task_without_a_grace(slow: Slow) {
        heist::spawn(slow.run(3));
    }

    #[test]
    fn with_a_grace_main_lets_tasks_end_and_then_cancels_them() {
        let ends = |main: &dyn Fn(Slow)| {
            let slow = Slow::default();
            main(slow.clone());
            (slow.0.load(Relaxed), slow.1.load(Relaxed))
        };
        assert_eq!(
            ends(&|slow| assert_eq!(leaves_a_slow_task(slow), 7)),
            (3, true)
        );
        assert_eq!(ends(&|slow| locally_with_a_grace(slow)), (3, true));
        assert_eq!(
            ends(&|slow| assert!(leaves_a_slow_task_to_a_worker(slow).is_err())),
            (3, true)
        );
        let (polls, dropped) = ends(&|slow| leaves_a_task_that_never_ends(slow));
        assert!(polls > 0 && dropped);
        let (polls, _) = ends(&|slow| leaves_a_slow_task_without_a_grace(slow));
        assert!(polls < 3);
    }

    #[heist::test(shutdown_grace = "1s")]
    async fn a_test_may_have_a_grace() {
        heist::spawn(async { heist::task::yield_now().await });
    }

    #[heist::test]
    async fn a_test_runs_on_this_thread_by_default() {
        let here = thread::current().id();
        assert_eq!(
            heist::spawn(async { thread::current().id() })
                .await
                .unwrap(),
            here
        );
    }

    #[heist::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_test_may_have_workers() -> Result<(), heist::task::JoinError> {
        let here = thread::current().id();
        assert_ne!(heist::spawn(async { thread::current().id() }).await?, here);
        Ok(())
    }

    #[heist::test(flavor = "local", name = "test")]
    async fn a_test_may_be_local() {
        let kept = Rc::new(1);
        let task = heist::task::spawn_local(async move { *kept });
        assert_eq!(task.await.unwrap(), 1);
    }

    #[heist::test]
    #[should_panic(expected = "as it should")]
    async fn a_test_may_expect_a_panic() {
        panic!("as it should");
    }
}

#[heist::test]
async fn select_runs_the_handler_of_the_future_that_is_ready() {
    let number = heist::select! {
        _ = pending::<()>() => unreachable!(),
        number = async { 7 } => number + 1,
    };
    assert_eq!(number, 8);
}

#[heist::test]
#[deny(unused_parens, unused_braces)]
async fn parentheses_around_futures_are_no_reason_to_warn() {
    let mut one = std::future::ready(1);
    let got = heist::select! {
        number = (&mut one), if (true) => number,
        number = { std::future::ready(1) }, if { true } => number,
    };
    let both = heist::join!((std::future::ready(1)), { std::future::ready(2) });
    let all = heist::try_join!((std::future::ready(Ok::<_, ()>(1))), {
        std::future::ready(Ok(2))
    });
    assert_eq!((got, both, all), (1, (1, 2), Ok((1, 2))));
}

#[heist::test]
async fn select_with_biased_polls_from_the_first() {
    for _ in 0..100 {
        let winner = heist::select! {
            biased;
            _ = ready(()) => 1,
            _ = ready(()) => 2,
        };
        assert_eq!(winner, 1);
    }
}

#[heist::test]
async fn select_is_fair_between_branches_that_are_always_ready() {
    let mut wins = [0; 3];
    for _ in 0..30_000 {
        let winner = heist::select! {
            _ = ready(()) => 0,
            _ = ready(()) => 1,
            _ = ready(()) => 2,
        };
        wins[winner] += 1;
    }
    assert!(
        wins.iter().all(|&count| (9_000..=11_000).contains(&count)),
        "{wins:?}"
    );
}

#[heist::test]
async fn select_yields_when_the_budget_is_used_up() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for _ in 0..1_000 {
        sender.send(()).unwrap();
    }
    let (stop, mut stopped) = oneshot::channel();
    heist::spawn(async move { stop.send(()) });
    let mut idle = 0;
    bounded(async {
        loop {
            heist::select! {
                biased;
                Some(()) = receiver.recv() => (),
                _ = &mut stopped => break,
                // Knows of no budget, and would win for ever once the others have none left.
                _ = ready(()) => idle += 1,
            }
        }
    })
    .await;
    assert_eq!(idle, 0);
}

#[heist::test]
async fn select_skips_branches_whose_condition_is_false_but_evaluates_their_futures() {
    let mut evaluated = 0;
    let mut future = |value: u32| {
        evaluated += 1;
        ready(value)
    };
    let off = false;
    let got = heist::select! {
        value = future(1), if off => value,
        value = future(2), if !off => value,
    };
    assert_eq!((got, evaluated), (2, 2));
}

#[heist::test]
async fn select_goes_on_when_a_value_does_not_fit() {
    let got = heist::select! {
        Some(value) = ready(None::<u32>) => value,
        Ok(value) | Err(value) = async { heist::task::yield_now().await; Ok::<u32, u32>(5) } => value,
    };
    assert_eq!(got, 5);
}

#[heist::test]
async fn select_takes_every_kind_of_pattern() {
    struct Pair {
        left: Option<String>,
        right: [u8; 3],
    }
    let pair = || {
        ready(Pair {
            left: Some("l".to_owned()),
            right: [1, 2, 3],
        })
    };
    let text =
        heist::select! { Pair { left: Some(mut text), .. } = pair() => { text.push('!'); text } };
    assert_eq!(text, "l!");
    let last = heist::select! { Pair { left: ref left @ Some(_), right: [1..=2, .., last] } = pair() => {
        (left.clone(), last)
    } };
    assert_eq!(last, (Some("l".to_owned()), 3));
    let mut number = 4;
    heist::select! { (&mut ref mut inner, &7) = ready((&mut number, &7)) => *inner += 1 }
    assert_eq!(number, 5);
}

/// Patterns that bind by reference, move parts, or compare with what is itself a reference: whatever `match` takes.
#[heist::test]
async fn select_takes_what_match_takes() {
    const NAME: &str = "name";
    struct NotCopied(u8);
    enum Either {
        Left(NotCopied, Vec<u8>),
        Right,
    }

    heist::select! { Some(ref mut x) = ready(Some(1)) => { *x += 1; assert_eq!(*x, 2) } }
    heist::select! { ref mut x = ready(1) => { *x += 1; assert_eq!(*x, 2) } }
    heist::select! { ref x = ready(NotCopied(1)) => assert_eq!(x.0, 1) }
    heist::select! { mut x = ready(vec![1]) => { x.push(2); assert_eq!(x, [1, 2]) } }
    heist::select! { x @ Some(_) = ready(Some(1)) => assert_eq!(x, Some(1)) }
    heist::select! { ref mut x @ Some(_) = ready(Some(1)) => assert_eq!(x.take(), Some(1)) }
    heist::select! { mut x @ 1..=9 = ready(5) => { x += 1; assert_eq!(x, 6) } }
    heist::select! { (Some(ref mut x), mut y) = ready((Some(1), vec![2])) => {
        *x += 1;
        y.push(*x);
        assert_eq!(y, [2, 2]);
    } }
    heist::select! { Ok(mut x) | Err(mut x) = ready(Err::<u8, u8>(1)) => { x += 1; assert_eq!(x, 2) } }
    heist::select! { Some(Ok(ref mut x) | Err(ref mut x)) = ready(Some(Ok::<_, u8>(1))) => *x += 1 }
    heist::select! { | Some(1 | 2) = ready(Some(2)) => () }
    heist::select! { [first, .., ref mut last] = ready([1, 2, 3]) => { *last += first; assert_eq!(*last, 4) } }
    heist::select! { [first, ref rest @ ..] = ready([1, 2, 3]) => assert_eq!((first, rest.len()), (1, 2)) }
    heist::select! { &x = ready(&1) => assert_eq!(x, 1) }
    let (mut number, mut maybe) = (1, Some(1));
    heist::select! { &mut ref mut x = ready(&mut number) => *x += 1 }
    heist::select! { &(ref x, 1) = ready(&(NotCopied(2), 1)) => assert_eq!(x.0, 2) }
    heist::select! { Some(x) = ready(&mut maybe) => *x += 1 }
    assert_eq!((number, maybe), (2, Some(2)));

    // Values that are references themselves.
    heist::select! { "text" = ready("text") => () }
    heist::select! { NAME = ready("name") => () }
    heist::select! { (Some("text"), b"bytes") = ready((Some("text"), b"bytes")) => () }
    heist::select! { None = ready(None::<NotCopied>) => () }
    heist::select! { i32::MIN..=-1 = ready(-5) => () }

    // Parts are moved out of what fits; what doesn't fit is dropped whole.
    for either in [Either::Left(NotCopied(1), vec![2]), Either::Right] {
        let got = heist::select! {
            Either::Left(NotCopied(x @ 1), mut rest) = ready(either) => { rest.push(x); rest.len() }
            else => 0,
        };
        assert!(matches!(got, 0 | 2));
    }
}

#[heist::test]
async fn select_runs_else_when_all_branches_are_disabled() {
    let got = heist::select! {
        Some(value) = ready(None::<u32>) => value,
        value = ready(1), if false => value,
        else => 9
    };
    assert_eq!(got, 9);
}

#[heist::test]
#[should_panic(expected = "all branches are disabled and there is no else branch")]
async fn select_without_else_panics_when_all_branches_are_disabled() {
    heist::select! { Some(()) = ready(None) => () }
}

#[heist::test]
async fn handlers_belong_to_the_function_around_the_select() {
    async fn run(fails: bool) -> Result<u32, std::num::ParseIntError> {
        let mut text = "1".to_owned();
        for lap in 0.. {
            let borrow = &mut text;
            heist::select! {
                // The future's borrow of `text` has ended where the handler runs.
                () = async { borrow.push('2') } => {
                    text.push('3');
                    if lap == 0 { continue; }
                    if fails { "x".parse::<u32>()?; }
                    ready(()).await;
                    return text.parse();
                }
            }
        }
        unreachable!()
    }
    assert_eq!(run(false).await, Ok(12323));
    assert!(run(true).await.is_err());
}

#[heist::test]
async fn select_drops_the_losers_before_the_handler_runs() {
    let (sender, receiver) = oneshot::channel::<()>();
    let loses = async move {
        pending::<()>().await;
        drop(sender);
    };
    heist::select! {
        () = loses => unreachable!(),
        _ = ready(()) => assert!(bounded(receiver).await.is_err()),
    }
}

#[heist::test]
async fn select_keeps_a_future_that_it_was_lent() {
    let mut slow = Box::pin(async {
        heist::task::yield_now().await;
        heist::task::yield_now().await;
        6
    });
    let mut laps = 0;
    let got = loop {
        heist::select! {
            biased;
            got = &mut slow => break got,
            _ = ready(()) => laps += 1,
        }
        heist::task::yield_now().await;
    };
    assert!(got == 6 && laps > 0);
}

#[heist::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_may_select() {
    let task = heist::spawn(async {
        heist::select! {
            _ = sleep(Duration::from_secs(600)) => 1,
            _ = sleep(Duration::from_millis(1)) => 2,
        }
    });
    assert_eq!(bounded(task).await.unwrap(), 2);
}

#[heist::test]
async fn join_gives_all_outputs_in_order() {
    let text = "borrowed".to_owned();
    let all = heist::join!(
        async {
            heist::task::yield_now().await;
            1
        },
        ready(text.as_str()),
        async { 3.0 },
    );
    assert_eq!(all, (1, "borrowed", 3.0));
    assert_eq!(heist::join!(biased; ready(1)), (1,));
    #[allow(clippy::unit_cmp)]
    {
        assert_eq!(heist::join!(), ());
    }
}

#[heist::test]
async fn join_lets_each_future_be_the_first() {
    // A future that uses up the whole budget at each poll leaves none for those after it.
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (done, mut is_done) = oneshot::channel();
    let greedy = async {
        while is_done.try_recv().is_err() {
            for _ in 0..200 {
                sender.send(()).unwrap();
            }
            for _ in 0..200 {
                receiver.recv().await.unwrap();
            }
        }
    };
    let modest = async {
        let (mine, also_mine) = oneshot::channel();
        mine.send(()).unwrap();
        also_mine.await.unwrap();
        done.send(()).unwrap();
    };
    bounded(async { heist::join!(greedy, modest) }).await;
}

#[heist::test]
async fn join_drops_a_future_as_soon_as_it_is_done() {
    struct Ready(Option<oneshot::Sender<()>>);
    impl Future for Ready {
        type Output = ();
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<()> {
            assert!(self.0.is_some());
            std::task::Poll::Ready(())
        }
    }
    let (sender, receiver) = oneshot::channel();
    let ((), closed) = bounded(async { heist::join!(Ready(Some(sender)), receiver) }).await;
    assert!(closed.is_err());
}

#[heist::test]
async fn try_join_gives_all_values_or_the_first_error() {
    let good = heist::try_join!(async { Ok::<_, u8>(1) }, ready(Ok("two")));
    assert_eq!(good, Ok((1, "two")));
    let bad = heist::try_join!(pending::<Result<(), u8>>(), async { Err::<(), _>(3) });
    assert_eq!(bad, Err(3));
    assert_eq!(
        heist::try_join!(biased; ready(Err::<(), _>(1)), ready(Err::<(), _>(2))),
        Err(1)
    );
}

#[heist::test]
async fn pin_makes_a_future_that_can_be_polled_by_reference() {
    let future = async { 1 };
    heist::pin!(future);
    assert_eq!((&mut future).await, 1);
    heist::pin! {
        let other = async { 2 };
    }
    assert_eq!(other.await, 2);
}

/// As many branches and futures as tokio takes.
#[heist::test]
async fn sixty_four_branches_and_futures() {
    async fn one() -> u32 {
        heist::task::yield_now().await;
        1
    }
    macro_rules! sixty_four {
        ($macro:ident $($one:tt)*) => {
            $macro! {
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
                $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)* $($one)*
            }
        };
    }
    macro_rules! select {
        ($($branches:tt)*) => { heist::select! { $($branches)* } };
    }
    macro_rules! biased {
        ($($branches:tt)*) => { heist::select! { biased; $($branches)* } };
    }
    macro_rules! join {
        ($($futures:tt)*) => { heist::join!(biased; $($futures)*) };
    }
    macro_rules! try_join {
        ($($futures:tt)*) => { heist::try_join!($($futures)*) };
    }
    assert_eq!(sixty_four!(select n = one() => n,), 1);
    assert_eq!(sixty_four!(biased n = one() => n,), 1);
    let all = sixty_four!(join one(),);
    assert_eq!((all.0, all.63), (1, 1));
    let all = sixty_four!(try_join async { Ok::<_, ()>(one().await) },).unwrap();
    assert_eq!((all.0, all.63), (1, 1));
}
