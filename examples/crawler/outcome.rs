//! The result of a crawl.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Its media type, if the host gave one or the body shows it.
    pub(crate) media: Option<String>,
    /// How many bytes were read, decoded. If it is not HTML, only a few are read.
    pub(crate) bytes: usize,
    pub(crate) links: usize,
    /// Why it was not read to its end, if it wasn't. It has more than the crawl wants, which is no fault of the page.
    pub(crate) cut: Option<String>,
}

/// A link to a page that can't be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    /// The page that holds the link. `None` for the start.
    pub(crate) page: Option<Arc<str>>,
    pub(crate) url: Arc<str>,
    pub(crate) reason: Arc<str>,
}

/// What one process has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) pages: usize,
    pub(crate) bytes: usize,
    /// Requests that were sent again, as the host had too much to do.
    pub(crate) retries: usize,
    /// Answers that are redirects.
    pub(crate) redirects: usize,
    /// The hosts that it has asked.
    pub(crate) hosts: BTreeSet<String>,
    /// Addresses that were given up while it had them.
    pub(crate) dead: usize,
}

/// The result of a crawl.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) start: String,
    /// Why the start page can't be fetched, if it can't.
    pub(crate) start_error: Option<String>,
    pub(crate) pages: BTreeMap<String, Page>,
    pub(crate) broken: BTreeSet<Broken>,
    pub(crate) redirects: BTreeMap<Arc<str>, Arc<str>>,
    /// Addresses that robots.txt forbids.
    pub(crate) forbidden: BTreeSet<String>,
    /// Addresses that were given up, as too many crawlers ended while they had them.
    pub(crate) dead: BTreeSet<String>,
    /// What each process has done, by its number.
    pub(crate) processes: BTreeMap<u64, Share>,
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Links to pages that do not belong to the crawl.
    pub(crate) links_out: usize,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Known pages that were not asked for, because `max_pages` or an interrupt came first.
    pub(crate) left: usize,
    /// Links that were forgotten because there are too many to remember.
    pub(crate) forgotten: usize,
    /// Whether the crawl was told to stop.
    pub(crate) interrupted: bool,
}
