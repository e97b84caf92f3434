//! The frontier: which pages there are to fetch, who fetches them, and what came of them.
//!
//! [`memory`] keeps it in this process. [`redis`] keeps it in a Redis that any number of crawlers share. What a page's
//! record says is the same, so the outcome is the same too.
//!
//! A page is fetched at least once and recorded exactly once. A crawler holds a page under a [`Lease`]. If the crawler
//! dies, its leases run out and others get its pages. A report under a lease that has run out is ignored.

#[path = "frontier/link.rs"]
mod link;
#[path = "frontier/measure.rs"]
pub(crate) mod measure;
#[path = "frontier/memory.rs"]
pub(crate) mod memory;
#[path = "frontier/record.rs"]
mod record;
#[path = "frontier/redis.rs"]
pub(crate) mod redis;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Scope;
use crate::job::Report;
use crate::outcome::Outcome;

/// The right to report on a page. Each time that a page is handed out, it is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease(pub(crate) Arc<str>);

/// A page to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) lease: Lease,
    pub(crate) url: Arc<str>,
    /// Which links of it belong to the crawl.
    pub(crate) scope: Scope,
}

/// What the crawl asks of the place that keeps its pages.
///
/// An error means that the crawl can't go on here. An engine that may come back is waited for, within limits.
pub(crate) trait Frontier: Send + Sync + 'static {
    /// Hands out up to `most` pages. Waits until there is one. Returns none once the crawl is over: there is nothing
    /// left to fetch, and nobody holds a page.
    ///
    /// If the future is dropped, pages that it was about to return come back when their leases run out.
    fn claim(&self, most: usize) -> impl Future<Output = io::Result<Vec<Claim>>> + Send;

    /// Takes in what came of a page, and which pages it links to, in one step. Does nothing if the lease has run out.
    fn complete(
        &self,
        claim: &Claim,
        report: Report,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Says that a host wants no request before so much time has passed. `host` is a name with its port, as in a URL.
    fn not_before(
        &self,
        host: &str,
        pause: Duration,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends this process's part, and tells the result of the whole crawl as far as it is known. If it was
    /// `interrupted`, the pages that this process holds go back.
    fn close(&self, interrupted: bool) -> impl Future<Output = io::Result<Outcome>> + Send;
}
