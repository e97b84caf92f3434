//! A TCP proxy in callbacks: what comes from one side goes to the other, and no side is read from faster than the other
//! takes it.
//!
//! `cargo run --example proxy_callbacks LISTEN TARGET`
//! `cargo run --example proxy_callbacks -- --once`
//!
//! Listens at LISTEN and connects each client to TARGET, until ctrl-c. With `--once` it sends 8 MB through itself, to an
//! echo server of its own, checks them and exits.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use heist::event_loop::{EventLoop, Protocol, StreamReader, StreamWriter, Transport};
use heist::time::timeout;

/// The client's side. It isn't read from until there is a connection to the target.
struct Client {
    event_loop: EventLoop,
    target: String,
    transport: Option<Transport>,
}

/// Either side, once both are there.
struct Side {
    here: Transport,
    there: Transport,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        transport.pause_reading();
        self.transport = Some(transport.clone());
        let (event_loop, target) = (self.event_loop.clone(), self.target.clone());
        self.event_loop.create_task(async move {
            let client = transport.clone();
            let server = || Target { client, side: None };
            if let Err(error) = event_loop.create_connection(server, target.as_str()).await {
                eprintln!("proxy_callbacks: {error}");
                transport.abort();
            }
        });
    }
}

/// The target's side. When it is connected, both sides become the same.
struct Target {
    client: Transport,
    side: Option<Side>,
}

impl Protocol for Target {
    fn connection_made(&mut self, transport: Transport) {
        self.client.set_protocol(Side {
            here: self.client.clone(),
            there: transport.clone(),
        });
        self.client.resume_reading();
        self.side = Some(Side {
            here: transport,
            there: self.client.clone(),
        });
        if self.client.is_closing() {
            // The client has gone in the meantime, and nobody else says so.
            self.side.as_ref().unwrap().here.abort();
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.side.as_mut().unwrap().data_received(data);
    }

    fn eof_received(&mut self) -> bool {
        self.side.as_mut().unwrap().eof_received()
    }

    fn pause_writing(&mut self) {
        self.side.as_mut().unwrap().pause_writing();
    }

    fn resume_writing(&mut self) {
        self.side.as_mut().unwrap().resume_writing();
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        if let Some(side) = &mut self.side {
            side.connection_lost(error);
        }
    }
}

impl Protocol for Side {
    fn data_received(&mut self, data: &[u8]) {
        self.there.write(data);
    }

    // The other direction goes on.
    fn eof_received(&mut self) -> bool {
        self.there.write_eof();
        true
    }

    // This side doesn't keep up, so don't read from the other one.
    fn pause_writing(&mut self) {
        self.there.pause_reading();
    }

    fn resume_writing(&mut self) {
        self.there.resume_reading();
    }

    fn connection_lost(&mut self, _error: Option<io::Error>) {
        self.there.close();
    }
}

async fn serve(listen: &str, target: String) -> io::Result<heist::event_loop::Server> {
    let event_loop = EventLoop::current();
    let factory_loop = event_loop.clone();
    let client = move || Client {
        event_loop: factory_loop.clone(),
        target: target.clone(),
        transport: None,
    };
    event_loop.create_server(client, listen).await
}

async fn check_once() -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::current();
    let echo = async |mut reader: StreamReader, mut writer: StreamWriter| {
        while let Ok(data) = reader.read(65_536).await
            && !data.is_empty()
        {
            writer.write(&data);
            if writer.drain().await.is_err() {
                return;
            }
        }
    };
    let target = event_loop.start_server(echo, "127.0.0.1:0").await?;
    let proxy = serve("127.0.0.1:0", target.local_addr().to_string()).await?;
    let (mut reader, mut writer) = event_loop.open_connection(proxy.local_addr()).await?;
    let message: Vec<u8> = (0..8_000_000u32).map(|index| (index % 251) as u8).collect();
    let sent = message.clone();
    let sender = heist::spawn(async move {
        for chunk in sent.chunks(100_000) {
            writer.write(chunk);
            writer.drain().await?;
        }
        writer.write_eof();
        io::Result::Ok(writer)
    });
    if reader.read_to_end().await? != message {
        return Err("the bytes differ".into());
    }
    sender.await??;
    println!("{} bytes went through and came back", message.len());
    Ok(())
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    match arguments {
        [once] if once == "--once" => {
            timeout(Duration::from_secs(60), check_once()).await??;
        }
        [listen, target] => {
            let server = serve(listen, target.clone()).await?;
            println!("listening at {}", server.local_addr());
            server.wait_closed().await;
        }
        _ => return Err("usage: proxy_callbacks LISTEN TARGET | --once".into()),
    }
    Ok(())
}

#[heist::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy_callbacks: {error}");
            ExitCode::FAILURE
        }
    }
}
