//! A host for tests that speaks TLS: HTTP/1.1 and HTTP/2 by hyper, on a runtime of its own.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_rustls::TlsAcceptor;
use heist::hyper::{HeistExecutor, HeistIo};
use heist::io::compat::FuturesAsyncReadCompatExt;
use heist::net::{TcpListener, TcpStream};
use heist::runtime::Runtime;
use heist::sync::Notify;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};

use crate::runtime;
use crate::tls::Roots;

/// What a host does with a request.
pub(crate) enum Say {
    Answer(Response<BoxBody<Bytes, Infallible>>),
    /// The same, and the connection takes no more requests.
    Last(Response<BoxBody<Bytes, Infallible>>),
    Reset(h2::Reason),
    /// Closes the connection.
    Close,
}

/// Gives the answer to a request, which is the so-and-so-manieth of its connection.
type Answer = dyn Fn(&Request<Incoming>, usize) -> Say + Send + Sync;

pub(crate) struct SecureHost {
    port: u16,
    certificate: rcgen::Certificate,
    connections: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl SecureHost {
    /// For `localhost`, by these protocols (ALPN).
    pub(crate) fn start(
        protocols: &[&str],
        answer: impl Fn(&Request<Incoming>, usize) -> Say + Send + Sync + 'static,
    ) -> SecureHost {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        SecureHost::start_with(made, protocols, answer)
    }

    pub(crate) fn start_with(
        made: CertifiedKey<rcgen::KeyPair>,
        protocols: &[&str],
        answer: impl Fn(&Request<Incoming>, usize) -> Say + Send + Sync + 'static,
    ) -> SecureHost {
        let acceptor = TlsAcceptor::from(config(&made, protocols));
        let runtime = runtime(1);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        runtime.spawn(accept(
            listener,
            acceptor,
            Arc::new(answer),
            connections.clone(),
        ));
        SecureHost {
            port,
            certificate: made.cert,
            connections,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Trusts this host, and no other.
    pub(crate) fn roots(&self) -> Roots {
        only(&self.certificate)
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        // Ordering: hint only; it is read after the crawl.
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for SecureHost {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The server's side of TLS.
pub(crate) fn config(made: &CertifiedKey<rcgen::KeyPair>, protocols: &[&str]) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    Arc::new(config)
}

/// Trusts this certificate, and no other.
pub(crate) fn only(certificate: &rcgen::Certificate) -> Roots {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    Roots::Own(Arc::new(roots))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    answer: Arc<Answer>,
    connections: Arc<AtomicUsize>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        heist::spawn(converse(stream, acceptor.clone(), answer.clone()));
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, answer: Arc<Answer>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = HeistIo::new(stream.compat());
    let [last, close] = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let (say_last, say_close) = (last.clone(), close.clone());
    let number = AtomicUsize::new(0);
    let service = service_fn(move |request| {
        let said = answer(&request, number.fetch_add(1, Ordering::Relaxed));
        let (last, close) = (say_last.clone(), say_close.clone());
        async move {
            match said {
                Say::Answer(answer) => Ok(answer),
                Say::Last(answer) => {
                    last.notify_one();
                    Ok(answer)
                }
                Say::Reset(reason) => Err(h2::Error::from(reason)),
                Say::Close => {
                    close.notify_one();
                    std::future::pending().await
                }
            }
        }
    });
    // A connection that fails is the crawler's to report.
    if is_http2 {
        let mut connection =
            pin!(http2::Builder::new(HeistExecutor::new()).serve_connection(io, service));
        heist::select! {
            _ = &mut connection => return,
            () = close.notified() => return,
            () = last.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    } else {
        let mut connection = pin!(http1::Builder::new().serve_connection(io, service));
        heist::select! {
            _ = &mut connection => return,
            () = close.notified() => return,
            () = last.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

fn html() -> hyper::http::response::Builder {
    Response::builder().header(CONTENT_TYPE, "text/html; charset=utf-8")
}

pub(crate) fn answer(
    builder: hyper::http::response::Builder,
    body: impl Into<Bytes>,
) -> Response<BoxBody<Bytes, Infallible>> {
    builder.body(Full::new(body.into()).boxed()).unwrap()
}

pub(crate) fn page(body: impl Into<Bytes>) -> Say {
    Say::Answer(answer(html(), body))
}

pub(crate) fn gzipped(body: impl Into<Bytes>) -> Say {
    Say::Answer(answer(html().header("content-encoding", "gzip"), body))
}

pub(crate) fn missing() -> Say {
    Say::Answer(answer(Response::builder().status(404), ""))
}

pub(crate) fn endless() -> Say {
    Say::Answer(html().body(Endless.boxed()).unwrap())
}

/// A body without an end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'.'; 16 << 10])))))
    }
}
