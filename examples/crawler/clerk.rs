//! The clerk's books: which pages there are, which of them to ask for next, and which links are broken.
//!
//! 1. A page is known by its canonical address. It is asked for in the spelling of the first link to it. If that
//!    spelling fails, the next one that links use is asked for: `/docs/index.html` may exist when `/docs/` does not.
//!    Once one spelling works, the others count as good.
//! 2. A redirect is an edge from page to page. `hops` of a page is the least number of redirects by which a link leads
//!    to it. A page is fetched if and only if that is within the limit. Finding a shorter way lowers `hops` along the
//!    whole chain.
//! 3. A link is broken if the page at the end of its redirects can't be fetched. That is decided at the end, when
//!    everything is known. Until then, each address that may turn out broken remembers which pages hold links to it.
//! 4. There is a limit to what a site can make the clerk remember: see [`MOST_BYTES`] and [`MOST_HOLDERS`].

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::address::{self, Address, Scope};
use crate::job::{Fetched, Found, Report};
use crate::outcome::{Broken, Outcome, Page};
use crate::progress::Progress;

/// About how much memory all known addresses may take. It is more for a crawl that may ask for more of them.
const MOST_BYTES: usize = 512 << 20;

/// How many bytes an address takes besides its text, and how many one takes on average.
const BYTES_EACH: usize = 256;
const BYTES_USUAL: usize = 512;

/// How many holders of links may be remembered, besides the first of each link.
const MOST_HOLDERS: usize = 4_000_000;

/// How many links that are no URL are named.
const MOST_MALFORMED: usize = 100_000;

/// How many spellings of one page are told apart. Any more count as the first.
const MOST_SPELLINGS: usize = 16;

/// About how many bytes may be remembered of a crawl that may ask for `max_pages` pages.
pub(crate) fn room(max_pages: usize) -> usize {
    MOST_BYTES.max(max_pages.saturating_mul(BYTES_USUAL))
}

/// A page's place in the books.
pub(crate) type PageId = u32;

/// An address's place in the books: the page, and which of its spellings.
type Place = (PageId, usize);

#[derive(Debug)]
struct Known {
    /// The spellings that links use, in the order in which they were found. Never empty.
    spellings: Vec<Spelling>,
    hops: u32,
    state: State,
}

#[derive(Debug)]
struct Spelling {
    url: Arc<str>,
    /// Why it can't be fetched, if it was asked for and failed.
    fault: Option<Fault>,
    /// The pages that link to it, as long as the link may turn out broken.
    holders: Vec<PageId>,
}

#[derive(Debug)]
enum Fault {
    Dead(Arc<str>),
    Forbidden(Arc<str>),
}

/// What is known of a page. The number tells the spelling.
#[derive(Debug)]
enum State {
    /// Known, but too many redirects away to be fetched.
    Far,
    Queued(usize),
    Fetching(usize),
    Had(usize, Box<Page>),
    Redirect(Place),
    /// A redirect to a page that does not belong to the crawl.
    LeadsOut,
    /// No known spelling can be fetched.
    Failed,
}

/// Keeps the books of the crawl.
pub(crate) struct Clerk {
    scope: Scope,
    max_redirects: u32,
    known: Vec<Known>,
    by_page: HashMap<Arc<str>, PageId>,
    queue: VecDeque<PageId>,
    /// How many bytes may still be remembered.
    bytes_left: usize,
    holders_left: usize,
    malformed_left: usize,
    /// How many pages were fetched.
    had: usize,
    outcome: Outcome,
    progress: Progress,
}

impl Clerk {
    /// For a crawl with one start, which may ask for `max_pages` pages.
    pub(crate) fn new(
        start: Address,
        scope: Scope,
        max_redirects: u32,
        max_pages: usize,
        progress: Progress,
    ) -> Clerk {
        let mut clerk = Clerk {
            scope,
            max_redirects,
            known: Vec::new(),
            by_page: HashMap::new(),
            queue: VecDeque::new(),
            bytes_left: room(max_pages),
            holders_left: MOST_HOLDERS,
            malformed_left: MOST_MALFORMED,
            had: 0,
            outcome: Outcome {
                start: start.url.to_string(),
                ..Outcome::default()
            },
            progress,
        };
        clerk.discover(start, 0);
        clerk
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether there is a page to ask for.
    #[cfg(test)]
    pub(crate) fn has_next(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next page to ask for.
    pub(crate) fn next(&mut self) -> Option<(PageId, Arc<str>)> {
        let id = self.queue.pop_front()?;
        let known = &mut self.known[id as usize];
        let State::Queued(spelling) = known.state else {
            unreachable!("a page in the queue is queued");
        };
        known.state = State::Fetching(spelling);
        Some((id, known.spellings[spelling].url.clone()))
    }

    /// Notes that an address can be reached by `hops` redirects from a link. Returns `None` if there is no room for it.
    fn discover(&mut self, address: Address, hops: u32) -> Option<Place> {
        let place = match self.by_page.get(&address.page) {
            Some(&id) => (id, self.spelling(id, address)?),
            None => {
                let id = PageId::try_from(self.known.len()).ok()?;
                self.make_room(&address)?;
                self.by_page.insert(address.page, id);
                self.known.push(Known {
                    spellings: vec![Spelling::new(address.url)],
                    hops: u32::MAX,
                    state: State::Far,
                });
                (id, 0)
            }
        };
        self.come_closer(place, hops);
        Some(place)
    }

    fn make_room(&mut self, address: &Address) -> Option<()> {
        let needed = address.bytes() + BYTES_EACH;
        self.bytes_left = self.bytes_left.checked_sub(needed)?;
        Some(())
    }

    /// Finds a spelling of a page, or adds it. If all others have failed, it will be asked for.
    fn spelling(&mut self, id: PageId, address: Address) -> Option<usize> {
        let spellings = &self.known[id as usize].spellings;
        if let Some(found) = spellings.iter().position(|known| known.url == address.url) {
            return Some(found);
        }
        let new = spellings.len();
        if new == MOST_SPELLINGS {
            return Some(0);
        }
        self.make_room(&address)?;
        let known = &mut self.known[id as usize];
        known.spellings.push(Spelling::new(address.url));
        if matches!(known.state, State::Failed) {
            known.state = State::Queued(new);
            self.queue.push_back(id);
        }
        Some(new)
    }

    /// Lowers `hops` along a chain of redirects, and queues what comes within reach. This ends: each round lowers the
    /// `hops` of one page, and on a loop they rise from page to page.
    fn come_closer(&mut self, mut place: Place, mut hops: u32) {
        while hops < self.known[place.0 as usize].hops {
            let known = &mut self.known[place.0 as usize];
            known.hops = hops;
            match known.state {
                State::Far if hops <= self.max_redirects => {
                    known.state = State::Queued(place.1);
                    self.queue.push_back(place.0);
                    return;
                }
                State::Redirect(target) => {
                    place = target;
                    hops = hops.saturating_add(1);
                }
                _ => return,
            }
        }
    }

    /// Takes in a record of a page: what was reported of it before, by some process. Records come in the order of the
    /// reports. Returns false if this one can't be of this crawl.
    pub(crate) fn replay(&mut self, address: Address, report: Report, process: u64) -> bool {
        let Some(&id) = self.by_page.get(&address.page) else {
            return false;
        };
        let known = &mut self.known[id as usize];
        match known.state {
            State::Queued(spelling) if known.spellings[spelling].url == address.url => {
                // Its place in the queue stays. Nobody asks the queue of a crawl that is replayed.
                known.state = State::Fetching(spelling);
                self.take(id, report, process, 0);
                true
            }
            _ => false,
        }
    }

    /// Notes what a process has done.
    fn account(&mut self, id: PageId, report: &Report, process: u64) {
        let share = self.outcome.processes.entry(process).or_default();
        for &(status, latency) in &report.answers {
            *self.outcome.statuses.entry(status).or_default() += 1;
            self.outcome.latencies.push(latency);
            share.redirects += usize::from(matches!(status, 301 | 302 | 303 | 307 | 308));
        }
        share.retries += report.retries;
        match &report.fetched {
            Fetched::Page(page, _) => {
                share.pages += 1;
                share.bytes += page.bytes;
            }
            Fetched::Dead(_) => share.dead += 1,
            _ => {}
        }
        let url = &self.known[id as usize].spellings[0].url;
        if let Some(host) = address::host(url)
            && !report.answers.is_empty()
            && !share.hosts.contains(host)
        {
            share.hosts.insert(host.to_owned());
        }
    }

    /// Takes in what a page's task found, in some process.
    pub(crate) fn take(&mut self, id: PageId, report: Report, process: u64, in_work: usize) {
        self.account(id, &report, process);
        let State::Fetching(spelling) = self.known[id as usize].state else {
            unreachable!("a page that comes back was fetched");
        };
        match report.fetched {
            Fetched::Page(page, found) => self.take_page(id, spelling, page, found),
            Fetched::Redirect(target) => self.redirect(id, spelling, target),
            Fetched::Failed(reason) => {
                let url = &self.known[id as usize].spellings[spelling].url;
                self.progress.error(url, &reason);
                self.fail(id, spelling, Fault::Dead(reason.into()));
            }
            Fetched::Forbidden(reason) => {
                let url = &self.known[id as usize].spellings[spelling].url;
                self.outcome.forbidden.insert(url.to_string());
                self.fail(id, spelling, Fault::Forbidden(reason.into()));
            }
            Fetched::Dead(reason) => {
                let url = &self.known[id as usize].spellings[spelling].url;
                self.outcome.dead.insert(url.to_string());
                self.fail(id, spelling, Fault::Dead(reason.into()));
            }
            Fetched::Left => {
                self.known[id as usize].state = State::Queued(spelling);
                self.queue.push_back(id);
            }
        }
        self.progress.set(self.had, self.queue.len() + in_work);
    }

    fn take_page(&mut self, id: PageId, spelling: usize, page: Page, found: Found) {
        self.had += 1;
        self.outcome.links_out += found.links_out;
        self.known[id as usize].state = State::Had(spelling, Box::new(page));
        for other in &mut self.known[id as usize].spellings {
            if other.fault.is_none() {
                self.holders_left += other.holders.len().saturating_sub(1);
                other.holders = Vec::new();
            }
        }
        for address in found.links {
            match self.discover(address, 0) {
                Some(target) => self.hold(id, target),
                None => self.outcome.forgotten += 1,
            }
        }
        self.note_malformed(id, found.malformed);
    }

    /// Notes that a page holds a link, unless it is known that the link is good.
    fn hold(&mut self, holder: PageId, (id, spelling): Place) {
        let known = &mut self.known[id as usize];
        let spelling = &mut known.spellings[spelling];
        if matches!(known.state, State::Had(..)) && spelling.fault.is_none() {
            return;
        }
        if !spelling.holders.is_empty() {
            match self.holders_left.checked_sub(1) {
                Some(left) => self.holders_left = left,
                None => {
                    self.outcome.forgotten += 1;
                    return;
                }
            }
        }
        spelling.holders.push(holder);
    }

    /// Notes that a spelling can't be fetched, and goes on with the next one that a link uses.
    fn fail(&mut self, id: PageId, spelling: usize, fault: Fault) {
        let known = &mut self.known[id as usize];
        known.spellings[spelling].fault = Some(fault);
        let untried = known
            .spellings
            .iter()
            .position(|known| known.fault.is_none());
        known.state = match untried {
            Some(next) => {
                self.queue.push_back(id);
                State::Queued(next)
            }
            None => State::Failed,
        };
    }

    fn redirect(&mut self, id: PageId, spelling: usize, target: Address) {
        let from = self.known[id as usize].spellings[spelling].url.clone();
        let url = match url::Url::parse(&target.url) {
            Ok(url) => url,
            Err(error) => return self.fail(id, spelling, Fault::Dead(error.to_string().into())),
        };
        if !self.scope.holds(&url) {
            // The start page tells where the site is: http://site may redirect to http://www.site.
            if self.had > 0 {
                self.known[id as usize].state = State::LeadsOut;
                match self.make_room(&target) {
                    Some(()) => _ = self.outcome.redirects.insert(from, target.url),
                    None => self.outcome.forgotten += 1,
                }
                return;
            }
            self.scope = self.scope.moved_to(&url);
        }
        let hops = self.known[id as usize].hops.saturating_add(1);
        let url = target.url.clone();
        self.known[id as usize].state = match self.discover(target, hops) {
            Some(target) => {
                self.outcome.redirects.insert(from, url);
                State::Redirect(target)
            }
            None => {
                self.outcome.forgotten += 1;
                State::LeadsOut
            }
        };
    }

    fn note_malformed(&mut self, id: PageId, malformed: Vec<(String, String)>) {
        for (url, reason) in malformed {
            let reason = format!("no URL: {reason}");
            self.progress.error(&url, &reason);
            if self.malformed_left == 0 {
                self.outcome.forgotten += 1;
                continue;
            }
            self.malformed_left -= 1;
            self.outcome.broken.insert(Broken {
                page: Some(self.url(id).clone()),
                url: url.into(),
                reason: reason.into(),
            });
        }
    }

    /// The address at which a page was fetched, or else its first one.
    fn url(&self, id: PageId) -> &Arc<str> {
        let known = &self.known[id as usize];
        match known.state {
            State::Had(spelling, _) => &known.spellings[spelling].url,
            _ => &known.spellings[0].url,
        }
    }

    /// Why the page at the end of a link can't be fetched, if it can't.
    fn fault(&self, mut place: Place) -> Option<Fault> {
        let limit = self.max_redirects;
        for _ in 0..=limit {
            let known = &self.known[place.0 as usize];
            match (&known.spellings[place.1].fault, &known.state) {
                (Some(Fault::Dead(reason)), _) => return Some(Fault::Dead(reason.clone())),
                (Some(Fault::Forbidden(reason)), _) => {
                    return Some(Fault::Forbidden(reason.clone()));
                }
                (None, State::Redirect(target)) => place = *target,
                (None, _) => return None,
            }
        }
        let reason = format!("more than {limit} redirects in a row");
        Some(Fault::Dead(reason.into()))
    }

    /// Closes the books.
    pub(crate) fn close(mut self, elapsed: Duration) -> Outcome {
        let mut outcome = mem::take(&mut self.outcome);
        outcome.elapsed = elapsed;
        for (id, known) in (0..).zip(&self.known) {
            match &known.state {
                State::Had(_, page) => {
                    let page = Page::clone(page);
                    outcome.pages.insert(self.url(id).to_string(), page);
                }
                State::Queued(_) | State::Fetching(_) => outcome.left += 1,
                _ => {}
            }
            for (number, spelling) in known.spellings.iter().enumerate() {
                if let Some(Fault::Dead(reason)) = self.fault((id, number)) {
                    let broken = spelling.holders.iter().map(|&holder| Broken {
                        page: Some(self.url(holder).clone()),
                        url: spelling.url.clone(),
                        reason: reason.clone(),
                    });
                    outcome.broken.extend(broken);
                }
            }
        }
        if let Some(Fault::Dead(reason) | Fault::Forbidden(reason)) = self.fault((0, 0)) {
            outcome.broken.insert(Broken {
                page: None,
                url: outcome.start.as_str().into(),
                reason: reason.clone(),
            });
            outcome.start_error = Some(reason.to_string());
        }
        outcome
    }
}

impl Spelling {
    fn new(url: Arc<str>) -> Spelling {
        Spelling {
            url,
            fault: None,
            holders: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    fn address(path: &str) -> Address {
        Address::new(Url::parse("http://host/").unwrap().join(path).unwrap())
    }

    fn clerk() -> Clerk {
        let start = Url::parse("http://host/").unwrap();
        let scope = Scope::new(&start, &[], None);
        Clerk::new(address("/"), scope, 5, 1000, Progress::hidden())
    }

    /// Takes in the next page, which holds some links. Returns its URL.
    fn page(clerk: &mut Clerk, links: impl IntoIterator<Item = String>) -> String {
        let (id, url) = clerk.next().unwrap();
        let page = Page {
            status: 200,
            media: None,
            bytes: 0,
            links: 0,
            cut: None,
        };
        let found = Found {
            links: links.into_iter().map(|link| address(&link)).collect(),
            ..Found::default()
        };
        clerk.take(id, Report::new(Fetched::Page(page, found)), 1, 0);
        url.to_string()
    }

    fn dead(clerk: &mut Clerk) -> String {
        let (id, url) = clerk.next().unwrap();
        clerk.take(id, Report::new(Fetched::Failed("gone".into())), 1, 0);
        url.to_string()
    }

    fn broken(outcome: &Outcome) -> Vec<(&str, &str)> {
        let broken = outcome.broken.iter();
        broken
            .map(|broken| (broken.page.as_deref().unwrap_or(""), &*broken.url))
            .collect()
    }

    #[test]
    fn a_spelling_that_fails_is_followed_by_the_next() {
        let mut clerk = clerk();
        page(
            &mut clerk,
            ["/a/", "/a/index.html", "/b/", "/c"].map(String::from),
        );
        assert_eq!(dead(&mut clerk), "http://host/a/");
        assert_eq!(dead(&mut clerk), "http://host/b/");
        // By now all spellings of /b/ that are known have failed.
        page(
            &mut clerk,
            ["/b/index.html", "/b/", "/a/"].map(String::from),
        );
        assert_eq!(page(&mut clerk, []), "http://host/a/index.html");
        assert_eq!(page(&mut clerk, []), "http://host/b/index.html");
        assert!(!clerk.has_next());
        let outcome = clerk.close(Duration::ZERO);
        assert_eq!(outcome.pages.len(), 4);
        let (start, c) = ("http://host/", "http://host/c");
        let (a, b) = ("http://host/a/", "http://host/b/");
        assert_eq!(broken(&outcome), [(start, a), (start, b), (c, a), (c, b)]);
    }

    #[test]
    fn what_redirects_name_is_bounded() {
        let mut clerk = clerk();
        page(&mut clerk, (0..1000).map(|link| format!("/{link}")));
        clerk.bytes_left = 1 << 20;
        while let Some((id, _)) = clerk.next() {
            let away = format!("http://other/{}", "x".repeat(10_000));
            let away = Address::new(Url::parse(&away).unwrap());
            clerk.take(id, Report::new(Fetched::Redirect(away)), 1, 0);
        }
        let outcome = clerk.close(Duration::ZERO);
        assert!(
            (20..110).contains(&outcome.redirects.len()),
            "{}",
            outcome.redirects.len()
        );
        assert_eq!(outcome.redirects.len() + outcome.forgotten, 1000);
    }

    #[test]
    fn what_a_site_makes_the_clerk_remember_is_bounded() {
        let mut clerk = clerk();
        clerk.bytes_left = 100 * (BYTES_EACH + 50);
        clerk.holders_left = 10;
        page(&mut clerk, (0..1000).map(|link| format!("/{link}")));
        assert!(clerk.known.len() < 150, "{}", clerk.known.len());
        let known = clerk.known.len() - 1;
        assert_eq!(clerk.outcome.forgotten, 1000 - known);
        // A page that is the last known one links to all known addresses again.
        page(&mut clerk, (0..known).map(|link| format!("/{link}")));
        let forgotten = clerk.outcome.forgotten;
        assert_eq!(forgotten, 1000 - known + (known - 1 - 10));
        while clerk.has_next() {
            dead(&mut clerk);
        }
        let outcome = clerk.close(Duration::ZERO);
        // Each is named with the first page that holds it.
        assert_eq!(outcome.broken.len(), known - 1 + 10);

        let mut clerk = super::tests::clerk();
        page(
            &mut clerk,
            (0..200).map(|bits| {
                let letter = |bit| if bits >> bit & 1 == 0 { "a" } else { "%61" };
                format!("/{}", (0..8).map(letter).collect::<String>())
            }),
        );
        while clerk.has_next() {
            dead(&mut clerk);
        }
        assert_eq!(clerk.known[1].spellings.len(), MOST_SPELLINGS);
    }
}
