//! reqwest over rustls against an axum server behind tokio-rustls.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use reqwest::{Certificate, Client, ClientBuilder, Version};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use crate::{Tls, on_heist};

const CHUNKS: usize = 256;
const CHUNK: usize = 4096;

/// A builder with a provider of cryptography, of which reqwest has none by itself.
pub(crate) fn builder() -> ClientBuilder {
    // Another test may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy()
}

/// A body that comes from a task, chunk by chunk.
async fn download() -> Body {
    let (chunks, body) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for i in 0..CHUNKS {
            let chunk = Ok::<_, std::io::Error>(Bytes::from(vec![i as u8; CHUNK]));
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
    });
    Body::from_stream(ReceiverStream::new(body))
}

async fn upload(body: Body) -> String {
    let mut body = body.into_data_stream();
    let mut sum = 0;
    while let Some(chunk) = body.next().await {
        sum += chunk.expect("a chunk").len();
    }
    sum.to_string()
}

/// Serves on `localhost` over TLS until the runtime ends.
async fn server(mut tls: rustls::ServerConfig) -> SocketAddr {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let router = Router::new()
        .route("/download", get(download))
        .route("/upload", post(upload));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.expect("a handshake");
                let builder = auto::Builder::new(TokioExecutor::new());
                // The client may close without a word.
                drop(
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            });
        }
    });
    address
}

async fn both_ways(client: Client, url: String, version: Version) {
    let answer = client
        .get(format!("{url}/download"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.version(), version);
    let mut body = answer.bytes_stream();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        for byte in chunk.expect("a chunk") {
            assert_eq!(byte, (length / CHUNK) as u8);
            length += 1;
        }
    }
    assert_eq!(length, CHUNKS * CHUNK);

    let file = tokio_util::io::ReaderStream::new(tokio::io::AsyncReadExt::take(
        tokio::io::repeat(7),
        1_000_000,
    ));
    let answer = client
        .post(format!("{url}/upload"))
        .body(reqwest::Body::wrap_stream(file))
        .send();
    assert_eq!(
        answer
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a text"),
        "1000000"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_over_tls_in_both_versions() {
    on_heist(async {
        let Tls {
            server: config,
            certificate,
            ..
        } = crate::tls(rustls::ALL_VERSIONS);
        let url = format!("https://localhost:{}", server(config).await.port());
        let root = Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
        for version in [Version::HTTP_2, Version::HTTP_11] {
            let builder = builder().tls_certs_only([root.clone()]);
            let builder = if version == Version::HTTP_11 {
                builder.http1_only()
            } else {
                builder
            };
            let client = builder.build().expect("a client");
            let transfers =
                (0..4).map(|_| tokio::spawn(both_ways(client.clone(), url.clone(), version)));
            for transfer in transfers.collect::<Vec<_>>() {
                transfer.await.expect("no panic");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_ends_with_its_timeout() {
    on_heist(async {
        // Accepted by the kernel, and never answered.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let client = builder()
            .timeout(std::time::Duration::from_millis(50))
            .build()
            .expect("a client");
        let error = tokio::spawn(client.get(url).send())
            .await
            .expect("no panic")
            .expect_err("no answer");
        assert!(error.is_timeout(), "{error:?}");
    })
    .await;
}
