//! A body on its way: piece by piece, decoded, and bounded in bytes and time.

use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::time::timeout_at;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::coding::Decoder;
use crate::connection::Lease;
use crate::error::FetchError;

/// So much is decoded at once: it may become a thousand times as long.
const PIECE: usize = 4 * 1024;

/// As much of a body that nobody wants is read, so that its connection serves again.
const LEFTOVER: usize = 64 * 1024;

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of the body, as it was sent and as it was decoded.
    pub(crate) bytes: usize,
    /// How long the host may let us wait, from connecting to the last byte.
    pub(crate) timeout: Duration,
}

impl Bounds {
    /// When the host has let us wait too long, if it did for so long so far.
    pub(crate) fn deadline(&self, waited: Duration) -> Instant {
        // Too far off to be an instant: as good as no limit.
        let far = Duration::from_secs(365 * 86_400);
        Instant::now() + self.timeout.saturating_sub(waited).min(far)
    }
}

/// The body of an answer.
///
/// A body beyond its bound in bytes is no error: it ends there, and is [`cut`](Body::cut).
pub(crate) struct Body {
    incoming: Incoming,
    decoders: Vec<Decoder>,
    bounds: Bounds,
    /// Came, but is not decoded yet.
    coded: Bytes,
    /// How many bytes came.
    came: usize,
    /// How many bytes were given, decoded.
    read: usize,
    cut: bool,
    /// The connection, until all has come.
    lease: Option<Lease>,
    /// How long the host let us wait. That the crawl has other things to do is not the host's fault.
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

    /// The next piece; none at the end.
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

    /// Waits for what the host sends next. Gives what is left to give once that was all.
    async fn receive(&mut self) -> Result<Bytes, FetchError> {
        let begin = Instant::now();
        let deadline = self.bounds.deadline(self.waited);
        let frame = timeout_at(deadline.into(), self.incoming.frame()).await;
        self.waited += begin.elapsed();
        let frame = frame.map_err(|_| FetchError::TimedOut(self.bounds.timeout))?;
        let Some(frame) = frame else {
            return self.end();
        };
        // Else it is a trailer.
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

    /// Leads a piece through the decoders from one on.
    fn undo(&mut self, mut piece: Bytes, from: usize) -> Result<Bytes, FetchError> {
        for decoder in &mut self.decoders[from..] {
            piece = decoder.decode(&piece)?.into();
        }
        Ok(piece)
    }

    /// All has come: the connection is free, and the decoders give what they have left.
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

    /// Takes no more, and closes the connection.
    fn cut_off(&mut self) {
        self.cut = true;
        self.lease = None;
    }

    /// Whether all that there will be was given.
    pub(crate) fn is_done(&self) -> bool {
        self.lease.is_none()
    }

    /// The bound, if there was more.
    pub(crate) fn cut(&self) -> Option<usize> {
        self.cut.then_some(self.bounds.bytes)
    }

    /// How many bytes there were, decoded.
    pub(crate) fn bytes(&self) -> usize {
        self.read
    }

    /// From connecting to the last byte.
    pub(crate) fn latency(&self) -> Duration {
        self.waited
    }

    /// Reads on to the end, or to as many bytes in all.
    pub(crate) async fn collect(&mut self, most: usize) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(piece) = self.next().await?
        {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// Nobody wants it: the rest is read for the connection's sake, if there isn't much.
    pub(crate) async fn skip(&mut self) {
        self.decoders.clear();
        self.coded.clear();
        let end = self.read.saturating_add(LEFTOVER);
        self.bounds.bytes = self.bounds.bytes.min(end);
        while let Ok(Some(_)) = self.next().await {}
        self.lease = None;
    }
}
