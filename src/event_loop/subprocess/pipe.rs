//! The protocol of a child's pipe: hands on what happens.

use std::io;
use std::sync::Arc;

use super::{Shared, SubprocessProtocol};
use crate::event_loop::transports::inbox::Inbox;
use crate::event_loop::{Protocol, Transport};

pub(super) struct Pipe<P> {
    pub(super) fd: i32,
    pub(super) inbox: Arc<Inbox<P>>,
    pub(super) shared: Arc<Shared>,
    pub(super) transport: Option<Transport>,
}

impl<P: SubprocessProtocol> Pipe<P> {
    fn hand_on(&self, errand: impl FnOnce(&mut P) + Send + 'static) {
        self.inbox.push(Box::new(errand));
        self.shared.change(|state| state.errands = true);
    }
}

impl<P: SubprocessProtocol> Protocol for Pipe<P> {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        let Some(transport) = self.transport.clone() else {
            return;
        };
        transport.pause_reading();
        let (fd, data) = (self.fd, data.to_vec());
        self.hand_on(move |protocol| {
            protocol.pipe_data_received(fd, &data);
            transport.resume_reading();
        });
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let (fd, shared) = (self.fd, self.shared.clone());
        self.hand_on(move |protocol| {
            let index = usize::try_from(fd).unwrap_or(0);
            let transport = shared.change(|state| state.pipes[index].take());
            drop(transport);
            protocol.pipe_connection_lost(fd, error);
        });
    }

    fn pause_writing(&mut self) {
        self.hand_on(P::pause_writing);
    }

    fn resume_writing(&mut self) {
        self.hand_on(P::resume_writing);
    }
}
