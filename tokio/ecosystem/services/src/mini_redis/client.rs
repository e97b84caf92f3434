//! The client.

use std::io::{Error, Result};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpStream, ToSocketAddrs};

use super::connection::Connection;
pub use super::frame::Frame;
use super::frame::invalid;

/// A connection to a server.
pub struct Client(Connection);

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client(Connection::new(stream)))
    }

    /// Sends commands at once, then waits for their answers.
    ///
    /// # Errors
    ///
    /// If the connection fails. An answer may be an error too.
    pub async fn pipeline(&mut self, commands: &[&[&[u8]]]) -> Result<Vec<Frame>> {
        for words in commands {
            let words = words.iter().map(|word| Frame::bulk(word.to_vec()));
            self.0.write(&Frame::Array(words.collect())).await?;
        }
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            answers.push(
                self.0
                    .read()
                    .await?
                    .ok_or_else(|| invalid("the server has closed"))?,
            );
        }
        Ok(answers)
    }

    async fn command(&mut self, words: &[&[u8]]) -> Result<Frame> {
        match self.pipeline(&[words]).await?.pop() {
            Some(Frame::Error(error)) => Err(Error::other(error)),
            answer => Ok(answer.expect("one answer")),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn get(&mut self, key: &str) -> Result<Option<Bytes>> {
        match self.command(&[b"GET", key.as_bytes()]).await? {
            Frame::Bulk(value) => Ok(Some(value)),
            Frame::Null => Ok(None),
            other => Err(invalid(&format!("{other:?}"))),
        }
    }

    /// Sets a key, for some time or for good.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn set(&mut self, key: &str, value: &[u8], lifetime: Option<Duration>) -> Result<()> {
        let milliseconds = lifetime.map(|lifetime| lifetime.as_millis().to_string());
        let mut words: Vec<&[u8]> = vec![b"SET", key.as_bytes(), value];
        if let Some(milliseconds) = &milliseconds {
            words.extend([b"PX", milliseconds.as_bytes()]);
        }
        self.command(&words).await.map(drop)
    }

    /// Sends a message to a channel's subscribers, and tells how many there are.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn publish(&mut self, channel: &str, message: &[u8]) -> Result<i64> {
        match self
            .command(&[b"PUBLISH", channel.as_bytes(), message])
            .await?
        {
            Frame::Integer(subscribers) => Ok(subscribers),
            other => Err(invalid(&format!("{other:?}"))),
        }
    }

    /// Subscribes to a channel. From then on there are messages only.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn subscribe(mut self, channel: &str) -> Result<Subscriber> {
        self.command(&[b"SUBSCRIBE", channel.as_bytes()]).await?;
        Ok(Subscriber(self.0))
    }
}

/// A connection that hears a channel.
pub struct Subscriber(Connection);

impl Subscriber {
    /// The next message, or none if the server has ended.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.0.read().await? {
            Some(Frame::Array(frames)) => match frames.into_iter().nth(2) {
                Some(Frame::Bulk(message)) => Ok(Some(message)),
                other => Err(invalid(&format!("{other:?}"))),
            },
            Some(other) => Err(invalid(&format!("{other:?}"))),
            None => Ok(None),
        }
    }
}
