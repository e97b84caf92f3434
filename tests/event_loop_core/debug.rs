//! Debug mode, and the exception handler.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use heist::event_loop::{
    DatagramProtocol, DatagramTransport, EventLoop, ExceptionContext, Protocol, StreamWriter,
    Transport,
};

use super::{Log, on_each, told};

#[test]
fn slow_callbacks_and_polls_are_named_with_their_place() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        event_loop.set_slow_callback_handler(Some(Box::new(move |slow| {
            sender.send(*slow).unwrap();
        })));
        event_loop.set_slow_callback_duration(Duration::from_millis(3));
        let slow = || thread::sleep(Duration::from_millis(4));
        event_loop.call_soon(slow);
        event_loop.stop();
        event_loop.run_forever();
        assert!(receiver.try_recv().is_err(), "debug mode is off");

        event_loop.set_debug(true);
        assert!(event_loop.get_debug());
        let line = line!() + 1;
        event_loop.call_soon(slow);
        event_loop.call_later(Duration::ZERO, slow);
        event_loop.stop();
        event_loop.run_forever();
        let task = event_loop.create_task(async move { slow() });
        event_loop.run_until_complete(task).unwrap().unwrap();
        for (offset, what) in [
            (0, "a callback"),
            (1, "a callback"),
            (4, "a poll of a task"),
        ] {
            let slow = receiver.recv().unwrap();
            assert_eq!((slow.what(), slow.location().line()), (what, line + offset));
            assert!(slow.location().file().ends_with("debug.rs"));
            assert!(slow.duration() >= Duration::from_millis(3));
        }
    });
}

#[test]
fn quick_callbacks_are_not_reported() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        event_loop.set_slow_callback_handler(Some(Box::new(move |slow| {
            sender.send(*slow).unwrap();
        })));
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::from_secs(3_600));
        event_loop.call_soon(|| ());
        event_loop.stop();
        event_loop.run_forever();
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn a_slow_callback_handler_that_panics_does_no_harm() {
    on_each(|event_loop| {
        let log = Log::default();
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::ZERO);
        event_loop.set_slow_callback_handler(Some(Box::new(|_| panic!("in the handler"))));
        event_loop.call_soon(log.noting("first"));
        event_loop.call_soon(log.noting("second"));
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["first", "second"]);
    });
}

#[test]
fn the_handler_hears_where_the_callback_was_scheduled() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        let handler = move |_: &EventLoop, context: &ExceptionContext| {
            sender
                .send(context.location().map(|place| place.line()))
                .unwrap();
        };
        event_loop.set_exception_handler(Some(Box::new(handler)));
        assert!(event_loop.get_exception_handler().is_some());
        let line = line!() + 1;
        event_loop.call_soon(|| panic!("here"));
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(receiver.recv().unwrap(), Some(line));
        event_loop.call_exception_handler(ExceptionContext::new("by hand"));
        assert_eq!(receiver.recv().unwrap(), None);
    });
}

#[test]
fn a_replaced_handler_hears_nothing_more() {
    on_each(|event_loop| {
        let first = told(&event_loop);
        let second = told(&event_loop);
        event_loop.call_soon(|| panic!("to the second"));
        event_loop.stop();
        event_loop.run_forever();
        assert!(second.recv().unwrap().ends_with("to the second"));
        assert!(first.recv().is_err());
    });
}

/// Takes its time at every callback.
struct Slow(mpsc::Sender<()>);

impl Protocol for Slow {
    fn connection_made(&mut self, _: Transport) {
        thread::sleep(Duration::from_millis(4));
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        self.0.send(()).unwrap();
    }
}

impl DatagramProtocol for Slow {
    fn connection_made(&mut self, _: DatagramTransport) {
        thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn slow_callbacks_of_protocols_are_named_with_where_the_connection_was_asked_for() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        event_loop.set_slow_callback_handler(Some(Box::new(move |slow| {
            sender.send(*slow).unwrap();
        })));
        event_loop.set_slow_callback_duration(Duration::from_millis(3));
        event_loop.set_debug(true);
        let (lost, is_lost) = mpsc::channel();
        let line = line!() + 5;
        let of_loop = EventLoop::clone(&event_loop);
        event_loop
            .run_until_complete(async move {
                let for_server = lost.clone();
                let server = of_loop.create_server(move || Slow(for_server.clone()), "127.0.0.1:0");
                let server = server.await.unwrap();
                let slow = Slow(lost.clone());
                let client = of_loop.create_connection(|| slow, server.local_addr());
                let (transport, _) = client.await.unwrap();
                let slow = Slow(lost);
                let endpoint = of_loop.create_datagram_endpoint(|| slow);
                endpoint.local_addr("127.0.0.1:0").await.unwrap();
                transport.close();
                // Both ends have been made once they are lost.
                for _ in 0..2 {
                    while is_lost.try_recv().is_err() {
                        heist::task::yield_now().await;
                    }
                }
                server.close();
                server.wait_closed().await;
            })
            .unwrap();
        let mut lines: Vec<u32> = receiver
            .try_iter()
            .filter(|slow| slow.what() == "connection_made")
            .map(|slow| slow.location().line() - line)
            .collect();
        lines.sort();
        assert_eq!(lines, [0, 3, 6]);
    });
}

#[test]
fn what_takes_long_in_a_stream_is_named_with_where_the_stream_was_asked_for() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        event_loop.set_slow_callback_handler(Some(Box::new(move |slow| {
            let _ = sender.send(*slow);
        })));
        event_loop.set_slow_callback_duration(Duration::ZERO);
        event_loop.set_debug(true);
        let of_loop = EventLoop::clone(&event_loop);
        let talk = async move {
            let start = async |_reader, mut writer: StreamWriter| writer.write(b"hello");
            let server = of_loop.start_server(start, "127.0.0.1:0").await.unwrap();
            let open = of_loop.open_connection(server.local_addr());
            let (mut reader, _writer) = open.await.unwrap();
            assert_eq!(reader.read_to_end().await.unwrap(), b"hello");
            server.close();
        };
        event_loop.run_until_complete(talk).unwrap();
        event_loop.set_debug(false);
        let slow: Vec<_> = receiver.try_iter().collect();
        for what in ["connection_made", "a poll of a task"] {
            assert!(slow.iter().any(|slow| slow.what() == what), "{slow:?}");
        }
        let elsewhere = slow.iter().find(|slow| slow.location().file() != file!());
        assert_eq!(elsewhere, None);
    });
}

#[cfg(unix)]
impl heist::event_loop::SubprocessProtocol for Slow {
    fn connection_made(&mut self, _: heist::event_loop::SubprocessTransport) {
        thread::sleep(Duration::from_millis(4));
    }
}

#[test]
#[cfg(unix)]
fn slow_callbacks_of_child_processes_are_named_too() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        event_loop.set_slow_callback_handler(Some(Box::new(move |slow| {
            let _ = sender.send(*slow);
        })));
        event_loop.set_slow_callback_duration(Duration::from_millis(3));
        event_loop.set_debug(true);
        let slow = Slow(mpsc::channel().0);
        let command = heist::process::Command::new("true");
        let line = line!() + 1;
        let start = event_loop.subprocess_exec(|| slow, command);
        event_loop.run_until_complete(start).unwrap().unwrap();
        // Told before the process counts as made.
        let mut slow = receiver.try_iter();
        let made = slow.find(|slow| slow.what() == "connection_made").unwrap();
        assert_eq!(
            (made.location().file(), made.location().line()),
            (file!(), line)
        );
    });
}
