//! What a loop makes belongs to the loop's runtime, whoever calls.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::event_loop::EventLoop;

/// Polls `future` inside the loop's runtime. So its sockets and timers are the runtime's.
pub(crate) async fn within<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = event_loop.handle().enter();
        future.as_mut().poll(cx)
    })
    .await
}

/// Why something was not made, or ended.
pub(crate) fn shut_down() -> io::Error {
    io::Error::other("the runtime was shut down")
}

/// What is under way for somebody who waits for it. If the wait is dropped, it is given up.
pub(crate) struct UnderWay<T> {
    what: Option<T>,
    give_up: fn(&T),
}

impl<T> UnderWay<T> {
    pub(crate) fn new(what: T, give_up: fn(&T)) -> Self {
        Self {
            what: Some(what),
            give_up,
        }
    }

    /// It is there, and goes to whoever waited for it.
    pub(crate) fn keep(mut self) -> T {
        self.what.take().expect("only this takes it")
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        if let Some(what) = &self.what {
            (self.give_up)(what);
        }
    }
}

/// Refuses the options that `what` doesn't have, so that nobody relies on them. Each comes with whether it was set.
pub(crate) fn refuse_options(what: &str, options: &[(&str, bool)]) -> io::Result<()> {
    match options.iter().find(|(_, is_set)| *is_set) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the option `{name}` is not for {what}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Something that is made once it is awaited, with options that may be set before.
pub(crate) struct Making<'a, O, T> {
    state: State<'a, O, T>,
}

type Make<'a, O, T> = Box<dyn FnOnce(O) -> Boxed<'a, T> + Send + 'a>;

enum State<'a, O, T> {
    Options(O, Make<'a, O, T>),
    Made(Boxed<'a, T>),
    Between,
}

impl<'a, O: Unpin, T> Making<'a, O, T> {
    pub(crate) fn new<F>(
        event_loop: &EventLoop,
        options: O,
        make: impl FnOnce(EventLoop, O) -> F + Send + 'a,
    ) -> Self
    where
        F: Future<Output = io::Result<T>> + Send + 'a,
        T: 'a,
    {
        let event_loop = event_loop.clone();
        let make: Make<'a, O, T> = Box::new(move |options| {
            let future = make(event_loop.clone(), options);
            Box::pin(async move { within(&event_loop, future).await })
        });
        Self {
            state: State::Options(options, make),
        }
    }

    /// The options. Once it was polled, they are gone.
    pub(crate) fn options(&mut self) -> &mut O {
        match &mut self.state {
            State::Options(options, _) => options,
            _ => panic!("options are set before it is awaited"),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let State::Options(..) = &self.state
            && let State::Options(options, make) =
                std::mem::replace(&mut self.state, State::Between)
        {
            self.state = State::Made(make(options));
        }
        match &mut self.state {
            State::Made(future) => future.as_mut().poll(cx),
            _ => panic!("it was awaited before, and panicked"),
        }
    }
}

impl<O: fmt::Debug, T> fmt::Debug for Making<'_, O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Options(options, _) => options.fmt(f),
            _ => f.write_str("under way"),
        }
    }
}
