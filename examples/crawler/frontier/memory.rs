//! The frontier of a crawl by one process: the [`Clerk`]'s books, in memory.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heist::sync::{Notify, Semaphore};

use super::{Claim, Frontier, Lease};
use crate::address::{Address, Scope};
use crate::clerk::{Clerk, PageId};
use crate::crawl::Options;
use crate::job::Report;
use crate::outcome::Outcome;
use crate::progress::Progress;

/// The only process.
const THIS: u64 = 1;

/// The pages of a crawl, known to this process alone.
pub(crate) struct Memory {
    books: Mutex<Books>,
    /// There may be another page to fetch, or the crawl may be over.
    changed: Notify,
    /// The requests that are left.
    requests: Arc<Semaphore>,
    begin: Instant,
}

struct Books {
    clerk: Option<Clerk>,
    in_work: usize,
}

impl Memory {
    pub(crate) fn new(options: &Options, requests: Arc<Semaphore>, progress: Progress) -> Memory {
        let start = Address::new(options.start.clone());
        let scope = Scope::new(&options.start, &options.also, options.under.as_deref());
        let clerk = Clerk::new(
            start,
            scope,
            options.max_redirects,
            options.max_pages,
            progress,
        );
        Memory {
            books: Mutex::new(Books {
                clerk: Some(clerk),
                in_work: 0,
            }),
            changed: Notify::new(),
            requests,
            begin: Instant::now(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out pages. Returns `None` if there is none now, but may be later.
    fn try_claim(&self, most: usize) -> Option<Vec<Claim>> {
        let mut books = self.books();
        let Books { clerk, in_work } = &mut *books;
        let Some(clerk) = clerk else {
            return Some(Vec::new());
        };
        let most = most.min(self.requests.available_permits());
        let mut claims = Vec::new();
        while claims.len() < most
            && let Some((id, url)) = clerk.next()
        {
            claims.push(Claim {
                lease: Lease(id.to_string().into()),
                url,
                scope: clerk.scope().clone(),
            });
        }
        *in_work += claims.len();
        (!claims.is_empty() || *in_work == 0).then_some(claims)
    }
}

impl Frontier for Memory {
    async fn claim(&self, most: usize) -> io::Result<Vec<Claim>> {
        loop {
            let changed = self.changed.notified();
            if let Some(claims) = self.try_claim(most) {
                return Ok(claims);
            }
            changed.await;
        }
    }

    async fn complete(&self, claim: &Claim, report: Report) -> io::Result<()> {
        let id: PageId = claim.lease.0.parse().map_err(io::Error::other)?;
        let mut books = self.books();
        books.in_work -= 1;
        let in_work = books.in_work;
        if let Some(clerk) = &mut books.clerk {
            clerk.take(id, report, THIS, in_work);
        }
        drop(books);
        self.changed.notify_one();
        Ok(())
    }

    /// Nothing is to be done: nobody else asks, and this process's `Client` keeps the pauses itself.
    async fn not_before(&self, _: &str, _: Duration) -> io::Result<()> {
        Ok(())
    }

    async fn close(&self, interrupted: bool) -> io::Result<Outcome> {
        let clerk = self.books().clerk.take();
        let clerk = clerk.ok_or_else(|| io::Error::other("closed twice"))?;
        let mut outcome = clerk.close(self.begin.elapsed());
        outcome.interrupted = interrupted;
        Ok(outcome)
    }
}
