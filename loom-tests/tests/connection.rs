//! A connection of the event loop: what its task shares with those who hold its transport or its protocol's handle.
//!
//! The files are the real ones. What they use of the rest is replaced below: sockets that take all or nothing.

#[path = "../../src/event_loop/transports/inbox.rs"]
mod inbox;
#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../src/event_loop/transports/link.rs"]
mod link;

mod time {
    pub(crate) use std::time::Instant;
}

mod address {
    pub(crate) struct Address;
}

mod socket {
    use std::io;
    use std::sync::Arc;

    use super::address::Address;

    pub(crate) trait Socket: Send + Sync {
        fn try_write(&self, data: &[u8]) -> io::Result<usize>;

        fn try_flush(&self) -> io::Result<()> {
            Ok(())
        }

        fn shut_down_writing(&self) -> io::Result<()> {
            Ok(())
        }

        fn try_close(&self) -> io::Result<()> {
            Ok(())
        }

        fn directions(&self) -> Directions {
            Directions::Both
        }
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    pub(crate) enum Directions {
        Both,
    }

    pub(crate) struct Opened {
        pub(crate) socket: Arc<dyn Socket>,
        pub(crate) peer: Option<Address>,
        pub(crate) local: Option<Address>,
    }
}

use std::future::poll_fn;
use std::io::{self, ErrorKind};

use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::block_on::block_on;
use loom_tests::{Census, model};

use inbox::Inbox;
use link::{Link, Next, Written};
use socket::{Opened, Socket};

/// Takes all that is written.
struct Takes(Arc<Mutex<usize>>);

impl Socket for Takes {
    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        *self.0.lock() += data.len();
        Ok(data.len())
    }
}

/// Takes nothing.
struct Full;

impl Socket for Full {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

fn link(socket: impl Socket + 'static) -> std::sync::Arc<Link> {
    let opened = Opened {
        socket: std::sync::Arc::new(socket),
        peer: None,
        local: None,
    };
    Link::new(opened)
}

/// The connection's task, from one wait to the next, until the connection is lost. The protocol is a number.
fn drive(link: &Link, inbox: &Inbox<u32>) -> (u32, Option<io::Error>) {
    let mut protocol = 0;
    loop {
        match link.advance(true) {
            Next::Errand => {
                if let Some((errand, more)) = inbox.pop() {
                    errand(&mut protocol);
                    if more {
                        link.note_errand();
                    }
                }
            }
            Next::Wait { .. } => block_on(poll_fn(|cx| link.poll_change(cx))),
            Next::Lost(error) => {
                link.release();
                inbox.close();
                return (protocol, error);
            }
            _ => {}
        }
    }
}

/// An errand for the protocol races a close after a write: the errand runs or is dropped, what was written is sent, and
/// the task comes to its end.
#[test]
fn a_close_meets_an_errand() {
    let census = Census::new(&["ran", "was dropped"]);
    let counted = census.clone();
    model("a_close_meets_an_errand", Some(3), move || {
        let (value, sent) = (Arc::new(7), Arc::new(Mutex::new(0)));
        let (link, inbox) = (link(Takes(sent.clone())), Inbox::<u32>::new());
        let asks = {
            let (link, inbox, value) = (link.clone(), inbox.clone(), value.clone());
            thread::spawn(move || {
                inbox.push(Box::new(move |protocol| *protocol += *value));
                link.note_errand();
            })
        };
        let closes = {
            let link = link.clone();
            thread::spawn(move || {
                assert!(matches!(link.write(b"x"), Written::Taken(true)));
                link.close();
                assert!(matches!(link.write(b"y"), Written::Taken(false)));
            })
        };
        let (protocol, error) = drive(&link, &inbox);
        assert!(error.is_none());
        asks.join().unwrap();
        closes.join().unwrap();
        counted.saw(if protocol == 7 { "ran" } else { "was dropped" });
        assert_eq!(*sent.lock(), 1);
        assert_eq!(Arc::strong_count(&value), 1, "the errand is kept");
        assert!(link.socket().is_none());
    });
    census.assert_all_seen();
}

/// An abort races a write that the socket doesn't take: nothing is kept, and the task comes to its end.
#[test]
fn an_abort_meets_a_write() {
    let census = Census::new(&["written", "refused"]);
    let counted = census.clone();
    model("an_abort_meets_a_write", Some(3), move || {
        let (link, inbox) = (link(Full), Inbox::<u32>::new());
        let writes = {
            let link = link.clone();
            thread::spawn(move || match link.write(b"x") {
                Written::Taken(more) => more,
                Written::AfterEof => unreachable!(),
            })
        };
        let aborts = {
            let link = link.clone();
            thread::spawn(move || link.abort())
        };
        let (_, error) = drive(&link, &inbox);
        assert!(error.is_none());
        aborts.join().unwrap();
        counted.saw(if writes.join().unwrap() {
            "written"
        } else {
            "refused"
        });
        assert_eq!(link.buffered(), 0);
        assert!(link.is_closing());
    });
    census.assert_all_seen();
}

/// An errand that closes the connection reaches the task, which may be waiting, beside a write that wakes nobody.
#[test]
fn an_errand_reaches_the_task() {
    let census = Census::new(&["before the close", "after the close"]);
    let counted = census.clone();
    model("an_errand_reaches_the_task", Some(3), move || {
        let sent = Arc::new(Mutex::new(0));
        let (link, inbox) = (link(Takes(sent.clone())), Inbox::<u32>::new());
        let asks = {
            let (link, inbox) = (link.clone(), inbox.clone());
            thread::spawn(move || {
                let closes = link.clone();
                inbox.push(Box::new(move |protocol| {
                    *protocol = 7;
                    closes.close();
                }));
                link.note_errand();
            })
        };
        let writes = {
            let link = link.clone();
            thread::spawn(move || matches!(link.write(b"x"), Written::Taken(true)))
        };
        let (protocol, error) = drive(&link, &inbox);
        assert!(error.is_none() && protocol == 7);
        asks.join().unwrap();
        let written = writes.join().unwrap();
        counted.saw(if written {
            "before the close"
        } else {
            "after the close"
        });
        assert_eq!(*sent.lock(), usize::from(written));
    });
    census.assert_all_seen();
}
