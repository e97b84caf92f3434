//! The crawl: takes pages from the frontier, and hands back what they hold.
//!
//! The frontier owns everything that is known. Each page is fetched and parsed by a task of its own, on any free worker,
//! which reports to the frontier. The outcome does not depend on which page comes back first.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use heist::sync::{CancellationToken, OwnedSemaphorePermit, Semaphore, mpsc};
use heist::task::JoinError;
use heist::time::timeout;
use url::Url;

use crate::address;
use crate::fetch::{Client, Limits};
use crate::frontier::memory::Memory;
use crate::frontier::redis::Redis;
use crate::frontier::{Claim, Frontier};
use crate::job::{Fetched, Job, Report, Tools};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::tls::Roots;

/// How many pages longer than a mebibyte are parsed at once, as they come.
const LONG_PAGES: usize = 8;

/// How often a frontier is told of a host that wants a pause, while a page waits for that.
const PAUSE_TOLD: Duration = Duration::from_secs(1);

/// What to crawl, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) start: Url,
    /// Other hosts that belong to the crawl.
    pub(crate) also: Vec<Url>,
    pub(crate) under: Option<String>,
    /// How many pages and links are asked for.
    pub(crate) max_pages: usize,
    /// How many different links of one page count.
    pub(crate) max_links: usize,
    pub(crate) max_redirects: u32,
    /// How many pages are in work at once.
    pub(crate) concurrency: usize,
    pub(crate) limits: Limits,
    /// Whose certificates are trusted.
    pub(crate) roots: Roots,
}

/// Crawls, and returns when there is nothing left to fetch, or when it is told to stop.
pub(crate) async fn crawl(
    options: Options,
    progress: Progress,
    stop: CancellationToken,
) -> io::Result<Outcome> {
    let requests = options.max_pages.min(Semaphore::MAX_PERMITS);
    let requests = Arc::new(Semaphore::new(requests));
    let frontier = Memory::new(&options, requests.clone(), progress);
    run(Arc::new(frontier), &options, requests, stop).await
}

/// Crawls together with other processes. Returns when all of them have nothing left to fetch, or when this one is told
/// to stop.
pub(crate) async fn crawl_together(
    frontier: Arc<Redis>,
    options: &Options,
    stop: CancellationToken,
) -> io::Result<Outcome> {
    // Redis counts the requests of all processes.
    let requests = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    run(frontier, options, requests, stop).await
}

/// Does something unless it is told to stop before that is done.
pub(crate) async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let done = stop.run_until_cancelled(work).await;
    done.unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted")))
}

async fn run<F: Frontier>(
    frontier: Arc<F>,
    options: &Options,
    requests: Arc<Semaphore>,
    stop: CancellationToken,
) -> io::Result<Outcome> {
    let concurrency = Arc::new(Semaphore::new(options.concurrency));
    let tools = Arc::new(Tools {
        client: Client::new(options.limits, options.roots.clone()),
        requests,
        long_pages: Semaphore::new(LONG_PAGES),
        max_redirects: options.max_redirects,
        max_links: options.max_links,
        timeout: options.limits.timeout,
    });
    let (fail, mut failed) = mpsc::channel(1);
    let hand_out = async {
        loop {
            let first = permit(&concurrency).await;
            let claims = frontier.claim(1 + concurrency.available_permits()).await?;
            if claims.is_empty() {
                return io::Result::Ok(());
            }
            let mut first = Some(first);
            for claim in claims {
                let permit = match first.take() {
                    Some(first) => first,
                    None => permit(&concurrency).await,
                };
                let work = work(claim, tools.clone(), frontier.clone(), permit);
                let fail = fail.clone();
                heist::spawn(async move {
                    if let Err(error) = work.await {
                        // The first one says it all.
                        let _ = fail.try_send(error);
                    }
                });
            }
        }
    };
    let interrupted = heist::select! {
        biased;
        () = stop.cancelled() => true,
        Some(error) = failed.recv() => return Err(error),
        done = hand_out => {
            done?;
            false
        }
    };
    frontier.close(interrupted).await
}

async fn permit(concurrency: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = concurrency.clone().acquire_owned().await;
    permit.expect("the semaphore is never closed")
}

/// A page's task. It holds its permit until the frontier has the report, so that a frontier that is slow gets no more of
/// them than it takes.
async fn work<F: Frontier>(
    claim: Claim,
    tools: Arc<Tools>,
    frontier: Arc<F>,
    _permit: OwnedSemaphorePermit,
) -> io::Result<()> {
    let job = Job::new(claim.url.clone(), claim.scope.clone(), tools.clone());
    let mut job = heist::spawn(job.run());
    let report = loop {
        match timeout(PAUSE_TOLD, &mut job).await {
            Ok(ended) => break reported(ended),
            Err(_) => tell_pause(&claim, &tools.client, &*frontier).await,
        }
    };
    frontier.complete(&claim, report).await
}

/// What a page's task reports. If it has panicked, this reports that. Without a report the crawl would never end.
fn reported(ended: Result<Report, JoinError>) -> Report {
    ended.unwrap_or_else(|_| Report::new(Fetched::Failed("its task panicked".into())))
}

/// Other processes should not ask a host that this one waits for.
async fn tell_pause(claim: &Claim, client: &Client, frontier: &impl Frontier) {
    let Ok(url) = Url::parse(&claim.url) else {
        return;
    };
    let pause = client.pause(&url);
    if let Some(host) = address::host(&claim.url)
        && !pause.is_zero()
    {
        let _ = frontier.not_before(host, pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[heist::test]
    async fn a_task_that_panics_is_reported_as_failed() {
        let task = heist::spawn(async { panic!("on purpose") });
        let report = reported(task.await);
        assert!(matches!(report.fetched, Fetched::Failed(why) if why.contains("panicked")));
    }
}
