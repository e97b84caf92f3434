//! The address of a Unix socket.

use std::fmt;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;

use socket2::SockAddr;

/// The address of a Unix socket: a path, an abstract name of Linux, or none.
///
/// Where a function takes a path, it takes an abstract name as well, on Linux: a path that begins with a zero byte.
///
/// ```
/// use heist::net::{UnixListener, UnixStream};
///
/// # #[cfg(target_os = "linux")]
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let name = format!("\0heist-example-{}", std::process::id());
///     let listener = UnixListener::bind(&name)?;
///     let stream = UnixStream::connect(&name).await?;
///     assert_eq!(stream.peer_addr()?.as_abstract_name(), Some(&name.as_bytes()[1..]));
///     drop(listener);
///     Ok(())
/// }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SocketAddr(pub(super) net::SocketAddr);

impl SocketAddr {
    /// Whether the socket has no address.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if it is one.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The abstract name, if it is one, without the zero byte in front.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.0.as_abstract_name()
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> SocketAddr {
        SocketAddr(address)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(address: SocketAddr) -> net::SocketAddr {
        address.0
    }
}

/// What a socket of socket2 has for an address.
pub(super) fn from_socket2(address: &SockAddr) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        return net::SocketAddr::from_abstract_name(name).map(SocketAddr);
    }
    // The system leaves the whole of it out for a sender without a name. The standard library has no room for a path as long as
    // the longest that the system takes. Its sender counts as one without a name.
    let path = address.as_pathname().unwrap_or(Path::new(""));
    let known = net::SocketAddr::from_pathname(path);
    known
        .or_else(|_| net::SocketAddr::from_pathname(""))
        .map(SocketAddr)
}

/// The address that a path stands for.
pub(super) fn at(path: &Path) -> io::Result<net::SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some((0, name)) = path.as_os_str().as_bytes().split_first() {
        return net::SocketAddr::from_abstract_name(name);
    }
    net::SocketAddr::from_pathname(path)
}

/// The same for a socket of socket2.
pub(super) fn at_socket2(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let is_abstract = cfg!(any(target_os = "linux", target_os = "android"));
    // The system would take what comes before it for the whole.
    if bytes.contains(&0) && !(is_abstract && bytes[0] == 0) {
        let what = "paths must not contain zero bytes";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    SockAddr::unix(path)
}
