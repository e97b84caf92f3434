//! `web PORT`: an axum server on loopback. `/` answers at once, `/work` after 50 µs of work.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;

const WORK: Duration = Duration::from_micros(50);

async fn work() -> &'static str {
    let begin = Instant::now();
    while begin.elapsed() < WORK {
        std::hint::spin_loop();
    }
    "worked"
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/work", get(work));
    println!("ready");
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}
