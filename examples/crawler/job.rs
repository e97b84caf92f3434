//! One page's work: ask for it, decode it, find its links. A task of its own, on whichever worker is free.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::runtime::Handle;
use heist::sync::Semaphore;
use hyper::header::REFRESH;
use url::Url;

use crate::address::{Address, Scope};
use crate::body::Body;
use crate::error::FetchError;
use crate::fetch::{self, Answer, Client};
use crate::media;
use crate::outcome::Page;
use crate::parse;
use crate::robots;

/// A page of up to this many bytes is read whole and then parsed in one go. A longer one is parsed as it comes.
const WHOLE: usize = 1 << 20;

/// What a page's task found.
pub(crate) enum Fetched {
    Page(Page, Found),
    Redirect(Address),
    Failed(String),
    Forbidden(String),
    /// Too many crawlers ended while they had it.
    Dead(String),
    /// No requests were left.
    Left,
}

/// What comes back of a page.
pub(crate) struct Report {
    pub(crate) fetched: Fetched,
    /// Status and latency of each answer.
    pub(crate) answers: Vec<(u16, Duration)>,
    /// How many requests were sent again, as the host had too much to do.
    pub(crate) retries: usize,
    /// The pause that the host wants between two requests.
    pub(crate) delay: Duration,
    /// How long it wants no request from now on.
    pub(crate) pause: Duration,
}

impl Report {
    /// No answer came.
    pub(crate) fn new(fetched: Fetched) -> Report {
        Report {
            fetched,
            answers: Vec::new(),
            retries: 0,
            delay: Duration::ZERO,
            pause: Duration::ZERO,
        }
    }
}

/// What a page contains.
#[derive(Default)]
pub(crate) struct Found {
    /// The links that belong to the crawl, in order, each once.
    pub(crate) links: Vec<Address>,
    /// How many other links there are.
    pub(crate) links_out: usize,
    pub(crate) malformed: Vec<(String, String)>,
}

/// What all tasks share.
pub(crate) struct Tools {
    pub(crate) client: Client,
    /// The requests that are left.
    pub(crate) requests: Arc<Semaphore>,
    /// How many long pages may be parsed as they come. Each of them may take a thread.
    pub(crate) long_pages: Semaphore,
    pub(crate) max_redirects: u32,
    pub(crate) max_links: usize,
    /// How long parsing may take.
    pub(crate) timeout: Duration,
}

/// One page's work.
pub(crate) struct Job {
    /// What to ask for.
    url: Arc<str>,
    scope: Scope,
    tools: Arc<Tools>,
    /// Status and latency of each answer.
    answers: Vec<(u16, Duration)>,
    /// How many requests were sent again.
    retries: usize,
}

impl Job {
    pub(crate) fn new(url: Arc<str>, scope: Scope, tools: Arc<Tools>) -> Job {
        Job {
            url,
            scope,
            tools,
            answers: Vec::new(),
            retries: 0,
        }
    }

    pub(crate) async fn run(mut self) -> Report {
        let fetched = self.fetch().await;
        let client = &self.tools.client;
        let (delay, pause) = match Url::parse(&self.url) {
            Ok(url) => (client.delay(&url).await, client.pause(&url)),
            Err(_) => Default::default(),
        };
        Report {
            fetched,
            answers: self.answers,
            retries: self.retries,
            delay,
            pause,
        }
    }

    async fn fetch(&mut self) -> Fetched {
        let mut url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return Fetched::Failed(error.to_string()),
        };
        let page = Address::new(url.clone()).page;
        // A host may want another spelling of a page (`/` redirects to `/index.html`). A redirect to another spelling
        // of the same page is followed at once.
        for _ in 0..=self.tools.max_redirects {
            if let Err(why) = self.tools.client.check_robots(&url).await {
                return Fetched::Forbidden(why);
            }
            let mut answer = match self.ask(&url).await {
                Ok(answer) => answer,
                Err(instead) => return instead,
            };
            let status = answer.status.as_u16();
            if answer.status.is_success() {
                let read = self.read(&mut answer, &url).await;
                self.answers.push((status, answer.body.latency()));
                return read.unwrap_or_else(|error| Fetched::Failed(error.to_string()));
            }
            answer.body.skip().await;
            self.answers.push((status, answer.body.latency()));
            let target = match answer.redirect(&url) {
                None => return Fetched::Failed(answer.status.to_string()),
                Some(Err(why)) => return Fetched::Failed(why),
                Some(Ok(target)) => target,
            };
            let address = Address::new(target.clone());
            if address.page != page {
                return Fetched::Redirect(address);
            }
            url = target;
        }
        Fetched::Failed("redirects to itself".into())
    }

    /// Asks for a page, and again if its host has too much to do. `Err` is what comes instead of an answer.
    async fn ask(&mut self, url: &Url) -> Result<Answer, Fetched> {
        let client = &self.tools.client;
        let mut retries = client.retries();
        loop {
            match self.tools.requests.try_acquire() {
                Ok(request) => request.forget(),
                Err(_) => return Err(Fetched::Left),
            }
            let answer = client.get(url).await;
            let mut answer = answer.map_err(|error| Fetched::Failed(error.to_string()))?;
            if !client.await_retry(url, &mut answer, &mut retries).await {
                return Ok(answer);
            }
            let (status, latency) = (answer.status.as_u16(), answer.body.latency());
            self.answers.push((status, latency));
            self.retries += 1;
        }
    }

    async fn read(&self, answer: &mut Answer, url: &Url) -> Result<Fetched, FetchError> {
        let mime = media::supplied(&answer.headers);
        let body = &mut answer.body;
        let start: Bytes = match &mime {
            Some(_) => Bytes::new(),
            None => body.collect(media::SNIFFED).await?.into(),
        };
        let (media, may_hold_links) = media::classify(mime.as_ref(), &start);
        let start = match may_hold_links {
            true => start,
            false => {
                body.skip().await;
                // Only its head may hold a link.
                Bytes::new()
            }
        };
        let mut page = Page {
            status: answer.status.as_u16(),
            media,
            bytes: 0,
            links: 0,
            cut: None,
        };
        let refresh = answer.headers.get(REFRESH).map(fetch::ascii);
        let form = parse::Form {
            charset: mime.as_ref().and_then(media::charset),
            xml: media::is_xml(page.media.as_deref()),
            nofollow: robots::forbid_following(&answer.headers),
            refresh: refresh.as_deref(),
        };
        let links = self.links(body, start, form, url).await?;
        page.links = links.count;
        let cut = body.cut().filter(|_| may_hold_links);
        let too_large = || cut.map(|most| format!("larger than {most} bytes"));
        page.cut = links.cut.map(str::to_owned).or_else(too_large);
        let mut found = Found {
            malformed: links.malformed,
            links_out: links.nofollow,
            ..Found::default()
        };
        self.sort(links.urls, &mut found);
        page.bytes = body.bytes();
        Ok(Fetched::Page(page, found))
    }

    /// The part that needs a core: decode, parse, resolve.
    async fn links(
        &self,
        body: &mut Body,
        start: Bytes,
        form: parse::Form<'_>,
        url: &Url,
    ) -> Result<parse::Links, FetchError> {
        let start = [start, body.collect(WHOLE).await?.into()].concat().into();
        let _long = match body.is_done() {
            true => None,
            false => Some(self.tools.long_pages.acquire().await),
        };
        let bounds = parse::Bounds {
            deadline: Instant::now() + self.tools.timeout.min(Duration::from_secs(86_400)),
            links: self.tools.max_links,
        };
        // The parser can't wait as a task does. So while it waits for more of a long page, another thread takes over
        // the other tasks of this worker.
        let runtime = Handle::current();
        let rest = || match body.is_done() {
            true => Ok(None),
            false => runtime.block_on(body.next()),
        };
        parse::links(start, rest, form, url, bounds)
    }

    /// Picks the links that belong to the crawl.
    fn sort(&self, urls: Vec<(Url, usize)>, found: &mut Found) {
        let mut seen = HashSet::new();
        for (url, times) in urls {
            if !self.scope.holds(&url) {
                found.links_out += times;
                continue;
            }
            let address = Address::new(url);
            if seen.insert(address.url.clone()) {
                found.links.push(address);
            }
        }
    }
}
