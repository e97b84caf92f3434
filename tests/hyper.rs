//! hyper on heist: its connections, executor and timers, through the feature `hyper`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::hyper::{HeistExecutor, HeistIo, HeistTimer};
use heist::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use heist::net::{TcpListener, TcpStream};
use heist::runtime::Builder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, ReadBuf, Sleep, Timer};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};

/// Runs a test on two workers, and fails it if it takes longer than any machine may need.
fn watched(test: impl Future<Output = ()> + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let runner = thread::spawn(move || {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).build().unwrap();
        runtime
            .block_on(async { heist::spawn(test).await })
            .unwrap();
        let _ = done.send(());
    });
    match wait.recv_timeout(Duration::from_secs(240)) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().unwrap_err());
        }
    }
}

/// More than any request may need.
const LONG: Duration = Duration::from_secs(240);

/// Serves what the test says to clients that are not slower than `patience`, and gives the address.
async fn serve<F, R>(answer: F, patience: Duration) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    heist::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let serving = hyper::server::conn::http1::Builder::new()
                .timer(HeistTimer::new())
                .header_read_timeout(patience)
                .serve_connection(HeistIo::new(stream), service_fn(answer.clone()))
                .with_upgrades();
            heist::spawn(async move {
                let _ = serving.await;
            });
        }
    });
    address
}

type Client = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = HeistIo::new(stream);
    let (client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    // By the executor, which is as good as any.
    HeistExecutor::new().execute(async move {
        let _ = connection.with_upgrades().await;
    });
    client
}

/// Bytes whose order can be told.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn bodies_of_all_sizes_go_there_and_back_on_one_connection() {
    watched(async {
        let address = serve(
            |request| async move {
                let body = request.into_body().collect().await.unwrap();
                Ok(Response::new(Full::new(body.to_bytes())))
            },
            LONG,
        )
        .await;
        let mut client = connect(address).await;
        for length in [0, 1, 8191, 8192, 8193, 100_000, 5_000_000] {
            let body = pattern(length);
            let request = Request::post("/").body(Full::new(body.clone())).unwrap();
            client.ready().await.unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let back = response.into_body().collect().await.unwrap();
            assert!(back.to_bytes() == body, "{length} bytes");
        }
    });
}

#[test]
fn many_connections_are_served_at_once() {
    watched(async {
        let address = serve(
            |request| async move { Ok(Response::new(Full::from(request.uri().path().to_owned()))) },
            LONG,
        )
        .await;
        let mut clients = Vec::new();
        for number in 0..100 {
            clients.push(heist::spawn(async move {
                let mut client = connect(address).await;
                let request = Request::get(format!("/{number}")).body(Full::default());
                let response = client.send_request(request.unwrap()).await.unwrap();
                let body = response.into_body().collect().await.unwrap();
                assert_eq!(body.to_bytes(), format!("/{number}"));
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
    });
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &[u8]) {
    stream.write_all(text).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads up to `limit` bytes; fewer only at the end.
async fn hear(stream: &mut (impl AsyncRead + Unpin), limit: usize) -> Vec<u8> {
    let mut all = Vec::new();
    stream
        .take(limit as u64)
        .read_to_end(&mut all)
        .await
        .unwrap();
    all
}

#[test]
fn a_client_that_never_ends_its_request_is_hung_up_on() {
    watched(async {
        let address = serve(
            |_| async { Ok(Response::default()) },
            Duration::from_millis(20),
        )
        .await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have hung up before that, which makes it an error.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await;
        // It ends: by the server's timer, for the client says no more.
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
    });
}

#[test]
fn an_upgraded_connection_is_a_stream_again() {
    watched(async {
        let address = serve(
            |mut request| async move {
                heist::spawn(async move {
                    let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
                    let mut stream = HeistIo::new(upgraded);
                    let asked = hear(&mut stream, 6).await;
                    say(&mut stream, &asked).await;
                    let closed = stream.shutdown().await;
                    closed.unwrap();
                });
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response
                    .headers_mut()
                    .insert("upgrade", "echo".try_into().unwrap());
                Ok(response)
            },
            LONG,
        )
        .await;
        let mut client = connect(address).await;
        let request = Request::get("/")
            .header("upgrade", "echo")
            .header("connection", "upgrade");
        let request = request.body(Full::default()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upgraded: Upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut stream = HeistIo::new(upgraded);
        say(&mut stream, b"hello!").await;
        assert_eq!(hear(&mut stream, 100).await, b"hello!");
    });
}

#[test]
fn a_sleep_ends_when_it_was_last_told_to() {
    watched(async {
        let timer = HeistTimer::new();
        let start = Instant::now();
        timer.sleep_until(start + Duration::from_millis(5)).await;
        assert!(start.elapsed() >= Duration::from_millis(5));

        let mut sleep = timer.sleep(Duration::from_secs(3600));
        timer.reset(&mut sleep, Instant::now());
        sleep.as_mut().await;
        timer.reset(&mut sleep, Instant::now() + Duration::from_secs(3600));
        let once = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(once.is_pending());
        // Too long to be an instant, and no panic.
        drop(timer.sleep(Duration::MAX));
    });
}

/// Of another timer.
struct Over;

impl Future for Over {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Sleep for Over {}

#[test]
fn a_sleep_of_another_timer_is_replaced() {
    watched(async {
        let timer = HeistTimer::new();
        let mut sleep: Pin<Box<dyn Sleep>> = Box::pin(Over);
        timer.reset(&mut sleep, Instant::now() + Duration::from_secs(3600));
        let once = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(once.is_pending());
    });
}

/// Says that it has filled a buffer, which is another one.
struct Liar;

impl AsyncRead for Liar {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        *buf = io::ReadBuf::new(Box::leak(Box::new([0; 8])));
        buf.advance(8);
        Poll::Ready(Ok(()))
    }
}

#[test]
#[should_panic(expected = "a reader has exchanged its buffer")]
fn a_reader_that_lies_is_found_out() {
    let mut io = pin!(HeistIo::new(Liar));
    let mut memory = [0; 8];
    let mut buf = ReadBuf::new(&mut memory);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let _ = io.as_mut().poll_read(&mut cx, buf.unfilled());
}

#[test]
fn the_wrapper_is_as_mobile_as_what_it_wraps() {
    fn is<T: Send + Sync + Unpin>() {}
    is::<HeistIo<TcpStream>>();
    is::<HeistExecutor>();
    is::<HeistTimer>();
}
