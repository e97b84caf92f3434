//! tokio-util: codecs, `CancellationToken`, `TaskTracker`, and the bridges to threads.

use std::io::{BufRead, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::codec::{
    BytesCodec, Framed, FramedRead, LengthDelimitedCodec, LinesCodec, LinesCodecError,
};
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::{CancellationToken, PollSender};
use tokio_util::task::{JoinMap, LocalPoolHandle, TaskTracker};
use tokio_util::time::{DelayQueue, FutureExt};
use tokio_util::udp::UdpFramed;

use crate::on_heist;

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.expect("a connection"), far.expect("a connection").0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_over_tcp() {
    on_heist(async {
        let (near, far) = connected().await;
        let server = tokio::spawn(async move {
            let (mut sink, stream) = Framed::new(far, LinesCodec::new_with_max_length(100)).split();
            let mut lines = stream;
            while let Some(line) = lines.next().await {
                match line {
                    Ok(line) => sink.send(line.to_uppercase()).await.expect("sent"),
                    Err(LinesCodecError::MaxLineLengthExceeded) => {
                        sink.send("too long".to_owned()).await.expect("sent")
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let mut client = Framed::new(near, LinesCodec::new());
        for i in 0..1000 {
            client.feed(format!("line {i}")).await.expect("written");
            if i % 100 == 99 {
                SinkExt::<String>::flush(&mut client)
                    .await
                    .expect("flushed");
                for j in i - 99..=i {
                    assert_eq!(
                        client.next().await.expect("open").expect("a line"),
                        format!("LINE {j}")
                    );
                }
            }
        }
        client.send("x".repeat(101)).await.expect("sent");
        assert_eq!(
            client.next().await.expect("open").expect("a line"),
            "too long"
        );
        drop(client);
        server.await.expect("no panic");

        let (near, far) = tokio::io::duplex(50);
        let sender = tokio::spawn(async move {
            let mut frames = Framed::new(near, LengthDelimitedCodec::new());
            for i in 0..100u8 {
                frames
                    .send(Bytes::from(vec![i; i.into()]))
                    .await
                    .expect("sent");
            }
        });
        let mut frames = FramedRead::new(far, LengthDelimitedCodec::new());
        for i in 0..100u8 {
            assert_eq!(
                frames.next().await.expect("open").expect("a frame"),
                BytesMut::from(&vec![i; i.into()][..])
            );
        }
        assert!(frames.next().await.is_none());
        sender.await.expect("no panic");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_are_frames() {
    on_heist(async {
        let near = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let far = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = far.local_addr().expect("bound");
        let server = tokio::spawn(async move {
            let mut frames = UdpFramed::new(far, BytesCodec::new());
            let (frame, from) = frames.next().await.expect("open").expect("a datagram");
            frames.send((frame.freeze(), from)).await.expect("sent");
        });
        let mut frames = UdpFramed::new(near, BytesCodec::new());
        frames
            .send((Bytes::from_static(b"ping"), address))
            .await
            .expect("sent");
        assert_eq!(
            frames.next().await.expect("open").expect("a datagram").0,
            &b"ping"[..]
        );
        server.await.expect("no panic");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellation_reaches_all_tracked_tasks() {
    on_heist(async {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        for i in 0..100 {
            let child = stop.child_token();
            let of_it = child.clone();
            tracker.spawn(async move {
                of_it
                    .run_until_cancelled(std::future::pending::<()>())
                    .await
            });
            if i % 2 == 0 {
                child.cancel();
            }
        }
        assert!(!stop.is_cancelled());
        let guard = stop.clone().drop_guard();
        tracker.close();
        assert!(
            tracker
                .wait()
                .timeout(Duration::from_millis(10))
                .await
                .is_err(),
            "half of them wait"
        );
        drop(guard);
        tracker.wait().await;
        assert!(stop.is_cancelled() && tracker.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_read_and_write_by_a_bridge() {
    on_heist(async {
        let (near, far) = tokio::io::duplex(16);
        let writer = tokio::task::spawn_blocking(move || {
            let mut bridge = SyncIoBridge::new(near);
            for i in 0..100 {
                writeln!(bridge, "line {i}").expect("written");
            }
            bridge.shutdown().expect("closed");
        });
        let reader = tokio::task::spawn_blocking(move || {
            std::io::BufReader::new(SyncIoBridge::new(far))
                .lines()
                .map_while(Result::ok)
                .count()
        });
        assert_eq!(reader.await.expect("no panic"), 100);
        writer.await.expect("no panic");

        let read = tokio::spawn(async {
            let chunks = (0..10u8).map(|i| Ok::<_, std::io::Error>(Bytes::from(vec![i; 10])));
            let mut bytes = Vec::new();
            let mut reader = StreamReader::new(tokio_stream::iter(chunks));
            reader.read_to_end(&mut bytes).await.map(|_| bytes)
        });
        let bytes = read.await.expect("no panic").expect("read");
        assert_eq!(bytes.len(), 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_joined_by_key() {
    on_heist(async {
        let mut tasks = JoinMap::new();
        for i in 0..50 {
            tasks.spawn(i, async move {
                if i == 7 {
                    std::future::pending::<()>().await;
                }
                i * 2
            });
        }
        assert!(tasks.abort(&7));
        let mut joined = 0;
        while let Some((key, result)) = tasks.join_next().await {
            match result {
                Ok(value) => assert_eq!(value, key * 2),
                Err(error) => assert!(error.is_cancelled() && key == 7),
            }
            joined += 1;
        }
        assert_eq!(joined, 50);

        // A pool whose tasks need not be `Send`.
        let pool = LocalPoolHandle::new(2);
        let local = pool.spawn_pinned(|| async {
            let shared = std::rc::Rc::new(std::cell::Cell::new(1));
            let theirs = shared.clone();
            tokio::task::spawn_local(async move { theirs.set(2) })
                .await
                .expect("no panic");
            shared.get()
        });
        assert_eq!(local.await.expect("no panic"), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delay_queue_gives_in_order_of_time() {
    on_heist(async {
        let mut delays = DelayQueue::new();
        for i in [30, 10, 50, 20, 40] {
            delays.insert(i, Duration::from_secs(i));
        }
        let (sender, mut expired) = mpsc::channel(1);
        let mut sender = PollSender::new(sender);
        tokio::spawn(async move {
            while let Some(delay) = delays.next().await {
                sender.send(delay.into_inner()).await.expect("received");
            }
        });
        let begin = tokio::time::Instant::now();
        for expected in [10, 20, 30, 40, 50] {
            assert_eq!(expired.recv().await, Some(expected));
            assert_eq!(begin.elapsed().as_secs(), expected);
        }
        assert_eq!(expired.recv().await, None);
    })
    .await;
}
