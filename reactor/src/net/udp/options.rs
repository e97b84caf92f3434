//! The options of a UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::SockRef;

use super::UdpSocket;

impl UdpSocket {
    fn options(&self) -> SockRef<'_> {
        SockRef::from(self.socket.io())
    }

    /// Whether it may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_broadcast`](Self::set_broadcast) has an example.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.options().broadcast()
    }

    /// Sets whether it may send to broadcast addresses (`SO_BROADCAST`). At first it may not.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let socket = UdpSocket::bind("0.0.0.0:0").await?;
    ///     assert!(!socket.broadcast()?);
    ///     socket.set_broadcast(true)?;
    ///     assert!(socket.broadcast()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.options().set_broadcast(on)
    }

    /// Whether this machine receives the IPv4 multicast datagrams that it sends (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.options().multicast_loop_v4()
    }

    /// Sets whether this machine receives the IPv4 multicast datagrams that it sends (`IP_MULTICAST_LOOP`). For IPv6 this may
    /// have no effect.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v4(on)
    }

    /// How many routers an IPv4 multicast datagram may pass (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.options().multicast_ttl_v4()
    }

    /// Sets how many routers an IPv4 multicast datagram may pass (`IP_MULTICAST_TTL`). At first it is 1, so that none leaves the
    /// local network.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.options().set_multicast_ttl_v4(ttl)
    }

    /// Whether this machine receives the IPv6 multicast datagrams that it sends (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.options().multicast_loop_v6()
    }

    /// Sets whether this machine receives the IPv6 multicast datagrams that it sends (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v6(on)
    }

    /// Joins an IPv4 multicast group on the interface with that address. With `0.0.0.0` the system picks the interface.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```no_run
    /// use heist::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let socket = UdpSocket::bind("0.0.0.0:5353").await?;
    ///     socket.join_multicast_v4(Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::UNSPECIFIED)?;
    ///     let mut buffer = [0; 1500];
    ///     let (length, peer) = socket.recv_from(&mut buffer).await?;
    ///     println!("{length} bytes from {peer}");
    ///     Ok(())
    /// }
    /// ```
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins an IPv6 multicast group on the interface with that index. With 0 the system picks the interface.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves an IPv4 multicast group. See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves an IPv6 multicast group. See [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().leave_multicast_v6(multiaddr, interface)
    }

    /// The time to live (TTL) of the datagrams that it sends.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_ttl`](Self::set_ttl) has an example.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live (TTL) of the datagrams that it sends.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_ttl(16)?;
    ///     assert_eq!(socket.ttl()?, 16);
    ///     Ok(())
    /// }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }
}

ip_options! { UdpSocket: this => this.options() }
