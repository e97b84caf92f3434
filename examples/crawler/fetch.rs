//! Gets pages: connections, limits, and everything a host may do wrong.
//!
//! Whatever a host does ends as a [`FetchError`] within the page's time: it may refuse, hang, reset, say the
//! wrong length or no HTTP at all.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::hyper::HeistIo;
use heist::net::TcpStream;
use heist::time::{sleep_until, timeout_at};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use url::{Position, Url};

use crate::robots::{self, Rules};

/// As much of a robots.txt is read, as RFC 9309 asks for.
const ROBOTS_BYTES: usize = 500 * 1024;

/// As much of the body of an answer that is no page is read, so that its connection serves again.
const LEFTOVER_BYTES: usize = 64 * 1024;

/// What one page may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From connecting to the last byte.
    pub(crate) timeout: Duration,
    /// Of a body.
    pub(crate) max_bytes: usize,
    /// Requests to one host at once.
    pub(crate) per_host: usize,
    /// Whether robots.txt counts on loopback too.
    pub(crate) robots_on_loopback: bool,
}

/// What a host answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    /// Whole where the status is a success.
    pub(crate) body: Vec<u8>,
    /// From connecting to the last byte.
    pub(crate) latency: Duration,
}

/// Why a page can't be had.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// Nothing but plain HTTP is spoken here.
    Scheme(String),
    /// The URL does not fit into a request.
    Request(hyper::http::Error),
    Connect(io::Error),
    Http(hyper::Error),
    TimedOut(Duration),
    TooLarge(usize),
    /// The body is compressed, though nobody asked for that.
    Encoded(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Scheme(scheme) => write!(f, "{scheme} is not supported, plain http only"),
            FetchError::Request(error) => write!(f, "no request can be made of the URL: {error}"),
            FetchError::Connect(error) => write!(f, "can't connect: {error}"),
            FetchError::Http(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            FetchError::TimedOut(limit) => write!(f, "not done within {limit:?}"),
            FetchError::TooLarge(limit) => write!(f, "larger than {limit} bytes"),
            FetchError::Encoded(coding) => write!(f, "encoded as {coding}, which nobody asked for"),
        }
    }
}

impl Error for FetchError {}

/// A connection over which requests can be sent, one after the other.
type Connection = SendRequest<Empty<Bytes>>;

/// Gets pages over connections that it keeps.
#[derive(Debug)]
pub(crate) struct Client {
    limits: Limits,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// What is known of one host.
#[derive(Debug)]
struct Host {
    permits: heist::sync::Semaphore,
    /// Connections that wait for their next request.
    idle: Mutex<Vec<Connection>>,
    /// Read by whoever wants the first page, while the others wait.
    rules: heist::sync::Mutex<Option<Arc<Rules>>>,
    /// When the next request may go out, where the host asks for a pause.
    next: Mutex<Instant>,
}

impl Client {
    pub(crate) fn new(limits: Limits) -> Client {
        Client {
            limits,
            hosts: Mutex::default(),
        }
    }

    /// Whether the host's robots.txt allows this page; `Err` says why not.
    pub(crate) async fn check_robots(&self, url: &Url) -> Result<(), String> {
        if crate::address::is_loopback(url) && !self.limits.robots_on_loopback {
            return Ok(());
        }
        let host = self.host(url);
        let mut rules = host.rules.lock().await;
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
        // As many redirects as RFC 9309 asks for.
        for _ in 0..=5 {
            let answer = match self.get_within(&url, ROBOTS_BYTES, None).await {
                Ok(answer) => answer,
                Err(error) => return Rules::Nothing(error.to_string()),
            };
            match answer.redirect(&url) {
                Some(Ok(target)) => url = target,
                Some(Err(_)) => return Rules::All,
                None if answer.status.is_success() => return Rules::read(&answer.body),
                None if answer.status.is_server_error() => {
                    return Rules::Nothing(answer.status.to_string());
                }
                None => return Rules::All,
            }
        }
        Rules::All
    }

    /// Gets one page; a redirect is an answer like others.
    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        let host = self.host(url);
        let delay = host
            .rules
            .lock()
            .await
            .as_ref()
            .and_then(|rules| rules.delay());
        self.get_within(url, self.limits.max_bytes, delay).await
    }

    async fn get_within(
        &self,
        url: &Url,
        max_bytes: usize,
        delay: Option<Duration>,
    ) -> Result<Answer, FetchError> {
        if url.scheme() != "http" {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        let host = self.host(url);
        let permit = host.permits.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        if let Some(delay) = delay {
            sleep_until(host.book(delay).into()).await;
        }

        let start = Instant::now();
        // Too far off to be an instant: as good as no limit.
        let far = Duration::from_secs(365 * 86_400);
        let deadline = start + self.limits.timeout.min(far);
        let exchange = self.exchange(url, &host, deadline, max_bytes);
        let mut answer = exchange.await?;
        answer.latency = start.elapsed();
        Ok(answer)
    }

    async fn exchange(
        &self,
        url: &Url,
        host: &Host,
        deadline: Instant,
        max_bytes: usize,
    ) -> Result<Answer, FetchError> {
        let late = |_| FetchError::TimedOut(self.limits.timeout);
        let asked = timeout_at(deadline.into(), host.ask(url));
        let (connection, response) = asked.await.map_err(late)??;
        let mut answer = Answer::from_head(&response);

        if !answer.status.is_success() {
            // The status says it all; the rest is read for the connection's sake.
            let rest = read_body(response.into_body(), LEFTOVER_BYTES);
            if let Ok(Ok(_)) = timeout_at(deadline.into(), rest).await {
                host.keep(connection);
            }
            return Ok(answer);
        }
        if let Some(coding) = header(response.headers(), CONTENT_ENCODING)
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(FetchError::Encoded(coding));
        }
        let body = read_body(response.into_body(), max_bytes);
        answer.body = timeout_at(deadline.into(), body).await.map_err(late)??;
        host.keep(connection);
        Ok(answer)
    }

    fn host(&self, url: &Url) -> Arc<Host> {
        let name = &url[Position::BeforeHost..Position::AfterPort];
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return host.clone();
        }
        let host = Arc::new(Host {
            permits: heist::sync::Semaphore::new(self.limits.per_host),
            idle: Mutex::default(),
            rules: heist::sync::Mutex::new(None),
            next: Mutex::new(Instant::now()),
        });
        hosts.insert(name.to_owned(), host.clone());
        host
    }
}

impl Host {
    /// Sends a request and waits for the head of the answer.
    async fn ask(&self, url: &Url) -> Result<(Connection, Response<Incoming>), FetchError> {
        let request = || request(url).map_err(FetchError::Request);
        while let Some(mut connection) = self.idle() {
            // A kept connection may end just as it is used, or hold what the host sent too much of. That says
            // nothing about this page: only what happens on a fresh connection does.
            if connection.ready().await.is_err() {
                continue;
            }
            if let Ok(response) = connection.send_request(request()?).await {
                return Ok((connection, response));
            }
        }
        let mut connection = connect(url).await?;
        let response = connection.send_request(request()?).await;
        Ok((connection, response.map_err(FetchError::Http)?))
    }

    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    fn keep(&self, connection: Connection) {
        if !connection.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(connection);
        }
    }

    /// Books the next moment at which a request may go out.
    fn book(&self, delay: Duration) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = (*next).max(Instant::now());
        *next = mine + delay;
        mine
    }
}

async fn connect(url: &Url) -> Result<Connection, FetchError> {
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = match url.host() {
        Some(url::Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(url::Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
        Some(url::Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
        None => Err(io::Error::other("no host")),
    };
    let stream = stream.map_err(FetchError::Connect)?;
    // Helps little and harms nothing: a request is one write.
    let _ = stream.set_nodelay(true);
    let (connection, driver) = http1::handshake(HeistIo::new(stream))
        .await
        .map_err(FetchError::Http)?;
    // It ends with the connection; what went wrong, the request is told.
    heist::spawn(driver);
    Ok(connection)
}

fn request(url: &Url) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let agent = format!("{}/{}", robots::NAME, env!("CARGO_PKG_VERSION"));
    Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, agent)
        .header(ACCEPT, "text/html,*/*;q=0.5")
        .body(Empty::new())
}

/// Reads a body to its end; one beyond the limit is given up, and its connection with it.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(FetchError::Http)?.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(FetchError::TooLarge(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

impl Answer {
    fn from_head(response: &Response<Incoming>) -> Answer {
        Answer {
            status: response.status(),
            content_type: header(response.headers(), CONTENT_TYPE),
            location: header(response.headers(), LOCATION),
            body: Vec::new(),
            latency: Duration::ZERO,
        }
    }

    /// Where the answer sends us, as it is spelled, if it is a redirect; `Err` where it says no place.
    pub(crate) fn redirect(&self, url: &Url) -> Option<Result<Url, String>> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let Some(location) = &self.location else {
            return Some(Err(format!("{}, but nowhere to", self.status)));
        };
        let target = url.join(location);
        Some(target.map_err(|error| format!("{}, but to {location:?}: {error}", self.status)))
    }
}
