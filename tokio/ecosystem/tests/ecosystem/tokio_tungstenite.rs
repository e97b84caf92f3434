//! tokio-tungstenite: a chat room, whose clients all hear each message.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

use crate::on_heist;

const CLIENTS: usize = 8;
const MESSAGES: usize = 50;

async fn member(stream: TcpStream, room: broadcast::Sender<Message>) {
    let (mut writes, mut reads) = accept_async(stream).await.expect("an upgrade").split();
    let mut heard = room.subscribe();
    writes.send("welcome".into()).await.expect("sent");
    loop {
        tokio::select! {
            said = reads.next() => match said {
                Some(Ok(message @ Message::Text(_))) => drop(room.send(message)),
                Some(Ok(Message::Close(_))) | None => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            },
            message = heard.recv() => writes.send(message.expect("none is missed")).await.expect("sent"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_hears_all_messages() {
    on_heist(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move {
            let room = broadcast::channel(CLIENTS * MESSAGES).0;
            let mut members = JoinSet::new();
            for _ in 0..CLIENTS {
                let (stream, _) = listener.accept().await.expect("a connection");
                members.spawn(member(stream, room.clone()));
            }
            members.join_all().await;
        });
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let (mut client, _) = client_async("ws://localhost/", stream)
                .await
                .expect("an upgrade");
            assert_eq!(
                client.next().await.expect("open").expect("a message"),
                "welcome".into()
            );
            clients.push(client);
        }
        let mut chats = JoinSet::new();
        for (c, client) in clients.into_iter().enumerate() {
            chats.spawn(async move {
                let (mut writes, mut reads) = client.split();
                let says = tokio::spawn(async move {
                    for m in 0..MESSAGES {
                        writes.send(format!("{c} {m}").into()).await.expect("sent");
                    }
                    writes
                });
                let mut next = [0; CLIENTS];
                for _ in 0..CLIENTS * MESSAGES {
                    let message = reads.next().await.expect("open").expect("a message");
                    let (from, number) = message
                        .to_text()
                        .expect("a text")
                        .split_once(' ')
                        .expect("two numbers");
                    let (from, number): (usize, usize) =
                        (from.parse().expect("one"), number.parse().expect("other"));
                    assert_eq!(number, next[from], "in order");
                    next[from] += 1;
                }
                says.await.expect("no panic").close().await.expect("closed");
                while let Some(Ok(_)) = reads.next().await {}
            });
        }
        chats.join_all().await;
        server.await.expect("no panic");
    })
    .await;
}
