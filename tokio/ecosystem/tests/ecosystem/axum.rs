//! axum with tower-http: routes, JSON, a websocket, server-sent events, and a graceful shutdown.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{SinkExt, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpSocket;
use tokio::sync::{Notify, broadcast, oneshot};
use tokio_stream::wrappers::BroadcastStream;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::on_heist;

#[derive(Clone)]
struct Shared {
    prices: broadcast::Sender<u32>,
    arrived: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Deserialize)]
struct Page {
    page: u32,
}

async fn greet(Path(name): Path<String>, Query(Page { page }): Query<Page>) -> String {
    format!("hello {name}, page {page}")
}

async fn double(Json(order): Json<Order>) -> Json<Order> {
    let count = tokio::task::spawn_blocking(move || order.count * 2)
        .await
        .expect("no panic");
    Json(Order { count, ..order })
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_) | Message::Binary(_))
                && socket.send(message).await.is_err()
            {
                break;
            }
        }
    })
}

async fn prices(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let prices = BroadcastStream::new(shared.prices.subscribe());
    shared.arrived.notify_one();
    Sse::new(prices.map(|price| {
        Ok(Event::default()
            .event("price")
            .data(price.expect("none is missed").to_string()))
    }))
    // Not in the time of this test.
    .keep_alive(KeepAlive::default().interval(Duration::from_secs(3600)))
}

async fn held_up(State(shared): State<Shared>) -> &'static str {
    shared.arrived.notify_one();
    shared.go_on.notified().await;
    "at last"
}

async fn never() -> Response {
    std::future::pending::<()>().await;
    StatusCode::OK.into_response()
}

async fn panics() -> Response {
    panic!("the handler panics, as it should")
}

struct Server {
    address: SocketAddr,
    _keeper: TcpSocket,
    shared: Shared,
    stop: oneshot::Sender<()>,
    serve: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn server() -> Server {
    let shared = Shared {
        prices: broadcast::channel(64).0,
        arrived: Arc::default(),
        go_on: Arc::default(),
    };
    let short =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(50));
    let router = Router::new()
        .route("/never", get(never).layer(short))
        .route("/greet/{name}", get(greet))
        .route("/double", post(double))
        .route("/echo", get(echo))
        .route("/prices", get(prices))
        .route("/held-up", get(held_up))
        .route("/panics", get(panics))
        .layer((
            TraceLayer::new_for_http(),
            CatchPanicLayer::new(),
            RequestBodyLimitLayer::new(1000),
        ))
        .with_state(shared.clone());
    // Nobody else gets the port when the listener is closed.
    let sockets = [(); 2].map(|()| TcpSocket::new_v4().expect("a socket"));
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for socket in &sockets {
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(address).expect("a port");
        address = socket.local_addr().expect("bound");
    }
    let [socket, keeper] = sockets;
    let listener = socket.listen(1024).expect("bound");
    let (stop, stopped) = oneshot::channel();
    let serve =
        axum::serve(listener, router).with_graceful_shutdown(async { stopped.await.unwrap_or(()) });
    Server {
        address,
        _keeper: keeper,
        shared,
        stop,
        serve: tokio::spawn(serve.into_future()),
    }
}

fn client() -> reqwest::Client {
    crate::reqwest::builder().build().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_and_layers_answer() {
    on_heist(async {
        let server = server().await;
        let url = format!("http://{}", server.address);
        let client = client();
        let requests = (0..32).map(|page| {
            let request = client.get(format!("{url}/greet/you?page={page}")).send();
            tokio::spawn(async move {
                (
                    page,
                    request
                        .await
                        .expect("an answer")
                        .text()
                        .await
                        .expect("a text"),
                )
            })
        });
        for request in requests.collect::<Vec<_>>() {
            let (page, text) = request.await.expect("no panic");
            assert_eq!(text, format!("hello you, page {page}"));
        }

        let order = Order {
            item: "tea".into(),
            count: 21,
        };
        let answer = client
            .post(format!("{url}/double"))
            .json(&order)
            .send()
            .await
            .expect("an answer");
        assert_eq!(
            answer.json::<Order>().await.expect("JSON"),
            Order { count: 42, ..order }
        );

        let long = client
            .post(format!("{url}/double"))
            .body(vec![b' '; 1001])
            .send()
            .await
            .expect("an answer");
        assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
        for (path, status) in [
            ("never", StatusCode::REQUEST_TIMEOUT),
            ("panics", StatusCode::INTERNAL_SERVER_ERROR),
            ("elsewhere", StatusCode::NOT_FOUND),
        ] {
            let answer = client
                .get(format!("{url}/{path}"))
                .send()
                .await
                .expect("an answer");
            assert_eq!(answer.status(), status, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_echoes() {
    on_heist(async {
        let server = server().await;
        let url = format!("ws://{}/echo", server.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .expect("an upgrade");
        for i in 0..100 {
            let text = format!("message {i}");
            socket.send(text.as_str().into()).await.expect("sent");
            let echoed = socket.next().await.expect("open").expect("a message");
            assert_eq!(echoed.to_text().expect("a text"), text);
        }
        socket.close(None).await.expect("closed");
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_as_they_are_sent() {
    on_heist(async {
        let server = server().await;
        let request = client()
            .get(format!("http://{}/prices", server.address))
            .send();
        let (answer, ()) = tokio::join!(request, server.shared.arrived.notified());
        let mut body = answer.expect("an answer").bytes_stream();
        for price in 0..50 {
            server.shared.prices.send(price).expect("a subscriber");
            let event = body.next().await.expect("open").expect("an event");
            assert_eq!(event, format!("event: price\ndata: {price}\n\n"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_waits_for_the_request_in_flight() {
    on_heist(async {
        let server = server().await;
        let url = format!("http://{}/held-up", server.address);
        let request = tokio::spawn(client().get(&url).send());
        server.shared.arrived.notified().await;
        server.stop.send(()).expect("it serves");
        // The listener closes first.
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.serve.is_finished(), "a request is in flight");
        server.shared.go_on.notify_one();
        let answer = request.await.expect("no panic").expect("an answer");
        assert_eq!(answer.text().await.expect("a text"), "at last");
        server.serve.await.expect("no panic").expect("no error");
    })
    .await;
}
