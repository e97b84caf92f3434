//! Callbacks that the loop calls again and again: for a descriptor as long as it is ready, for each signal of a kind.
//!
//! One task for each place waits for its event, and has the loop call the callback. A callback is in one place: with its
//! entry, or with the call that runs it. Whoever replaces or removes it takes the entry out of the table. A call whose
//! entry is not there any more runs nothing.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;

use heist_sync::sys::Mutex;

use crate::event_loop::EventLoop;
use crate::sync::oneshot;
use crate::task::AbortOnDropHandle;

type Callback = Box<dyn FnMut() + Send>;

/// What a callback is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Read(RawFd),
    Write(RawFd),
    Signal(i32),
}

impl Place {
    /// What reports call the task.
    fn name(self) -> String {
        match self {
            Self::Read(fd) => format!("reader of descriptor {fd}"),
            Self::Write(fd) => format!("writer of descriptor {fd}"),
            Self::Signal(number) => format!("handler of signal {number}"),
        }
    }
}

struct Entry {
    /// Tells it from those that had its place before.
    number: u64,
    callback: Option<Callback>,
    /// Where the callback was added.
    location: &'static Location<'static>,
    /// `None` until it is made.
    task: Option<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Place, Entry>,
    next: u64,
}

impl Table {
    fn entry(&mut self, place: Place, number: u64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&place);
        entry.filter(|entry| entry.number == number)
    }
}

/// The callbacks of one runtime's loop.
#[derive(Default)]
struct Recurring(Mutex<Table>);

impl EventLoop {
    fn recurring(&self) -> Option<Arc<Recurring>> {
        self.handle().extension(Recurring::default)
    }

    /// Puts a callback into its place, and runs the task that `wait` makes. The task has the callback called. What was in
    /// that place is not called any more.
    #[track_caller]
    pub(super) fn add_recurring<F>(
        &self,
        place: Place,
        callback: Callback,
        wait: impl FnOnce(Called) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let closed = || io::Error::other("the event loop is closed");
        let recurring = self.recurring().ok_or_else(closed)?;
        let mut table = recurring.0.lock();
        let number = table.next;
        table.next += 1;
        let entry = Entry {
            number,
            callback: Some(callback),
            location: Location::caller(),
            task: None,
        };
        let old = table.entries.insert(place, entry);
        drop(table);
        // From here on, the entry goes if this panics.
        let called = Called {
            event_loop: self.clone(),
            recurring: recurring.clone(),
            place,
            number,
            location: Location::caller(),
        };
        drop(old);
        let mut task = Some(AbortOnDropHandle::new(
            self.spawn_own(&place.name(), wait(called)),
        ));
        if let Some(entry) = recurring.0.lock().entry(place, number) {
            entry.task = task.take();
        }
        // If it was replaced meanwhile, its task ends here.
        drop(task);
        Ok(())
    }

    /// Puts another callback into the place of one that is there. The events that it was not called for yet are for the
    /// new one. Gives the callback back if there is none.
    #[track_caller]
    pub(super) fn replace_recurring(
        &self,
        place: Place,
        callback: Callback,
    ) -> Result<(), Callback> {
        let Some(recurring) = self.recurring() else {
            return Err(callback);
        };
        let mut table = recurring.0.lock();
        let Some(entry) = table.entries.get_mut(&place) else {
            return Err(callback);
        };
        let old = entry.callback.replace(callback);
        entry.location = Location::caller();
        drop(table);
        drop(old);
        Ok(())
    }

    /// Takes the callback out of its place. Returns whether there was one.
    pub(super) fn remove_recurring(&self, place: Place) -> bool {
        let Some(recurring) = self.recurring() else {
            return false;
        };
        let old = recurring.0.lock().entries.remove(&place);
        old.is_some()
    }
}

/// The callback, as its task has it. It leaves its place when the task ends.
pub(super) struct Called {
    event_loop: EventLoop,
    recurring: Arc<Recurring>,
    place: Place,
    number: u64,
    /// Where the first callback was added. One that has replaced it has its own in the entry.
    location: &'static Location<'static>,
}

impl Called {
    /// Has the loop call the callback, and waits until that is done.
    pub(super) async fn call(&self) {
        let (called, is_called) = oneshot::channel::<()>();
        let (recurring, place, number) = (self.recurring.clone(), self.place, self.number);
        let location = match self.recurring.0.lock().entry(place, number) {
            Some(entry) => entry.location,
            None => self.location,
        };
        self.event_loop.call_soon_from(location, move || {
            // Dropped in the end, also if the callback panics.
            let _called = called;
            recurring.call(place, number);
        });
        // It is an error always.
        let _ = is_called.await;
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let mut table = self.recurring.0.lock();
        if table.entry(self.place, self.number).is_some() {
            let old = table.entries.remove(&self.place);
            drop(table);
            drop(old);
        }
    }
}

impl Recurring {
    /// Calls the callback of an entry, if it is still there, with no lock held.
    fn call(&self, place: Place, number: u64) {
        let mut table = self.0.lock();
        let entry = table.entry(place, number);
        let callback = entry.and_then(|entry| entry.callback.take());
        drop(table);
        // It is put back also if it panics: asyncio goes on calling it too.
        let mut lent = Lent(self, place, number, callback);
        if let Some(callback) = &mut lent.3 {
            callback();
        }
    }
}

struct Lent<'a>(&'a Recurring, Place, u64, Option<Callback>);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let callback = self.3.take();
        if callback.is_none() {
            return;
        }
        let mut table = self.0.0.lock();
        // If there is another callback by now, or no entry, it is dropped.
        match table.entry(self.1, self.2) {
            Some(entry) if entry.callback.is_none() => entry.callback = callback,
            _ => {
                drop(table);
                drop(callback);
            }
        }
    }
}
