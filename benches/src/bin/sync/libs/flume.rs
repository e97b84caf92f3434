//! flume.

use super::{Blocking, Channel, Ends, Oneshot, Try};

pub(crate) struct Mpmc;
pub(crate) struct Unbounded;
/// A channel of one.
pub(crate) struct One;

macro_rules! channel {
    ($name:ident, $capacity:ident => $make:expr) => {
        impl Ends for $name {
            type Tx = flume::Sender<u64>;
            type Rx = flume::Receiver<u64>;

            fn ends($capacity: usize) -> (Self::Tx, Self::Rx) {
                $make
            }
        }

        impl Channel for $name {
            async fn send(tx: &mut Self::Tx, value: u64) {
                let _ = tx.send_async(value).await;
            }

            async fn recv(rx: &mut Self::Rx) -> Option<u64> {
                rx.recv_async().await.ok()
            }
        }
    };
}

channel!(Mpmc, capacity => flume::bounded(capacity));
channel!(Unbounded, _capacity => flume::unbounded());

impl Try for Mpmc {
    fn try_send(tx: &mut Self::Tx, value: u64) -> bool {
        tx.try_send(value).is_ok()
    }

    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok()
    }
}

impl Blocking for Mpmc {
    fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.send(value);
    }

    fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().ok()
    }
}

impl Oneshot for One {
    type Tx = flume::Sender<u64>;
    type Rx = flume::Receiver<u64>;

    fn ends() -> (Self::Tx, Self::Rx) {
        flume::bounded(1)
    }

    fn send(tx: Self::Tx, value: u64) {
        let _ = tx.try_send(value);
    }

    async fn recv(rx: Self::Rx) -> u64 {
        rx.recv_async().await.unwrap()
    }
}
