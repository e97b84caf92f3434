//! kanal.

use super::{Blocking, Channel, Ends, Oneshot, Try};

pub(crate) struct Mpmc;
pub(crate) struct Unbounded;
/// A channel of one.
pub(crate) struct One;

macro_rules! channel {
    ($name:ident, $capacity:ident => $make:expr) => {
        impl Ends for $name {
            type Tx = kanal::AsyncSender<u64>;
            type Rx = kanal::AsyncReceiver<u64>;

            fn ends($capacity: usize) -> (Self::Tx, Self::Rx) {
                $make
            }
        }

        impl Channel for $name {
            async fn send(tx: &mut Self::Tx, value: u64) {
                let _ = tx.send(value).await;
            }

            async fn recv(rx: &mut Self::Rx) -> Option<u64> {
                rx.recv().await.ok()
            }
        }
    };
}

channel!(Mpmc, capacity => kanal::bounded_async(capacity));
channel!(Unbounded, _capacity => kanal::unbounded_async());

impl Try for Mpmc {
    fn try_send(tx: &mut Self::Tx, value: u64) -> bool {
        tx.try_send(value).is_ok_and(|sent| sent)
    }

    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok().flatten()
    }
}

impl Blocking for Mpmc {
    fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.as_sync().send(value);
    }

    fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.as_sync().recv().ok()
    }
}

impl Oneshot for One {
    type Tx = kanal::AsyncSender<u64>;
    type Rx = kanal::AsyncReceiver<u64>;

    fn ends() -> (Self::Tx, Self::Rx) {
        kanal::bounded_async(1)
    }

    fn send(tx: Self::Tx, value: u64) {
        let _ = tx.try_send(value);
    }

    async fn recv(rx: Self::Rx) -> u64 {
        rx.recv().await.unwrap()
    }
}
