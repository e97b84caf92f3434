//! Receiving datagrams into memory that need not be initialized.
#![allow(unsafe_code)]

use std::io;

use socket2::{SockAddr, SockRef};

use crate::io::ReadBuf;

/// Receives a datagram into what isn't filled of `buffer`. Returns its length. The rest of a longer datagram is lost.
pub(super) fn receive(socket: SockRef<'_>, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    buffer.fill(|free| {
        let len = socket.recv(free)?;
        // SAFETY: the system has written that many bytes.
        Ok(unsafe { free[..len].assume_init_mut() })
    })
}

/// Like [`receive`], but leaves the datagram in place.
pub(super) fn peek(socket: SockRef<'_>, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    buffer.fill(|free| {
        let len = socket.peek(free)?;
        // SAFETY: the system has written that many bytes.
        Ok(unsafe { free[..len].assume_init_mut() })
    })
}

/// Like [`receive`], and also tells the sender's address.
pub(super) fn receive_from(
    socket: SockRef<'_>,
    buffer: &mut ReadBuf<'_>,
) -> io::Result<(usize, SockAddr)> {
    let mut sender = None;
    let len = buffer.fill(|free| {
        let (len, address) = socket.recv_from(free)?;
        sender = Some(address);
        // SAFETY: the system has written that many bytes.
        io::Result::Ok(unsafe { free[..len].assume_init_mut() })
    })?;
    Ok((len, sender.expect("received")))
}

/// Like [`peek`], and also tells the sender's address.
pub(super) fn peek_from(
    socket: SockRef<'_>,
    buffer: &mut ReadBuf<'_>,
) -> io::Result<(usize, SockAddr)> {
    let mut sender = None;
    let len = buffer.fill(|free| {
        let (len, address) = socket.peek_from(free)?;
        sender = Some(address);
        // SAFETY: the system has written that many bytes.
        io::Result::Ok(unsafe { free[..len].assume_init_mut() })
    })?;
    Ok((len, sender.expect("received")))
}
