//! The crawler among the examples: its result is exact, and no host harms it.

// Its modules are compiled into this test, which brings their unit tests along.
#[path = "../examples/crawler/address.rs"]
mod address;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/args.rs"]
mod args;
#[path = "../examples/crawler/body.rs"]
mod body;
#[path = "../examples/crawler/clerk.rs"]
mod clerk;
#[path = "../examples/crawler/coding.rs"]
mod coding;
#[path = "../examples/crawler/connection.rs"]
mod connection;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/cookies.rs"]
mod cookies;
#[path = "../examples/crawler/crawl.rs"]
mod crawl;
#[path = "../examples/crawler/error.rs"]
mod error;
#[path = "../examples/crawler/fetch.rs"]
mod fetch;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/frontier.rs"]
mod frontier;
#[path = "../examples/crawler/http.rs"]
mod http;
#[path = "../examples/crawler/job.rs"]
mod job;
#[path = "../examples/crawler/links.rs"]
mod links;
#[path = "../examples/crawler/media.rs"]
mod media;
#[path = "../examples/crawler/outcome.rs"]
mod outcome;
#[path = "../examples/crawler/parse.rs"]
mod parse;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/progress.rs"]
mod progress;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/report.rs"]
mod report;
#[path = "../examples/crawler/retry.rs"]
mod retry;
#[path = "../examples/crawler/robots.rs"]
mod robots;
#[path = "../examples/crawler/site.rs"]
mod site;
#[allow(dead_code, reason = "the program uses it")]
#[path = "../examples/crawler/tls.rs"]
mod tls;

#[path = "crawler/binary.rs"]
mod binary;
#[path = "crawler/busy.rs"]
mod busy;
#[path = "crawler/exact.rs"]
mod exact;
#[path = "crawler/host.rs"]
mod host;
#[path = "crawler/hostile.rs"]
mod hostile;
#[path = "support/nobody.rs"]
mod nobody;
#[path = "crawler/odd.rs"]
mod odd;
#[path = "crawler/polite.rs"]
mod polite;
#[path = "crawler/secure.rs"]
mod secure;
#[path = "crawler/secure_host.rs"]
mod secure_host;
#[cfg(unix)]
#[path = "crawler/shared.rs"]
mod shared;
#[path = "crawler/tree.rs"]
mod tree;
#[cfg(unix)]
#[path = "crawler/trouble.rs"]
mod trouble;
#[path = "crawler/walk.rs"]
mod walk;
#[path = "crawler/wishes.rs"]
mod wishes;

use std::ffi::OsStr;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use heist::runtime::{Builder, Runtime};
use heist::sync::CancellationToken;
use rustls::RootCertStore;
use url::Url;

use crate::crawl::{Options, crawl};
use crate::fetch::Limits;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::tls::Roots;

/// Fails a test that takes longer than any machine may need.
fn watched<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = done.send(test());
    });
    match wait.recv_timeout(Duration::from_secs(240)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match runner.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends, or else it panics"),
        },
    }
}

/// A program that ends with the test, even if the test hangs or is killed. Start it on the test's own thread: on Linux it ends
/// with the thread that has started it.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        use std::os::unix::process::CommandExt;

        let end_with_parent = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec this only makes a system call. It allocates nothing, and takes no lock.
        unsafe { command.pre_exec(end_with_parent) };
    }
    command
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_ends_with_the_test_that_has_started_it() {
    use std::os::unix::process::ExitStatusExt;

    watched(|| {
        let starter = thread::spawn(|| command("sleep").arg("1000").spawn().unwrap());
        let mut child = starter.join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    });
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers);
    builder.build().unwrap()
}

fn options(start: &str) -> Options {
    Options {
        start: Url::parse(start).unwrap(),
        also: Vec::new(),
        under: None,
        max_pages: 100_000,
        max_links: 100_000,
        max_redirects: 5,
        concurrency: 16,
        limits: Limits {
            timeout: Duration::from_secs(60),
            max_bytes: 8 << 20,
            per_host: 8,
            delay: Duration::ZERO,
            retries: 0,
            max_wait: Duration::from_secs(60),
            robots_on_loopback: false,
        },
        roots: Roots::Own(Arc::new(RootCertStore::empty())),
    }
}

/// Crawls again, with more time for each page, while the time of a page was too short for the machine and not for the host.
fn run_with_more_time(
    runtime: &Runtime,
    mut options: Options,
    is_enough: impl Fn(&Outcome) -> bool,
) -> Outcome {
    loop {
        let outcome = run(runtime, options.clone());
        if is_enough(&outcome) || options.limits.timeout > Duration::from_secs(15) {
            return outcome;
        }
        options.limits.timeout *= 3;
    }
}

fn run(runtime: &Runtime, options: Options) -> Outcome {
    // As a task, so that it runs on a worker as it does in the program.
    let crawl =
        async { heist::spawn(crawl(options, Progress::hidden(), CancellationToken::new())).await };
    runtime.block_on(crawl).unwrap().unwrap()
}
