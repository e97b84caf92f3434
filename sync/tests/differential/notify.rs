//! `Notify`.

use std::pin::Pin;
use std::sync::Arc;

use super::sync::Notify;
use super::sync::futures::OwnedNotified;
use crate::driver::{self, Seen};
use crate::parts::{Futures, Pool};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    /// Made when it is polled first.
    Notified,
    /// Made at once, to be enabled or awaited.
    NotifiedOwned,
    NotifiedLost,
    Enable,
    Await,
    DropUnpolled,
    NotifyOne,
    NotifyLast,
    NotifyWaiters,
}

pub(crate) struct World {
    notify: Arc<Notify>,
    futures: Futures,
    /// Those that nobody awaits yet.
    made: Pool<Pin<Box<OwnedNotified>>>,
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Notified,
        Op::NotifiedOwned,
        Op::Await,
        Op::NotifiedLost,
        Op::Enable,
        Op::NotifyOne,
        Op::NotifyLast,
        Op::NotifyWaiters,
        Op::DropUnpolled,
    ];

    fn new(_size: usize) -> Self {
        Self {
            notify: Arc::new(Notify::new()),
            futures: Futures::default(),
            made: Pool::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::Notified => {
                let notify = self.notify.clone();
                self.futures.add("notified", async move {
                    notify.notified().await;
                    true.into()
                });
            }
            Op::NotifiedOwned => self
                .made
                .put(Box::pin(self.notify.clone().notified_owned())),
            Op::NotifiedLost => {
                let notified = self.notify.notified();
                self.futures.poll_and_lose("notified", notified, seen);
            }
            Op::Enable => {
                let enabled = self.made.with(n, |notified| notified.as_mut().enable());
                if let Some(enabled) = enabled {
                    seen.note("enable", enabled);
                }
            }
            Op::Await => {
                if let Some(notified) = self.made.take(n) {
                    self.futures.add("notified_owned", async move {
                        notified.await;
                        true.into()
                    });
                }
            }
            Op::DropUnpolled => drop(self.made.take(n)),
            Op::NotifyOne => self.notify.notify_one(),
            Op::NotifyLast => self.notify.notify_last(),
            Op::NotifyWaiters => self.notify.notify_waiters(),
        }
    }

    fn look(&mut self, _seen: &mut Seen) {}

    fn state(&mut self) -> &'static str {
        "any"
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, seen: &mut Seen) {
        let notify = self.notify.clone();
        drop(self);
        let mut last = Futures::default();
        last.add("a permit in the end", async move {
            notify.notified().await;
            true.into()
        });
        last.poll(0, false, seen);
    }
}
