//! One connection to a host: plain or by TLS, with HTTP/1.1 or HTTP/2.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_rustls::client::TlsStream;
use heist::hyper::{HeistExecutor, HeistIo, HeistTimer};
use heist::io::compat::FuturesAsyncReadCompatExt;
use heist::io::{AsyncRead, AsyncWrite, ReadBuf};
use heist::net::TcpStream;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Version};
use url::{Position, Url};

use crate::coding;
use crate::error::FetchError;
use crate::robots;
use crate::tls::{self, Offer, Tls};

/// How long the head of an answer may be, and so may its trailers. Browsers have a limit in bytes too: Chromium's is 256 KiB, and
/// Firefox's is this one.
const LONGEST_HEAD: u32 = 384 << 10;

/// How many fields a head may have. To browsers their number doesn't matter. This is the most that a `HeaderMap` holds.
const MOST_FIELDS: usize = 24 << 10;

/// How much a host may send of one HTTP/2 body before it is read.
const WINDOW: u32 = 256 << 10;

/// A host that says nothing for this long is asked whether it is there, and has as long to answer. Without that, requests
/// would go out for ever on an HTTP/2 connection whose other end is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// The body of each request.
type Nothing = Empty<Bytes>;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Url,
    pub(crate) cookies: Option<&'a HeaderValue>,
}

/// A connection to a host.
#[derive(Debug)]
pub(crate) enum Connection {
    /// HTTP/1.1: one request after the other.
    Alone(http1::SendRequest<Nothing>),
    /// HTTP/2: all requests at once.
    Shared(Shared),
}

/// An HTTP/2 connection. Its clones are the same connection, as [`Arc::ptr_eq`] tells.
pub(crate) type Shared = Arc<http2::SendRequest<Nothing>>;

impl Connection {
    /// Connects to the host of a URL, on which `streams` requests may be on their way at once.
    pub(crate) async fn open(
        url: &Url,
        tls: &Tls,
        offer: Offer,
        streams: usize,
    ) -> Result<Self, FetchError> {
        let stream = connect(url).await.map_err(FetchError::Connect)?;
        // It helps little and harms nothing: a request is one write.
        let _ = stream.set_nodelay(true);
        if url.scheme() == "http" {
            return alone(HeistIo::new(stream)).await;
        }
        let stream = tls.connect(url, stream, offer).await;
        let stream = stream.map_err(FetchError::Tls)?;
        match tls::is_http2(&stream) {
            true => shared(stream, streams).await,
            false => alone(HeistIo::new(Lenient(stream.compat()))).await,
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(&mut self, ask: Ask<'_>) -> Result<Response<Incoming>, FetchError> {
        let sent = match self {
            Connection::Alone(connection) => {
                let request = request(ask, Version::HTTP_11)?;
                match connection.ready().await {
                    Ok(()) => connection.send_request(request).await,
                    Err(error) => Err(error),
                }
            }
            Connection::Shared(connection) => {
                let request = request(ask, Version::HTTP_2)?;
                let mut connection = http2::SendRequest::clone(connection);
                match connection.ready().await {
                    Ok(()) => connection.send_request(request).await,
                    Err(error) => Err(error),
                }
            }
        };
        sent.map_err(FetchError::Http)
    }
}

/// Whether a request failed because its connection came to its end, and not by an answer to the request itself.
pub(crate) fn has_ended(error: &FetchError) -> bool {
    match (error, http2_error(error)) {
        (FetchError::Http(_), None) => true,
        (_, None) => false,
        (_, Some(error)) if error.is_go_away() || error.is_io() => true,
        // The host has done nothing for it.
        (_, Some(error)) => error.reason() == Some(h2::Reason::REFUSED_STREAM),
    }
}

/// Whether the host wants HTTP/1.1 instead of HTTP/2. It may want that for some of its pages only.
pub(crate) fn wants_http1(error: &FetchError) -> bool {
    let reason = http2_error(error).and_then(h2::Error::reason);
    reason == Some(h2::Reason::HTTP_1_1_REQUIRED)
}

fn http2_error(error: &FetchError) -> Option<&h2::Error> {
    let FetchError::Http(error) = error else {
        return None;
    };
    let mut causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.find_map(|cause| cause.downcast_ref())
}

async fn connect(url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(url::Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(url::Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
        Some(url::Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
        None => Err(io::Error::other("no host")),
    }
}

async fn alone<T>(io: T) -> Result<Connection, FetchError>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (connection, driver) = http1::Builder::new()
        .max_header_size(LONGEST_HEAD as usize)
        .max_headers(MOST_FIELDS)
        // What browsers accept as well: folded fields, a space before the colon, lines that are no fields. A NUL is an
        // error to them and to hyper.
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(io)
        .await
        .map_err(FetchError::Http)?;
    // The task ends with the connection. Errors are reported to the request.
    heist::spawn(driver);
    Ok(Connection::Alone(connection))
}

async fn shared(stream: TlsStream<TcpStream>, streams: usize) -> Result<Connection, FetchError> {
    // There is room for all bodies at once, so one that waits to be read holds up none of the others.
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let room = WINDOW.saturating_mul(streams).min(i32::MAX as u32);
    let (connection, driver) = http2::Builder::new(HeistExecutor::new())
        .timer(HeistTimer::new())
        .max_header_list_size(LONGEST_HEAD)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(room)
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .handshake(HeistIo::new(stream.compat()))
        .await
        .map_err(FetchError::Http)?;
    heist::spawn(driver);
    Ok(Connection::Shared(Arc::new(connection)))
}

/// A TLS stream that may end without saying so, as browsers accept it. hyper notices what is cut in the middle, but for a
/// body that lasts until the end.
struct Lenient<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Lenient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buf)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Lenient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn request(ask: Ask<'_>, version: Version) -> Result<Request<Nothing>, FetchError> {
    let url = ask.url;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let request = match version {
        Version::HTTP_2 => Request::get(format!("{}://{host}{path}", url.scheme())),
        _ => Request::get(path).header(HOST, host),
    };
    let request = match ask.cookies {
        Some(cookies) => request.header(COOKIE, cookies),
        None => request,
    };
    let agent = format!("{}/{}", robots::NAME, env!("CARGO_PKG_VERSION"));
    request
        .header(USER_AGENT, agent)
        .header(ACCEPT, "text/html,*/*;q=0.5")
        .header(ACCEPT_ENCODING, coding::ACCEPTED)
        .body(Empty::new())
        .map_err(FetchError::Request)
}
