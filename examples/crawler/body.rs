//! A body that is being received: piece by piece, decoded, and limited in bytes and time.

use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::time::timeout_at;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::coding::Decoder;
use crate::connection::Lease;
use crate::error::FetchError;

/// How much is decoded at once. It may become a thousand times as long.
const PIECE: usize = 4 * 1024;

/// How much is read of a body that nobody wants, so that its connection can be used again.
const LEFTOVER: usize = 64 * 1024;

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The limit for the body, both as it was sent and as it was decoded.
    pub(crate) bytes: usize,
    /// How long the host may let us wait, from connecting to the last byte.
    pub(crate) timeout: Duration,
}

impl Bounds {
    /// When the host will have let us wait too long, if it has let us wait for `waited` so far.
    pub(crate) fn deadline(&self, waited: Duration) -> Instant {
        // If the deadline is too far off for an `Instant`, there is as good as no limit.
        let far = Duration::from_secs(365 * 86_400);
        Instant::now() + self.timeout.saturating_sub(waited).min(far)
    }
}

/// The body of an answer.
///
/// A body beyond its limit in bytes is not an error. It ends there, and is [`cut`](Body::cut).
pub(crate) struct Body {
    incoming: Incoming,
    decoders: Vec<Decoder>,
    bounds: Bounds,
    /// What was received but is not decoded yet.
    coded: Bytes,
    /// How many bytes were received.
    came: usize,
    /// How many bytes were returned, decoded.
    read: usize,
    cut: bool,
    /// The connection, until everything was received.
    lease: Option<Lease>,
    /// How long the host has let us wait. It is not the host's fault if the crawl has other things to do.
    waited: Duration,
}

impl Body {
    pub(crate) fn new(
        incoming: Incoming,
        decoders: Vec<Decoder>,
        bounds: Bounds,
        lease: Lease,
        waited: Duration,
    ) -> Body {
        Body {
            incoming,
            decoders,
            bounds,
            coded: Bytes::new(),
            came: 0,
            read: 0,
            cut: false,
            lease: Some(lease),
            waited,
        }
    }

    /// The next piece. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        while !self.is_done() {
            let piece = if self.coded.is_empty() {
                self.receive().await
            } else {
                self.decode()
            };
            let mut piece = piece.inspect_err(|_| self.lease = None)?;
            let room = self.bounds.bytes - self.read;
            if piece.len() > room {
                piece.truncate(room);
                self.cut_off();
            }
            self.read += piece.len();
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Waits for what the host sends next. If that was all, returns what is left to return.
    async fn receive(&mut self) -> Result<Bytes, FetchError> {
        let begin = Instant::now();
        let deadline = self.bounds.deadline(self.waited);
        let frame = timeout_at(deadline.into(), self.incoming.frame()).await;
        self.waited += begin.elapsed();
        let frame = frame.map_err(|_| FetchError::TimedOut(self.bounds.timeout))?;
        let Some(frame) = frame else {
            return self.end();
        };
        // Otherwise it is a trailer.
        if let Ok(data) = frame.map_err(FetchError::Http)?.into_data() {
            self.came += data.len();
            if !self.decoders.is_empty() && self.came > self.bounds.bytes {
                self.cut_off();
            }
            self.coded = data;
        }
        Ok(Bytes::new())
    }

    fn decode(&mut self) -> Result<Bytes, FetchError> {
        if self.decoders.is_empty() {
            return Ok(mem::take(&mut self.coded));
        }
        let piece = self.coded.split_to(PIECE.min(self.coded.len()));
        self.undo(piece, 0)
    }

    /// Passes a piece through the decoders, beginning with number `from`.
    fn undo(&mut self, mut piece: Bytes, from: usize) -> Result<Bytes, FetchError> {
        for decoder in &mut self.decoders[from..] {
            piece = decoder.decode(&piece)?.into();
        }
        Ok(piece)
    }

    /// Everything was received. Frees the connection, and returns what the decoders have left.
    fn end(&mut self) -> Result<Bytes, FetchError> {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        let mut last = Vec::new();
        for index in 0..self.decoders.len() {
            let left = self.decoders[index].finish()?;
            last.extend_from_slice(&self.undo(left.into(), index + 1)?);
        }
        Ok(last.into())
    }

    /// Receives no more, and closes the connection.
    fn cut_off(&mut self) {
        self.cut = true;
        self.lease = None;
    }

    /// Whether everything was returned.
    pub(crate) fn is_done(&self) -> bool {
        self.lease.is_none()
    }

    /// The limit, if there was more.
    pub(crate) fn cut(&self) -> Option<usize> {
        self.cut.then_some(self.bounds.bytes)
    }

    /// How many bytes there were, decoded.
    pub(crate) fn bytes(&self) -> usize {
        self.read
    }

    /// The time from connecting to the last byte.
    pub(crate) fn latency(&self) -> Duration {
        self.waited
    }

    /// Reads on to the end, or until there are `most` bytes in all.
    pub(crate) async fn collect(&mut self, most: usize) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(piece) = self.next().await?
        {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// Nobody wants the body. If little is left, reads the rest, so that the connection can be used again.
    pub(crate) async fn skip(&mut self) {
        self.decoders.clear();
        self.coded.clear();
        let end = self.read.saturating_add(LEFTOVER);
        self.bounds.bytes = self.bounds.bytes.min(end);
        while let Ok(Some(_)) = self.next().await {}
        self.lease = None;
    }
}
