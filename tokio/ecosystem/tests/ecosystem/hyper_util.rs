//! hyper-util's client and server over TCP, in HTTP/1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::on_heist;

async fn upper(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    Ok(Response::new(Full::new(body.to_ascii_uppercase().into())))
}

/// Serves until `stop`, then ends when the last connection has ended.
async fn serve(listener: TcpListener, stop: CancellationToken) -> usize {
    let graceful = GracefulShutdown::new();
    let mut served = 0;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            () = stop.cancelled() => break,
        };
        served += 1;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new());
        builder.http2().timer(TokioTimer::new());
        let connection = builder
            .serve_connection(TokioIo::new(stream), service_fn(upper))
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move { connection.await.expect("a clean connection") });
    }
    graceful.shutdown().await;
    served
}

async fn requests(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    version: Version,
) {
    let mut requests = JoinSet::new();
    for i in 0..64 {
        // Some fill HTTP/2's windows.
        let text = format!("request {i} ").repeat(1 + i % 4 * 10_000);
        let request =
            Request::post(format!("http://{address}/")).body(Full::new(text.clone().into()));
        let response = client.request(request.expect("a request"));
        requests.spawn(async move {
            let response = response.await.expect("a response");
            assert_eq!(response.version(), version);
            let body = response
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            assert_eq!(body, text.to_ascii_uppercase());
        });
    }
    requests.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_and_server_speak_both_versions() {
    on_heist(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, stop.clone()));

        let http1 = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(2)
            .build_http();
        requests(&http1, address, Version::HTTP_11).await;
        requests(&http1, address, Version::HTTP_11).await;
        let http2 = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .build_http();
        requests(&http2, address, Version::HTTP_2).await;

        stop.cancel();
        drop((http1, http2));
        let served = server.await.expect("no panic");
        assert!(served >= 2, "{served}");
    })
    .await;
}
