//! A chat, line by line, in callbacks: what one client says is sent to all others.
//!
//! `cargo run --example chat_callbacks [ADDRESS] [--once]`
//!
//! Listens at ADDRESS (by default a free port of 127.0.0.1), prints where, and serves until ctrl-c. Connect with
//! `nc ADDRESS PORT`. With `--once` two clients of its own talk to each other, and the program exits.
//!
//! Memory is bounded: a client that sends a longer line than [`LONGEST_LINE`] is cut off, and so is one that doesn't
//! read what the others say.

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heist::event_loop::{EventLoop, Protocol, Transport};
use heist::time::timeout;

const LONGEST_LINE: usize = 4096;

/// Who is here. Callbacks of different clients run in parallel, so it needs a lock.
#[derive(Default)]
struct Room {
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    next: u64,
    transports: HashMap<u64, Transport>,
}

impl Room {
    fn enter(&self, transport: Transport) -> u64 {
        let mut clients = self.clients.lock().unwrap();
        clients.next += 1;
        let number = clients.next;
        clients.transports.insert(number, transport);
        drop(clients);
        self.say(number, b"has come\n");
        number
    }

    fn leave(&self, number: u64) {
        self.clients.lock().unwrap().transports.remove(&number);
        self.say(number, b"has left\n");
    }

    /// Sends a line to all but the one who says it.
    fn say(&self, number: u64, line: &[u8]) {
        let clients = self.clients.lock().unwrap();
        let name = format!("{number}: ");
        for (other, transport) in &clients.transports {
            let keeps_up = *other == number || transport.writelines([name.as_bytes(), line]);
            if !keeps_up {
                transport.abort();
            }
        }
    }
}

/// One client.
struct Client {
    room: Arc<Room>,
    number: u64,
    transport: Option<Transport>,
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport.clone());
        self.number = self.room.enter(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST_LINE {
                self.transport.as_ref().unwrap().abort();
                return;
            }
            if piece.ends_with(b"\n") {
                self.room.say(self.number, &self.line);
                self.line.clear();
            }
        }
    }

    fn connection_lost(&mut self, _error: Option<io::Error>) {
        self.room.leave(self.number);
    }
}

async fn check_once(address: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::current();
    let (mut hears, _stays) = event_loop.open_connection(address).await?;
    let (_, mut says) = event_loop.open_connection(address).await?;
    assert_eq!(hears.readline().await?, b"2: has come\n");
    says.write(b"hello\nwor");
    says.write(b"ld\n");
    assert_eq!(hears.readline().await?, b"2: hello\n");
    assert_eq!(hears.readline().await?, b"2: world\n");
    says.close();
    assert_eq!(hears.readline().await?, b"2: has left\n");
    println!("two clients have talked");
    Ok(())
}

async fn run(address: &str, once: bool) -> Result<(), Box<dyn std::error::Error>> {
    let room = Arc::new(Room::default());
    let client = move || Client {
        room: room.clone(),
        number: 0,
        transport: None,
        line: Vec::new(),
    };
    let server = EventLoop::current().create_server(client, address).await?;
    println!("listening at {}", server.local_addr());
    if once {
        timeout(Duration::from_secs(30), check_once(server.local_addr())).await??;
        server.close();
        server.close_clients();
    }
    server.wait_closed().await;
    Ok(())
}

#[heist::main]
async fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments.iter().any(|argument| argument == "--once");
    arguments.retain(|argument| argument != "--once");
    let address = arguments.first().map_or("127.0.0.1:0", String::as_str);
    match run(address, once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat_callbacks: {error}");
            ExitCode::FAILURE
        }
    }
}
