//! Gets pages: robots.txt first, then the page, within its limits. If a host has too much to do, asks again later.
//!
//! Whatever a host does, the result is a [`FetchError`] within the page's time. The host may refuse, hang, reset, state
//! the wrong length, or speak no HTTP at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heist::time::{sleep, timeout_at};
use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use crate::body::{Body, Bounds};
use crate::coding;
use crate::connection::{Host, Lease};
use crate::cookies::Jar;
use crate::error::FetchError;
use crate::http::Ask;
use crate::retry::{Pause, Retries, is_busy};
use crate::robots::{self, Rules};
use crate::tls::{Roots, Tls};

/// How much of an address that is none is quoted, in characters.
const QUOTED: usize = 200;

/// What one page may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time from connecting to the last byte.
    pub(crate) timeout: Duration,
    /// The most bytes of a body.
    pub(crate) max_bytes: usize,
    /// How many requests are sent to one host at once.
    pub(crate) per_host: usize,
    /// The least time between two requests to one host.
    pub(crate) delay: Duration,
    /// How many times a host that has too much to do is asked again.
    pub(crate) retries: usize,
    /// How long to wait for that at most.
    pub(crate) max_wait: Duration,
    /// Whether robots.txt counts on loopback too.
    pub(crate) robots_on_loopback: bool,
}

/// What a host answered. The body is still on its way.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Gets pages over connections that it keeps.
pub(crate) struct Client {
    limits: Limits,
    tls: Arc<Tls>,
    cookies: Jar,
    /// By scheme, name and port.
    hosts: Mutex<HashMap<String, Arc<Known>>>,
}

/// What is known of one host.
struct Known {
    host: Arc<Host>,
    /// Whoever wants the first page reads robots.txt, while the others wait.
    rules: heist::sync::Mutex<Option<Arc<Rules>>>,
}

impl Client {
    pub(crate) fn new(limits: Limits, roots: Roots) -> Client {
        Client {
            limits,
            tls: Arc::new(Tls::new(roots)),
            cookies: Jar::default(),
            hosts: Mutex::default(),
        }
    }

    /// Whether the host's robots.txt allows this page. `Err` says why it does not.
    pub(crate) async fn check_robots(&self, url: &Url) -> Result<(), String> {
        if crate::address::is_loopback(url) && !self.limits.robots_on_loopback {
            return Ok(());
        }
        let known = self.known(url);
        let mut rules = known.rules.lock().await;
        if rules.is_none() {
            *rules = Some(Arc::new(self.read_robots(url).await));
        }
        let rules = rules.clone().expect("read above");
        rules.check(url)
    }

    async fn read_robots(&self, page: &Url) -> Rules {
        let mut url = page.clone();
        url.set_path("/robots.txt");
        url.set_query(None);
        // RFC 9309 asks for this many redirects.
        for _ in 0..=5 {
            let mut answer = match self.get_robots(&url).await {
                Ok(answer) => answer,
                Err(error) => return Rules::Nothing(error.to_string()),
            };
            if answer.status.is_success() {
                return match answer.body.collect(robots::MOST_BYTES).await {
                    Ok(text) => Rules::read(&text),
                    Err(error) => Rules::Nothing(error.to_string()),
                };
            }
            answer.body.skip().await;
            match answer.redirect(&url) {
                Some(Ok(target)) => url = target,
                Some(Err(_)) => return Rules::All,
                // A host with too much to do may still have rules.
                None if answer.status.is_server_error() || is_busy(answer.status) => {
                    return Rules::Nothing(answer.status.to_string());
                }
                None => return Rules::All,
            }
        }
        Rules::All
    }

    async fn get_robots(&self, url: &Url) -> Result<Answer, FetchError> {
        let mut retries = self.retries();
        loop {
            let mut answer = self.get_within(url, robots::MOST_BYTES, None).await?;
            if !self.await_retry(url, &mut answer, &mut retries).await {
                return Ok(answer);
            }
        }
    }

    /// For the tries of one page.
    pub(crate) fn retries(&self) -> Retries {
        Retries::new(self.limits.retries, self.limits.max_wait)
    }

    /// Whether to ask again after this answer. If so, waits until then.
    pub(crate) async fn await_retry(
        &self,
        url: &Url,
        answer: &mut Answer,
        retries: &mut Retries,
    ) -> bool {
        let Some(pause) = retries.next(answer.status, &answer.headers) else {
            return false;
        };
        if let Pause::Wanted(time) = pause {
            // Before the next request can use the connection.
            self.known(url).host.pause(time);
        }
        answer.body.skip().await;
        if let Pause::Usual(time) = pause {
            sleep(time).await;
        }
        true
    }

    /// Gets one page. A redirect is an answer like any other.
    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        let known = self.known(url);
        let rules = known.rules.lock().await.clone();
        let delay = rules.and_then(|rules| rules.delay());
        self.get_within(url, self.limits.max_bytes, delay).await
    }

    /// The pause that the host wants between two requests, as far as is known.
    pub(crate) async fn delay(&self, url: &Url) -> Duration {
        let rules = self.known(url).rules.lock().await.clone();
        let delay = rules.and_then(|rules| rules.delay());
        delay.unwrap_or_default().max(self.limits.delay)
    }

    /// How long the host wants no request from now on.
    pub(crate) fn pause(&self, url: &Url) -> Duration {
        self.known(url).host.paused()
    }

    async fn get_within(
        &self,
        url: &Url,
        max_bytes: usize,
        delay: Option<Duration>,
    ) -> Result<Answer, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        let host = self.known(url).host.clone();
        let delay = delay.unwrap_or_default().max(self.limits.delay);
        let turn = host.turn(delay).await;
        let bounds = Bounds {
            bytes: max_bytes,
            timeout: self.limits.timeout,
        };
        let begin = Instant::now();
        let deadline = bounds.deadline(Duration::ZERO);
        let cookies = self.cookies.field(url);
        let ask = Ask {
            url,
            cookies: cookies.as_ref(),
        };
        let asked = timeout_at(deadline.into(), Host::ask(ask, turn)).await;
        let (lease, response) = asked.map_err(|_| FetchError::TimedOut(bounds.timeout))??;
        self.cookies.take(url, response.headers());
        Answer::new(lease, response, bounds, begin.elapsed())
    }

    fn known(&self, url: &Url) -> Arc<Known> {
        let name = url.origin().ascii_serialization();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&name) {
            return known.clone();
        }
        let known = Arc::new(Known {
            host: Arc::new(Host::new(self.limits.per_host, self.tls.clone())),
            rules: heist::sync::Mutex::new(None),
        });
        hosts.insert(name, known.clone());
        known
    }
}

/// A field that holds an address. Bytes beyond ASCII are kept as they are, whatever the charset.
pub(crate) fn ascii(field: &HeaderValue) -> String {
    percent_encode(field.as_bytes(), &AsciiSet::EMPTY).to_string()
}

impl Answer {
    fn new(
        lease: Lease,
        response: Response<hyper::body::Incoming>,
        bounds: Bounds,
        waited: Duration,
    ) -> Result<Answer, FetchError> {
        let (head, incoming) = response.into_parts();
        // The body of any other status is not read.
        let decoders = match head.status.is_success() {
            true => coding::decoders(&head.headers)?,
            false => Vec::new(),
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: Body::new(incoming, decoders, bounds, lease, waited),
        })
    }

    /// Where the answer redirects to, as it is spelled, if it is a redirect. `Err` if it names no valid place.
    pub(crate) fn redirect(&self, url: &Url) -> Option<Result<Url, String>> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let Some(location) = self.headers.get(LOCATION) else {
            return Some(Err(format!("{}, but nowhere to", self.status)));
        };
        let location = ascii(location);
        let target = url.join(&location).map_err(|error| error.to_string());
        let target = target.and_then(|target| match target.scheme() {
            "http" | "https" => Ok(target),
            _ => Err("no place to go to".to_owned()),
        });
        Some(target.map_err(|error| {
            let quoted: String = location.chars().take(QUOTED).collect();
            format!("{}, but to {quoted:?}: {error}", self.status)
        }))
    }
}
