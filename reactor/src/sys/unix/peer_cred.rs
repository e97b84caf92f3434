//! Who is at the other end of a Unix socket. rustix would take a process that can't be seen from here, which has the number
//! 0, for one that has another.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The process, the user and the group.
pub(crate) type PeerCred = (Option<i32>, u32, u32);

/// Reads an option of a socket.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    mut value: T,
) -> io::Result<T> {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the system writes at most `len` bytes to `value`, which has so many. The callers' types are plain numbers.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &mut len,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<PeerCred> {
    let nobody = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let peer = option(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, nobody)?;
    // Linux says 0 for a process of a namespace that can't be seen from here, and for a socket without a peer.
    Ok(((peer.pid != 0).then_some(peer.pid), peer.uid, peer.gid))
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<PeerCred> {
    let (mut uid, mut gid) = (u32::MAX, u32::MAX);
    // SAFETY: both point to a number that the system may write.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &mut uid, &mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    #[cfg(target_vendor = "apple")]
    let pid = Some(option(socket, libc::SOL_LOCAL, libc::LOCAL_PEEREPID, 0i32)?);
    #[cfg(not(target_vendor = "apple"))]
    let pid = None;
    Ok((pid, uid, gid))
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
pub(crate) fn peer_cred(_: BorrowedFd<'_>) -> io::Result<PeerCred> {
    Err(io::ErrorKind::Unsupported.into())
}
