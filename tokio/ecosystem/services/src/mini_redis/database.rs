//! What the server holds: the values, when they expire, and the channels.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep_until};

/// How many messages a subscriber may be behind.
const BEHIND: usize = 1024;

/// A handle of the one database.
#[derive(Clone, Default)]
pub(super) struct Database(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The next to expire is another one, or the server ends.
    changed: Notify,
}

#[derive(Default)]
struct State {
    entries: HashMap<Bytes, Entry>,
    expirations: BTreeSet<(Instant, Bytes)>,
    channels: HashMap<Bytes, broadcast::Sender<Bytes>>,
}

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
}

impl State {
    fn remove(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(expires) = entry.expires {
            self.expirations.remove(&(expires, key.clone()));
        }
        Some(entry)
    }

    /// Removes what has expired, and tells when the next does.
    fn purge(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while let Some((expires, key)) = self.expirations.first() {
            if *expires > now {
                return Some(*expires);
            }
            let key = key.clone();
            self.remove(&key);
        }
        None
    }
}

impl Database {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .state
            .lock()
            .expect("nothing panics while it holds the lock")
    }

    pub(super) fn get(&self, key: &Bytes) -> Option<Bytes> {
        let state = self.state();
        let entry = state.entries.get(key)?;
        entry
            .expires
            .is_none_or(|expires| expires > Instant::now())
            .then(|| entry.value.clone())
    }

    pub(super) fn set(&self, key: Bytes, value: Bytes, lifetime: Option<Duration>) {
        let mut state = self.state();
        state.remove(&key);
        let expires = lifetime.map(|lifetime| Instant::now() + lifetime);
        let mut is_first = false;
        if let Some(expires) = expires {
            is_first = state
                .expirations
                .first()
                .is_none_or(|(first, _)| expires < *first);
            state.expirations.insert((expires, key.clone()));
        }
        state.entries.insert(key, Entry { value, expires });
        drop(state);
        if is_first {
            self.0.changed.notify_one();
        }
    }

    /// Adds one to a number; none if the value isn't one.
    pub(super) fn increment(&self, key: Bytes) -> Option<i64> {
        let mut state = self.state();
        state.purge();
        let entry = state.entries.entry(key).or_insert_with(|| Entry {
            value: Bytes::from_static(b"0"),
            expires: None,
        });
        let number = std::str::from_utf8(&entry.value)
            .ok()?
            .parse::<i64>()
            .ok()?
            .checked_add(1)?;
        entry.value = number.to_string().into();
        Some(number)
    }

    pub(super) fn delete(&self, key: &Bytes) -> bool {
        let mut state = self.state();
        state.purge();
        state.remove(key).is_some()
    }

    pub(super) fn subscribe(&self, channel: Bytes) -> broadcast::Receiver<Bytes> {
        self.state()
            .channels
            .entry(channel)
            .or_insert_with(|| broadcast::channel(BEHIND).0)
            .subscribe()
    }

    /// Tells how many subscribers there are.
    pub(super) fn publish(&self, channel: &Bytes, message: Bytes) -> usize {
        self.state()
            .channels
            .get(channel)
            .map_or(0, |channel| channel.send(message).unwrap_or(0))
    }

    /// Removes values when they expire. Never ends.
    pub(super) async fn expire(self) {
        loop {
            let next = self.state().purge();
            let changed = self.0.changed.notified();
            match next {
                Some(next) => tokio::select! {
                    () = sleep_until(next) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }
}
