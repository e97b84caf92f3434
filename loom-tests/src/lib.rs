//! The harness of heist's models: [`model`] runs a model, and [`Census`] shows that it was not vacuous.
//!
//! A model is a small closure that uses the real code of one protocol. With `--cfg heist_loom`, the switch in
//! `heist_sync::sys` puts loom beneath that code, and [`model`] explores the interleavings. Otherwise the same closure
//! runs a few times on real threads, as a plain test.
//!
//! The harness keeps these rules:
//! 1. An exploration is cut short only on request. Loom's limits on time and on the number of interleavings end a model
//!    silently and in green, so they are switched off. Only `HEIST_LOOM_SHORT` sets a limit: a number of interleavings,
//!    for a model whose sources haven't changed since it was explored in full.
//! 2. Each exploration is recorded. If `HEIST_LOOM_TABLE` names a file, each finished model appends the row `name,
//!    bound, interleavings, seconds`, and `short` if it was cut short. `loom-tests/check-table` compares these rows
//!    with `models.tsv`.
//! 3. A model that stands still fails: it is given up after `HEIST_LOOM_LIMIT` seconds (default 900 under loom, 60
//!    otherwise). This also catches a lock under loom that loom doesn't know: it blocks the only OS thread, and nothing
//!    else would notice.
//!
//! The harness itself isn't modelled: it uses std's atomics and threads, which loom does not see.

pub mod block_on;
pub mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How often a model runs as a plain test.
#[cfg(not(heist_loom))]
const PLAIN_RUNS: u64 = if cfg!(miri) { 1 } else { 16 };

/// How many thread switches one interleaving may have. A model that needs more contains an endless loop.
#[cfg(heist_loom)]
const MAX_BRANCHES: usize = 10_000;

/// Explores `f` under loom with at most `preemption_bound` preemptions in each interleaving (`None`: all of them), or
/// runs it a few times if loom is not switched on.
///
/// `name` is the name of the test that calls it, so that the row of the table, the mutants and the test have one name.
///
/// # Panics
///
/// If the model fails, with its panic. Also if it stands still for longer than the limit.
pub fn model<F>(name: &str, preemption_bound: Option<usize>, f: F)
where
    F: Fn() + Send + Sync + 'static,
{
    let runs = Arc::new(AtomicU64::new(0));
    let counter = runs.clone();
    let counted = move || {
        f();
        // Ordering: hint only; read after the thread that explores has been joined.
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let seconds = within_limit(name, move || explore(preemption_bound, counted));
    if cfg!(heist_loom) {
        // Ordering: hint only; the join has published the count.
        record(
            name,
            preemption_bound,
            runs.load(Ordering::Relaxed),
            seconds,
        );
    }
}

#[cfg(heist_loom)]
fn explore<F: Fn() + Send + Sync + 'static>(preemption_bound: Option<usize>, f: F) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemption_bound;
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = short_form();
    builder.max_duration = None;
    builder.checkpoint_file = None;
    builder.check(f);
}

#[cfg(not(heist_loom))]
fn explore<F: Fn() + Send + Sync + 'static>(_preemption_bound: Option<usize>, f: F) {
    for _ in 0..PLAIN_RUNS {
        f();
    }
}

/// How many interleavings of a model are explored at most, if it has to be cut short.
fn short_form() -> Option<usize> {
    if !cfg!(heist_loom) {
        return None;
    }
    let text = std::env::var("HEIST_LOOM_SHORT").ok()?;
    let interleavings = text.parse().ok().filter(|&n| n > 0);
    Some(interleavings.expect("HEIST_LOOM_SHORT is a number of interleavings"))
}

/// Runs `f` on a thread of its own, and returns the seconds it took. Panics if `f` panics, or takes longer than the
/// limit.
fn within_limit<F: FnOnce() + Send + 'static>(name: &str, f: F) -> f64 {
    let limit = limit_seconds();
    let start = std::time::Instant::now();
    let (done, finished) = mpsc::channel::<()>();
    let worker = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // It is dropped when `f` returns or unwinds. Either ends the wait below.
            let _done = done;
            f();
        })
        .expect("a thread for the model");
    if finished.recv_timeout(Duration::from_secs(limit)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the model {name} was given up after {limit} s");
    }
    if let Err(panic) = worker.join() {
        std::panic::resume_unwind(panic);
    }
    start.elapsed().as_secs_f64()
}

fn limit_seconds() -> u64 {
    let default = if cfg!(heist_loom) || cfg!(miri) {
        900
    } else {
        60
    };
    match std::env::var("HEIST_LOOM_LIMIT") {
        Ok(text) => text
            .parse()
            .expect("HEIST_LOOM_LIMIT is a number of seconds"),
        Err(_) => default,
    }
}

/// Appends the model's row to the table that the environment names, and prints it.
fn record(name: &str, bound: Option<usize>, interleavings: u64, seconds: f64) {
    use std::io::Write as _;
    let bound = bound.map_or("none".to_owned(), |bound| bound.to_string());
    let short = short_form().is_some_and(|most| interleavings >= most as u64);
    let short = if short { "\tshort" } else { "" };
    let row = format!("{name}\t{bound}\t{interleavings}\t{seconds:.1}{short}\n");
    print!("{row}");
    if let Ok(path) = std::env::var("HEIST_LOOM_TABLE") {
        // Each row is one write to a file that is opened for appending, so rows of models that run side by side stay
        // whole.
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut table| table.write_all(row.as_bytes()))
            .unwrap_or_else(|error| panic!("the table {path} can't be written: {error}"));
    }
}

/// Counts the outcomes of a race over all the interleavings of a model, to show that each legal one was seen.
///
/// ```
/// use loom_tests::{Census, model};
///
/// let census = Census::new(&["sent", "refused"]);
/// let counted = census.clone();
/// model("one_or_the_other", None, move || {
///     counted.saw("sent");
///     counted.saw("refused");
/// });
/// census.assert_all_seen();
/// ```
#[derive(Clone, Debug)]
pub struct Census {
    outcomes: Arc<[(&'static str, AtomicU64)]>,
}

impl Census {
    /// A census of these legal outcomes, none of them seen yet.
    pub fn new(legal: &[&'static str]) -> Self {
        let outcomes = legal.iter().map(|name| (*name, AtomicU64::new(0)));
        Self {
            outcomes: outcomes.collect(),
        }
    }

    /// Counts one `outcome`.
    ///
    /// # Panics
    ///
    /// If `outcome` is not a legal one.
    pub fn saw(&self, outcome: &str) {
        match self.outcomes.iter().find(|(name, _)| *name == outcome) {
            // Ordering: hint only; read after the model has ended.
            Some((_, count)) => count.fetch_add(1, Ordering::Relaxed),
            None => panic!("{outcome:?} is not a legal outcome of this model"),
        };
    }

    /// Fails if a legal outcome was never seen under loom, because the model doesn't show then what it has to show.
    /// Does nothing in plain runs, which are few, and for a model that is cut short: these need not see every outcome.
    ///
    /// # Panics
    ///
    /// Under loom, if an outcome was never seen.
    pub fn assert_all_seen(&self) {
        if !cfg!(heist_loom) || short_form().is_some() {
            return;
        }
        for (name, count) in self.outcomes.iter() {
            // Ordering: hint only; the models have ended.
            let count = count.load(Ordering::Relaxed);
            assert!(count > 0, "the outcome {name:?} was never seen");
        }
    }
}
