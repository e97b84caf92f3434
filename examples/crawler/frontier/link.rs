//! A connection to Redis. Calls are pipelined: any number of tasks may wait for their answers at once.
//!
//! The crate `redis` makes the commands and reads the answers. Its own async connections bring another runtime along, so
//! the connection is made of heist's sockets here: one task writes, another one reads.

use std::io::{self, Read};
use std::time::Duration;

use ::redis::{Cmd, ConnectionAddr, ConnectionInfo, Parser, ServerErrorKind, Value, cmd};
use heist::io::compat::FuturesAsyncReadCompatExt;
use heist::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use heist::net::TcpStream;
use heist::sync::{mpsc, oneshot};
use heist::time::timeout;
use url::Url;

use crate::tls::{Offer, Tls};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Calls that are sent in one piece.
const AT_ONCE: usize = 256;

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may work later: the connection is lost, or Redis can't serve now.
    Passing(io::Error),
    /// Redis doesn't know the script. It may have been started anew.
    NoScript,
    /// It will not work later either.
    Lasting(io::Error),
}

struct Call {
    command: Vec<u8>,
    answer: oneshot::Sender<Result<Value, Fault>>,
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Link {
    calls: mpsc::UnboundedSender<Call>,
}

impl Link {
    /// Connects, and says who we are.
    pub(super) async fn open(
        info: &ConnectionInfo,
        secure: Option<(&Tls, &Url)>,
    ) -> Result<Link, Fault> {
        let connect = timeout(ANSWER, connect(info.addr(), secure));
        let (reader, writer) = connect
            .await
            .map_err(|_| silent())?
            .map_err(Fault::Passing)?;
        let (calls, inbox) = mpsc::unbounded_channel();
        let (sent, expected) = mpsc::unbounded_channel();
        heist::spawn(write(writer, inbox, sent));
        heist::spawn(read(reader, expected));
        let link = Link { calls };
        let settings = info.redis_settings();
        if let Some(password) = settings.password() {
            let mut auth = cmd("AUTH");
            if let Some(name) = settings.username() {
                auth.arg(name);
            }
            link.call(auth.arg(password)).await?;
        }
        if settings.db() != 0 {
            link.call(cmd("SELECT").arg(settings.db())).await?;
        }
        Ok(link)
    }

    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, Fault> {
        let (answer, result) = oneshot::channel();
        let command = command.get_packed_command();
        // If one of the two tasks has ended, the connection is lost.
        let lost = || Fault::Passing(io::ErrorKind::ConnectionReset.into());
        self.calls
            .send(Call { command, answer })
            .map_err(|_| lost())?;
        let result = timeout(ANSWER, result).await.map_err(|_| silent())?;
        result.map_err(|_| lost())?
    }
}

fn silent() -> Fault {
    let error = format!("no answer within {ANSWER:?}");
    Fault::Passing(io::Error::new(io::ErrorKind::TimedOut, error))
}

async fn connect(
    address: &ConnectionAddr,
    secure: Option<(&Tls, &Url)>,
) -> io::Result<(Reader, Writer)> {
    match address {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((&**host, *port)).await?;
            stream.set_nodelay(true)?;
            if let Some((tls, url)) = secure {
                let stream = tls.connect(url, stream, Offer::Nothing).await?;
                let (reader, writer) = split(stream.compat());
                return Ok((Box::new(reader), Box::new(writer)));
            }
            let (reader, writer) = stream.into_split();
            Ok((Box::new(reader), Box::new(writer)))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = heist::net::UnixStream::connect(path).await?;
            let (reader, writer) = stream.into_split();
            Ok((Box::new(reader), Box::new(writer)))
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Sends calls, until nobody makes any or the connection is lost.
async fn write(
    mut writer: Writer,
    mut inbox: mpsc::UnboundedReceiver<Call>,
    sent: mpsc::UnboundedSender<oneshot::Sender<Result<Value, Fault>>>,
) {
    let mut calls = Vec::new();
    let mut bytes = Vec::new();
    while inbox.recv_many(&mut calls, AT_ONCE).await > 0 {
        bytes.clear();
        for call in calls.drain(..) {
            bytes.extend_from_slice(&call.command);
            if sent.send(call.answer).is_err() {
                return;
            }
        }
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

/// Reads the answers, in the order of the calls.
async fn read(
    mut reader: Reader,
    mut expected: mpsc::UnboundedReceiver<oneshot::Sender<Result<Value, Fault>>>,
) {
    let mut parser = Parser::new();
    let mut received = Received::default();
    let mut room = vec![0; 64 << 10];
    while let Some(answer) = expected.recv().await {
        let result = loop {
            match parser.parse_value(&mut received) {
                Ok(value) => break Ok(value),
                Err(_) if received.ran_dry() => {}
                Err(error) => {
                    let error = io::Error::other(format!("not what a Redis says: {error}"));
                    break Err(Fault::Lasting(error));
                }
            }
            match reader.read(&mut room).await {
                Ok(0) => break Err(Fault::Passing(io::ErrorKind::ConnectionReset.into())),
                Ok(length) => received.add(&room[..length]),
                Err(error) => break Err(Fault::Passing(error)),
            }
        };
        let broken = result.is_err();
        // The caller may have given up.
        let _ = answer.send(result.and_then(success));
        if broken {
            return;
        }
    }
}

/// The answer as a result.
fn success(value: Value) -> Result<Value, Fault> {
    let Value::ServerError(error) = value else {
        return Ok(value);
    };
    let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
    let text = match error.kind() {
        Some(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            format!("{text}. It is a Redis Cluster, and the frontier needs one server")
        }
        _ => text.trim_end().to_owned(),
    };
    let text = io::Error::other(text);
    Err(match error.kind() {
        Some(ServerErrorKind::NoScript) => Fault::NoScript,
        Some(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => Fault::Passing(text),
        // There is no memory, the disk is full, or somebody's script takes long.
        _ if ["OOM", "MISCONF", "BUSY"].contains(&error.code()) => Fault::Passing(text),
        _ => Fault::Lasting(text),
    })
}

/// What was received and not yet read by the parser, which keeps its place when there is no more.
#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    read: usize,
    dry: bool,
}

impl Received {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether the parser has asked for more than there was.
    fn ran_dry(&mut self) -> bool {
        std::mem::take(&mut self.dry)
    }
}

impl Read for Received {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.bytes[self.read..];
        if rest.is_empty() {
            self.dry = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = Read::read(&mut rest, room)?;
        self.read += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte may be the last one that has come so far.
    #[test]
    fn answers_are_read_whatever_the_pieces_in_which_they_come() {
        let answers =
            b"*3\r\n:1\r\n$5\r\nhe\r\no\r\n*1\r\n$-1\r\n+OK\r\n-NOSCRIPT none\r\n$0\r\n\r\n";
        for piece in 1..=answers.len() {
            let mut parser = Parser::new();
            let mut received = Received::default();
            let mut values = Vec::new();
            for bytes in answers.chunks(piece) {
                received.add(bytes);
                loop {
                    match parser.parse_value(&mut received) {
                        Ok(value) => values.push(value),
                        Err(error) => {
                            assert!(received.ran_dry(), "{error}");
                            break;
                        }
                    }
                }
            }
            assert_eq!(values.len(), 4, "{values:?}");
            let array = Value::Array(vec![
                Value::Int(1),
                Value::BulkString(b"he\r\no".to_vec()),
                Value::Array(vec![Value::Nil]),
            ]);
            assert_eq!(values[0], array);
            assert!(matches!(success(values[2].clone()), Err(Fault::NoScript)));
            assert_eq!(values[3], Value::BulkString(Vec::new()));
        }
    }
}
