//! heist's event loop: an echo as a protocol with its transport.

use std::net::SocketAddr;
use std::sync::mpsc;

use heist::event_loop::{EventLoop, Protocol, Transport};

struct Echo(Option<Transport>);

impl Protocol for Echo {
    fn connection_made(&mut self, transport: Transport) {
        self.0 = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(transport) = &self.0 {
            transport.write(data);
        }
    }
}

/// Starts a server that sends back what it reads.
pub(crate) fn echo(workers: usize) -> SocketAddr {
    let (address, is_bound) = mpsc::channel();
    std::thread::spawn(move || {
        let event_loop = EventLoop::builder()
            .implementation("multi_thread")
            .worker_threads(workers)
            .build()
            .unwrap();
        event_loop.run_until_complete(async move {
            let event_loop = EventLoop::current();
            let server = event_loop.create_server(|| Echo(None), "127.0.0.1:0");
            let server = server.backlog(1024).await.unwrap();
            address.send(server.local_addr()).unwrap();
            server.serve_forever().await
        })
    });
    is_bound.recv().unwrap()
}
