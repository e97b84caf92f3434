//! The lines that show how the crawl goes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use heist::task::JoinHandle;
use heist::time::interval;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::report::printable;

/// A process that is not heard of for so long is said to be silent.
const SILENT: Duration = Duration::from_secs(5);

/// How a crawl by several processes goes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Pages that were fetched.
    pub(crate) had: u64,
    /// Pages that are known and will be fetched.
    pub(crate) waiting: u64,
    pub(crate) errors: u64,
    /// The time since the crawl began.
    pub(crate) elapsed: Duration,
    pub(crate) processes: BTreeMap<u64, Share>,
}

/// What one process has done so far.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) pages: u64,
    pub(crate) errors: u64,
    pub(crate) in_work: u64,
    /// How long it was not heard of.
    pub(crate) silent: Duration,
}

/// A line on the terminal: pages done, pages queued, pages a second, errors. If several processes crawl, there is one more
/// line for each. They are not drawn if stderr is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    lines: MultiProgress,
    whole: ProgressBar,
    /// One line a process.
    each: BTreeMap<u64, ProgressBar>,
    errors: u64,
    /// Turns the spinner while nothing else happens.
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows the line. Call this on a runtime.
    pub(crate) fn shown() -> Progress {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let lines = MultiProgress::new();
        let whole = lines.add(ProgressBar::new_spinner());
        whole.set_style(style.expect("a valid template"));
        let wheel = whole.clone();
        let ticker = heist::spawn(async move {
            let mut ticks = interval(Duration::from_millis(100));
            loop {
                ticks.tick().await;
                wheel.tick();
            }
        });
        Progress {
            lines,
            whole,
            each: BTreeMap::new(),
            errors: 0,
            ticker: Some(ticker),
        }
    }

    /// Shows nothing, errors included.
    pub(crate) fn hidden() -> Progress {
        Progress {
            lines: MultiProgress::new(),
            whole: ProgressBar::hidden(),
            each: BTreeMap::new(),
            errors: 0,
            ticker: None,
        }
    }

    /// Whether anybody can see it.
    pub(crate) fn is_seen(&self) -> bool {
        self.ticker.is_some() && !self.lines.is_hidden()
    }

    pub(crate) fn set(&self, done: usize, queued: usize) {
        let rate = done as f64 / self.whole.elapsed().as_secs_f64().max(0.001);
        let errors = self.errors;
        self.whole.set_message(format!(
            "{done} pages, {queued} queued, {rate:.0} pages/s, {errors} errors"
        ));
    }

    /// Shows the whole crawl, and each process.
    pub(crate) fn show(&mut self, counts: &Counts) {
        self.whole.set_message(whole_line(counts));
        for (&process, share) in &counts.processes {
            let line = self.each.entry(process).or_insert_with(|| {
                let style = ProgressStyle::with_template("  {msg}");
                let line = self.lines.add(ProgressBar::new_spinner());
                line.set_style(style.expect("a valid template"));
                line
            });
            line.set_message(share_line(process, share));
            line.tick();
        }
    }

    /// Prints a line above it that stays.
    pub(crate) fn error(&mut self, url: &str, reason: &str) {
        self.errors += 1;
        if self.ticker.is_some() {
            let url = printable(url);
            self.lines
                .suspend(|| say(format_args!("error: {url}: {reason}")));
        }
    }
}

fn whole_line(counts: &Counts) -> String {
    let Counts {
        had,
        waiting,
        errors,
        elapsed,
        ..
    } = counts;
    let rate = *had as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{had} pages, {waiting} queued, {rate:.0} pages/s, {errors} errors")
}

fn share_line(process: u64, share: &Share) -> String {
    let Share {
        pages,
        errors,
        in_work,
        silent,
    } = share;
    let silence = match *silent > SILENT {
        true => format!(", silent for {} s", silent.as_secs()),
        false => String::new(),
    };
    format!("process {process}: {pages} pages, {in_work} in work, {errors} errors{silence}")
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
        self.each.values().for_each(ProgressBar::finish_and_clear);
        self.whole.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_the_crawl_and_one_for_each_process() {
        let share = Share {
            pages: 3,
            errors: 1,
            in_work: 8,
            silent: Duration::from_secs(2),
        };
        let mut counts = Counts {
            had: 10,
            waiting: 20,
            errors: 2,
            elapsed: Duration::from_secs(2),
            ..Counts::default()
        };
        let whole = "10 pages, 20 queued, 5 pages/s, 2 errors";
        assert_eq!(whole_line(&counts), whole);
        let line = "process 7: 3 pages, 8 in work, 1 errors";
        assert_eq!(share_line(7, &share), line);
        let silent = Share {
            silent: Duration::from_secs(9),
            ..share
        };
        assert_eq!(share_line(7, &silent), format!("{line}, silent for 9 s"));
        counts.processes.insert(7, silent);
        let mut progress = Progress::hidden();
        progress.show(&counts);
        assert_eq!(progress.whole.message(), whole);
        assert!(progress.each[&7].message().ends_with("silent for 9 s"));
    }
}
