//! The server.

use std::io::Result;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::database::Database;
use super::frame::{Frame, invalid};

/// How many clients may be connected.
const CLIENTS: usize = 1000;

/// Serves until `stop` is complete, then ends each connection when its command is done.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(listener: TcpListener, stop: impl Future) -> Result<()> {
    let database = Database::default();
    let (stopping, stopped) = watch::channel(());
    let places = Arc::new(Semaphore::new(CLIENTS));
    let mut clients = JoinSet::new();
    let mut expiry = JoinSet::new();
    expiry.spawn(database.clone().expire());
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = places
            .clone()
            .acquire_owned()
            .await
            .expect("it is never closed");
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = &mut stop => break,
        };
        let (database, stopped) = (database.clone(), stopped.clone());
        clients.spawn(async move {
            // A client that goes, or talks nonsense, is no concern of the others.
            drop(client(stream, database, stopped).await);
            drop(place);
        });
        while clients.try_join_next().is_some() {}
    }
    drop(stopping);
    clients.join_all().await;
    Ok(())
}

async fn client(
    stream: TcpStream,
    database: Database,
    mut stopped: watch::Receiver<()>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    loop {
        let frame = tokio::select! {
            frame = connection.read() => frame?,
            _ = stopped.changed() => None,
        };
        let Some(frame) = frame else {
            return connection.flush().await;
        };
        let words = words(frame)?;
        match words.split_first() {
            Some((name, channels)) if name.eq_ignore_ascii_case(b"subscribe") => {
                return subscriber(connection, channels, &database, stopped).await;
            }
            Some((name, arguments)) => {
                let answer = answer(&name.to_ascii_lowercase(), arguments, &database);
                connection.write(&answer).await?;
            }
            None => {}
        }
    }
}

/// A command's name and arguments.
fn words(frame: Frame) -> Result<Vec<Bytes>> {
    let Frame::Array(frames) = frame else {
        return Err(invalid("a command is an array"));
    };
    let words = frames.into_iter().map(|frame| match frame {
        Frame::Bulk(bytes) => Ok(bytes),
        _ => Err(invalid("a command holds strings")),
    });
    words.collect()
}

fn answer(name: &[u8], arguments: &[Bytes], database: &Database) -> Frame {
    match (name, arguments) {
        (b"ping", []) => Frame::Simple("PONG"),
        (b"ping" | b"echo", [message]) => Frame::Bulk(message.clone()),
        (b"get", [key]) => database.get(key).map_or(Frame::Null, Frame::Bulk),
        (b"set", [key, value, options @ ..]) => match lifetime(options) {
            Ok(lifetime) => {
                database.set(key.clone(), value.clone(), lifetime);
                Frame::Simple("OK")
            }
            Err(error) => error,
        },
        (b"incr", [key]) => match database.increment(key.clone()) {
            Some(number) => Frame::Integer(number),
            None => Frame::Error("ERR value is not an integer or out of range".into()),
        },
        (b"del", keys @ [_, ..]) => {
            Frame::Integer(keys.iter().filter(|key| database.delete(key)).count() as i64)
        }
        (b"publish", [channel, message]) => {
            Frame::Integer(database.publish(channel, message.clone()) as i64)
        }
        // What redis' own programs ask at first.
        (b"command" | b"config", _) => Frame::Array(Vec::new()),
        _ => Frame::Error(format!(
            "ERR wrong command '{}'",
            String::from_utf8_lossy(name)
        )),
    }
}

/// `EX seconds`, `PX milliseconds`, or nothing.
fn lifetime(options: &[Bytes]) -> std::result::Result<Option<Duration>, Frame> {
    let [unit, number] = options else {
        return if options.is_empty() {
            Ok(None)
        } else {
            Err(Frame::Error("ERR syntax error".into()))
        };
    };
    let number = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok());
    match (unit.to_ascii_lowercase().as_slice(), number) {
        (b"ex", Some(seconds)) => Ok(Some(Duration::from_secs(seconds))),
        (b"px", Some(milliseconds)) => Ok(Some(Duration::from_millis(milliseconds))),
        _ => Err(Frame::Error("ERR syntax error".into())),
    }
}

/// A client that has subscribed hears messages, and may subscribe to more, until it goes.
async fn subscriber(
    mut connection: Connection,
    channels: &[Bytes],
    database: &Database,
    mut stopped: watch::Receiver<()>,
) -> Result<()> {
    // Each channel has a task, which passes its messages on.
    let (messages, mut heard) = tokio::sync::mpsc::channel(64);
    let mut subscriptions = JoinSet::new();
    let mut subscribed = 0;
    let mut new = channels.to_vec();
    loop {
        for channel in new.drain(..) {
            subscribed += 1;
            subscriptions.spawn(pass_on(
                channel.clone(),
                database.subscribe(channel.clone()),
                messages.clone(),
            ));
            let confirmed = [
                Frame::bulk("subscribe"),
                Frame::Bulk(channel),
                Frame::Integer(subscribed),
            ];
            connection.write(&Frame::Array(confirmed.to_vec())).await?;
        }
        connection.flush().await?;
        tokio::select! {
            Some(message) = heard.recv() => connection.write(&message).await?,
            frame = connection.read() => match frame? {
                Some(frame) => match words(frame)?.split_first() {
                    Some((name, channels)) if name.eq_ignore_ascii_case(b"subscribe") => new = channels.to_vec(),
                    Some((name, _)) if name.eq_ignore_ascii_case(b"ping") => connection.write(&Frame::Simple("PONG")).await?,
                    _ => connection.write(&Frame::Error("ERR only (P)SUBSCRIBE / PING in this context".into())).await?,
                },
                None => return Ok(()),
            },
            _ = stopped.changed() => return Ok(()),
        }
    }
}

async fn pass_on(
    channel: Bytes,
    mut messages: broadcast::Receiver<Bytes>,
    to: tokio::sync::mpsc::Sender<Frame>,
) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                let frame = Frame::Array(vec![
                    Frame::bulk("message"),
                    Frame::Bulk(channel.clone()),
                    Frame::Bulk(message),
                ]);
                if to.send(frame).await.is_err() {
                    return;
                }
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
