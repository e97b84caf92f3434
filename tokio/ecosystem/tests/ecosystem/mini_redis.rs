//! The small redis of `services`: its own client, and redis' client for Rust.

use std::time::Duration;

use redis::AsyncCommands;
use services::mini_redis::client::{Client, Frame};
use services::mini_redis::server::serve;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::on_heist;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_set_get_and_hear() {
    on_heist(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, stopped));

        let mut clients = JoinSet::new();
        for c in 0..32 {
            clients.spawn(async move {
                let mut client = Client::connect(address).await.expect("a connection");
                let key = format!("key {c}");
                for i in 0..20 {
                    let value = format!("value {i}");
                    client.set(&key, value.as_bytes(), None).await.expect("set");
                    assert_eq!(
                        client.get(&key).await.expect("got").expect("it is set"),
                        value
                    );
                }
                let increment: &[&[u8]] = &[b"INCR", b"all"];
                client.pipeline(&[increment; 10]).await.expect("counted");
            });
        }
        clients.join_all().await;

        // redis' client for Rust.
        let client = redis::Client::open(("127.0.0.1", address.port())).expect("an address");
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&crate::redis::patient())
            .await
            .expect("a connection");
        assert_eq!(connection.get::<_, usize>("all").await.expect("got"), 320);
        assert_eq!(
            connection
                .del::<_, usize>(&["all", "other"])
                .await
                .expect("deleted"),
            1
        );

        let mut client = Client::connect(address).await.expect("a connection");
        assert_eq!(client.get("all").await.expect("got"), None);
        client
            .set("brief", b"1", Some(Duration::from_millis(1)))
            .await
            .expect("set");
        while client.get("brief").await.expect("got").is_some() {
            tokio::task::yield_now().await;
        }
        let answers = client
            .pipeline(&[&[b"SET", b"a", b"b", b"EX"], &[b"NONSENSE"], &[b"PING"]])
            .await;
        let answers = answers.expect("answers");
        assert!(
            matches!(
                answers[..],
                [Frame::Error(_), Frame::Error(_), Frame::Text(_)]
            ),
            "{answers:?}"
        );

        let mut heard = Client::connect(address)
            .await
            .expect("a connection")
            .subscribe("news")
            .await
            .expect("subscribed");
        assert_eq!(
            client.publish("news", b"first").await.expect("published"),
            1
        );
        assert_eq!(
            client.publish("other", b"none").await.expect("published"),
            0
        );
        assert_eq!(
            heard.next().await.expect("open").expect("a message"),
            "first"
        );

        // The server ends, and with it each connection.
        stop.send(()).expect("it serves");
        server.await.expect("no panic").expect("no error");
        assert_eq!(heard.next().await.expect("a clean end"), None);
    })
    .await;
}
