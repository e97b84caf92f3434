//! The address of a socket, of whatever family.

use std::fmt;
use std::net::SocketAddr;

/// The address of one end of a connection, or of a datagram's sender.
///
/// # Examples
///
/// ```
/// use heist::event_loop::Address;
/// use std::net::SocketAddr;
///
/// let plain: SocketAddr = "127.0.0.1:80".parse().unwrap();
/// let address = Address::from(plain);
/// assert_eq!(address, plain);
/// assert_eq!(address.ip(), Some(plain));
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Address {
    /// Of a TCP or UDP socket.
    Ip(SocketAddr),
    /// Of a Unix socket.
    #[cfg(unix)]
    Unix(crate::net::unix::SocketAddr),
}

impl Address {
    /// The address, if it is one of a TCP or UDP socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::Address;
    /// use std::net::SocketAddr;
    ///
    /// let plain: SocketAddr = "127.0.0.1:80".parse().unwrap();
    /// assert_eq!(Address::from(plain).ip(), Some(plain));
    /// ```
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Whether it says which end of which connection this is. The end of a Unix socket that connects mostly has no name.
    pub(crate) fn is_named(&self) -> bool {
        match self {
            Self::Ip(_) => true,
            #[cfg(unix)]
            Self::Unix(address) => !address.is_unnamed(),
        }
    }

    /// The path, if it is the address of a Unix socket that has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::Address;
    /// use std::path::Path;
    ///
    /// let address = std::os::unix::net::SocketAddr::from_pathname("/tmp/socket")?;
    /// assert_eq!(Address::Unix(address.into()).path(), Some(Path::new("/tmp/socket")));
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(unix)]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Unix(address) => address.as_pathname(),
            Self::Ip(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

#[cfg(unix)]
impl From<crate::net::unix::SocketAddr> for Address {
    fn from(address: crate::net::unix::SocketAddr) -> Self {
        Self::Unix(address)
    }
}

impl PartialEq for Address {
    /// Unix sockets without a name differ from each other.
    fn eq(&self, other: &Self) -> bool {
        #[cfg(unix)]
        if let (Self::Unix(one), Self::Unix(other)) = (self, other) {
            return !one.is_unnamed()
                && one.as_pathname() == other.as_pathname()
                && abstract_name(one) == abstract_name(other);
        }
        self.ip().is_some() && self.ip() == other.ip()
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.ip() == Some(*other)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(address) => match (address.as_pathname(), abstract_name(address)) {
                (Some(path), _) => path.display().fmt(f),
                (_, Some(name)) => write!(f, "@{}", name.escape_ascii()),
                _ => f.write_str("unnamed"),
            },
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The abstract name of a Unix socket. Only Linux has such names.
#[cfg(unix)]
pub(crate) fn abstract_name(address: &crate::net::unix::SocketAddr) -> Option<&[u8]> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return address.as_abstract_name();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = address;
        None
    }
}
