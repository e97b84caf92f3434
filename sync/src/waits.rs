//! What a task waits for. Reports show it.
//!
//! Such reports are those of a runtime's `shutdown` and of [`futurelock`](crate::futurelock).
//!
//! A future of heist that returns `Pending` leaves a note of what it waits for. If one poll of a task leaves several
//! notes, as in a `join!` or a `select!`, the last one stands. A timer's note gives way to any other, because a timer
//! is mostly a limit to something else. Futures that aren't heist's leave no note.

// The note is a thread-local of one byte. Whoever polls a task reads it after the poll.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::sys::thread_local_const;

/// What a task waits for. It implements `Display` with a short text for people.
///
/// ```
/// use heist::sync::waits::Wait;
///
/// assert_eq!(Wait::MpscRecv.to_string(), "a message");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Wait {
    /// Something that isn't a future of heist.
    Unknown,
    /// Its first poll.
    Start,
    /// Its turn: it has yielded, or its budget is used up.
    Turn,
    /// The lock of a [`Mutex`](crate::Mutex).
    Mutex,
    /// Permits of a [`Semaphore`](crate::Semaphore).
    Semaphore,
    /// A notification of a [`Notify`](crate::Notify).
    Notify,
    /// The value of a [`oneshot`](crate::oneshot) channel, or the end of its receiver.
    Oneshot,
    /// A message from an [`mpsc`](crate::mpsc) channel.
    MpscRecv,
    /// Room in an [`mpsc`](crate::mpsc) channel.
    MpscSend,
    /// A point in time.
    Sleep,
    /// Data to read, or a connection to accept.
    Readable,
    /// Room to write, or a connection that is being made.
    Writable,
    /// The end of another task.
    Join,
    /// The end of a blocking job.
    BlockingJob,
    /// A message from an [`mpmc`](crate::mpmc) channel.
    MpmcRecv,
    /// Room in an [`mpmc`](crate::mpmc) channel, or a receiver.
    MpmcSend,
    /// A shared lock of an [`RwLock`](crate::RwLock).
    Read,
    /// An upgradable lock of an [`RwLock`](crate::RwLock).
    UpgradableRead,
    /// The exclusive lock of an [`RwLock`](crate::RwLock).
    Write,
    /// A notification of a [`Condvar`](crate::Condvar).
    Condvar,
    /// A value from a [`broadcast`](crate::broadcast) channel.
    BroadcastRecv,
    /// A change of the value in a [`watch`](crate::watch) channel.
    WatchChanged,
    /// That all receivers of a channel are gone.
    ReceiversGone,
    /// The cancellation of a [`CancellationToken`](crate::CancellationToken).
    Cancelled,
    /// Room in a [`queue`](crate::queue).
    QueuePut,
    /// An item from a [`queue`](crate::queue).
    QueueGet,
    /// The end of all work that was put into a [`queue`](crate::queue).
    QueueJoin,
    /// That an [`Event`](crate::Event) is set, or that a [`SetOnce`](crate::SetOnce) has its value.
    Event,
    /// The other tasks at a [`Barrier`](crate::Barrier).
    Barrier,
    /// The value of a [`OnceCell`](crate::OnceCell).
    OnceCell,
    /// A signal of the operating system.
    Signal,
    /// The end of a child process.
    ChildProcess,
}

/// All of them, by number.
const ALL: [Wait; 32] = [
    Wait::Unknown,
    Wait::Start,
    Wait::Turn,
    Wait::Mutex,
    Wait::Semaphore,
    Wait::Notify,
    Wait::Oneshot,
    Wait::MpscRecv,
    Wait::MpscSend,
    Wait::Sleep,
    Wait::Readable,
    Wait::Writable,
    Wait::Join,
    Wait::BlockingJob,
    Wait::MpmcRecv,
    Wait::MpmcSend,
    Wait::Read,
    Wait::UpgradableRead,
    Wait::Write,
    Wait::Condvar,
    Wait::BroadcastRecv,
    Wait::WatchChanged,
    Wait::ReceiversGone,
    Wait::Cancelled,
    Wait::QueuePut,
    Wait::QueueGet,
    Wait::QueueJoin,
    Wait::Event,
    Wait::Barrier,
    Wait::OnceCell,
    Wait::Signal,
    Wait::ChildProcess,
];

impl Wait {
    /// The one of that number, given by a cast.
    #[doc(hidden)]
    pub fn from_number(number: u8) -> Self {
        ALL.get(usize::from(number))
            .copied()
            .unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "something unknown",
            Self::Start => "its first poll",
            Self::Turn => "its turn",
            Self::Mutex => "a lock",
            Self::Semaphore => "a permit",
            Self::Notify => "a notification",
            Self::Oneshot => "a oneshot channel",
            Self::MpscRecv => "a message",
            Self::MpscSend => "room in a channel",
            Self::Sleep => "a timer",
            Self::Readable => "data to read",
            Self::Writable => "room to write",
            Self::Join => "a task",
            Self::BlockingJob => "a blocking job",
            Self::MpmcRecv => "a message of a shared channel",
            Self::MpmcSend => "room in a shared channel",
            Self::Read => "a lock to read",
            Self::UpgradableRead => "an upgradable lock",
            Self::Write => "a lock to write",
            Self::Condvar => "a condition",
            Self::BroadcastRecv => "a broadcast value",
            Self::WatchChanged => "a change of a watched value",
            Self::ReceiversGone => "the end of a channel's receivers",
            Self::Cancelled => "a cancellation",
            Self::QueuePut => "room in a queue",
            Self::QueueGet => "an item of a queue",
            Self::QueueJoin => "the end of a queue's work",
            Self::Event => "an event",
            Self::Barrier => "others at a barrier",
            Self::OnceCell => "a value that is being computed",
            Self::Signal => "a signal",
            Self::ChildProcess => "a child process",
        })
    }
}

thread_local_const! {
    static NOTE: Cell<Wait> = Cell::new(Wait::Unknown);
}

/// Leaves the note that this poll waits for `wait`.
#[doc(hidden)]
#[inline]
pub fn note(wait: Wait) {
    NOTE.with(|note| note.set(wait));
}

/// As [`note`], unless there is one already.
#[doc(hidden)]
#[inline]
pub fn note_if_none(wait: Wait) {
    NOTE.with(|note| {
        if note.get() == Wait::Unknown {
            note.set(wait);
        }
    });
}

/// `poll`, with a note left if it is `Pending`.
#[doc(hidden)]
#[inline]
pub fn noted<T>(wait: Wait, poll: Poll<T>) -> Poll<T> {
    if poll.is_pending() {
        note(wait);
    }
    poll
}

/// As `future`, with a note of its own for what it waits for.
pub(crate) async fn noting<F: Future>(wait: Wait, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| noted(wait, future.as_mut().poll(cx))).await
}

/// Before a poll: forgets what others have noted.
#[doc(hidden)]
#[inline]
pub fn forget() {
    note(Wait::Unknown);
}

/// The note that the last poll has left.
#[doc(hidden)]
#[inline]
pub fn left() -> Wait {
    NOTE.with(Cell::get)
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::{ALL, Wait, forget, left, note, note_if_none};

    #[test]
    fn numbers_are_read_back_and_any_other_is_unknown() {
        for (number, wait) in ALL.into_iter().enumerate() {
            assert_eq!(wait as usize, number);
            assert_eq!(Wait::from_number(number as u8), wait);
        }
        assert_eq!(Wait::from_number(200), Wait::Unknown);
    }

    #[test]
    fn a_timer_gives_way_to_any_other() {
        forget();
        note_if_none(Wait::Sleep);
        assert_eq!(left(), Wait::Sleep);
        note(Wait::Mutex);
        note_if_none(Wait::Sleep);
        assert_eq!(left(), Wait::Mutex);
        forget();
        assert_eq!(left(), Wait::Unknown);
    }
}
