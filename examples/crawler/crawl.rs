//! The crawl: hands the pages out and takes in what they hold.
//!
//! One task, with the [`Clerk`] at hand, owns everything that is known. Each page is fetched and parsed by a task of
//! its own, on any free worker, and comes back as a message. So no lock is needed, and the outcome does not depend on
//! which page comes back first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heist::sync::{CancellationToken, OwnedSemaphorePermit, Semaphore, mpsc};
use url::Url;

use crate::address::{Address, Scope};
use crate::clerk::{Clerk, PageId};
use crate::fetch::{Client, Limits};
use crate::job::{Fetched, Job, Tools};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// How many pages longer than a mebibyte are parsed at once, as they come.
const LONG_PAGES: usize = 8;

/// What to crawl, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) start: Url,
    pub(crate) under: Option<String>,
    /// How many pages and links are asked for.
    pub(crate) max_pages: usize,
    /// How many different links of one page count.
    pub(crate) max_links: usize,
    pub(crate) max_redirects: u32,
    /// How many pages are in work at once.
    pub(crate) concurrency: usize,
    pub(crate) limits: Limits,
}

/// The message that a page's task sends.
struct Report {
    id: PageId,
    fetched: Fetched,
    /// Status and latency of each answer.
    answers: Vec<(u16, Duration)>,
}

/// Crawls, and returns when there is nothing left to fetch, or when it is told to stop.
pub(crate) async fn crawl(
    options: Options,
    progress: Progress,
    stop: CancellationToken,
) -> Outcome {
    let begin = Instant::now();
    let concurrency = Arc::new(Semaphore::new(options.concurrency));
    let tools = Arc::new(Tools {
        client: Client::new(options.limits),
        requests: Semaphore::new(options.max_pages.min(Semaphore::MAX_PERMITS)),
        long_pages: Semaphore::new(LONG_PAGES),
        max_redirects: options.max_redirects,
        max_links: options.max_links,
        timeout: options.limits.timeout,
    });
    let start = Address::new(options.start.clone());
    let scope = Scope::new(&options.start, options.under.as_deref());
    let mut clerk = Clerk::new(
        start,
        scope,
        options.max_redirects,
        options.max_pages,
        progress,
    );
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let mut in_work = 0;
    let interrupted = loop {
        let more = clerk.has_next() && tools.requests.available_permits() > 0;
        if in_work == 0 && !more {
            break false;
        }
        heist::select! {
            biased;
            () = stop.cancelled() => break true,
            Some(report) = inbox.recv(), if in_work > 0 => {
                let Report { id, fetched, answers } = report;
                in_work -= 1;
                clerk.take(id, fetched, answers, in_work);
            }
            Ok(permit) = concurrency.clone().acquire_owned(), if more => {
                if let Some((id, url)) = clerk.next() {
                    in_work += 1;
                    let job = Job::new(url, clerk.scope().clone(), tools.clone());
                    heist::spawn(work(job, permit, Desk::new(id, reports.clone())));
                }
            }
        }
    };
    let mut outcome = clerk.close(begin.elapsed());
    outcome.interrupted = interrupted;
    outcome
}

/// A page's task.
async fn work(mut job: Job, permit: OwnedSemaphorePermit, desk: Desk) {
    let fetched = job.run().await;
    drop(permit);
    desk.hand_in(fetched, job.answers);
}

/// Sends a page's report. If the task dies before it has one, this reports that. Otherwise the crawl would never end.
struct Desk {
    id: PageId,
    reports: Option<mpsc::UnboundedSender<Report>>,
}

impl Desk {
    fn new(id: PageId, reports: mpsc::UnboundedSender<Report>) -> Desk {
        Desk {
            id,
            reports: Some(reports),
        }
    }

    fn hand_in(mut self, fetched: Fetched, answers: Vec<(u16, Duration)>) {
        self.send(fetched, answers);
    }

    fn send(&mut self, fetched: Fetched, answers: Vec<(u16, Duration)>) {
        if let Some(reports) = self.reports.take() {
            // If nobody reads it, the crawl is over.
            let _ = reports.send(Report {
                id: self.id,
                fetched,
                answers,
            });
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.send(Fetched::Failed("its task panicked".into()), Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_dies_is_reported_once() {
        let (reports, mut inbox) = mpsc::unbounded_channel();
        drop(Desk::new(7, reports.clone()));
        let report = inbox.try_recv().unwrap();
        assert_eq!(report.id, 7);
        assert!(matches!(report.fetched, Fetched::Failed(_)));

        Desk::new(8, reports).hand_in(Fetched::Forbidden("so".into()), Vec::new());
        let report = inbox.try_recv().unwrap();
        assert_eq!(report.id, 8);
        assert!(matches!(report.fetched, Fetched::Forbidden(_)));
        assert!(inbox.try_recv().is_err());
    }
}
