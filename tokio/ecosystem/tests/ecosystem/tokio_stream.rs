//! tokio-stream: the wrappers of tokio's types, and the adapters of time.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, interval};
use tokio_stream::wrappers::{
    BroadcastStream, IntervalStream, LinesStream, ReceiverStream, TcpListenerStream,
    UnboundedReceiverStream, WatchStream,
};
use tokio_stream::{StreamExt, StreamMap};

use crate::on_heist;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_are_streams() {
    on_heist(async {
        let (bounded, received) = mpsc::channel(2);
        let (unbounded, received_too) = mpsc::unbounded_channel();
        let (broadcast, heard) = broadcast::channel(4);
        let mut streams = StreamMap::new();
        streams.insert(
            "bounded",
            Box::pin(ReceiverStream::new(received)) as std::pin::Pin<Box<dyn Stream>>,
        );
        streams.insert(
            "unbounded",
            Box::pin(UnboundedReceiverStream::new(received_too)),
        );
        streams.insert(
            "broadcast",
            Box::pin(BroadcastStream::new(heard).filter_map(Result::ok)),
        );
        tokio::spawn(async move {
            for i in 0..100 {
                bounded.send(i).await.expect("received");
                unbounded.send(i).expect("received");
            }
            for i in 0..100 {
                // Some are missed.
                broadcast.send(i).expect("a receiver");
            }
        });
        let mut sums = std::collections::HashMap::new();
        let mut last = -1;
        while let Some((from, value)) = streams.next().await {
            *sums.entry(from).or_insert(0) += value;
            if from == "broadcast" {
                assert!(value > last, "in order");
                last = value;
            }
        }
        assert_eq!((sums["bounded"], sums["unbounded"], last), (4950, 4950, 99));

        let (sender, receiver) = watch::channel(0);
        let mut values = WatchStream::new(receiver);
        assert_eq!(values.next().await, Some(0));
        tokio::spawn(async move { (1..=100).for_each(|i| _ = sender.send_replace(i)) });
        assert_eq!(
            values
                .fold(0, |last, value| {
                    assert!(value > last);
                    value
                })
                .await,
            100
        );
    })
    .await;
}

trait Stream: tokio_stream::Stream<Item = i32> + Send {}
impl<S: tokio_stream::Stream<Item = i32> + Send> Stream for S {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_lines_are_streams() {
    on_heist(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        for c in 0..4 {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                for i in 0..10 {
                    stream
                        .write_all(format!("{c} {i}\n").as_bytes())
                        .await
                        .expect("written");
                }
            });
        }
        let mut connections = TcpListenerStream::new(listener).take(4);
        let mut lines = 0;
        while let Some(connection) = connections.next().await {
            let of_it = LinesStream::new(BufReader::new(connection.expect("a connection")).lines());
            lines += of_it
                .collect::<Result<Vec<_>, _>>()
                .await
                .expect("lines")
                .len();
        }
        assert_eq!(lines, 40);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn time_shapes_streams() {
    on_heist(async {
        let begin = Instant::now();
        let ticks = IntervalStream::new(interval(Duration::from_secs(10)))
            .take(4)
            .fold(0, |ticks, _| ticks + 1);
        assert_eq!(tokio::spawn(ticks).await.expect("no panic"), 4);
        assert_eq!(begin.elapsed().as_secs(), 30);

        let begin = Instant::now();
        let throttled = tokio_stream::iter(0..5)
            .throttle(Duration::from_secs(1))
            .collect::<Vec<_>>();
        assert_eq!(throttled.await, [0, 1, 2, 3, 4]);
        assert!(
            (4..=5).contains(&begin.elapsed().as_secs()),
            "{:?}",
            begin.elapsed()
        );

        let (sender, receiver) = mpsc::channel(10);
        tokio::spawn(async move {
            for i in 0..6 {
                sender.send(i).await.expect("received");
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        });
        let chunks = ReceiverStream::new(receiver).chunks_timeout(10, Duration::from_secs(10));
        assert_eq!(
            chunks.collect::<Vec<_>>().await,
            [vec![0, 1, 2], vec![3, 4, 5]]
        );

        let mut late = Box::pin(tokio_stream::pending::<()>().timeout(Duration::from_secs(3)));
        assert!(late.next().await.expect("a timeout").is_err());
    })
    .await;
}
