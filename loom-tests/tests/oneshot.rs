//! The oneshot channel: one word, two halves, one value that is somewhere exactly once.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use heist_sync::oneshot;
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::block_on;

/// A send races a close: either the receiver has the value or the sender has it back. The payload, shared with the
/// model's main thread, shows a value that is dropped twice or never.
#[test]
fn oneshot_send_against_close() {
    let census = Census::new(&["received", "returned"]);
    let counted = census.clone();
    model("oneshot_send_against_close", None, move || {
        let value = Arc::new(7);
        let (sender, mut receiver) = oneshot::channel();
        let sent = value.clone();
        let sending = thread::spawn(move || sender.send(sent).is_ok());
        let closing = thread::spawn(move || {
            receiver.close();
            receiver.try_recv().is_ok()
        });
        assert_eq!(*value, 7);
        let (sent, received) = (sending.join().unwrap(), closing.join().unwrap());
        assert_eq!(sent, received);
        counted.saw(if received { "received" } else { "returned" });
        assert_eq!(Arc::strong_count(&value), 1);
    });
    census.assert_all_seen();
}

/// A receiver that changes its waker, and a sender that sends or goes without a word: the receiver gets to know.
#[test]
fn oneshot_receiver_is_woken() {
    let census = Census::new(&["at once", "after a wait"]);
    let counted = census.clone();
    model("oneshot_receiver_is_woken", Some(2), move || {
        let value = Arc::new(7);
        let (sender, mut receiver) = oneshot::channel();
        let (other, forgotten) = oneshot::channel::<u32>();
        let sent = value.clone();
        let sending = thread::spawn(move || {
            sender.send(sent).unwrap();
        });
        let silent = thread::spawn(move || drop(other));
        let first = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
        counted.saw(if first.is_ready() {
            "at once"
        } else {
            "after a wait"
        });
        if first.is_pending() {
            assert_eq!(*block_on(receiver).unwrap(), 7);
        }
        assert!(block_on(forgotten).is_err());
        sending.join().unwrap();
        silent.join().unwrap();
    });
    census.assert_all_seen();
}

/// A sender waits for the close while the receiver, with a waker of its own left behind, is dropped.
#[test]
fn oneshot_sender_sees_the_receiver_go() {
    let census = Census::new(&["waited", "sent too late", "sent in vain"]);
    let counted = census.clone();
    model("oneshot_sender_sees_the_receiver_go", None, move || {
        let value = Arc::new(7);
        let (mut sender, mut receiver) = oneshot::channel();
        let dropping = thread::spawn(move || {
            let _ = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
        });
        let waiting = {
            let value = value.clone();
            let counted = counted.clone();
            thread::spawn(move || {
                let closed = sender.poll_closed(&mut Context::from_waker(Waker::noop()));
                if closed.is_ready() {
                    block_on(sender.closed());
                    counted.saw("waited");
                } else if sender.send(value).is_err() {
                    counted.saw("sent too late");
                } else {
                    counted.saw("sent in vain");
                }
            })
        };
        dropping.join().unwrap();
        waiting.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
    census.assert_all_seen();
}

/// A task waits for the close, and is woken by it.
#[test]
fn oneshot_close_wakes_the_sender() {
    model("oneshot_close_wakes_the_sender", None, || {
        let (mut sender, receiver) = oneshot::channel::<Arc<u32>>();
        let value = Arc::new(7);
        let dropping = thread::spawn(move || drop(receiver));
        let waiting = thread::spawn(move || block_on(sender.closed()));
        assert_eq!(*value, 7);
        dropping.join().unwrap();
        waiting.join().unwrap();
    });
}
