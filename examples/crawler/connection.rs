//! Connections to one host: how many there may be, and which of them wait for their next request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::hyper::HeistIo;
use heist::net::TcpStream;
use heist::sync::{OwnedSemaphorePermit, Semaphore};
use heist::time::sleep;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HOST, USER_AGENT};
use hyper::{Request, Response};
use url::{Position, Url};

use crate::error::FetchError;
use crate::robots;

/// How long the head of an answer may be, and so may its trailers. Browsers have a limit in bytes too: Chromium's is 256 KiB, and
/// Firefox's is this one.
const LONGEST_HEAD: usize = 384 << 10;

/// How many fields a head may have. To browsers their number doesn't matter. This is the most that a `HeaderMap` holds.
const MOST_FIELDS: usize = 24 << 10;

/// How long to wait for another try if there are no descriptors left.
const NO_DESCRIPTORS: Duration = Duration::from_millis(20);

/// A connection over which requests can be sent, one after the other.
type Connection = SendRequest<Empty<Bytes>>;

/// The connections to one host.
#[derive(Debug)]
pub(crate) struct Host {
    permits: Arc<Semaphore>,
    /// Connections that wait for their next request.
    idle: Mutex<Vec<Connection>>,
    /// When the next request may be sent, if the host asks for a pause.
    next: Mutex<Instant>,
}

/// A connection in use. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    host: Arc<Host>,
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Gives the connection back for the next request. Call this only after an answer was read to its end.
    pub(crate) fn give_back(self) {
        if !self.connection.is_closed() {
            let mut idle = lock(&self.host.idle);
            idle.push(self.connection);
        }
    }
}

impl Host {
    /// Makes a host that takes `at_once` requests at once.
    pub(crate) fn new(at_once: usize) -> Host {
        Host {
            permits: Arc::new(Semaphore::new(at_once)),
            idle: Mutex::default(),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until one more request may be sent.
    pub(crate) async fn permit(&self) -> OwnedSemaphorePermit {
        let permit = self.permits.clone().acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    /// Reserves the next moment at which a request may be sent.
    pub(crate) fn book(&self, delay: Duration) -> Instant {
        let mut next = lock(&self.next);
        let mine = (*next).max(Instant::now());
        *next = mine + delay;
        mine
    }

    /// How long no request may be sent.
    pub(crate) fn pause(&self) -> Duration {
        lock(&self.next).saturating_duration_since(Instant::now())
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn ask(
        self: Arc<Self>,
        url: &Url,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Lease, Response<Incoming>), FetchError> {
        let (connection, response) = self.send(url).await?;
        let lease = Lease {
            host: self,
            connection,
            _permit: permit,
        };
        Ok((lease, response))
    }

    async fn send(&self, url: &Url) -> Result<(Connection, Response<Incoming>), FetchError> {
        let request = || request(url).map_err(FetchError::Request);
        let mut connection = loop {
            while let Some(mut connection) = self.idle() {
                // A kept connection may end just as it is used, or may hold extra bytes that the host sent. That says
                // nothing about this page. Only what happens on a fresh connection does.
                if connection.ready().await.is_err() {
                    continue;
                }
                if let Ok(response) = connection.send_request(request()?).await {
                    return Ok((connection, response));
                }
            }
            match connect(url).await {
                // That says nothing about this page either. When another page is done, its connection can be used.
                Err(FetchError::Connect(error)) if is_out_of_descriptors(&error) => {
                    sleep(NO_DESCRIPTORS).await;
                }
                connected => break connected?,
            }
        };
        let response = connection.send_request(request()?).await;
        Ok((connection, response.map_err(FetchError::Http)?))
    }

    fn idle(&self) -> Option<Connection> {
        lock(&self.idle).pop()
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    // ENFILE, EMFILE and WSAEMFILE.
    matches!(error.raw_os_error(), Some(23 | 24 | 10024))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    // It helps little and harms nothing: a request is one write.
    let _ = stream.set_nodelay(true);
    let (connection, driver) = http1::Builder::new()
        .max_header_size(LONGEST_HEAD)
        .max_headers(MOST_FIELDS)
        // What browsers accept as well: folded fields, a space before the colon, lines that are no fields. A NUL is an
        // error to them and to hyper.
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(HeistIo::new(stream))
        .await
        .map_err(FetchError::Http)?;
    // The task ends with the connection. Errors are reported to the request.
    heist::spawn(driver);
    Ok(connection)
}

fn request(url: &Url) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let agent = format!("{}/{}", robots::NAME, env!("CARGO_PKG_VERSION"));
    Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, agent)
        .header(ACCEPT, "text/html,*/*;q=0.5")
        .header(ACCEPT_ENCODING, "identity")
        .body(Empty::new())
}
