//! `add_reader` and `add_writer`: callbacks of the loop for as long as a descriptor is ready.
//!
//! One task a descriptor and direction waits, has the loop call the callback, and looks at the descriptor again: as
//! long as it is ready, the callback comes back, whatever it did. A callback is in one place: with its entry, or with
//! the call that runs it. Whoever replaces or removes it takes the entry out of the table; a call whose entry is not
//! there any more runs nothing.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use heist_sync::sys::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::base::EventLoop;
use crate::io::Interest;
use crate::io::unix::AsyncFd;
use crate::runtime::Id;
use crate::sync::oneshot;
use crate::task::{JoinHandle, coop};

type Callback = Box<dyn FnMut() + Send>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    Read,
    Write,
}

/// A callback that is to be called. The number tells it from those that had its place before.
struct Entry {
    number: u64,
    callback: Option<Callback>,
    task: JoinHandle<()>,
}

type Place = (Id, RawFd, Direction);

#[derive(Default)]
struct Table {
    entries: HashMap<Place, Entry>,
    next: u64,
}

static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();

fn table() -> &'static Mutex<Table> {
    TABLE.get_or_init(Mutex::default)
}

impl EventLoop {
    /// Calls `callback` as one of the loop's callbacks whenever `fd` can be read, for as long as it can.
    ///
    /// If there is a reader of this descriptor already, it is replaced. The loop watches a copy of the descriptor.
    /// Remove the reader before you close the descriptor; then it is not called any more.
    ///
    /// # Errors
    ///
    /// If the system can't watch the descriptor, because it is one of a regular file.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::{Read, Write};
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = Arc::new(reader);
    ///     let event_loop = EventLoop::current();
    ///     let (promise, heard) = event_loop.create_future();
    ///     let reads = reader.clone();
    ///     event_loop.add_reader(&*reader, move || {
    ///         let mut byte = [0];
    ///         (&*reads).read_exact(&mut byte).unwrap();
    ///         let _ = promise.set_result(byte[0]);
    ///     })?;
    ///     writer.write_all(b"x")?;
    ///     assert_eq!(heard.await.unwrap(), b'x');
    ///     assert!(event_loop.remove_reader(&*reader));
    ///     assert!(!event_loop.remove_reader(&*reader));
    ///     Ok(())
    /// }
    /// ```
    pub fn add_reader(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.watch_descriptor(fd, Direction::Read, Box::new(callback))
    }

    /// Removes the reader of a descriptor. Returns whether there was one.
    ///
    /// When this returns in a callback of the loop, the reader is not called any more. Elsewhere, one call may be
    /// running.
    pub fn remove_reader(&self, fd: impl AsFd) -> bool {
        self.unwatch(fd, Direction::Read)
    }

    /// Calls `callback` as one of the loop's callbacks whenever `fd` can be written, for as long as it can. Otherwise
    /// like [`add_reader`](Self::add_reader).
    ///
    /// # Errors
    ///
    /// See [`add_reader`](Self::add_reader).
    pub fn add_writer(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.watch_descriptor(fd, Direction::Write, Box::new(callback))
    }

    /// Removes the writer of a descriptor. Returns whether there was one. See [`remove_reader`](Self::remove_reader).
    pub fn remove_writer(&self, fd: impl AsFd) -> bool {
        self.unwatch(fd, Direction::Write)
    }

    fn watch_descriptor(
        &self,
        fd: impl AsFd,
        direction: Direction,
        callback: Callback,
    ) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::Error::other("the event loop is closed"));
        }
        let fd = fd.as_fd();
        let place = (self.handle().id(), fd.as_raw_fd(), direction);
        // A copy, so that it can be watched beside another direction, or beside a transport of its own.
        let copy = fd.try_clone_to_owned()?;
        let entered = self.handle().enter();
        let interest = match direction {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        };
        let watched = AsyncFd::with_interest(copy, interest)?;
        drop(entered);
        let mut table = table().lock();
        let number = table.next;
        table.next += 1;
        let task = self.create_task(run(self.clone(), watched, place, number));
        let entry = Entry {
            number,
            callback: Some(callback),
            task,
        };
        let old = table.entries.insert(place, entry);
        drop(table);
        end(old);
        Ok(())
    }

    fn unwatch(&self, fd: impl AsFd, direction: Direction) -> bool {
        let place = (self.handle().id(), fd.as_fd().as_raw_fd(), direction);
        let old = table().lock().entries.remove(&place);
        end(old)
    }
}

/// Ends the task of an entry that was taken out. Returns whether there was one.
fn end(entry: Option<Entry>) -> bool {
    let Some(entry) = entry else { return false };
    entry.task.abort();
    true
}

/// Takes the entry out when the runtime drops the task.
struct RemoveOnDrop(Place, u64);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let mut table = table().lock();
        let is_mine = |entry: &Entry| entry.number == self.1;
        if table.entries.get(&self.0).is_some_and(is_mine) {
            let old = table.entries.remove(&self.0);
            drop(table);
            drop(old);
        }
    }
}

async fn run(event_loop: EventLoop, fd: AsyncFd<OwnedFd>, place: Place, number: u64) {
    let _remove = RemoveOnDrop(place, number);
    let wanted = match place.2 {
        Direction::Read => (Interest::READABLE, PollFlags::IN),
        Direction::Write => (Interest::WRITABLE, PollFlags::OUT),
    };
    loop {
        // This fails if the runtime shuts down.
        let Ok(mut guard) = fd.ready(wanted.0).await else {
            return;
        };
        if !is_ready(fd.get_ref(), wanted.1) {
            guard.clear_ready();
            coop::consume_budget().await;
            continue;
        }
        let (called, is_called) = oneshot::channel::<()>();
        event_loop.call_soon(move || {
            // Dropped in the end, also if the callback panics.
            let _called = called;
            call(place, number);
        });
        // It is an error always.
        let _ = is_called.await;
    }
}

fn is_ready(fd: &OwnedFd, wanted: PollFlags) -> bool {
    let mut fds = [PollFd::new(fd, wanted)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // If it can't be told, the callback finds out.
    poll(&mut fds, Some(&now)).map_or(true, |count| count > 0)
}

/// Calls the callback of an entry, if it is still there, with no lock held.
fn call(place: Place, number: u64) {
    let callback = {
        let mut table = table().lock();
        let entry = table.entries.get_mut(&place);
        entry
            .filter(|entry| entry.number == number)
            .and_then(|entry| entry.callback.take())
    };
    let Some(callback) = callback else { return };
    // Puts it back, also if it panics: asyncio goes on calling it too.
    let mut lent = Lent(place, number, Some(callback));
    if let Some(callback) = &mut lent.2 {
        callback();
    }
}

struct Lent(Place, u64, Option<Callback>);

impl Drop for Lent {
    fn drop(&mut self) {
        let callback = self.2.take();
        let mut table = table().lock();
        let entry = table.entries.get_mut(&self.0);
        match entry.filter(|entry| entry.number == self.1) {
            Some(entry) => entry.callback = callback,
            None => {
                drop(table);
                drop(callback);
            }
        }
    }
}
