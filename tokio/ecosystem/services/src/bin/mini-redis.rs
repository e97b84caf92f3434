//! `mini-redis PORT`: serves on loopback until it is interrupted.

use std::net::Ipv4Addr;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("ready");
    services::mini_redis::server::serve(listener, tokio::signal::ctrl_c()).await
}
