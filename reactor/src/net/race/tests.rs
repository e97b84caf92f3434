use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Instant;

use super::{ATTEMPT_DELAY, connect_any, interleaved};
use crate::sys;
use crate::testing::{block_on, within_limit};

fn addresses(all: &[&str]) -> Vec<SocketAddr> {
    all.iter()
        .map(|one| one.parse().expect("an address"))
        .collect()
}

/// That many addresses, IPv6 and IPv4 by turns.
fn numbered(count: u8) -> Vec<SocketAddr> {
    let one = |nth: u8| match nth % 2 {
        0 => format!("[::{nth}]:80"),
        _ => format!("10.0.0.{nth}:80"),
    };
    (0..count)
        .map(|nth| one(nth).parse().expect("an address"))
        .collect()
}

/// What an attempt does.
#[derive(Clone, Copy)]
enum Does {
    Connect,
    Fail(ErrorKind),
    Hang,
    /// Connects some time after this many attempts have been started.
    ConnectAfter(usize),
}

/// The attempts: which were started and when, and how many are under way.
#[derive(Default)]
struct Log {
    started: Mutex<Vec<(SocketAddr, Instant)>>,
    alive: Arc<()>,
}

impl Log {
    fn started(&self) -> Vec<SocketAddr> {
        let started = self.started.lock().expect("no panic");
        started.iter().map(|&(address, _)| address).collect()
    }

    fn under_way(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }

    /// Connects to numbered addresses, of which each does its own.
    fn connect(&self, does: &[Does]) -> impl Future<Output = io::Result<SocketAddr>> {
        let all = numbered(does.len() as u8);
        connect_any(all.clone().into_iter(), move |address| {
            let nth = all.iter().position(|one| *one == address);
            let does = does[nth.expect("one of them")];
            let now = Instant::now();
            self.started.lock().expect("no panic").push((address, now));
            let alive = self.alive.clone();
            let log = self;
            async move {
                let _alive = alive;
                match does {
                    Does::Connect => Ok(address),
                    Does::Fail(kind) => Err(kind.into()),
                    Does::Hang => pending().await,
                    Does::ConnectAfter(attempts) => {
                        while log.started().len() < attempts {
                            crate::time::sleep(ATTEMPT_DELAY / 50).await;
                        }
                        Ok(address)
                    }
                }
            }
        })
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn families_take_turns_and_keep_their_order() {
    let (a6, b6, c6) = ("[::a]:1", "[::b]:1", "[::c]:1");
    let (a4, b4) = ("10.0.0.1:1", "10.0.0.2:1");
    for (given, wanted) in [
        (&[][..], &[][..]),
        (&[a6, b6, c6, a4, b4], &[a6, a4, b6, b4, c6]),
        (&[a4, a6, b6, c6], &[a4, a6, b6, c6]),
        (&[b4, a4, a6], &[b4, a6, a4]),
        (&[c6, a6], &[c6, a6]),
    ] {
        let ordered = interleaved(addresses(given).into_iter());
        assert_eq!(ordered, addresses(wanted));
    }
}

#[test]
fn the_next_attempt_starts_at_once_when_one_fails() {
    use Does::{Connect, Fail, Hang};
    let fail = Fail(ErrorKind::ConnectionRefused);
    for (does, tried) in [
        (&[Connect, Connect][..], 1),
        (&[fail, fail, Connect, Hang], 3),
    ] {
        let log = Log::default();
        // In one poll: no delay has a part in it.
        let polled = poll_once(pin!(log.connect(does)));
        let want = numbered(4)[tried - 1];
        assert!(matches!(polled, std::task::Poll::Ready(Ok(won)) if won == want));
        assert_eq!(log.started(), numbered(tried as u8));
        assert_eq!(log.under_way(), 0);
    }
}

#[test]
fn an_attempt_that_hangs_delays_the_next_by_the_delay_only() {
    within_limit(|| {
        let log = Log::default();
        let does = [Does::Hang, Does::Hang, Does::Connect, Does::Connect];
        let won = block_on(log.connect(&does)).expect("two answer");
        assert_eq!(won, numbered(3)[2]);
        assert_eq!(log.started(), numbered(3));
        assert_eq!(log.under_way(), 0, "the losers are dropped");
        let started = log.started.lock().expect("no panic");
        for pair in started.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= ATTEMPT_DELAY);
        }
    });
}

#[test]
fn an_attempt_that_has_been_overtaken_may_still_win() {
    within_limit(|| {
        let log = Log::default();
        let won = block_on(log.connect(&[Does::ConnectAfter(2), Does::Hang]));
        assert_eq!(won.expect("one answers"), numbered(1)[0]);
        assert_eq!(log.started(), numbered(2));
        assert_eq!(log.under_way(), 0);
    });
}

#[test]
fn dropping_the_future_drops_all_attempts() {
    within_limit(|| {
        let log = Log::default();
        let mut connect = Box::pin(log.connect(&[Does::Hang, Does::Hang]));
        block_on(std::future::poll_fn(|cx| {
            assert!(connect.as_mut().poll(cx).is_pending());
            match log.under_way() {
                2 => std::task::Poll::Ready(()),
                _ => std::task::Poll::Pending,
            }
        }));
        drop(connect);
        assert_eq!(log.under_way(), 0);
    });
}

#[test]
fn the_error_names_all_attempts_and_has_the_most_telling_kind() {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    for (kinds, kind) in [
        (
            &[NetworkUnreachable, ConnectionRefused][..],
            ConnectionRefused,
        ),
        (&[ConnectionRefused, NetworkUnreachable], ConnectionRefused),
        (&[ConnectionRefused, TimedOut, HostUnreachable], TimedOut),
        (&[NetworkUnreachable, HostUnreachable], HostUnreachable),
    ] {
        let does: Vec<_> = kinds.iter().copied().map(Does::Fail).collect();
        let error = block_on(Log::default().connect(&does)).unwrap_err();
        assert_eq!(error.kind(), kind);
        let text = error.to_string();
        for address in numbered(kinds.len() as u8) {
            assert!(text.contains(&address.to_string()), "{text}");
        }
        let source = std::error::Error::source(&error).expect("the most telling one");
        let source = source.downcast_ref::<io::Error>().expect("as it was");
        assert_eq!(source.kind(), kind);
    }
}

#[test]
fn a_family_that_the_machine_lacks_tells_nothing() {
    let refused = || ErrorKind::ConnectionRefused.into();
    let lacks = || io::Error::from_raw_os_error(sys::NO_SUCH_FAMILY);
    let mut errors = [refused(), lacks()].into_iter();
    let error = block_on(connect_any(numbered(2).into_iter(), |_| {
        std::future::ready(Err::<(), _>(errors.next().expect("two attempts")))
    }));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_error_of_a_single_address_stays_as_it_is_and_none_is_an_error() {
    let failed = || std::future::ready(Err::<(), _>(io::Error::from_raw_os_error(24)));
    let error = block_on(connect_any(numbered(1).into_iter(), |_| failed())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(24));
    let error = block_on(connect_any(Vec::new().into_iter(), |_| failed())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
