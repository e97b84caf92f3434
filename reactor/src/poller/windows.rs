//! Windows: mio is the only poller, and nothing forks.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Token};

use crate::backend::Backend;
use crate::readiness;

/// What can be registered.
pub(crate) trait Pollable: Source {
    /// Registers it with mio.
    fn register_with(
        &mut self,
        registry: &mio::Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.register(registry, token, interest)
    }

    /// Deregisters it from mio.
    fn deregister_from(&mut self, registry: &mio::Registry) -> io::Result<()> {
        self.deregister(registry)
    }
}

impl<S: Source> Pollable for S {}

/// There is none.
pub(super) struct Object(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct Shared(Infallible);

/// There are none.
pub(super) struct News<'a>(&'a Infallible);

impl Object {
    pub(super) fn new(_: Backend) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system has no poll(2): only mio can be the reactor's backend",
        ))
    }

    pub(super) fn share(&self) -> Shared {
        match self.0 {}
    }

    pub(super) fn wait(&mut self, _: Option<Duration>) {
        match self.0 {}
    }

    pub(super) fn events(&self) -> News<'_> {
        match self.0 {}
    }
}

impl Iterator for News<'_> {
    type Item = (usize, readiness::News, readiness::News);

    fn next(&mut self) -> Option<Self::Item> {
        match *self.0 {}
    }
}

impl Shared {
    pub(super) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(super) fn notify(&self) {
        match self.0 {}
    }

    pub(super) fn register(&self, _: &impl Pollable, _: usize, _: Interest) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn rearm(&self, _: usize, _: Interest) {
        match self.0 {}
    }

    pub(super) fn deregister(&self, _: &impl Pollable, _: usize) -> io::Result<()> {
        match self.0 {}
    }
}

/// The process in which a poller was made.
#[derive(Debug)]
pub(super) struct Origin;

impl Origin {
    pub(super) fn here() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn is_here(&self) -> bool {
        true
    }
}
