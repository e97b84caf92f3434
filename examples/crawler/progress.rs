//! The line that shows how the crawl goes.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use heist::task::JoinHandle;
use heist::time::interval;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::printable;

/// A line on the terminal: pages done, pages queued, pages a second, errors. It is not drawn if stderr is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    errors: u64,
    /// Turns the spinner while nothing else happens.
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows the line. Call this on a runtime.
    pub(crate) fn shown() -> Progress {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let bar = ProgressBar::new_spinner();
        bar.set_style(style.expect("a valid template"));
        let wheel = bar.clone();
        let ticker = heist::spawn(async move {
            let mut ticks = interval(Duration::from_millis(100));
            loop {
                ticks.tick().await;
                wheel.tick();
            }
        });
        Progress {
            bar,
            errors: 0,
            ticker: Some(ticker),
        }
    }

    /// Shows nothing, errors included.
    #[allow(dead_code, reason = "for tests, which share this module")]
    pub(crate) fn hidden() -> Progress {
        Progress {
            bar: ProgressBar::hidden(),
            errors: 0,
            ticker: None,
        }
    }

    pub(crate) fn set(&self, done: usize, queued: usize) {
        let rate = done as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        let errors = self.errors;
        self.bar.set_message(format!(
            "{done} pages, {queued} queued, {rate:.0} pages/s, {errors} errors"
        ));
    }

    /// Prints a line above it that stays.
    pub(crate) fn error(&mut self, url: &str, reason: &str) {
        self.errors += 1;
        if self.ticker.is_some() {
            let url = printable(url);
            self.bar
                .suspend(|| say(format_args!("error: {url}: {reason}")));
        }
    }
}

/// Prints a line on stderr. If nobody reads it (`crawler 2>&1 | head`), that does not stop the crawl.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(ticker) = &self.ticker {
            ticker.abort();
        }
        self.bar.finish_and_clear();
    }
}
