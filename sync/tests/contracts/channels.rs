//! The methods that wait of channels.

use std::sync::Arc;

use heist_sync::queue::Queue;
use heist_sync::{broadcast, mpmc, mpsc, oneshot, watch};

use crate::setup::{Case, Lender, again, all, case, quiet};

pub(crate) fn cases() -> Vec<Case> {
    [
        oneshots(),
        senders(),
        receivers(),
        shared(),
        broadcasts(),
        queues(),
        watches(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn oneshots() -> Vec<Case> {
    type P = (Lender<oneshot::Sender<u32>>, Lender<oneshot::Receiver<u32>>);
    fn new() -> P {
        let (sender, receiver) = oneshot::channel();
        (Lender::new(sender), Lender::new(receiver))
    }
    async fn receive(p: Arc<P>) {
        if let Some(mut receiver) = p.1.lend() {
            let _ = (&mut *receiver).await;
        }
    }
    vec![
        case("oneshot::Receiver", new, receive, |p: &P| {
            p.0.take().map(|sender| sender.send(1));
        }),
        case(
            "oneshot::Receiver, sender dropped",
            new,
            receive,
            |p: &P| drop(p.0.take()),
        ),
        case(
            "oneshot::Sender::closed",
            new,
            |p: Arc<P>| async move {
                if let Some(mut sender) = p.0.lend() {
                    sender.closed().await;
                }
            },
            |p: &P| drop(p.1.take()),
        ),
    ]
}

type Bounded = (mpsc::Sender<u32>, Lender<mpsc::Receiver<u32>>);

fn empty() -> Bounded {
    let (sender, receiver) = mpsc::channel(2);
    (sender, Lender::new(receiver))
}

fn full() -> Bounded {
    let both = empty();
    both.0.try_send(1).expect("room");
    both.0.try_send(2).expect("room");
    both
}

fn senders() -> Vec<Case> {
    type P = Bounded;
    let take_one = |p: &P| {
        p.1.lend()
            .expect("nobody else has it")
            .try_recv()
            .expect("full");
    };
    let take_all = |p: &P| {
        let mut receiver = p.1.lend().expect("nobody else has it");
        while receiver.try_recv().is_ok() {}
    };
    vec![
        // A message that was sent takes the room of the next, so one behind gets it only where the first gave up.
        again(quiet(case(
            "mpsc::Sender::send",
            full,
            |p: Arc<P>| async move {
                let _ = p.0.send(3).await;
            },
            take_one,
        ))),
        again(quiet(case(
            "mpsc::Sender::reserve",
            full,
            |p: Arc<P>| async move { drop(p.0.reserve().await) },
            take_one,
        ))),
        quiet(case(
            "mpsc::Sender::reserve_many",
            full,
            |p: Arc<P>| async move { drop(p.0.reserve_many(2).await) },
            take_all,
        )),
        again(quiet(case(
            "mpsc::Sender::reserve_owned",
            full,
            |p: Arc<P>| async move { drop(p.0.clone().reserve_owned().await) },
            take_one,
        ))),
        all(case(
            "mpsc::Sender::send, closed",
            full,
            |p: Arc<P>| async move {
                let _ = p.0.send(3).await;
            },
            |p: &P| drop(p.1.take()),
        )),
        all(case(
            "mpsc::Sender::closed",
            empty,
            |p: Arc<P>| async move { p.0.closed().await },
            |p: &P| drop(p.1.take()),
        )),
    ]
}

fn receivers() -> Vec<Case> {
    type P = Bounded;
    type U = (
        Lender<mpsc::UnboundedSender<u32>>,
        Lender<mpsc::UnboundedReceiver<u32>>,
    );
    fn unbounded() -> U {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Lender::new(sender), Lender::new(receiver))
    }
    async fn receive(p: Arc<U>) {
        if let Some(mut receiver) = p.1.lend() {
            receiver.recv().await;
        }
    }
    let send = |p: &P| p.0.try_send(1).expect("room");
    vec![
        case(
            "mpsc::Receiver::recv",
            empty,
            |p: Arc<P>| async move {
                if let Some(mut receiver) = p.1.lend() {
                    receiver.recv().await;
                }
            },
            send,
        ),
        case(
            "mpsc::Receiver::recv_many",
            empty,
            |p: Arc<P>| async move {
                if let Some(mut receiver) = p.1.lend() {
                    let mut buffer = vec![7];
                    receiver.recv_many(&mut buffer, 3).await;
                    assert_eq!(buffer, [7, 1]);
                }
            },
            send,
        ),
        case(
            "mpsc::UnboundedReceiver::recv",
            unbounded,
            receive,
            |p: &U| {
                p.0.lend().expect("there").send(1).expect("open");
            },
        ),
        case(
            "mpsc::UnboundedReceiver::recv, no sender",
            unbounded,
            receive,
            |p: &U| drop(p.0.take()),
        ),
        case(
            "mpsc::UnboundedSender::closed",
            unbounded,
            |p: Arc<U>| async move {
                if let Some(sender) = p.0.lend() {
                    sender.closed().await;
                }
            },
            |p: &U| drop(p.1.take()),
        ),
    ]
}

fn shared() -> Vec<Case> {
    type P = (mpmc::Sender<u32>, mpmc::Receiver<u32>);
    let full = || {
        let both = mpmc::bounded(1);
        both.0.try_send(1).expect("room");
        both
    };
    let send = |p: &P| p.0.try_send(1).expect("room");
    let receive = |p: &P| assert!(p.1.try_recv().is_ok());
    async fn recv(p: Arc<P>) {
        p.1.recv().await;
    }
    vec![
        quiet(case(
            "mpmc::Sender::send",
            full,
            |p: Arc<P>| async move {
                let _ = p.0.send(3).await;
            },
            receive,
        )),
        all(case(
            "mpmc::Sender::send, closed",
            full,
            |p: Arc<P>| async move {
                let _ = p.0.send(3).await;
            },
            |p: &P| assert!(p.1.close()),
        )),
        all(case(
            "mpmc::Sender::closed",
            mpmc::unbounded,
            |p: Arc<P>| async move { p.0.closed().await },
            |p: &P| assert!(p.1.close()),
        )),
        again(case("mpmc::Receiver::recv", mpmc::unbounded, recv, send)),
        all(case(
            "mpmc::Receiver::recv, closed",
            mpmc::unbounded,
            recv,
            |p: &P| assert!(p.0.close()),
        )),
        again(case(
            "mpmc::Receiver::recv_many",
            || mpmc::bounded(2),
            |p: Arc<P>| async move {
                p.1.recv_many(&mut Vec::new(), 2).await;
            },
            send,
        )),
    ]
}

fn broadcasts() -> Vec<Case> {
    type P = (
        Lender<broadcast::Sender<u32>>,
        Lender<broadcast::Receiver<u32>>,
    );
    fn new() -> P {
        let (sender, receiver) = broadcast::channel(2);
        (Lender::new(sender), Lender::new(receiver))
    }
    async fn receive(p: Arc<P>) {
        if let Some(mut receiver) = p.1.lend() {
            drop(receiver.recv().await);
        }
    }
    vec![
        case("broadcast::Receiver::recv", new, receive, |p: &P| {
            p.0.lend().expect("there").send(1).expect("open");
        }),
        case(
            "broadcast::Receiver::recv, no sender",
            new,
            receive,
            |p: &P| drop(p.0.take()),
        ),
        case(
            "broadcast::Sender::closed",
            new,
            |p: Arc<P>| async move {
                if let Some(sender) = p.0.lend() {
                    sender.closed().await;
                }
            },
            |p: &P| drop(p.1.take()),
        ),
    ]
}

fn watches() -> Vec<Case> {
    type P = (Lender<watch::Sender<u32>>, Lender<watch::Receiver<u32>>);
    fn new() -> P {
        let (sender, receiver) = watch::channel(0);
        (Lender::new(sender), Lender::new(receiver))
    }
    async fn changed(p: Arc<P>) {
        if let Some(mut receiver) = p.1.lend() {
            let _ = receiver.changed().await;
        }
    }
    let send = |p: &P| p.0.lend().expect("there").send(1).expect("open");
    vec![
        case("watch::Receiver::changed", new, changed, send),
        case(
            "watch::Receiver::changed, no sender",
            new,
            changed,
            |p: &P| drop(p.0.take()),
        ),
        case(
            "watch::Receiver::wait_for",
            new,
            |p: Arc<P>| async move {
                if let Some(mut receiver) = p.1.lend() {
                    drop(receiver.wait_for(|value| *value == 1).await);
                }
            },
            send,
        ),
        case(
            "watch::Sender::closed",
            new,
            |p: Arc<P>| async move {
                if let Some(sender) = p.0.lend() {
                    sender.closed().await;
                }
            },
            |p: &P| drop(p.1.take()),
        ),
    ]
}

fn queues() -> Vec<Case> {
    type P = Queue<u32>;
    let full = || {
        let queue = Queue::bounded(1);
        queue.try_put(1).expect("room");
        queue
    };
    let take = |queue: &P| assert!(queue.try_get().is_ok());
    async fn get(queue: Arc<P>) {
        let _ = queue.get().await;
    }
    async fn put(queue: Arc<P>) {
        let _ = queue.put(2).await;
    }
    vec![
        again(case("Queue::get", P::unbounded, get, |queue: &P| {
            queue.try_put(1).expect("room")
        })),
        all(case(
            "Queue::get, shut down",
            P::unbounded,
            get,
            |queue: &P| queue.shutdown(false),
        )),
        quiet(case("Queue::put", full, put, take)),
        all(case("Queue::put, shut down", full, put, |queue: &P| {
            queue.shutdown(false)
        })),
        all(case(
            "Queue::join",
            full,
            |queue: Arc<P>| async move { queue.join().await },
            |queue: &P| {
                assert!(queue.try_get().is_ok());
                queue.task_done();
            },
        )),
        all(case(
            "Queue::join, shut down",
            full,
            |queue: Arc<P>| async move { queue.join().await },
            |queue: &P| queue.shutdown(true),
        )),
    ]
}
