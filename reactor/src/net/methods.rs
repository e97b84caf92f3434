//! What sockets have in common: how to wait for them, how to read, write and receive without waiting, their options, and how they
//! come from the standard library and go back.

/// Waiting for a socket, and operations of the user's own on it. `$type` has the registered `socket`.
macro_rules! ready_methods {
    ($type:ident, $poll_read_ready:ident, $poll_write_ready:ident) => {
        impl $type {
            /// Waits until one of the operations in `interest` may succeed. Then call a `try_*` function. It can still fail
            /// with `WouldBlock`. In that case wait again.
            ///
            /// # Errors
            ///
            /// If the runtime that the socket belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            ///
            /// The pages of [`TcpStream`](crate::net::TcpStream#wait-then-try) and
            /// [`UdpSocket`](crate::net::UdpSocket#wait-then-try) have examples.
            pub async fn ready(
                &self,
                interest: crate::io::Interest,
            ) -> std::io::Result<crate::io::Ready> {
                self.socket.ready(interest).await
            }

            /// Waits until a read may succeed. See [`ready`](Self::ready).
            ///
            /// # Errors
            ///
            /// If the runtime that the socket belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            ///
            /// The pages of [`TcpStream`](crate::net::TcpStream#wait-then-try) and
            /// [`UdpSocket`](crate::net::UdpSocket#wait-then-try) have examples.
            pub async fn readable(&self) -> std::io::Result<()> {
                self.socket.reads().ready().await
            }

            /// Waits until a write may succeed. See [`ready`](Self::ready).
            ///
            /// # Errors
            ///
            /// If the runtime that the socket belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub async fn writable(&self) -> std::io::Result<()> {
                self.socket.writes().ready().await
            }

            /// Polls for [`readable`](Self::readable). If several tasks poll to read, only the last one is woken.
            ///
            /// # Errors
            ///
            /// If the runtime that the socket belongs to has been shut down.
            pub fn $poll_read_ready(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.reads().poll_ready(cx)
            }

            /// Polls for [`writable`](Self::writable). If several tasks poll to write, only the last one is woken.
            ///
            /// # Errors
            ///
            /// If the runtime that the socket belongs to has been shut down.
            pub fn $poll_write_ready(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.writes().poll_ready(cx)
            }

            /// Calls `f` if the socket is ready for what `interest` asks for. `f` should do one operation on the socket. If
            /// `f` fails with `WouldBlock`, the socket counts as not ready until there is an event.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if the socket isn't ready, or the error of `f`. If the runtime that the socket belongs to has been
            /// shut down.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub fn try_io<R>(
                &self,
                interest: crate::io::Interest,
                f: impl FnOnce() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                self.socket
                    .try_io_for(interest, || self.socket.io().try_io(f))
            }

            /// Waits until the socket is ready for what `interest` asks for, and calls `f`, which should do one operation on
            /// the socket. If `f` fails with `WouldBlock`, this waits again. Any other result of `f` is returned.
            ///
            /// # Errors
            ///
            /// The error of `f`. Also if the runtime that the socket belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, `f` is not called any more.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub async fn async_io<R>(
                &self,
                interest: crate::io::Interest,
                mut f: impl FnMut() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                self.socket
                    .async_io(interest, || self.socket.io().try_io(&mut f))
                    .await
            }

            /// Takes the pending error of this socket, if there is one.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.socket.io().take_error()
            }
        }
    };
}

/// Reading and writing without waiting, in one direction or both. `$socket` is the registered socket.
macro_rules! try_methods {
    ([read] $type:ty: $this:ident => $socket:expr) => {
        impl $type {
            /// Reads the bytes that have arrived. Returns 0 if no more will come, and fails with `WouldBlock` if there is
            /// nothing to read yet.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_read(&mut crate::io::ReadBuf::new(buffer))
            }

            /// Reads into several buffers, one after the other. Otherwise like [`try_read`](Self::try_read).
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            pub fn try_read_vectored(
                &self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_read_vectored(buffers)
            }

            /// Reads into the free part of `buffer`, such as a `Vec<u8>`. Otherwise like [`try_read`](Self::try_read).
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub fn try_read_buf<B: bytes::BufMut>(&self, buffer: &mut B) -> std::io::Result<usize> {
                let $this = self;
                crate::io::read_into(buffer, |free| $socket.try_read(free))
            }
        }
    };
    ([write] $type:ty: $this:ident => $socket:expr) => {
        impl $type {
            /// Writes as much as fits, and returns how much. Fails with `WouldBlock` if nothing fits.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub fn try_write(&self, buffer: &[u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_write(buffer)
            }

            /// Writes from several buffers, one after the other. Otherwise like [`try_write`](Self::try_write).
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            pub fn try_write_vectored(
                &self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_write_vectored(buffers)
            }
        }
    };
}

/// Waiting for what can be done in one direction. `$socket` is the registered socket, and `$wait` waits for its `$direction`.
macro_rules! wait_methods {
    ([read] $type:ty: $this:ident => $socket:expr) => {
        wait_methods! { $type: $this => $socket, readable, reads }
    };
    ([write] $type:ty: $this:ident => $socket:expr) => {
        wait_methods! { $type: $this => $socket, writable, writes }
    };
    ($type:ty: $this:ident => $socket:expr, $wait:ident, $direction:ident) => {
        impl $type {
            /// Waits until one of the operations in `interest` may succeed. Then call a `try_*` function. It can still fail
            /// with `WouldBlock`. In that case wait again.
            ///
            /// # Errors
            ///
            /// If the runtime that this belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub async fn ready(
                &self,
                interest: crate::io::Interest,
            ) -> std::io::Result<crate::io::Ready> {
                let $this = self;
                $socket.ready(interest).await
            }

            /// Waits until an operation in this direction may succeed. See [`ready`](Self::ready).
            ///
            /// # Errors
            ///
            /// If the runtime that this belongs to has been shut down.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            ///
            /// The page of [`TcpStream`](crate::net::TcpStream#wait-then-try) has an example.
            pub async fn $wait(&self) -> std::io::Result<()> {
                let $this = self;
                $socket.$direction().ready().await
            }
        }
    };
}

/// Receiving datagrams. `$type` has the registered `socket`, `receive` and `receive_from`. `$errors` says which errors there are
/// when it is connected.
macro_rules! receive_methods {
    ($type:ident, $address:ty, $errors:literal) => {
        impl $type {
            /// Receives a datagram from the connected peer. Returns its length. What does not fit into `buffer` is lost.
            ///
            /// # Errors
            ///
            #[doc = $errors]
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, no datagram is lost.
            ///
            /// The page of [`UdpSocket`](crate::net::UdpSocket) has an example.
            pub async fn recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let receive = || self.receive(&mut crate::io::ReadBuf::new(buffer));
                self.socket
                    .reads()
                    .io(receive, crate::registered::never)
                    .await
            }

            /// Polls for [`recv`](Self::recv), into the unfilled part of `buffer`. If several tasks poll to receive, only the last
            /// one is woken.
            ///
            /// # Errors
            ///
            /// See [`recv`](Self::recv).
            pub fn poll_recv(
                &self,
                cx: &mut std::task::Context<'_>,
                buffer: &mut crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let receive = || self.receive(buffer);
                self.socket
                    .reads()
                    .poll_io(cx, receive, crate::registered::never)
                    .map_ok(drop)
            }

            /// Receives a datagram from the connected peer, or fails with `WouldBlock`.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            ///
            /// The page of [`UdpSocket`](crate::net::UdpSocket#wait-then-try) has an example.
            pub fn try_recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let receive = || self.receive(&mut crate::io::ReadBuf::new(buffer));
                self.socket
                    .reads()
                    .try_io(receive, crate::registered::never)
            }

            /// Receives into the free part of `buffer`, such as a `Vec<u8>` with capacity. Otherwise like [`recv`](Self::recv).
            ///
            /// # Errors
            ///
            /// See [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, no datagram is lost.
            ///
            /// The page of [`UdpSocket`](crate::net::UdpSocket#wait-then-try) has an example.
            pub async fn recv_buf<B: bytes::BufMut>(
                &self,
                buffer: &mut B,
            ) -> std::io::Result<usize> {
                let receive = || crate::io::read_into(buffer, |free| self.receive(free));
                self.socket
                    .reads()
                    .io(receive, crate::registered::never)
                    .await
            }

            /// Receives into the free part of `buffer`, or fails with `WouldBlock`.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            pub fn try_recv_buf<B: bytes::BufMut>(&self, buffer: &mut B) -> std::io::Result<usize> {
                let receive = || crate::io::read_into(buffer, |free| self.receive(free));
                self.socket
                    .reads()
                    .try_io(receive, crate::registered::never)
            }

            /// Receives a datagram. Returns its length, and who has sent it. What does not fit into `buffer` is lost.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, no datagram is lost.
            ///
            /// The page of [`UdpSocket`](crate::net::UdpSocket) has an example.
            pub async fn recv_from(&self, buffer: &mut [u8]) -> std::io::Result<(usize, $address)> {
                let receive = || self.receive_from(&mut crate::io::ReadBuf::new(buffer));
                self.socket
                    .reads()
                    .io(receive, crate::registered::never)
                    .await
            }

            /// Polls for [`recv_from`](Self::recv_from), into the unfilled part of `buffer`. If several tasks poll to receive, only
            /// the last one is woken.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn poll_recv_from(
                &self,
                cx: &mut std::task::Context<'_>,
                buffer: &mut crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<$address>> {
                let receive = || self.receive_from(buffer);
                let (_, sender) = std::task::ready!(self.socket.reads().poll_io(
                    cx,
                    receive,
                    crate::registered::never
                ))?;
                std::task::Poll::Ready(Ok(sender))
            }

            /// Receives a datagram, or fails with `WouldBlock`. Returns its length, and who has sent it.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            ///
            /// The page of [`UdpSocket`](crate::net::UdpSocket#wait-then-try) has an example.
            pub fn try_recv_from(&self, buffer: &mut [u8]) -> std::io::Result<(usize, $address)> {
                let receive = || self.receive_from(&mut crate::io::ReadBuf::new(buffer));
                self.socket
                    .reads()
                    .try_io(receive, crate::registered::never)
            }

            /// Receives into the free part of `buffer`, such as a `Vec<u8>` with capacity. Otherwise like
            /// [`recv_from`](Self::recv_from).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, no datagram is lost.
            pub async fn recv_buf_from<B: bytes::BufMut>(
                &self,
                buffer: &mut B,
            ) -> std::io::Result<(usize, $address)> {
                let receive = || crate::io::read_into(buffer, |free| self.receive_from(free));
                self.socket
                    .reads()
                    .io(receive, crate::registered::never)
                    .await
            }

            /// Receives into the free part of `buffer`, or fails with `WouldBlock`. Returns the length, and who has sent the
            /// datagram.
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or any other error that the operating system returns.
            pub fn try_recv_buf_from<B: bytes::BufMut>(
                &self,
                buffer: &mut B,
            ) -> std::io::Result<(usize, $address)> {
                let receive = || crate::io::read_into(buffer, |free| self.receive_from(free));
                self.socket
                    .reads()
                    .try_io(receive, crate::registered::never)
            }
        }
    };
}

/// The options that TCP and UDP share. `$socket` is the socket of `socket2`.
macro_rules! ip_options {
    ($type:ident: $this:ident => $socket:expr) => {
        impl $type {
            /// The type of service of the IPv4 packets that it sends (`IP_TOS`).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(not(any(
                target_os = "fuchsia",
                target_os = "redox",
                target_os = "solaris",
                target_os = "illumos",
                target_os = "haiku"
            )))]
            pub fn tos_v4(&self) -> std::io::Result<u32> {
                let $this = self;
                $socket.tos_v4()
            }

            /// Sets the type of service of the IPv4 packets that it sends (`IP_TOS`). Some systems, such as Windows, take it and
            /// ignore it.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(not(any(
                target_os = "fuchsia",
                target_os = "redox",
                target_os = "solaris",
                target_os = "illumos",
                target_os = "haiku"
            )))]
            pub fn set_tos_v4(&self, tos: u32) -> std::io::Result<()> {
                let $this = self;
                $socket.set_tos_v4(tos)
            }

            /// The older name of [`tos_v4`](Self::tos_v4).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(not(any(
                target_os = "fuchsia",
                target_os = "redox",
                target_os = "solaris",
                target_os = "illumos",
                target_os = "haiku"
            )))]
            #[doc(hidden)]
            #[deprecated(note = "`tos_v4` is the same")]
            pub fn tos(&self) -> std::io::Result<u32> {
                self.tos_v4()
            }

            /// The older name of [`set_tos_v4`](Self::set_tos_v4).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(not(any(
                target_os = "fuchsia",
                target_os = "redox",
                target_os = "solaris",
                target_os = "illumos",
                target_os = "haiku"
            )))]
            #[doc(hidden)]
            #[deprecated(note = "`set_tos_v4` is the same")]
            pub fn set_tos(&self, tos: u32) -> std::io::Result<()> {
                self.set_tos_v4(tos)
            }

            /// The traffic class of the IPv6 packets that it sends (`IPV6_TCLASS`).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(any(
                target_os = "android",
                target_os = "dragonfly",
                target_os = "freebsd",
                target_os = "fuchsia",
                target_os = "linux",
                target_os = "macos",
                target_os = "netbsd",
                target_os = "openbsd"
            ))]
            pub fn tclass_v6(&self) -> std::io::Result<u32> {
                let $this = self;
                $socket.tclass_v6()
            }

            /// Sets the traffic class of the IPv6 packets that it sends (`IPV6_TCLASS`).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(any(
                target_os = "android",
                target_os = "dragonfly",
                target_os = "freebsd",
                target_os = "fuchsia",
                target_os = "linux",
                target_os = "macos",
                target_os = "netbsd",
                target_os = "openbsd"
            ))]
            pub fn set_tclass_v6(&self, tclass: u32) -> std::io::Result<()> {
                let $this = self;
                $socket.set_tclass_v6(tclass)
            }

            /// The name of the interface that it is bound to, if it is (`SO_BINDTODEVICE`).
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
            pub fn device(&self) -> std::io::Result<Option<Vec<u8>>> {
                let $this = self;
                $socket.device()
            }

            /// Binds it to an interface, such as `b"eth0"`: it uses that one only (`SO_BINDTODEVICE`). `None` undoes
            /// that.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
            pub fn bind_device(&self, interface: Option<&[u8]>) -> std::io::Result<()> {
                let $this = self;
                $socket.bind_device(interface)
            }
        }
    };
}

/// From a socket of the standard library and back, and what it is named by. `$type` has `from_std`, `into_std`, and the
/// registered `socket`.
macro_rules! std_socket {
    ($type:ident, $std:ty) => {
        impl TryFrom<$std> for $type {
            type Error = std::io::Error;

            /// See [`from_std`](Self::from_std).
            #[track_caller]
            fn try_from(socket: $std) -> std::io::Result<Self> {
                Self::from_std(socket)
            }
        }

        impl TryFrom<$type> for $std {
            type Error = std::io::Error;

            /// See `into_std`.
            fn try_from(socket: $type) -> std::io::Result<Self> {
                socket.into_std()
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.socket.fmt(f)
            }
        }

        crate::sys::as_descriptor! { $type: this => this.socket.io() }
    };
}
