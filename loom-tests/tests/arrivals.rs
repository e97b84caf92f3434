//! Signals: each arrival is heard by every listener, whoever empties the pipe, and whether or not the pipe had room.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use heist_reactor::protocol::{Arrivals, Bell, Direction, Listener, News};
use heist_sync::sys::{Arc, Mutex, thread};
use heist_sync::waits::Wait;
use loom_tests::block_on::block_on;
use loom_tests::{Census, model};

/// The pipe, and what the reactor tells of it.
struct Pipe {
    room: usize,
    bytes: Mutex<usize>,
    direction: Direction,
    silencing: Mutex<()>,
}

impl Pipe {
    /// A pipe that holds `room` bytes.
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            bytes: Mutex::default(),
            direction: Direction::new(News::NONE, Wait::Readable),
            silencing: Mutex::default(),
        })
    }

    fn bell(&self) -> Bell<'_> {
        Bell {
            direction: &self.direction,
            silencing: &self.silencing,
        }
    }

    /// A pipe that holds one byte, and has it. The poller has told of it.
    fn rung() -> Arc<Self> {
        Arc::new(Self {
            room: 1,
            bytes: Mutex::new(1),
            direction: Direction::new(News::READY, Wait::Readable),
            silencing: Mutex::default(),
        })
    }

    /// Writes a byte if there is room. Returns whether there was.
    fn write(&self) -> bool {
        let mut bytes = self.bytes.lock();
        let has_room = *bytes < self.room;
        *bytes += usize::from(has_room);
        has_room
    }

    /// The poller has heard of a byte. Like epoll, it looks at the pipe before it tells anybody.
    fn report(&self, census: &Census) {
        let is_empty = *self.bytes.lock() == 0;
        if is_empty {
            return census.saw("emptied before its event");
        }
        let mut wakers = Vec::new();
        self.direction.set(News::READY, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Empties it.
    fn silence(&self) {
        *self.bytes.lock() = 0;
    }
}

/// A signal handler, and the reactor after it.
fn arrive(arrivals: &Arrivals, pipe: &Pipe, census: &Census) {
    let mut had_room = false;
    arrivals.arrive(|| had_room = pipe.write());
    if had_room {
        census.saw("rung");
        pipe.report(census);
    } else {
        census.saw("no room");
    }
}

/// Hears once.
fn hear(listener: &mut Listener, pipe: &Pipe) {
    block_on(poll_fn(|cx| {
        listener.poll(cx, pipe.bell(), || pipe.silence())
    }));
}

/// Polls once, and returns whether it has heard.
fn has_heard(listener: &mut Listener, pipe: &Pipe) -> bool {
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let heard = listener.poll(&mut cx, pipe.bell(), || pipe.silence());
    heard == Poll::Ready(())
}

/// Two signals of two kinds, and a listener for each. The byte of the second may be read together with that of the first, by the
/// other listener, before the poller has told of it.
#[test]
fn a_signal_is_heard_whoever_empties_the_pipe() {
    let census = Census::new(&["rung", "emptied before its event"]);
    let counted = census.clone();
    model(
        "a_signal_is_heard_whoever_empties_the_pipe",
        Some(2),
        move || {
            let pipe = Pipe::new(2);
            let kinds = [(); 2].map(|()| Arc::new(Arrivals::default()));
            let threads = kinds.clone().map(|arrivals| {
                let pipe = pipe.clone();
                let mut listener = Listener::new(arrivals);
                thread::spawn(move || {
                    hear(&mut listener, &pipe);
                    assert!(!has_heard(&mut listener, &pipe), "it came once");
                    listener.leave(pipe.bell());
                })
            });
            for arrivals in kinds {
                arrive(&arrivals, &pipe, &counted);
            }
            for thread in threads {
                thread.join().unwrap();
            }
        },
    );
    census.assert_all_seen();
}

/// A signal comes while two listeners see a bell that has been rung for a kind that is not theirs. Either may empty the pipe, but
/// not of the new byte while the other already waits for its event.
#[test]
fn a_bell_seen_before_takes_no_later_byte() {
    let census = Census::new(&["rung", "no room"]);
    let counted = census.clone();
    model(
        "a_bell_seen_before_takes_no_later_byte",
        Some(2),
        move || {
            let pipe = Pipe::rung();
            let arrivals = Arc::new(Arrivals::default());
            let threads = [(); 2].map(|()| {
                let pipe = pipe.clone();
                let mut listener = Listener::new(arrivals.clone());
                thread::spawn(move || {
                    hear(&mut listener, &pipe);
                    listener.leave(pipe.bell());
                })
            });
            arrive(&arrivals, &pipe, &counted);
            for thread in threads {
                thread.join().unwrap();
            }
        },
    );
    census.assert_all_seen();
}

/// Several signals of one kind may be heard as one, and the pipe may have no room for the last one, but the last one isn't missed, by either of two listeners.
#[test]
fn all_listeners_of_a_kind_hear_of_the_last_signal() {
    let census = Census::new(&["rung", "no room", "one", "two"]);
    let counted = census.clone();
    model(
        "all_listeners_of_a_kind_hear_of_the_last_signal",
        Some(2),
        move || {
            let pipe = Pipe::new(1);
            let arrivals = Arc::new(Arrivals::default());
            let over = Arc::new(Mutex::new(false));
            let listen = || {
                let (pipe, over, counted) = (pipe.clone(), over.clone(), counted.clone());
                let mut listener = Listener::new(arrivals.clone());
                move || {
                    let mut times = 0;
                    // What comes before the last signal is seen by whoever hears of that.
                    while !*over.lock() {
                        hear(&mut listener, &pipe);
                        times += 1;
                    }
                    counted.saw(if times == 1 { "one" } else { "two" });
                    listener.leave(pipe.bell());
                }
            };
            let (first, second) = (thread::spawn(listen()), thread::spawn(listen()));
            arrive(&arrivals, &pipe, &counted);
            *over.lock() = true;
            arrive(&arrivals, &pipe, &counted);
            first.join().unwrap();
            second.join().unwrap();
        },
    );
    census.assert_all_seen();
}

/// A listener that goes, whatever it has heard or silenced, takes nothing from the one that stays.
#[test]
fn a_listener_that_goes_takes_no_signal_with_it() {
    let census = Census::new(&["rung", "heard and went", "went without", "no room"]);
    let counted = census.clone();
    model(
        "a_listener_that_goes_takes_no_signal_with_it",
        Some(3),
        move || {
            let pipe = Pipe::new(1);
            let kinds = [(); 2].map(|()| Arc::new(Arrivals::default()));
            let mut stays = Listener::new(kinds[0].clone());
            let mut goes = Listener::new(kinds[1].clone());
            let waits = thread::spawn({
                let pipe = pipe.clone();
                move || {
                    hear(&mut stays, &pipe);
                    stays.leave(pipe.bell());
                }
            });
            let leaves = thread::spawn({
                let (pipe, counted) = (pipe.clone(), counted.clone());
                move || {
                    let heard = (0..2).any(|_| has_heard(&mut goes, &pipe));
                    counted.saw(if heard {
                        "heard and went"
                    } else {
                        "went without"
                    });
                    goes.leave(pipe.bell());
                }
            });
            arrive(&kinds[1], &pipe, &counted);
            arrive(&kinds[0], &pipe, &counted);
            waits.join().unwrap();
            leaves.join().unwrap();
        },
    );
    census.assert_all_seen();
}
