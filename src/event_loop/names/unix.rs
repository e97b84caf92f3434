//! Look-ups by the C library.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::net::SocketAddr;
use std::ptr::{self, NonNull};

use socket2::SockAddr;

use super::kinds::{AddressFamily, AddressInfo, Hints, NameFlags, SocketKind};

/// The error that a look-up returns, 0 for none.
fn check(code: c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        libc::EAI_SYSTEM => Err(io::Error::last_os_error()),
        code => {
            // SAFETY: gai_strerror returns a text that lives as long as the program, for any number.
            let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
            let kind = match code {
                libc::EAI_NONAME => io::ErrorKind::NotFound,
                libc::EAI_AGAIN => io::ErrorKind::TimedOut,
                _ => io::ErrorKind::Other,
            };
            Err(io::Error::new(kind, text.to_string_lossy().into_owned()))
        }
    }
}

/// The results of a look-up, which are freed when this is dropped.
struct Found(Option<NonNull<libc::addrinfo>>);

impl Drop for Found {
    fn drop(&mut self) {
        if let Some(first) = self.0 {
            // SAFETY: getaddrinfo returned this list, and nobody else frees it.
            unsafe { libc::freeaddrinfo(first.as_ptr()) };
        }
    }
}

fn flags_of(hints: Hints) -> c_int {
    let flag = |set: bool, flag: c_int| if set { flag } else { 0 };
    flag(hints.passive, libc::AI_PASSIVE)
        | flag(hints.numeric_host, libc::AI_NUMERICHOST)
        | flag(hints.numeric_service, libc::AI_NUMERICSERV)
        | flag(hints.canonical_name, libc::AI_CANONNAME)
}

pub(super) fn addresses(
    host: Option<&str>,
    service: Option<&str>,
    hints: Hints,
) -> io::Result<Vec<AddressInfo>> {
    let host = host.map(CString::new).transpose()?;
    // The C library wants one of both.
    let service = CString::new(service.unwrap_or("0"))?;
    // SAFETY: all zeros is a valid addrinfo: no flags, and null pointers.
    let mut wanted: libc::addrinfo = unsafe { std::mem::zeroed() };
    wanted.ai_flags = flags_of(hints);
    wanted.ai_family = match hints.family {
        None => libc::AF_UNSPEC,
        Some(AddressFamily::V4) => libc::AF_INET,
        Some(AddressFamily::V6) => libc::AF_INET6,
    };
    wanted.ai_socktype = match hints.kind {
        None => 0,
        Some(SocketKind::Stream) => libc::SOCK_STREAM,
        Some(SocketKind::Datagram) => libc::SOCK_DGRAM,
    };
    let host = host.as_ref().map_or(ptr::null(), |host| host.as_ptr());
    let mut first = ptr::null_mut();
    // SAFETY: the texts end with a zero and live until the call returns, and so do `wanted` and `first`.
    check(unsafe { libc::getaddrinfo(host, service.as_ptr(), &wanted, &mut first) })?;
    let found = Found(NonNull::new(first));
    let mut infos = Vec::new();
    let mut next = found.0;
    while let Some(entry) = next {
        // SAFETY: the entries of the list are valid until `found` is dropped, and nobody changes them.
        let entry = unsafe { entry.as_ref() };
        infos.extend(info(entry)?);
        next = NonNull::new(entry.ai_next);
    }
    Ok(infos)
}

/// `None` for an address of another family.
fn info(entry: &libc::addrinfo) -> io::Result<Option<AddressInfo>> {
    let length = entry.ai_addrlen;
    // SAFETY: the C library gives an address of `ai_addrlen` bytes, and none is longer than the storage.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, given| {
            ptr::copy_nonoverlapping(
                entry.ai_addr.cast::<u8>(),
                storage.cast::<u8>(),
                length as usize,
            );
            *given = length;
            Ok(())
        })?
    };
    let canonical_name = NonNull::new(entry.ai_canonname).map(|name| {
        // SAFETY: a canonical name that isn't null ends with a zero, and lives as long as the entry.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        name.to_string_lossy().into_owned()
    });
    let kind = match entry.ai_socktype {
        libc::SOCK_STREAM => Some(SocketKind::Stream),
        libc::SOCK_DGRAM => Some(SocketKind::Datagram),
        _ => None,
    };
    Ok(address.as_socket().map(|address| AddressInfo {
        kind,
        canonical_name,
        address,
    }))
}

pub(super) fn names(address: SocketAddr, flags: NameFlags) -> io::Result<(String, String)> {
    /// As long as a name can be (`NI_MAXHOST`).
    const LENGTH: usize = 1_025;
    let flag = |set: bool, flag: c_int| if set { flag } else { 0 };
    let bits = flag(flags.numeric_host, libc::NI_NUMERICHOST)
        | flag(flags.numeric_service, libc::NI_NUMERICSERV)
        | flag(flags.name_required, libc::NI_NAMEREQD)
        | flag(flags.datagram, libc::NI_DGRAM);
    let address = SockAddr::from(address);
    let mut host = [0 as c_char; LENGTH];
    let mut service = [0 as c_char; LENGTH];
    // SAFETY: the address and its length are those of a socket address, and both buffers are as long as is said.
    check(unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr(),
            LENGTH as _,
            service.as_mut_ptr(),
            LENGTH as _,
            bits,
        )
    })?;
    let text = |buffer: &[c_char; LENGTH]| {
        // SAFETY: the C library has ended the text with a zero, within the buffer.
        let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
        text.to_string_lossy().into_owned()
    };
    Ok((text(&host), text(&service)))
}
