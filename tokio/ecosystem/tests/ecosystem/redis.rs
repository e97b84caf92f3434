//! redis' client for Rust against Debian's server.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, Script};
use tokio::task::JoinSet;

use crate::on_heist;

/// Without the client's limits of time, which are too short for a slow machine.
pub(crate) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
}

async fn counts(mut connection: MultiplexedConnection, task: usize) {
    for i in 0..50 {
        let key = format!("task {task}");
        let () = connection.set(&key, i).await.expect("set");
        assert_eq!(connection.get::<_, usize>(&key).await.expect("got"), i);
        let _: usize = connection.incr("all", 1).await.expect("counted");
    }
    let (first, last): (usize, Vec<usize>) = redis::pipe()
        .atomic()
        .incr(format!("task {task}"), 1)
        .rpush(format!("list {task}"), &[1, 2, 3])
        .ignore()
        .lrange(format!("list {task}"), 0, -1)
        .query_async(&mut connection)
        .await
        .expect("a transaction");
    assert_eq!((first, last), (50, vec![1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_pipelines_and_subscriptions_work() {
    on_heist(async {
        let server = crate::server::redis().await;
        let client = Client::open(("127.0.0.1", server.port)).expect("an address");
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            .expect("a connection");
        let mut tasks = JoinSet::new();
        for task in 0..32 {
            tasks.spawn(counts(connection.clone(), task));
        }
        tasks.join_all().await;
        assert_eq!(
            connection.get::<_, usize>("all").await.expect("got"),
            32 * 50
        );

        let script = Script::new("return redis.call('GET', KEYS[1]) + ARGV[1]");
        let sum: usize = script
            .key("all")
            .arg(5)
            .invoke_async(&mut connection)
            .await
            .expect("a sum");
        assert_eq!(sum, 1605);

        let (mut sink, mut stream) = client
            .get_async_pubsub()
            .await
            .expect("a connection")
            .split();
        sink.subscribe("news").await.expect("subscribed");
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            while heard.len() < 100 {
                let message = stream.next().await.expect("open");
                heard.push(message.get_payload::<usize>().expect("a number"));
            }
            heard
        });
        for i in 0..100 {
            let receivers: usize = connection.publish("news", i).await.expect("published");
            assert_eq!(receivers, 1);
        }
        assert_eq!(heard.await.expect("no panic"), (0..100).collect::<Vec<_>>());

        drop((connection, sink));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_command_waits_for_another_connection() {
    on_heist(async {
        let server = crate::server::redis().await;
        let client = Client::open(("127.0.0.1", server.port)).expect("an address");
        let connection = client
            .get_multiplexed_async_connection_with_config(&patient())
            .await;
        let mut waits = connection.expect("a connection");
        let popped = tokio::spawn(async move {
            waits
                .blpop::<_, (String, u32)>("queue", 0.0)
                .await
                .expect("a value")
        });

        let config = ConnectionManagerConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let manager = ConnectionManager::new_with_config(client, config).await;
        let mut manager = manager.expect("a connection");
        let _: usize = manager.rpush("queue", 7).await.expect("pushed");
        assert_eq!(popped.await.expect("no panic"), ("queue".to_owned(), 7));

        // The manager connects anew when its connection is gone.
        let _: redis::RedisResult<()> = redis::cmd("CLIENT")
            .arg("KILL")
            .arg("SKIPME")
            .arg("no")
            .exec_async(&mut manager)
            .await;
        let again = async {
            while manager.set::<_, _, ()>("key", 1).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        again.await;
        drop(manager);
        server.stop().await;
    })
    .await;
}
