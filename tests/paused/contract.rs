//! What tokio documents of paused time.

use super::*;

#[test]
fn time_stands_still_until_nothing_can_run_and_then_jumps_to_the_next_deadline() {
    in_each(|| async {
        let start = Instant::now();
        for _ in 0..100 {
            heist::task::yield_now().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        let real = std::time::Instant::now();
        sleep_until(start + 30 * 24 * HOUR).await;
        assert_eq!(Instant::now(), start + 30 * 24 * HOUR);
        assert!(real.elapsed() < ms(60_000));
    });
}

#[test]
fn a_run_of_sleeps_of_any_length_is_exact() {
    in_each(|| async {
        let start = Instant::now();
        let (mut seed, mut expected) = (1_u64, Duration::ZERO);
        for _ in 0..500 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let length = Duration::from_nanos(seed % 1_000_000_000_000);
            sleep(length).await;
            expected += length;
            assert_eq!(start.elapsed(), expected);
        }
    });
}

#[test]
fn sleeps_of_many_tasks_end_in_the_order_of_their_deadlines_and_none_early_or_late() {
    in_each(|| async {
        let start = Instant::now();
        let last = Arc::new(Mutex::new(Duration::ZERO));
        let tasks: Vec<_> = (0..300_u64)
            .map(|nth| {
                let last = last.clone();
                heist::spawn(async move {
                    let length = Duration::from_micros(nth * 7_919 % 1_000_003);
                    sleep(length).await;
                    assert_eq!(start.elapsed(), length);
                    let before = std::mem::replace(&mut *last.lock().unwrap(), length);
                    assert!(before <= length, "in order");
                    // Again, from there.
                    sleep(length).await;
                    assert_eq!(start.elapsed(), 2 * length);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn sleeps_nested_in_timeouts_end_in_order() {
    in_each(|| async {
        let start = Instant::now();
        let inner = timeout(ms(30), async {
            sleep(ms(10)).await;
            assert_eq!(start.elapsed(), ms(10));
            timeout(ms(10), sleep(HOUR)).await.unwrap_err();
            assert_eq!(start.elapsed(), ms(20));
            sleep(HOUR).await;
        });
        timeout(ms(1_000), inner).await.unwrap().unwrap_err();
        assert_eq!(start.elapsed(), ms(30));
    });
}

#[test]
fn time_pauses_in_the_middle_of_the_root_and_of_a_task_and_goes_on_when_it_is_resumed() {
    within_limit(|| {
        for workers in [0, 1, 2, 4] {
            let runtime = paused(workers);
            runtime.block_on(async {
                time::resume();
                heist::spawn(async {
                    time::pause();
                    let start = Instant::now();
                    sleep(HOUR).await;
                    assert_eq!(start.elapsed(), HOUR);
                    time::resume();
                })
                .await
                .unwrap();
                let (start, real) = (Instant::now(), std::time::Instant::now());
                sleep(ms(3)).await;
                assert!(
                    real.elapsed() >= ms(3),
                    "it goes on as fast as the system's"
                );
                assert!(start.elapsed() >= ms(3) && start.elapsed() < HOUR);
                time::pause();
                let start = Instant::now();
                sleep(HOUR).await;
                assert_eq!(start.elapsed(), HOUR);
            });
        }
    });
}

#[test]
fn a_sleep_that_waits_when_time_is_resumed_ends_in_real_time() {
    within_limit(|| {
        for workers in [0, 2] {
            let runtime = paused(workers);
            runtime.block_on(async {
                let task = heist::spawn(sleep(ms(20)));
                // Time can't jump before the task has begun to wait, and not while this runs.
                heist::task::yield_now().await;
                time::resume();
                task.await.unwrap();
            });
        }
    });
}

#[test]
fn advance_moves_time_exactly_and_wakes_what_is_due_at_once() {
    in_each(|| async {
        for micros in [1_u64, 250, 999, 51_592, 3_141_592, 86_400_000_000] {
            let start = Instant::now();
            time::advance(Duration::from_micros(micros)).await;
            assert_eq!(start.elapsed(), Duration::from_micros(micros));
        }
        let start = Instant::now();
        time::advance(Duration::ZERO).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

/// Polls once, with a waker that counts.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>, woken: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(woken.clone());
    future.poll(&mut Context::from_waker(&waker))
}

#[derive(Default)]
struct Count(AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn advance_in_small_steps_wakes_a_sleep_at_the_step_that_reaches_it() {
    in_each(|| async {
        let woken = Arc::new(Count::default());
        let mut sleep = pin!(sleep(ms(1)));
        assert!(poll_once(sleep.as_mut(), &woken).is_pending());
        for _ in 0..3 {
            time::advance(Duration::from_micros(250)).await;
            assert!(poll_once(sleep.as_mut(), &woken).is_pending());
            assert_eq!(woken.0.load(Ordering::SeqCst), 0);
            assert!(!sleep.is_elapsed());
        }
        time::advance(Duration::from_micros(250)).await;
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(sleep.is_elapsed());
        assert!(poll_once(sleep.as_mut(), &woken).is_ready());
    });
}

#[test]
fn advance_past_a_sleep_that_was_never_polled_completes_it_at_its_first_poll() {
    in_each(|| async {
        let woken = Arc::new(Count::default());
        let mut slept = pin!(sleep(ms(300)));
        time::advance(ms(100)).await;
        assert!(poll_once(slept.as_mut(), &woken).is_pending());
        let mut slept = pin!(sleep(ms(300)));
        time::advance(ms(300)).await;
        assert!(poll_once(slept.as_mut(), &woken).is_ready());
    });
}

#[test]
fn advance_lets_what_it_woke_run_before_it_returns_where_one_thread_runs_all() {
    within_limit(|| {
        paused(0).block_on(async {
            let ran = Arc::new(AtomicBool::new(false));
            let task = heist::spawn({
                let ran = ran.clone();
                async move {
                    sleep(ms(10)).await;
                    ran.store(true, Ordering::SeqCst);
                }
            });
            heist::task::yield_now().await;
            time::advance(ms(10)).await;
            assert!(ran.load(Ordering::SeqCst));
            task.await.unwrap();
        });
    });
}

#[test]
fn an_interval_ticks_by_paused_time() {
    in_each(|| async {
        let start = Instant::now();
        let mut ticks = interval(ms(300));
        for nth in 0..50 {
            assert_eq!(ticks.tick().await, start + nth * ms(300));
            assert_eq!(start.elapsed(), nth * ms(300));
        }
        let before = Instant::now();
        time::advance(ms(750)).await;
        assert_eq!(ticks.tick().await, before + ms(300), "it catches up");
        assert_eq!(ticks.tick().await, before + ms(600));
        assert_eq!(before.elapsed(), ms(750));
        assert_eq!(ticks.tick().await, before + ms(900));
        assert_eq!(before.elapsed(), ms(900));
        ticks.reset();
        assert_eq!(ticks.tick().await, before + ms(1_200));
        ticks.reset_after(HOUR);
        assert_eq!(ticks.tick().await, before + ms(1_200) + HOUR);
    });
}

#[test]
fn a_cancelled_sleep_moves_no_time() {
    in_each(|| async {
        let start = Instant::now();
        for _ in 0..10 {
            let slept = heist::spawn(sleep(ms(5)));
            heist::task::yield_now().await;
            slept.abort();
            slept.await.unwrap_err();
            timeout(ms(5), heist::task::yield_now()).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        // Nothing waits for a deadline, and an event from outside ends the wait.
        let (sender, receiver) = heist::sync::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(ms(20));
            sender.send(()).unwrap();
        });
        receiver.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_sleep_reset_while_time_stands_ends_at_its_new_deadline() {
    in_each(|| async {
        let start = Instant::now();
        let mut slept = pin!(sleep(HOUR));
        poll_fn(|cx| {
            assert!(slept.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        slept.as_mut().reset(start + ms(5));
        slept.as_mut().await;
        assert_eq!(start.elapsed(), ms(5));
        slept.as_mut().reset(start + ms(50));
        slept.await;
        assert_eq!(start.elapsed(), ms(50));
    });
}

#[test]
fn a_sleep_without_end_is_far_away_and_time_jumps_there_if_nothing_else_is_left() {
    in_each(|| async {
        let start = Instant::now();
        let far = heist::spawn(sleep(Duration::MAX));
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        assert!(!far.is_finished());
        far.await.unwrap();
        assert!(start.elapsed() > 24 * 365 * HOUR);
    });
}

#[heist::test(start_paused = true)]
async fn the_attribute_pauses_a_test() {
    let start = Instant::now();
    sleep(HOUR).await;
    assert_eq!(start.elapsed(), HOUR);
}

#[heist::test(flavor = "multi_thread", worker_threads = 2, start_paused = true)]
async fn the_attribute_pauses_a_test_on_several_workers() {
    let start = Instant::now();
    heist::spawn(sleep(HOUR)).await.unwrap();
    assert_eq!(start.elapsed(), HOUR);
}

#[heist::test(start_paused = false)]
async fn the_attribute_pauses_nothing_if_told_so() {
    time::pause();
}

#[heist::main(start_paused = true)]
async fn paused_main() -> Duration {
    let start = Instant::now();
    sleep(HOUR).await;
    start.elapsed()
}

#[test]
fn the_attribute_pauses_main() {
    within_limit(|| assert_eq!(paused_main(), HOUR));
}
