//! A host for tests: threads and blocking sockets, and it says whatever a test wants it to.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Answers a request by its head; an error ends the connection.
type Answer = dyn Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync;

/// A running host; its threads end with the test.
pub(crate) struct Host {
    address: SocketAddr,
}

impl Host {
    /// Answers the request for a path.
    pub(crate) fn start(
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Host {
        Host::start_reading(move |head, stream| {
            let path = path(head)?.to_owned();
            answer(&path, stream)
        })
    }

    /// Answers a request by its whole head.
    pub(crate) fn start_reading(
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
        let head = read_head(&mut reader)?;
        answer(&head, &mut stream)?;
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn path(head: &str) -> io::Result<&str> {
    let path = head.split(' ').nth(1);
    path.ok_or(io::ErrorKind::InvalidData.into())
}

/// Reads a request's head, and gives its path.
pub(crate) fn read_request(reader: &mut impl BufRead) -> io::Result<String> {
    let head = read_head(reader)?;
    path(&head).map(str::to_owned)
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
