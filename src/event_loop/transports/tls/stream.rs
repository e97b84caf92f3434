//! A stream of bytes inside a TLS connection. rustls does the protocol, and the socket below carries its records.
//!
//! One lock guards rustls's state. It is held for operations that don't wait, never while user code runs. rustls keeps
//! up to [`BUFFER`] bytes of records that the socket below didn't take: they are "held".

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use heist_sync::sys::Mutex;
use rustls::Connection;

use super::super::socket::{Described, Handshake, Socket};
use super::super::tls_info::TlsInfo;

/// How much is encrypted ahead of the socket.
const BUFFER: usize = 64 * 1024;

/// How many reads from a peer that should have ended are thrown away before others get their turn.
const DISCARDS: usize = 16;

pub(crate) struct TlsStream {
    inner: Arc<dyn Socket>,
    state: Mutex<State>,
}

struct State {
    tls: Connection,
    notified: bool,
}

/// The socket below, as std's traits.
struct Below<'a>(&'a dyn Socket);

impl Read for Below<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Below<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.try_write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    /// Sends what is held. `WouldBlock` if something is left.
    fn flush(&mut self, below: &dyn Socket) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Below(below)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes in records. Returns `false` at the end of the stream below.
    fn take_in(&mut self, below: &dyn Socket) -> io::Result<bool> {
        let length = self.tls.read_tls(&mut Below(below))?;
        if let Err(error) = self.tls.process_new_packets() {
            // Says goodbye, with the reason, if the socket takes it.
            let _ = self.flush(below);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(length > 0)
    }

    /// Throws away what was taken in. Returns whether the peer's own end was among it.
    fn discard(&mut self) -> io::Result<bool> {
        let mut thrown = [0; 4096];
        loop {
            match self.tls.reader().read(&mut thrown) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn notify(&mut self) {
        if !self.notified {
            self.notified = true;
            self.tls.send_close_notify();
        }
    }
}

impl TlsStream {
    pub(crate) fn new(inner: Arc<dyn Socket>, mut tls: Connection) -> Self {
        tls.set_buffer_limit(Some(BUFFER));
        let state = State {
            tls,
            notified: false,
        };
        Self {
            inner,
            state: Mutex::new(state),
        }
    }
}

impl Socket for TlsStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let below = &*self.inner;
        let mut state = self.state.lock();
        loop {
            match state.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                ended => return ended,
            }
            match state.take_in(below) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            // Answers of the protocol itself. What is left is sent with the next write.
            match state.flush(below) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// The end of the stream may have come with the data, and the socket below doesn't know of it.
    fn short_means_drained(&self) -> bool {
        false
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        let below = &*self.inner;
        let mut state = self.state.lock();
        let mut taken = state.tls.writer().write(data)?;
        let flushed = state.flush(below);
        if taken == 0 {
            flushed?;
            taken = state.tls.writer().write(data)?;
            let _ = state.flush(below);
        }
        Ok(taken)
    }

    fn try_flush(&self) -> io::Result<()> {
        self.state.lock().flush(&*self.inner)
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        self.state.lock().notify();
        Ok(())
    }

    fn try_close(&self) -> io::Result<()> {
        let below = &*self.inner;
        let mut state = self.state.lock();
        state.notify();
        state.flush(below)?;
        for _ in 0..DISCARDS {
            if state.discard()? || !state.take_in(below)? {
                return Ok(());
            }
        }
        // The end may have been in what came last, and then nothing else will come.
        match state.discard()? {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_write_ready(cx)
    }
}

impl Described for TlsStream {
    #[cfg(unix)]
    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.fd()
    }

    fn tcp(&self) -> Option<&crate::net::TcpStream> {
        self.inner.tcp()
    }

    fn tls(&self) -> Option<TlsInfo> {
        let state = self.state.lock();
        let certificates = state.tls.peer_certificates().unwrap_or_default();
        let server_name = match &state.tls {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        Some(TlsInfo {
            peer_certificates: certificates
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            version: state.tls.protocol_version(),
            cipher: state
                .tls
                .negotiated_cipher_suite()
                .map(|suite| suite.suite()),
            alpn_protocol: state.tls.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
        })
    }
}

impl Handshake for TlsStream {
    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let below = &*self.inner;
        loop {
            let mut state = self.state.lock();
            let flushed = state.flush(below);
            let held = match flushed {
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                other => other.map(|()| false)?,
            };
            let shaking = state.tls.is_handshaking();
            if !shaking && !held {
                return Poll::Ready(Ok(()));
            }
            let reads = shaking && state.tls.wants_read();
            if reads {
                match state.take_in(below) {
                    Ok(true) => continue,
                    Ok(false) => {
                        let message = "the peer closed the connection during the TLS handshake";
                        let error = io::Error::new(ErrorKind::UnexpectedEof, message);
                        return Poll::Ready(Err(error));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            drop(state);
            if held && below.poll_write_ready(cx)?.is_ready() {
                continue;
            }
            if reads {
                ready!(below.poll_read_ready(cx))?;
            } else {
                return Poll::Pending;
            }
        }
    }
}
