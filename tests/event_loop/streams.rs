//! Streams: what asyncio's tests ask of readers and writers.

// The real file: what it costs can't be seen from outside.
#[path = "../../src/event_loop/streams/buffer.rs"]
mod buffer;

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

use heist::event_loop::{EventLoop, ReadError, Server, StreamReader, StreamWriter, extra};
use heist::time::{Duration, timeout};

use super::{on_all, pattern, told};

/// A server that runs `client_connected`, and a stream to it.
async fn pair<F>(
    event_loop: &EventLoop,
    limit: usize,
    client_connected: impl Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
) -> (Server, StreamReader, StreamWriter)
where
    F: Future<Output = ()> + Send + 'static,
{
    let server = event_loop.start_server(client_connected, "127.0.0.1:0");
    let server = server.await.unwrap();
    let stream = event_loop.open_connection(server.local_addr()).limit(limit);
    let (reader, writer) = stream.await.unwrap();
    (server, reader, writer)
}

/// A stream whose other end says these pieces, and closes.
async fn saying(
    event_loop: &EventLoop,
    limit: usize,
    said: &'static [u8],
) -> (Server, StreamReader, StreamWriter) {
    pair(event_loop, limit, move |_, mut writer| async move {
        writer.write(said);
    })
    .await
}

#[test]
fn lines_come_one_by_one_and_the_last_may_lack_its_end() {
    on_all(async |event_loop| {
        let (_server, mut reader, _writer) = saying(&event_loop, 100, b"one\n\ntwo\nthree").await;
        for line in [&b"one\n"[..], b"\n", b"two\n", b"three", b"", b""] {
            assert_eq!(reader.readline().await.unwrap(), line);
        }
        assert!(reader.at_eof());
    });
}

#[test]
fn exact_reads_say_what_was_missing() {
    on_all(async |event_loop| {
        let (_server, mut reader, _writer) = saying(&event_loop, 100, b"0123456789").await;
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.readexactly(4).await.unwrap(), b"0123");
        match reader.readexactly(7).await {
            Err(ReadError::Incomplete(error)) => {
                assert_eq!(
                    (&error.partial[..], error.expected),
                    (&b"456789"[..], Some(7))
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.read(10).await.unwrap(), b"");
    });
}

#[test]
fn the_separator_that_ends_first_counts() {
    on_all(async |event_loop| {
        let (_server, mut reader, _writer) = saying(&event_loop, 100, b"a||b||c").await;
        assert_eq!(reader.readuntil(["||", "|"]).await.unwrap(), b"a|");
        assert_eq!(reader.readexactly(1).await.unwrap(), b"|");
        assert!(reader.readuntil(["||"]).await.is_ok());
        assert!(reader.readuntil(["||"]).await.is_err());
        assert!(reader.at_eof());
        let (_server, mut reader, _writer) = saying(&event_loop, 100, b"c\r\nd\re").await;
        assert_eq!(reader.readuntil(["\r\n", "\n"]).await.unwrap(), b"c\r\n");
        assert_eq!(reader.readuntil(["\r"]).await.unwrap(), b"d\r");
        match reader.readuntil(["\r"]).await {
            Err(ReadError::Incomplete(error)) => {
                assert_eq!((&error.partial[..], error.expected), (&b"e"[..], None));
            }
            other => panic!("{other:?}"),
        }
        let nothing = reader.readuntil([""]).await;
        assert!(
            matches!(nothing, Err(ReadError::Io(error)) if error.kind() == ErrorKind::InvalidInput)
        );
    });
}

#[test]
fn a_separator_may_come_in_pieces() {
    on_all(async |event_loop| {
        let (_server, mut reader, mut writer) =
            pair(&event_loop, 100, async |mut reader, mut writer| {
                for piece in ["one", "EN", "D", "two", "E", "ND"] {
                    writer.write(piece.as_bytes());
                    // The other end has seen it.
                    let _ = reader.readexactly(1).await;
                }
                // It stays until the other end has all.
                let _ = reader.read_to_end().await;
            })
            .await;
        for expected in [&b"oneEND"[..], b"twoEND"] {
            let mut got = std::pin::pin!(reader.readuntil(["END"]));
            // Each wait that runs out makes the peer go on; no byte is lost by it.
            let line = loop {
                match timeout(Duration::from_millis(1), got.as_mut()).await {
                    Ok(line) => break line.unwrap(),
                    Err(_) => writer.write(b"."),
                }
            };
            assert_eq!(line, expected);
        }
    });
}

#[test]
fn a_line_above_the_limit_is_an_error_and_the_next_is_read() {
    on_all(async |event_loop| {
        let (_server, mut reader, _writer) = saying(&event_loop, 8, b"0123456789\nshort\n").await;
        match reader.readuntil(["\n"]).await {
            Err(ReadError::LimitOverrun(error)) => assert!(error.consumed > 8),
            other => panic!("{other:?}"),
        }
        let error = reader.readline().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let next = reader.readline().await.unwrap();
        assert!(
            next == b"short\n" || next == b"\n" || next.ends_with(b"\n"),
            "{next:?}"
        );
    });
}

#[test]
fn a_reader_that_does_not_read_holds_the_peer_up() {
    on_all(async |event_loop| {
        let (_server, mut reader, writer) = pair(&event_loop, 1_000, async |_, mut writer| {
            for _ in 0..1_000 {
                writer.write(&pattern(10_040));
                if writer.drain().await.is_err() {
                    return;
                }
            }
        })
        .await;
        // At most twice the limit and one read are kept.
        while writer.transport().is_reading() {
            heist::task::yield_now().await;
        }
        let mut total = 0;
        loop {
            let data = reader.read(100_000).await.unwrap();
            if data.is_empty() {
                break;
            }
            assert!(data.len() <= 2_000 + 64 * 1024);
            total += data.len();
        }
        assert_eq!(total, 10_040_000);
    });
}

#[test]
fn drain_waits_for_a_slow_peer_and_fails_when_the_connection_is_lost() {
    on_all(async |event_loop| {
        let (server, _reader, mut writer) = pair(
            &event_loop,
            100,
            async |_reader, mut writer: StreamWriter| {
                let _ = writer.wait_closed().await;
            },
        )
        .await;
        writer.drain().await.unwrap();
        // The system's buffers may still grow in the beginning.
        loop {
            while writer.transport().write(&pattern(100_000)) {}
            if timeout(Duration::from_millis(20), writer.drain())
                .await
                .is_err()
            {
                break;
            }
        }
        server.abort_clients();
        assert!(writer.drain().await.is_err());
        let _ = writer.wait_closed().await;
        assert!(writer.is_closing());
    });
}

#[test]
fn a_half_closed_stream_is_still_read_from() {
    on_all(async |event_loop| {
        let (_server, mut reader, mut writer) =
            pair(&event_loop, 100, async |mut reader, mut writer| {
                let all = reader.read_to_end().await.unwrap();
                writer.writelines([&all[..], b" and back"]);
            })
            .await;
        assert!(writer.can_write_eof());
        writer.write(b"there");
        writer.write_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"there and back");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert!(writer.get_extra_info(extra::PEERNAME).is_some());
        assert!(writer.get_extra_info(extra::SOCKET).is_none());
    });
}

#[test]
fn a_task_of_a_server_that_panics_is_reported_and_costs_its_connection() {
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let (server, mut reader, _writer) = pair(&event_loop, 100, async |_, _: StreamWriter| {
            panic!("as the test wants it")
        })
        .await;
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert_eq!(
            told.recv().unwrap(),
            "a task of `start_server` panicked: as the test wants it"
        );
        server.close();
    });
}

#[test]
fn dropping_the_writer_closes_the_stream_after_what_was_written() {
    on_all(async |event_loop| {
        let (_server, mut reader, _writer) =
            pair(&event_loop, 100, async |_, mut writer: StreamWriter| {
                writer.write(&pattern(1_000_000));
            })
            .await;
        assert_eq!(reader.read_to_end().await.unwrap(), pattern(1_000_000));
    });
}

#[test]
fn what_is_taken_from_a_buffer_leaves_the_rest_where_it_is() {
    let mut buffer = buffer::Buffer::default();
    buffer.extend(&[b'x'; 1_000]);
    let start = buffer.as_ptr();
    for taken in 1..1_000 {
        assert_eq!(buffer.take(1), b"x");
        assert_eq!(buffer.as_ptr(), start.wrapping_add(taken));
    }
    assert_eq!(buffer.take_all(), b"x");
    assert!(buffer.is_empty() && buffer.take(1).is_empty());
}

#[test]
fn what_is_added_to_a_buffer_and_taken_by_turns_keeps_its_order() {
    let mut buffer = buffer::Buffer::default();
    let (mut added, mut taken) = (0u32, 0u32);
    for round in 0..10_000u32 {
        let more: Vec<u8> = (added..added + round % 7).map(|it| it as u8).collect();
        buffer.extend(&more);
        added += round % 7;
        for byte in buffer.take(round as usize % 8) {
            assert_eq!(byte, taken as u8);
            taken += 1;
        }
        assert_eq!(buffer.len() as u32, added - taken);
    }
}

/// A future that ends, by a panic if it is so meant, and panics when it is dropped.
struct Brittle {
    panics: bool,
}

impl Future for Brittle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert!(!self.panics, "in its poll");
        Poll::Ready(())
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("in its drop");
    }
}

#[test]
fn a_client_that_panics_when_it_is_dropped_is_reported() {
    on_all(async |event_loop| {
        let heard = told(&event_loop);
        for panics in [false, true] {
            let (_server, mut reader, _writer) =
                pair(&event_loop, 100, move |_, _| Brittle { panics }).await;
            // The writer was dropped before the future was made.
            assert_eq!(reader.read(1).await.unwrap(), b"");
            let expected: &[_] = if panics {
                &["in its poll", "in its drop"]
            } else {
                &["in its drop"]
            };
            for expected in expected {
                let told = loop {
                    match heard.try_recv() {
                        Ok(told) => break told,
                        Err(_) => heist::task::yield_now().await,
                    }
                };
                assert_eq!(
                    told,
                    format!("a task of `start_server` panicked: {expected}")
                );
            }
        }
    });
}

#[test]
fn the_largest_limit_is_none() {
    on_all(async |event_loop| {
        let server = event_loop.start_server(
            async |mut reader, mut writer| writer.write(&reader.readline().await.unwrap()),
            "127.0.0.1:0",
        );
        let server = server.limit(usize::MAX).await.unwrap();
        let open = event_loop.open_connection(server.local_addr());
        let (mut reader, mut writer) = open.limit(usize::MAX).await.unwrap();
        let limits = writer.transport();
        limits
            .set_write_buffer_limits(None, Some(usize::MAX))
            .unwrap();
        let largest = (usize::MAX, usize::MAX);
        assert_eq!(limits.get_write_buffer_limits(), largest);
        let line = [vec![b'x'; 200_000], vec![b'\n']].concat();
        writer.write(&line);
        assert!(reader.readline().await.unwrap() == line);
        server.close();
    });
}
