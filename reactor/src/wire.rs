//! What a model waits for in place of a socket.

use std::fmt;
use std::task::{Context, Poll};

use heist_sync::sys::Arc;

use crate::poller::{Bell, Pollable};
use crate::reactor::Reactor;
use crate::readiness::{News, Source};
use crate::sources::Share;

/// Something that becomes readable when somebody writes to it.
pub struct Wire {
    end: End,
    source: Arc<Source>,
    sources: Share,
}

/// Where it reports to, once it is registered.
#[derive(Default)]
struct End(Option<(Arc<Bell>, usize)>);

impl Pollable for End {
    fn registered(&mut self, bell: &Arc<Bell>, token: usize) {
        self.0 = Some((bell.clone(), token));
    }
}

impl Wire {
    /// A wire that is registered with this reactor.
    pub fn new(reactor: &Reactor) -> Self {
        let sources = reactor.sources().share();
        let (mut end, source) = (End::default(), Arc::new(Source::new(News::NONE)));
        let registered = sources.register(&mut end, mio::Interest::READABLE, source.clone());
        registered.expect("it is open");
        Self {
            end,
            source,
            sources,
        }
    }

    /// Makes it readable.
    pub fn write(&self) {
        let (bell, token) = self.end.0.as_ref().expect("registered");
        bell.report(*token);
    }

    /// Ready once it was written to.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.read.poll(cx).map(drop)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some((_, token)) = self.end.0 {
            let _ = self.sources.deregister(&mut self.end, token);
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
