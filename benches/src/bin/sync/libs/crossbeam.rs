//! crossbeam-channel, which serves threads only.

use super::{Blocking, Ends, Try};

pub(crate) struct Mpmc;

impl Ends for Mpmc {
    type Tx = crossbeam_channel::Sender<u64>;
    type Rx = crossbeam_channel::Receiver<u64>;

    fn ends(capacity: usize) -> (Self::Tx, Self::Rx) {
        crossbeam_channel::bounded(capacity)
    }
}

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
