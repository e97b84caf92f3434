//! A web crawler on heist: `cargo run --release --example crawler`.
//!
//! This is the kind of program that heist is for. Thousands of pages are on their way at once, and each page that
//! arrives must be parsed, which takes a core. Both happen in one pool of workers, and each page has its own task. What
//! one worker can't get to, another one steals.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | the command line |
//! | `address` | one name for each page, and which pages belong to the crawl |
//! | `site` | a site to crawl, served by hyper on the same runtime |
//! | `crawl` | takes pages from the frontier, and hands back what they hold |
//! | `frontier` | which pages there are and who fetches them: in memory, or in a Redis that crawlers share |
//! | `clerk` | the books: which pages there are, and which links are broken |
//! | `job` | one page's work, a task of its own |
//! | `fetch`, `retry`, `cookies` | gets a page: robots.txt, limits, redirects; when to ask again; what hosts have set |
//! | `connection`, `http`, `tls` | the connections to a host: HTTP/1.1 and HTTP/2, plain and secure |
//! | `body`, `coding` | bodies, limited and decoded |
//! | `robots` | what a host's robots.txt allows, and what its pages say to robots |
//! | `media`, `parse`, `links` | what a body is, and which links it holds |
//! | `outcome`, `error` | the result of a crawl, and why a page can't be fetched |
//! | `progress`, `report` | what the user sees |
//!
//! Memory is limited, whatever a site does. A page is parsed as it comes, and only its links are kept (`--max-bytes`,
//! `--max-links`). What the clerk remembers has a limit, and so have cookies.
//!
//! The exit code is 0. It is 1 if the start page can't be fetched, 2 for bad arguments or a frontier that is none, and 130
//! after an interrupt.

mod address;
mod args;
mod body;
mod clerk;
mod coding;
mod connection;
mod cookies;
mod crawl;
mod error;
mod fetch;
mod frontier;
mod http;
mod job;
mod links;
mod media;
mod outcome;
mod parse;
mod progress;
mod report;
mod retry;
mod robots;
mod site;
mod tls;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use heist::runtime::{Builder, Handle};
use heist::sync::CancellationToken;
use heist::task::spawn_blocking;
use url::Url;

use crate::args::Args;
use crate::crawl::{Options, crawl, crawl_together, unless};
use crate::fetch::Limits;
use crate::frontier::measure::measure;
use crate::frontier::redis::{Place, Redis};
use crate::outcome::Outcome;
use crate::progress::{Progress, say};
use crate::report::{Look, Workers};
use crate::site::Site;
use crate::tls::Roots;

/// The start page can't be fetched, or something fails on the way.
const FAILED: u8 = 1;
/// The arguments are wrong. clap exits with this code as well.
const BAD_ARGUMENTS: u8 = 2;
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    // Better now than after an hour of crawling.
    let json = match args.json.as_ref().map(File::create).transpose() {
        Ok(json) => json,
        Err(error) => {
            let path = args.json.unwrap_or_default();
            say(format_args!(
                "crawler: can't write {}: {error}",
                path.display()
            ));
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    match start(args, json) {
        Ok(Some(outcome)) => exit_code(&outcome),
        Ok(None) => ExitCode::SUCCESS,
        Err(Failure { error, code }) => {
            say(format_args!("crawler: {error}"));
            ExitCode::from(code)
        }
    }
}

/// Why there is no outcome, and the exit code that says so.
struct Failure {
    error: io::Error,
    code: u8,
}

impl<E: Into<io::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            error: error.into(),
            code: FAILED,
        }
    }
}

/// Crawls, or measures.
fn start(args: Args, json: Option<File>) -> Result<Option<Outcome>, Failure> {
    let stop = stop_on_ctrl_c()?;
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.build()?;
    // As a task of its own it runs on a worker, and so do the tasks that it spawns.
    let crawl = async { heist::spawn(run(args, stop)).await };
    let done = runtime.block_on(crawl)??;
    // If it was interrupted, pages are still in work. Nobody waits for them.
    runtime.shutdown_background();
    let Some((outcome, workers)) = done else {
        return Ok(None);
    };
    print(&outcome, &workers, json)?;
    Ok(Some(outcome))
}

/// The token that the first Ctrl-C cancels, or the end of the terminal. The second one ends the program at once.
fn stop_on_ctrl_c() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let handler = move || match told.is_cancelled() {
        true => std::process::exit(INTERRUPTED.into()),
        false => told.cancel(),
    };
    #[cfg(unix)]
    let stays = outlives_terminal();
    ctrlc::set_handler(handler).map_err(io::Error::other)?;
    #[cfg(unix)]
    if stays {
        // SAFETY: to ignore a signal touches no memory of ours.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
    Ok(stop)
}

/// Whether the program was started to go on when its terminal is closed, as `nohup` does it.
#[cfg(unix)]
fn outlives_terminal() -> bool {
    let mut now = std::mem::MaybeUninit::uninit();
    // SAFETY: without a new action this only writes the current one to where `now` is.
    let known = unsafe { libc::sigaction(libc::SIGHUP, std::ptr::null(), now.as_mut_ptr()) } == 0;
    // SAFETY: it was written.
    known && unsafe { now.assume_init() }.sa_sigaction == libc::SIG_IGN
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    if outcome.interrupted {
        return ExitCode::from(INTERRUPTED);
    }
    match &outcome.start_error {
        None => ExitCode::SUCCESS,
        Some(reason) => {
            say(format_args!(
                "crawler: {} can't be had: {reason}",
                outcome.start
            ));
            ExitCode::from(FAILED)
        }
    }
}

async fn run(args: Args, stop: CancellationToken) -> Result<Option<(Outcome, Workers)>, Failure> {
    let place = args.place();
    let (site, under) = match (&args.url, &args.serve) {
        (Some(_), _) => (None, None),
        (None, Some(folder)) => (Some(Site::Folder(folder.clone())), None),
        (None, None) => {
            // This runs a program, and no worker should wait for it.
            let docs = spawn_blocking(Site::rust_docs).await?;
            let site = docs.unwrap_or_else(Site::made);
            (Some(site), Some("/book/".to_owned()))
        }
    };
    let under = args.under.or(under);
    let served = match site {
        Some(site) => Some(site.serve().await?),
        None => None,
    };
    let start = match (args.url, &served) {
        (Some(url), _) => url,
        (None, Some(served)) => {
            let path = under.as_deref().unwrap_or("/");
            let start = format!("http://{}{path}", served.address());
            Url::parse(&start).map_err(io::Error::other)?
        }
        (None, None) => unreachable!("without a URL, a site is served"),
    };

    let options = Options {
        start,
        also: args.host,
        under,
        max_pages: args.max_pages,
        max_links: args.max_links,
        max_redirects: args.max_redirects,
        concurrency: args.concurrency,
        limits: Limits {
            timeout: args.timeout,
            max_bytes: args.max_bytes,
            per_host: args.per_host,
            delay: args.delay,
            retries: args.retries,
            max_wait: args.max_wait,
            robots_on_loopback: args.robots,
        },
        roots: args.root.unwrap_or(Roots::Native),
    };
    let metrics = Handle::current().metrics();
    let before = Look::now(&metrics);
    let outcome = match (place, args.measure) {
        (None, _) => crawl(options, Progress::shown(), stop).await?,
        (Some(place), Some(pages)) => {
            let measured = measure(&place, &options, pages, &stop).await;
            return measured.map(|()| None).map_err(unusable);
        }
        (Some(place), None) => take_part(&place, options, stop).await?,
    };
    let workers = before.since(&metrics);
    Ok(Some((outcome, workers)))
}

/// Takes part in a crawl that processes share.
async fn take_part(
    place: &Place,
    options: Options,
    stop: CancellationToken,
) -> Result<Outcome, Failure> {
    let open = Redis::open(place, &options, Progress::shown());
    let frontier = match unless(&stop, open).await {
        Ok(frontier) => frontier,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return Ok(Outcome {
                start: options.start.into(),
                interrupted: true,
                ..Outcome::default()
            });
        }
        Err(error) => return Err(unusable(error)),
    };
    if frontier.is_over() {
        say(format_args!(
            "crawler: the crawl {:?} is over, and this is what it found; a new one needs another name (--crawl)",
            place.name
        ));
    }
    Ok(crawl_together(frontier, &options, stop).await?)
}

/// There is no such frontier, or it was interrupted before that was known.
fn unusable(error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::Interrupted => INTERRUPTED,
        _ => BAD_ARGUMENTS,
    };
    Failure { error, code }
}

/// Writes both reports. If the file can't be written, the table still is.
fn print(outcome: &Outcome, workers: &Workers, json: Option<File>) -> io::Result<()> {
    let written = json.map_or(Ok(()), |file| write_json(outcome, file));
    let mut out = BufWriter::new(io::stdout().lock());
    match report::table(&mut out, outcome, workers).and_then(|()| out.flush()) {
        // A reader of only the first lines has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done?,
    }
    written.map_err(|error| io::Error::other(format!("can't write the JSON: {error}")))
}

fn write_json(outcome: &Outcome, file: File) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    report::json(&mut file, outcome)?;
    file.flush()
}
