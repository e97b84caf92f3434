//! An echo server in callbacks: what comes in is written back, and a peer that reads too slowly is not read from.
//!
//! `cargo run --example echo_callbacks [ADDRESS] [--once]`
//!
//! Listens at ADDRESS (by default a free port of 127.0.0.1), prints where, and serves until ctrl-c. With `--once` it
//! is its own client: it connects, has a megabyte echoed, checks it, closes everything and exits.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use heist::event_loop::{EventLoop, Promise, Protocol, Transport};
use heist::time::timeout;

/// Writes back what it receives.
#[derive(Default)]
struct Echo {
    transport: Option<Transport>,
}

impl Protocol for Echo {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(transport) = &self.transport {
            transport.write(data);
        }
    }

    // The peer doesn't keep up: let the network hold back what it sends.
    fn pause_writing(&mut self) {
        if let Some(transport) = &self.transport {
            transport.pause_reading();
        }
    }

    fn resume_writing(&mut self) {
        if let Some(transport) = &self.transport {
            transport.resume_reading();
        }
    }
}

/// Sends a message, closes its sending half, and collects what comes back until the end.
struct Client {
    message: Vec<u8>,
    echoed: Vec<u8>,
    done: Promise<Vec<u8>>,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(&self.message);
        transport.write_eof();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.echoed.extend_from_slice(data);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = match error {
            None => self
                .done
                .set_result(std::mem::take(&mut self.echoed))
                .is_ok(),
            Some(error) => self.done.set_exception(error).is_ok(),
        };
    }
}

async fn check_once(
    event_loop: &EventLoop,
    address: std::net::SocketAddr,
) -> Result<(), Box<dyn std::error::Error>> {
    let message: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
    let (done, echoed) = event_loop.create_future();
    let client = Client {
        message: message.clone(),
        echoed: Vec::new(),
        done,
    };
    event_loop.create_connection(|| client, address).await?;
    let echoed = timeout(Duration::from_secs(30), echoed).await??;
    if echoed != message {
        return Err(format!(
            "{} bytes were sent, and {} others came back",
            message.len(),
            echoed.len()
        )
        .into());
    }
    println!("{} bytes echoed", echoed.len());
    Ok(())
}

async fn run(address: &str, once: bool) -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::current();
    let server = event_loop.create_server(Echo::default, address).await?;
    println!("listening at {}", server.local_addr());
    if once {
        check_once(&event_loop, server.local_addr()).await?;
        server.close();
    }
    server.wait_closed().await;
    Ok(())
}

#[heist::main]
async fn main() -> ExitCode {
    let (mut address, mut once) = (None, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--once" => once = true,
            option if option.starts_with('-') => {
                eprintln!("unknown option {option}\nusage: echo_callbacks [ADDRESS] [--once]");
                return ExitCode::from(2);
            }
            _ if address.is_some() => {
                eprintln!("more than one address\nusage: echo_callbacks [ADDRESS] [--once]");
                return ExitCode::from(2);
            }
            _ => address = Some(argument),
        }
    }
    match run(address.as_deref().unwrap_or("127.0.0.1:0"), once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_callbacks: {error}");
            ExitCode::FAILURE
        }
    }
}
