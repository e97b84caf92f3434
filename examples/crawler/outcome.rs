//! What comes of a crawl.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A page that was had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Its media type, if the host said one or it shows.
    pub(crate) media: Option<String>,
    /// How many bytes were read, decoded. Of what is no HTML, few are.
    pub(crate) bytes: usize,
    pub(crate) links: usize,
    /// Why it was not read to its end, if so: it is more than the crawl wants, which is no fault of the page.
    pub(crate) cut: Option<String>,
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
    /// Addresses that robots.txt keeps us from.
    pub(crate) forbidden: BTreeSet<String>,
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Links to pages that are not the crawl's.
    pub(crate) links_out: usize,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Known pages that were not asked for: `max_pages` or an interrupt came before.
    pub(crate) left: usize,
    /// Links that were forgotten because there are too many to remember.
    pub(crate) forgotten: usize,
    /// Whether the crawl was told to stop.
    pub(crate) interrupted: bool,
}
