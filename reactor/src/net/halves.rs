//! A connection in two halves: one reads, one writes.

/// The halves of a stream, and how it is split. `$stream` has the registered `socket`, and `shut_down_writing`. `$example` shows
/// the halves at work.
macro_rules! halves {
    ($stream:ident, $address:ty, $(#[$example:meta])+) => {
        /// The reading half of a stream, from `split`.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $stream);

        /// The writing half of a stream, from `split`.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $stream);

        /// The reading half of a stream, from `into_split`.
        ///
        $(#[$example])+
        #[derive(Debug)]
        pub struct OwnedReadHalf(std::sync::Arc<$stream>);

        /// The writing half of a stream, from `into_split`. Dropping it closes the writing direction. Call
        /// [`forget`](Self::forget) to drop it without that.
        ///
        /// The page of [`OwnedReadHalf`] has an example.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: std::sync::Arc<$stream>,
            close_on_drop: bool,
        }

        /// The two halves don't belong to the same connection.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("tried to reunite halves that are not from the same connection")
            }
        }

        impl std::error::Error for ReuniteError {}

        impl $stream {
            /// Splits the stream into a reading half and a writing half, which borrow it.
            pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
                (ReadHalf(self), WriteHalf(self))
            }

            /// Splits the stream into a reading half and a writing half that can go to different tasks. Dropping the writing
            /// half closes the writing direction.
            ///
            /// The page of [`OwnedReadHalf`] has an example.
            pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
                let stream = std::sync::Arc::new(self);
                let write = OwnedWriteHalf {
                    stream: stream.clone(),
                    close_on_drop: true,
                };
                (OwnedReadHalf(stream), write)
            }
        }

        impl OwnedReadHalf {
            /// Puts the two halves together again.
            ///
            /// # Errors
            ///
            /// If the halves don't belong to the same connection. The error holds both.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if !std::sync::Arc::ptr_eq(&self.0, &other.stream) {
                    return Err(ReuniteError(self, other));
                }
                other.forget();
                Ok(std::sync::Arc::try_unwrap(self.0).expect("there were only two halves"))
            }
        }

        impl OwnedWriteHalf {
            /// Puts the two halves together again.
            ///
            /// # Errors
            ///
            /// If the halves don't belong to the same connection. The error holds both.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops the half without closing the writing direction.
            pub fn forget(mut self) {
                self.close_on_drop = false;
            }

            /// Closes the writing direction, which dropping it need not do after that.
            fn shut_down_writing(&mut self) -> std::io::Result<()> {
                let closed = self.stream.shut_down_writing();
                self.close_on_drop &= closed.is_err();
                closed
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.close_on_drop {
                    // Nobody is left to be told about an error, and only closing the connection follows.
                    let _ = self.stream.shut_down_writing();
                }
            }
        }

        halves! { @half [read] ReadHalf<'_>: this => this.0, $stream, $address }
        halves! { @half [read] OwnedReadHalf: this => this.0, $stream, $address }
        halves! { @half [write] WriteHalf<'_>: this => this.0, $stream, $address }
        halves! { @half [write] OwnedWriteHalf: this => this.stream, $stream, $address }
        stream_io! { [read] ReadHalf<'_>: this => this.0 }
        stream_io! { [read] OwnedReadHalf: this => this.0 }
        stream_io! { [write] WriteHalf<'_>: this => this.0, this.0.shut_down_writing() }
        stream_io! { [write] OwnedWriteHalf: this => this.stream, this.shut_down_writing() }
    };
    (@half [$kind:ident] $half:ty: $this:ident => $inner:expr, $stream:ident, $address:ty) => {
        impl $half {
            /// The address of the other end.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn peer_addr(&self) -> std::io::Result<$address> {
                let $this = self;
                $inner.peer_addr()
            }

            /// The address of this end.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn local_addr(&self) -> std::io::Result<$address> {
                let $this = self;
                $inner.local_addr()
            }
        }

        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                let $this = self;
                &$inner
            }
        }

        wait_methods! { [$kind] $half: $this => $inner.socket }
        try_methods! { [$kind] $half: $this => $inner.socket }
    };
}
