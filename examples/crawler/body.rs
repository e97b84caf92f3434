//! A body that is being received: piece by piece, decoded, and limited in bytes and time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use heist::time::timeout_at;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::coding::Decoder;
use crate::connection::Lease;
use crate::error::FetchError;

/// How much is read of a body that nobody wants, so that its connection can be used again.
const LEFTOVER: usize = 64 * 1024;

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The limit for the body, as it was sent, as it was decoded, and at each coding between.
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
            read: 0,
            cut: false,
            lease: Some(lease),
            waited,
        }
    }

    /// The next piece. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        while !self.is_done() {
            let piece = match self.last_with_more() {
                None => self.receive().await,
                Some(index) => self.decode(index),
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
            return Ok(self.pass(data, 0));
        }
        Ok(Bytes::new())
    }

    /// The last decoder that has something to decode. If there is one, the decoders before it must wait.
    fn last_with_more(&self) -> Option<usize> {
        self.decoders.iter().rposition(Decoder::has_more)
    }

    /// Lets a decoder take a step.
    fn decode(&mut self, index: usize) -> Result<Bytes, FetchError> {
        let piece = self.decoders[index].decode()?;
        Ok(self.pass(piece.into(), index + 1))
    }

    /// Passes a piece to a decoder. After the last one, returns it.
    fn pass(&mut self, piece: Bytes, index: usize) -> Bytes {
        let Some(decoder) = self.decoders.get_mut(index) else {
            return piece;
        };
        decoder.receive(piece);
        if decoder.came() > self.bounds.bytes {
            self.cut_off();
        }
        Bytes::new()
    }

    /// Everything was received. Frees the connection, and returns what the decoders have left.
    fn end(&mut self) -> Result<Bytes, FetchError> {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        let mut last = Vec::new();
        for index in 0..self.decoders.len() {
            let left = self.decoders[index].finish()?;
            last.extend_from_slice(&self.pass(left.into(), index + 1));
            while let Some(index) = self.last_with_more()
                && last.len() <= self.bounds.bytes
            {
                last.extend_from_slice(&self.decode(index)?);
            }
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
        let end = self.read.saturating_add(LEFTOVER);
        self.bounds.bytes = self.bounds.bytes.min(end);
        while let Ok(Some(_)) = self.next().await {}
        self.lease = None;
    }
}
