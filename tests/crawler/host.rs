//! A host for tests: threads and blocking sockets, and it says whatever a test wants it to.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Answers the request for a path; an error ends the connection.
type Answer = dyn Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync;

/// A running host; its threads end with the test.
pub(crate) struct Host {
    address: SocketAddr,
}

impl Host {
    pub(crate) fn start(
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), answer) = (stream, answer.clone()) else {
                    continue;
                };
                thread::spawn(move || converse(stream, &*answer));
            }
        });
        Host { address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn converse(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let path = read_request(&mut reader)?;
        answer(&path, &mut stream)?;
    }
}

/// Reads a request's head, and gives its path.
pub(crate) fn read_request(reader: &mut impl BufRead) -> io::Result<String> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
    }
    let path = first.split(' ').nth(1);
    path.map(str::to_owned)
        .ok_or(io::ErrorKind::InvalidData.into())
}

pub(crate) fn say_page(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n";
    let length = body.len();
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}")
}

pub(crate) fn say_redirect(stream: &mut TcpStream, location: &str) -> io::Result<()> {
    let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n";
    write!(stream, "{head}Location: {location}\r\n\r\n")
}

pub(crate) fn say_missing(stream: &mut TcpStream) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnone\n"
    )
}
