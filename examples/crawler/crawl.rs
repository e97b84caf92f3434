//! The crawl: which pages there are, who fetches them, and what came of it.
//!
//! One task, the clerk, owns all that is known; each page is fetched and parsed by a task of its own, on whichever
//! worker is free, and comes back to the clerk as a message. So no lock is needed, and the outcome does not
//! depend on which page comes back first:
//!
//! 1. A page is known by its canonical URL; it is fetched at most once.
//! 2. A redirect is an edge from page to page. `hops` of a page is the least number of redirects by which a link
//!    leads to it; a page is fetched if and only if that is within the limit. Finding a shorter way lowers `hops`
//!    along the whole chain.
//! 3. A link is broken if the page at the end of its redirects can't be had. That is judged at the end, when all
//!    is known.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heist::sync::{Semaphore, mpsc};
use url::Url;

use crate::address::{self, Scope};
use crate::fetch::{Answer, Client, Limits};
use crate::parse;
use crate::progress::Progress;

/// What to crawl, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) start: Url,
    pub(crate) under: Option<String>,
    pub(crate) max_pages: usize,
    pub(crate) max_redirects: u32,
    /// Pages in work at once.
    pub(crate) concurrency: usize,
    pub(crate) limits: Limits,
}

/// A page that was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) bytes: usize,
    pub(crate) links: usize,
}

/// A link to what can't be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    /// The page that holds the link; none for the start.
    pub(crate) page: Option<String>,
    pub(crate) url: String,
    pub(crate) reason: String,
}

/// What came of a crawl.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) start: String,
    /// Why the start page can't be had, if so.
    pub(crate) start_error: Option<String>,
    pub(crate) pages: BTreeMap<String, Page>,
    pub(crate) broken: BTreeSet<Broken>,
    pub(crate) redirects: BTreeMap<String, String>,
    /// Pages that robots.txt keeps us from.
    pub(crate) forbidden: BTreeSet<String>,
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Links to pages that are not the crawl's.
    pub(crate) links_out: usize,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Pages that `max_pages` left unfetched.
    pub(crate) left: usize,
}

/// A page's place in the clerk's list.
type PageId = usize;

#[derive(Debug)]
struct Known {
    url: Url,
    hops: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Known, but too many redirects away to be fetched.
    Far,
    Queued,
    Fetching,
    Had(Page),
    Redirect(PageId),
    /// A redirect to what is not the crawl's.
    LeadsOut,
    Failed(String),
    Forbidden,
}

/// What a page's task found.
enum Fetched {
    Page {
        page: Page,
        links: Vec<Url>,
        links_out: usize,
        malformed: Vec<(String, String)>,
    },
    Redirect(Url),
    Failed(String),
    Forbidden(String),
}

/// A page's task's message to the clerk.
struct Report {
    id: PageId,
    fetched: Fetched,
    /// Status and latency of each answer.
    answers: Vec<(u16, Duration)>,
}

/// Crawls, and returns when there is nothing left to fetch.
pub(crate) async fn crawl(options: Options, progress: Progress) -> Outcome {
    let start = Instant::now();
    let concurrency = Arc::new(Semaphore::new(options.concurrency));
    let client = Arc::new(Client::new(options.limits));
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let mut clerk = Clerk::new(&options, progress);
    let mut in_work = 0;
    loop {
        while clerk.had + in_work < options.max_pages
            && let Some((id, url)) = clerk.next()
        {
            let permit = concurrency.clone().acquire_owned().await;
            let job = Job {
                url,
                scope: clerk.scope.clone(),
                client: client.clone(),
                max_redirects: options.max_redirects,
                timeout: options.limits.timeout,
            };
            let desk = Desk::new(id, reports.clone());
            in_work += 1;
            heist::spawn(async move {
                let (fetched, answers) = job.run().await;
                drop(permit);
                desk.hand_in(fetched, answers);
            });
        }
        if in_work == 0 {
            break;
        }
        let report = inbox.recv().await.expect("the clerk holds a sender");
        in_work -= 1;
        clerk.take(report, in_work);
    }
    clerk.close(start.elapsed())
}

/// Hands a page's report in; if its task dies before, says so. Otherwise the clerk would wait for ever.
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
            // Where the clerk is gone, so is the crawl.
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

/// One page's work.
struct Job {
    url: Url,
    scope: Scope,
    client: Arc<Client>,
    max_redirects: u32,
    /// How long parsing may take.
    timeout: Duration,
}

impl Job {
    async fn run(self) -> (Fetched, Vec<(u16, Duration)>) {
        let mut answers = Vec::new();
        if let Err(why) = self.client.check_robots(&self.url).await {
            return (Fetched::Forbidden(why), answers);
        }
        let mut url = self.url.clone();
        // A host may want a page spelled otherwise than canonically (`/` redirects to `/index.html`): a redirect
        // to another spelling of the same page is followed on the spot.
        for _ in 0..=self.max_redirects {
            let answer = match self.client.get(&url).await {
                Ok(answer) => answer,
                Err(error) => return (Fetched::Failed(error.to_string()), answers),
            };
            answers.push((answer.status.as_u16(), answer.latency));
            let target = match answer.redirect(&url) {
                None => return (self.read(answer), answers),
                Some(Err(why)) => return (Fetched::Failed(why), answers),
                Some(Ok(target)) => target,
            };
            let page = address::canonical(target.clone());
            if page != self.url {
                return (Fetched::Redirect(page), answers);
            }
            url = target;
        }
        (Fetched::Failed("redirects to itself".into()), answers)
    }

    /// The part that needs a core: decode, parse, resolve.
    fn read(&self, answer: Answer) -> Fetched {
        if !answer.status.is_success() {
            return Fetched::Failed(answer.status.to_string());
        }
        let mut page = Page {
            status: answer.status.as_u16(),
            bytes: answer.body.len(),
            links: 0,
        };
        let content_type = answer.content_type.as_deref();
        let mut found = parse::Links::default();
        if parse::is_html(content_type, &answer.body) {
            let deadline = Instant::now() + self.timeout.min(Duration::from_secs(86_400));
            match parse::links(&answer.body, content_type, &self.url, deadline) {
                Ok(links) => found = links,
                Err(parse::TooSlow) => return Fetched::Failed("takes too long to parse".into()),
            }
        }
        page.links = found.count;
        let all = found.urls.len();
        found.urls.retain(|url| self.scope.holds(url));
        let links_out = all - found.urls.len();
        found.urls.sort_unstable();
        found.urls.dedup();
        Fetched::Page {
            page,
            links: found.urls,
            links_out,
            malformed: found.malformed,
        }
    }
}

/// Keeps the books of the crawl.
struct Clerk {
    scope: Scope,
    max_redirects: u32,
    known: Vec<Known>,
    by_url: HashMap<Url, PageId>,
    queue: VecDeque<PageId>,
    links: Vec<(PageId, PageId)>,
    /// How many pages were had.
    had: usize,
    outcome: Outcome,
    progress: Progress,
}

impl Clerk {
    fn new(options: &Options, progress: Progress) -> Clerk {
        let start = address::canonical(options.start.clone());
        let mut clerk = Clerk {
            scope: Scope::new(&start, options.under.as_deref()),
            max_redirects: options.max_redirects,
            known: Vec::new(),
            by_url: HashMap::new(),
            queue: VecDeque::new(),
            links: Vec::new(),
            had: 0,
            outcome: Outcome {
                start: start.to_string(),
                ..Outcome::default()
            },
            progress,
        };
        clerk.discover(start, 0);
        clerk
    }

    /// The next page to fetch.
    fn next(&mut self) -> Option<(PageId, Url)> {
        let id = self.queue.pop_front()?;
        self.known[id].state = State::Fetching;
        Some((id, self.known[id].url.clone()))
    }

    /// Notes that a page can be reached by so many redirects from a link.
    fn discover(&mut self, url: Url, hops: u32) -> PageId {
        let found = match self.by_url.get(&url) {
            Some(&id) => id,
            None => {
                let id = self.known.len();
                self.by_url.insert(url.clone(), id);
                self.known.push(Known {
                    url,
                    hops: u32::MAX,
                    state: State::Far,
                });
                id
            }
        };
        self.come_closer(found, hops);
        found
    }

    /// Lowers `hops` along a chain of redirects, and queues what comes within reach. It ends: each round lowers
    /// one page's `hops`, and on a loop they rise from page to page.
    fn come_closer(&mut self, mut id: PageId, mut hops: u32) {
        while hops < self.known[id].hops {
            self.known[id].hops = hops;
            match self.known[id].state {
                State::Far if hops <= self.max_redirects => {
                    self.known[id].state = State::Queued;
                    self.queue.push_back(id);
                    return;
                }
                State::Redirect(target) => {
                    id = target;
                    hops = hops.saturating_add(1);
                }
                _ => return,
            }
        }
    }

    fn take(&mut self, report: Report, in_work: usize) {
        for (status, latency) in report.answers {
            *self.outcome.statuses.entry(status).or_default() += 1;
            self.outcome.latencies.push(latency);
        }
        let id = report.id;
        let state = match report.fetched {
            Fetched::Page {
                page,
                links,
                links_out,
                malformed,
            } => {
                self.had += 1;
                self.outcome.links_out += links_out;
                for url in links {
                    let target = self.discover(url, 0);
                    self.links.push((id, target));
                }
                self.note_malformed(id, malformed);
                State::Had(page)
            }
            Fetched::Redirect(target) => self.redirect(id, target),
            Fetched::Failed(reason) => {
                self.progress.error(self.known[id].url.as_str(), &reason);
                State::Failed(reason)
            }
            Fetched::Forbidden(reason) => {
                self.outcome
                    .forbidden
                    .insert(self.known[id].url.to_string());
                if id == 0 || self.at_start() {
                    State::Failed(reason)
                } else {
                    State::Forbidden
                }
            }
        };
        self.known[id].state = state;
        self.progress.set(self.had, self.queue.len() + in_work);
    }

    /// Whether all so far were redirects from the start page on.
    fn at_start(&self) -> bool {
        self.had == 0
    }

    fn redirect(&mut self, id: PageId, target: Url) -> State {
        let from = self.known[id].url.to_string();
        self.outcome.redirects.insert(from, target.to_string());
        if !self.scope.holds(&target) {
            if !self.at_start() {
                return State::LeadsOut;
            }
            // The start page says where the site is: http://site is at http://www.site.
            self.scope = self.scope.moved_to(&target);
        }
        let hops = self.known[id].hops.saturating_add(1);
        State::Redirect(self.discover(target, hops))
    }

    fn note_malformed(&mut self, id: PageId, malformed: Vec<(String, String)>) {
        for (url, reason) in malformed {
            let reason = format!("no URL: {reason}");
            self.progress.error(&url, &reason);
            let page = Some(self.known[id].url.to_string());
            self.outcome.broken.insert(Broken { page, url, reason });
        }
    }

    /// Why the page at the end of a link can't be had, if so.
    fn fault(&self, mut id: PageId) -> Option<String> {
        let limit = self.max_redirects;
        for _ in 0..=limit {
            match &self.known[id].state {
                State::Redirect(target) => id = *target,
                State::Failed(reason) => return Some(reason.clone()),
                _ => return None,
            }
        }
        Some(format!("more than {limit} redirects in a row"))
    }

    fn close(mut self, elapsed: Duration) -> Outcome {
        self.outcome.elapsed = elapsed;
        self.outcome.left = self.queue.len();
        for (page, url) in mem::take(&mut self.links) {
            if let Some(reason) = self.fault(url) {
                self.outcome.broken.insert(Broken {
                    page: Some(self.known[page].url.to_string()),
                    url: self.known[url].url.to_string(),
                    reason,
                });
            }
        }
        self.outcome.start_error = self.fault(0);
        if let Some(reason) = &self.outcome.start_error {
            self.outcome.broken.insert(Broken {
                page: None,
                url: self.outcome.start.clone(),
                reason: reason.clone(),
            });
        }
        for known in &self.known {
            if let State::Had(page) = known.state {
                self.outcome.pages.insert(known.url.to_string(), page);
            }
        }
        self.outcome
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
