//! `watch`: a value, the number of times that it was set, and which of those each receiver has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use heist_sync::watch::{self, Receiver, Sender};

use crate::driver::{Futures, Step, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Replace,
    Modify,
    Leave,
    Borrow,
    Update,
    MarkChanged,
    MarkUnchanged,
    Changed,
    WaitFor,
    Poll,
    Drop,
    Clone,
    Subscribe,
    DropReceiver,
    CloneSender,
    DropSender,
}

const OPS: &[Op] = &[
    Op::Send,
    Op::Replace,
    Op::Modify,
    Op::Leave,
    Op::Borrow,
    Op::Update,
    Op::MarkChanged,
    Op::MarkUnchanged,
    Op::Changed,
    Op::WaitFor,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::Clone,
    Op::Subscribe,
    Op::DropReceiver,
    Op::CloneSender,
    Op::DropSender,
];

/// The receiver again, and whether it has come to what it waited for.
type Waited = (Receiver<usize>, bool);

struct World {
    value: usize,
    version: usize,
    senders: Vec<Sender<usize>>,
    /// Each with the version it has seen; `None` for none.
    receivers: Vec<(Receiver<usize>, Option<usize>)>,
    futures: Futures<'static, Waited>,
    /// What those in futures have seen, and, where they wait for a value, which one.
    waiting: BTreeMap<usize, (Option<usize>, Option<usize>)>,
    asleep: BTreeSet<usize>,
}

impl World {
    fn count(&self) -> usize {
        self.receivers.len() + self.waiting.len()
    }

    fn set(&mut self, value: usize) {
        self.value = value;
        self.version += 1;
        self.expect_wakes();
    }

    fn expect_wakes(&mut self) {
        let woken = self.futures.woken();
        assert!(woken.into_iter().eq(std::mem::take(&mut self.asleep)));
    }

    fn send(&mut self, (op, n): Step<Op>) {
        let Some(sender) = self.senders.first() else {
            return;
        };
        match op {
            Op::Send => {
                let sent = sender.send(n);
                assert_eq!(sent.is_ok(), self.count() > 0);
                if sent.is_ok() {
                    self.set(n);
                }
            }
            Op::Replace => {
                assert_eq!(sender.send_replace(n), self.value);
                self.set(n);
            }
            Op::Modify => {
                sender.send_modify(|value| *value += 1);
                self.set(self.value + 1);
            }
            Op::Leave => assert!(!sender.send_if_modified(|_| false)),
            Op::Subscribe => self
                .receivers
                .push((sender.subscribe(), Some(self.version))),
            Op::CloneSender => self.senders.push(sender.clone()),
            Op::DropSender => {
                self.senders.pop();
                if self.senders.is_empty() {
                    self.expect_wakes();
                }
            }
            _ => {}
        }
    }

    fn receive(&mut self, (op, n): Step<Op>) {
        if self.receivers.is_empty() {
            return;
        }
        let i = n % self.receivers.len();
        let changed = self.receivers[i].1 != Some(self.version);
        let (receiver, seen) = &mut self.receivers[i];
        match op {
            Op::Borrow => {
                let value = receiver.borrow();
                assert_eq!((*value, value.has_changed()), (self.value, changed));
            }
            Op::Update => {
                *seen = Some(self.version);
                let value = receiver.borrow_and_update();
                assert_eq!((*value, value.has_changed()), (self.value, changed));
            }
            Op::MarkChanged => {
                *seen = None;
                receiver.mark_changed();
            }
            Op::MarkUnchanged => {
                *seen = Some(self.version);
                receiver.mark_unchanged();
            }
            Op::Clone => {
                let clone = (receiver.clone(), *seen);
                self.receivers.push(clone);
            }
            Op::DropReceiver => drop(self.receivers.swap_remove(i)),
            Op::Changed | Op::WaitFor => {
                let (mut receiver, seen) = self.receivers.swap_remove(i);
                let wanted = matches!(op, Op::WaitFor).then_some(n);
                let number = self.futures.add(async move {
                    let came = match wanted {
                        None => receiver.changed().await.is_ok(),
                        Some(wanted) => receiver.wait_for(|value| *value == wanted).await.is_ok(),
                    };
                    (receiver, came)
                });
                self.waiting.insert(number, (seen, wanted));
            }
            _ => {}
        }
    }

    fn wait(&mut self, (op, n): Step<Op>) {
        let Some(number) = self.futures.some(n) else {
            return;
        };
        if matches!(op, Op::Drop) {
            self.futures.drop(number);
            self.waiting.remove(&number);
            self.asleep.remove(&number);
        }
        if !matches!(op, Op::Poll) {
            return;
        }
        let (seen, wanted) = self.waiting[&number];
        let comes = match wanted {
            None => seen != Some(self.version),
            Some(wanted) => self.value == wanted,
        };
        let ends = self.senders.is_empty();
        match self.futures.poll(number) {
            Poll::Ready((receiver, came)) => {
                assert_eq!(came, comes);
                assert!(comes || ends);
                self.waiting.remove(&number);
                let looked = came || wanted.is_some();
                let seen = if looked { Some(self.version) } else { seen };
                self.receivers.push((receiver, seen));
            }
            Poll::Pending => {
                assert!(!comes && !ends);
                self.waiting.insert(number, (Some(self.version), wanted));
                self.asleep.insert(number);
            }
        }
    }

    fn agrees(&self) {
        assert!(self.futures.woken().is_empty(), "woken for nothing");
        if let Some(sender) = self.senders.first() {
            assert_eq!(sender.receiver_count(), self.count());
            assert_eq!(sender.sender_count(), self.senders.len());
            assert_eq!(*sender.borrow(), self.value);
        }
        for (receiver, seen) in &self.receivers {
            let expected = (!self.senders.is_empty()).then(|| *seen != Some(self.version));
            assert_eq!(receiver.has_changed().ok(), expected);
        }
    }
}

#[test]
fn watch_agrees_with_its_account() {
    check(OPS, 60, |steps| {
        let (sender, receiver) = watch::channel(0);
        let mut world = World {
            value: 0,
            version: 0,
            senders: vec![sender],
            receivers: vec![(receiver, Some(0))],
            futures: Futures::new(),
            waiting: BTreeMap::new(),
            asleep: BTreeSet::new(),
        };
        for step in steps {
            world.send(*step);
            world.receive(*step);
            world.wait(*step);
            world.agrees();
        }
    });
}
