//! Unix sockets and pipes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Waker};

use heist::event_loop::{EventLoop, Protocol, RuntimeExt as _, Transport, extra};

use super::{Event, Recorder, Watchdog, on_all, pattern, runtime};

struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(b"hello");
        transport.close();
    }
}

#[test]
fn a_unix_server_serves_and_takes_its_file_away() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // Left behind by a program that is gone.
        drop(UnixListener::bind(&path).unwrap());
        let server = event_loop
            .create_unix_server(|| Greeter, &path)
            .await
            .unwrap();
        assert_eq!(server.sockets()[0].path(), Some(&*path));
        let (mut reader, writer) = event_loop.open_unix_connection(&path).await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"hello");
        let peer = writer.get_extra_info(extra::PEERNAME).unwrap();
        assert_eq!(peer.path(), Some(&*path));
        drop(writer);
        server.close();
        server.wait_closed().await;
        assert!(!path.exists());
    });
}

#[test]
fn a_file_that_is_no_socket_stays() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        let error = event_loop
            .create_unix_server(|| Greeter, &path)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("precious"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
        let error = event_loop
            .open_unix_connection(folder.path().join("none"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_socket_that_took_the_place_of_the_servers_stays() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = event_loop
            .create_unix_server(|| Greeter, &path)
            .await
            .unwrap();
        let second = event_loop
            .create_unix_server(|| Greeter, &path)
            .await
            .unwrap();
        first.close();
        first.wait_closed().await;
        let (mut reader, _writer) = event_loop.open_unix_connection(&path).await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"hello");
        second.close();
    });
}

#[test]
fn unix_streams_go_both_ways() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let echo = async |mut reader: heist::event_loop::StreamReader,
                          mut writer: heist::event_loop::StreamWriter| {
            let all = reader.read_to_end().await.unwrap();
            writer.write(&all);
        };
        let _server = event_loop.start_unix_server(echo, &path).await.unwrap();
        let (mut reader, mut writer) = event_loop.open_unix_connection(&path).await.unwrap();
        writer.write(&pattern(1_000_000));
        writer.write_eof();
        assert!(reader.read_to_end().await.unwrap() == pattern(1_000_000));
    });
}

fn recorder() -> (Recorder, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel();
    let recorder = Recorder {
        transport: None,
        events,
        react: Box::new(|_, _| ()),
        keep_open: true,
    };
    (recorder, receiver)
}

#[test]
fn a_pipe_is_read_until_its_writers_are_gone() {
    on_all(async |event_loop| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (recorder, events) = recorder();
        let (transport, protocol) = event_loop
            .connect_read_pipe(|| recorder, reader)
            .await
            .unwrap();
        assert!(!transport.can_write_eof());
        writer.write_all(b"hello").unwrap();
        drop(writer);
        protocol.wait_lost().await.unwrap();
        let mut events = events.try_iter().skip(1);
        assert_eq!(events.next().unwrap().data(), b"hello");
        // Even if it wants to stay open: nothing can come any more.
        assert!(matches!(events.next(), Some(Event::Eof)));
        assert!(events.next().unwrap().lost().is_none());
    });
}

#[test]
fn a_pipe_is_written_to_and_closed_after_that() {
    on_all(async |event_loop| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (recorder, events) = recorder();
        let (transport, protocol) = event_loop
            .connect_write_pipe(|| recorder, writer)
            .await
            .unwrap();
        while transport.write(&pattern(251 * 100)) {}
        transport.write_eof();
        let read = heist::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        assert!(
            read.await
                .unwrap()
                .chunks(251)
                .all(|chunk| chunk == pattern(251))
        );
        protocol.wait_lost().await.unwrap();
        let told: Vec<_> = events.try_iter().collect();
        assert!(
            matches!(
                told[..],
                [
                    Event::Made(_),
                    Event::Paused,
                    Event::Resumed,
                    Event::Lost(None)
                ]
            ),
            "{told:?}"
        );
    });
}

#[test]
fn a_reader_that_goes_ends_the_writer() {
    on_all(async |event_loop| {
        let (reader, writer) = std::io::pipe().unwrap();
        let (recorder, events) = recorder();
        let (_transport, protocol) = event_loop
            .connect_write_pipe(|| recorder, writer)
            .await
            .unwrap();
        drop(reader);
        protocol.wait_lost().await.unwrap();
        let told: Vec<_> = events.try_iter().collect();
        assert!(
            matches!(told[..], [Event::Made(_), Event::Lost(None)]),
            "{told:?}"
        );
    });
}

#[test]
fn a_reader_that_goes_while_data_waits_is_an_error() {
    on_all(async |event_loop| {
        let (reader, writer) = std::io::pipe().unwrap();
        let (recorder, events) = recorder();
        let (transport, protocol) = event_loop
            .connect_write_pipe(|| recorder, writer)
            .await
            .unwrap();
        while transport.write(&pattern(100_000)) {}
        drop(reader);
        protocol.wait_lost().await.unwrap();
        let error = events.try_iter().last().unwrap().lost().unwrap();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_file_is_no_pipe() {
    on_all(async |event_loop: EventLoop| {
        let file = tempfile::tempfile().unwrap();
        let error = event_loop
            .connect_read_pipe(|| Greeter, file)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(
            event_loop
                .connect_write_pipe(|| Greeter, reader)
                .await
                .is_err()
        );
    });
}

#[test]
fn a_server_that_never_listened_is_not_over_before_its_file_is_gone() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    for round in 0..200 {
        let path = folder.path().join(round.to_string());
        let create = runtime
            .event_loop()
            .create_unix_server(|| Greeter, &path)
            .start_serving(false);
        let server = runtime.block_on(create).unwrap();
        let (closes, start) = (server.clone(), Arc::new(Barrier::new(2)));
        let starts = start.clone();
        let closer = std::thread::spawn(move || {
            starts.wait();
            closes.close();
        });
        start.wait();
        // It looks again and again, so as to be early.
        let mut waits = pin!(server.wait_closed());
        let mut cx = Context::from_waker(Waker::noop());
        while waits.as_mut().poll(&mut cx).is_pending() {
            waits.set(server.wait_closed());
        }
        assert!(!path.exists(), "in round {round}");
        closer.join().unwrap();
    }
}
