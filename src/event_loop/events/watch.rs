//! `add_reader` and `add_writer`: callbacks of the loop for as long as a descriptor is ready.
//!
//! One task a descriptor and direction waits, has the loop call the callback, and looks at the descriptor again: as
//! long as it is ready, the callback comes back, whatever it did.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::recurring::{Called, Place};
use crate::event_loop::EventLoop;
use crate::io::Interest;
use crate::io::unix::AsyncFd;
use crate::task::coop;

const READABLE: (Interest, PollFlags) = (Interest::READABLE, PollFlags::IN);
const WRITABLE: (Interest, PollFlags) = (Interest::WRITABLE, PollFlags::OUT);

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
    #[track_caller]
    pub fn add_reader(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.watch_descriptor(&fd, Place::Read, READABLE, callback)
    }

    /// Removes the reader of a descriptor. Returns whether there was one.
    ///
    /// When this returns in a callback of the loop, the reader is not called any more. Elsewhere, one call may be
    /// running.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (reader, _writer) = std::io::pipe()?;
    /// let event_loop = EventLoop::current();
    /// event_loop.add_reader(&reader, || unreachable!())?;
    /// assert!(event_loop.remove_reader(&reader));
    /// assert!(!event_loop.remove_reader(&reader));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_reader(&self, fd: impl AsFd) -> bool {
        self.remove_recurring(Place::Read(fd.as_fd().as_raw_fd()))
    }

    /// Calls `callback` as one of the loop's callbacks whenever `fd` can be written, for as long as it can. Otherwise
    /// like [`add_reader`](Self::add_reader).
    ///
    /// # Errors
    ///
    /// See [`add_reader`](Self::add_reader).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, _other) = UnixStream::pair()?;
    ///     one.set_nonblocking(true)?;
    ///     let one = Arc::new(one);
    ///     let event_loop = EventLoop::current();
    ///     let (promise, written) = event_loop.create_future();
    ///     let writes = one.clone();
    ///     event_loop.add_writer(&*one, move || {
    ///         if let Ok(length) = (&*writes).write(b"hello") {
    ///             let _ = promise.set_result(length);
    ///         }
    ///     })?;
    ///     assert_eq!(written.await.unwrap(), 5);
    ///     event_loop.remove_writer(&*one);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn add_writer(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.watch_descriptor(&fd, Place::Write, WRITABLE, callback)
    }

    /// Removes the writer of a descriptor. Returns whether there was one. See [`remove_reader`](Self::remove_reader).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (_reader, writer) = std::io::pipe()?;
    /// let event_loop = EventLoop::current();
    /// event_loop.add_writer(&writer, || ())?;
    /// assert!(event_loop.remove_writer(&writer));
    /// assert!(!event_loop.remove_writer(&writer));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_writer(&self, fd: impl AsFd) -> bool {
        self.remove_recurring(Place::Write(fd.as_fd().as_raw_fd()))
    }

    #[track_caller]
    fn watch_descriptor(
        &self,
        fd: &impl AsFd,
        place: fn(RawFd) -> Place,
        wanted: (Interest, PollFlags),
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::Error::other("the event loop is closed"));
        }
        let fd = fd.as_fd();
        // A copy, so that it can be watched beside another direction, or beside a transport of its own.
        let copy = fd.try_clone_to_owned()?;
        let entered = self.handle().enter();
        let watched = AsyncFd::with_interest(copy, wanted.0)?;
        drop(entered);
        let place = place(fd.as_raw_fd());
        self.add_recurring(place, Box::new(callback), |called| {
            run(called, watched, wanted)
        })
    }
}

async fn run(called: Called, fd: AsyncFd<OwnedFd>, wanted: (Interest, PollFlags)) {
    // This fails if the runtime shuts down.
    while let Ok(mut guard) = fd.ready(wanted.0).await {
        if is_ready(fd.get_ref(), wanted.1) {
            called.call().await;
        } else {
            guard.clear_ready();
            coop::consume_budget().await;
        }
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
