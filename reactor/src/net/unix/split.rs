//! A connection in two halves: one reads, one writes.

use super::SocketAddr;
use super::stream::UnixStream;

halves! {
    UnixStream, SocketAddr,
    /// ```
    /// use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// use heist::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, mut other) = UnixStream::pair()?;
    ///     let (mut read, mut write) = one.into_split();
    ///     write.write_all(b"all that there is").await?;
    ///     drop(write); // the other end reads the end of the stream
    ///     let mut heard = Vec::new();
    ///     other.read_to_end(&mut heard).await?;
    ///     other.write_all(&heard).await?;
    ///     drop(other);
    ///
    ///     let mut answer = String::new();
    ///     read.read_to_string(&mut answer).await?;
    ///     assert_eq!(answer, "all that there is");
    ///     Ok(())
    /// }
    /// ```
}
