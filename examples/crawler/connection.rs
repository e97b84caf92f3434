//! Connections to one host: how many there may be, and which of them wait for their next request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heist::sync::{OwnedSemaphorePermit, Semaphore};
use heist::time::sleep;
use hyper::Response;
use hyper::body::Incoming;
use url::Url;

use crate::error::FetchError;
use crate::http::{Ask, Connection, Shared, has_ended, wants_http1};
use crate::tls::{Offer, Tls};

/// How long to wait for another try if there are no descriptors left.
const NO_DESCRIPTORS: Duration = Duration::from_millis(20);

/// The connections to one host.
pub(crate) struct Host {
    at_once: usize,
    permits: Arc<Semaphore>,
    /// HTTP/1.1 connections that wait for their next request.
    idle: Mutex<Vec<Connection>>,
    /// While the first connection is made, the other requests wait for what it will be.
    common: heist::sync::Mutex<Common>,
    /// When the next request may be sent, if the host wants a pause or a delay.
    next: Mutex<Instant>,
    tls: Arc<Tls>,
}

/// The connection that all requests to one host have in common.
enum Common {
    Unknown,
    /// The host speaks HTTP/1.1.
    None,
    Some(Shared),
}

/// The right to send one request. Drop it when the answer is there, or when none will come. Then the delay begins.
pub(crate) struct Turn {
    host: Arc<Host>,
    delay: Duration,
    _permits: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.delay.is_zero() {
            self.host.pause(self.delay);
        }
    }
}

/// A connection in use. Dropping it closes it if it is an HTTP/1.1 connection.
pub(crate) struct Lease {
    connection: Connection,
    turn: Turn,
}

impl Lease {
    /// Gives the connection back for the next request. Call this only after an answer was read to its end.
    pub(crate) fn give_back(self) {
        match &self.connection {
            Connection::Alone(connection) if !connection.is_closed() => {
                lock(&self.turn.host.idle).push(self.connection);
            }
            _ => {}
        }
    }
}

impl Host {
    /// Makes a host that takes `at_once` requests at once.
    pub(crate) fn new(at_once: usize, tls: Arc<Tls>) -> Host {
        Host {
            at_once,
            permits: Arc::new(Semaphore::new(at_once)),
            idle: Mutex::default(),
            common: heist::sync::Mutex::new(Common::Unknown),
            next: Mutex::new(Instant::now()),
            tls,
        }
    }

    /// Waits until one more request may be sent. A host that wants a delay gets one request at a time.
    pub(crate) async fn turn(self: Arc<Self>, delay: Duration) -> Turn {
        let permits = match delay.is_zero() {
            true => 1,
            false => u32::try_from(self.at_once).unwrap_or(u32::MAX),
        };
        let permits = self.permits.clone().acquire_many_owned(permits).await;
        let permits = permits.expect("the semaphore is never closed");
        // Meanwhile the host may ask for more.
        while !self.paused().is_zero() {
            sleep(self.paused()).await;
        }
        Turn {
            host: self,
            delay,
            _permits: permits,
        }
    }

    /// How long no request may be sent.
    pub(crate) fn paused(&self) -> Duration {
        lock(&self.next).saturating_duration_since(Instant::now())
    }

    /// Sends no request for some time.
    pub(crate) fn pause(&self, time: Duration) {
        let mut next = lock(&self.next);
        *next = (*next).max(Instant::now() + time);
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn ask(
        ask: Ask<'_>,
        turn: Turn,
    ) -> Result<(Lease, Response<Incoming>), FetchError> {
        let (connection, response) = turn.host.send(ask).await?;
        Ok((Lease { connection, turn }, response))
    }

    async fn send(&self, ask: Ask<'_>) -> Result<(Connection, Response<Incoming>), FetchError> {
        let mut http1 = false;
        loop {
            let (mut connection, is_fresh) = match self.connection(ask.url, http1).await {
                // That says nothing about this page. When another page is done, its connection can be used.
                Err(FetchError::Connect(error)) if is_out_of_descriptors(&error) => {
                    sleep(NO_DESCRIPTORS).await;
                    continue;
                }
                connected => connected?,
            };
            match connection.send(ask).await {
                Ok(response) => {
                    if http1 {
                        // It speaks that, so from now on all its pages are asked for that way.
                        *self.common.lock().await = Common::None;
                    }
                    return Ok((connection, response));
                }
                Err(error) if wants_http1(&error) => http1 = true,
                // A kept connection may end just as it is used, or may hold extra bytes that the host sent. That says
                // nothing about this page. Only what happens on a fresh connection does.
                Err(error) if !is_fresh && has_ended(&error) => self.forget(connection).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// A connection, and whether it was made for this request. If it must be so, it is an HTTP/1.1 connection.
    async fn connection(&self, url: &Url, http1: bool) -> Result<(Connection, bool), FetchError> {
        if let Some(connection) = lock(&self.idle).pop() {
            return Ok((connection, false));
        }
        if http1 {
            let connection = Connection::open(url, &self.tls, Offer::Http1, 1).await?;
            return Ok((connection, true));
        }
        let common = self.common.lock().await;
        let mut common = match &*common {
            Common::None => None,
            Common::Some(shared) if !shared.is_closed() => {
                return Ok((Connection::Shared(shared.clone()), false));
            }
            _ => Some(common),
        };
        let offer = match common {
            Some(_) => Offer::Http,
            None => Offer::Http1,
        };
        let connection = Connection::open(url, &self.tls, offer, self.at_once).await?;
        if let Some(common) = &mut common {
            **common = match &connection {
                Connection::Alone(_) => Common::None,
                Connection::Shared(shared) => Common::Some(shared.clone()),
            };
        }
        Ok((connection, true))
    }

    /// Sends no more requests on a connection that has ended.
    async fn forget(&self, connection: Connection) {
        let Connection::Shared(ended) = connection else {
            return;
        };
        let mut common = self.common.lock().await;
        if matches!(&*common, Common::Some(shared) if Arc::ptr_eq(shared, &ended)) {
            *common = Common::Unknown;
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    // ENFILE, EMFILE and WSAEMFILE.
    matches!(error.raw_os_error(), Some(23 | 24 | 10024))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
