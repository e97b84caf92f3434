//! Systems that have no descriptors for processes.

use std::convert::Infallible;
use std::io;
use std::process::Child;

use mio::{Interest, Registry, Token, event};

/// There is none.
#[derive(Debug)]
pub(in crate::process) struct Pidfd(Infallible);

impl Pidfd {
    pub(in crate::process) fn open(_: &Child) -> Option<Self> {
        None
    }

    pub(in crate::process) fn kill(&self) -> io::Result<()> {
        match self.0 {}
    }
}

impl event::Source for Pidfd {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        match self.0 {}
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        match self.0 {}
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        match self.0 {}
    }
}
