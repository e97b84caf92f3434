//! Connecting to whichever of several addresses answers first, by "happy eyeballs" (RFC 8305).

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use super::addr::no_address;
use crate::sys;
use crate::time::{Instant, sleep};

/// How long an attempt has the field to itself. Then the next one starts beside it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address that answers. The attempts start in the order of [`interleaved`]: the next one when one
/// has failed, or when the last one to start has taken [`ATTEMPT_DELAY`]. The first to succeed wins, and the others are
/// dropped.
pub(super) async fn connect_any<T, F>(
    addresses: vec::IntoIter<SocketAddr>,
    mut connect: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    if let &[only] = addresses.as_slice() {
        return connect(only).await;
    }
    let mut untried = interleaved(addresses).into_iter();
    let mut attempts = Attempts {
        under_way: Vec::new(),
        failed: Vec::new(),
    };
    let mut delay = pin!(sleep(ATTEMPT_DELAY));
    poll_fn(|cx| {
        loop {
            let failed_before = attempts.failed.len();
            if let Some(connected) = attempts.poll(cx) {
                return Poll::Ready(Ok(connected));
            }
            let none_under_way = attempts.under_way.is_empty();
            if untried.len() == 0 {
                return match none_under_way {
                    true => Poll::Ready(Err(NoneAnswered::error(&mut attempts.failed))),
                    false => Poll::Pending,
                };
            }
            let has_failed = attempts.failed.len() > failed_before;
            if none_under_way || has_failed || delay.as_mut().poll(cx).is_ready() {
                let next = untried.next().expect("some are untried");
                attempts.under_way.push((next, Box::pin(connect(next))));
                delay.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
            } else {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// The addresses of the two families by turns, as long as there are both. Each family keeps its order, and the first
/// address stays the first: the system has sorted them by how well it can reach them.
fn interleaved(addresses: vec::IntoIter<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.as_slice().first();
    let first_is_ipv4 = first.is_some_and(SocketAddr::is_ipv4);
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv4() == first_is_ipv4);
    let mut ordered = Vec::with_capacity(same.len() + other.len());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    while same.len() + other.len() > 0 {
        ordered.extend(same.next());
        ordered.extend(other.next());
    }
    ordered
}

/// The attempts that have started.
struct Attempts<F> {
    under_way: Vec<(SocketAddr, Pin<Box<F>>)>,
    /// In the order in which they failed.
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<T, F: Future<Output = io::Result<T>>> Attempts<F> {
    /// Polls all that are under way, until one has connected.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut connected = None;
        self.under_way.retain_mut(|(address, attempt)| {
            if connected.is_some() {
                return true;
            }
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(it)) => connected = Some(it),
                Poll::Ready(Err(error)) => self.failed.push((*address, error)),
                Poll::Pending => return true,
            }
            false
        });
        connected
    }
}

/// The error if no address answers. It tells what each attempt ended with.
#[derive(Debug)]
struct NoneAnswered {
    attempts: Vec<(SocketAddr, io::Error)>,
    /// Which of them has the most telling error.
    telling: usize,
}

impl NoneAnswered {
    /// The error after these attempts. It has the kind of the last error that says something of the host. An error that says
    /// only that this machine has no way to the address tells less.
    fn error(failed: &mut Vec<(SocketAddr, io::Error)>) -> io::Error {
        let attempts = std::mem::take(failed);
        let Some(last) = attempts.len().checked_sub(1) else {
            return no_address();
        };
        let telling = attempts.iter().rposition(|(_, error)| !is_no_way(error));
        let telling = telling.unwrap_or(last);
        let kind = attempts[telling].1.kind();
        io::Error::new(kind, NoneAnswered { attempts, telling })
    }
}

/// Whether the error says that this machine has no way to the address.
fn is_no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
    ) || error.raw_os_error() == Some(sys::NO_SUCH_FAMILY)
}

impl fmt::Display for NoneAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address can be connected to")?;
        let mut between = ": ";
        for (address, error) in &self.attempts {
            write!(f, "{between}{address}: {error}")?;
            between = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for NoneAnswered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.attempts[self.telling].1)
    }
}

#[cfg(test)]
mod tests;
