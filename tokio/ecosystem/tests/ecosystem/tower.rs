//! tower's layers that need a runtime: buffer, rate limit, concurrency limit, timeout, retry, load shedding.

use std::convert::Infallible;
use std::future::{self, Ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::limit::RateLimitLayer;
use tower::retry::Policy;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::on_heist;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buffer_shares_a_service_with_many_tasks() {
    on_heist(async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let most_seen = most.clone();
        let counts = service_fn(move |request: usize| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(request * 2)
            }
        });
        let service = ServiceBuilder::new()
            .buffer(8)
            .concurrency_limit(3)
            .service(counts);
        let mut tasks = JoinSet::new();
        for i in 0..100 {
            let service = service.clone();
            tasks.spawn(
                async move { assert_eq!(service.oneshot(i).await.expect("an answer"), i * 2) },
            );
        }
        tasks.join_all().await;
        assert!(
            (1..=3).contains(&most_seen.load(Ordering::Relaxed)),
            "{most_seen:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_counts_by_the_clock() {
    on_heist(async {
        let times =
            service_fn(async |begin: Instant| Ok::<_, Infallible>(begin.elapsed().as_secs()));
        let service = ServiceBuilder::new()
            .buffer(10)
            .layer(RateLimitLayer::new(5, Duration::from_secs(60)))
            .service(times);
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            tasks.spawn(service.clone().oneshot(begin));
        }
        let mut times: Vec<_> = tasks
            .join_all()
            .await
            .into_iter()
            .map(|time| time.expect("an answer") / 60)
            .collect();
        times.sort_unstable();
        assert_eq!(times, [0, 1, 2, 3].map(|minute| [minute; 5]).concat());
    })
    .await;
}

/// Tries again until it succeeds.
#[derive(Clone)]
struct Again;

impl<E> Policy<Duration, Duration, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Duration,
        result: &mut Result<Duration, E>,
    ) -> Option<Ready<()>> {
        *request /= 2;
        result.is_err().then(|| future::ready(()))
    }

    fn clone_request(&mut self, request: &Duration) -> Option<Duration> {
        Some(*request)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_tried_again_and_what_is_too_much_is_shed() {
    on_heist(async {
        let sleeps = service_fn(async |time: Duration| {
            sleep(time).await;
            Ok::<_, BoxError>(time)
        });
        let service = ServiceBuilder::new()
            .retry(Again)
            .timeout(Duration::from_secs(10))
            .service(sleeps);
        let begin = Instant::now();
        let answer = tokio::spawn(service.oneshot(Duration::from_secs(40)))
            .await
            .expect("no panic");
        assert_eq!(answer.expect("at last"), Duration::from_secs(10));
        assert_eq!(begin.elapsed(), Duration::from_secs(30));

        let mut busy = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(1)
            .service(sleeps);
        let first = busy
            .ready()
            .await
            .expect("ready")
            .call(Duration::from_secs(1));
        let second = busy
            .ready()
            .await
            .expect("always")
            .call(Duration::from_secs(1));
        let error = second.await.expect_err("shed");
        assert!(error.is::<tower::load_shed::error::Overloaded>(), "{error}");
        first.await.expect("an answer");
    })
    .await;
}
