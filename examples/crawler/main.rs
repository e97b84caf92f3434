//! A web crawler on heist: `cargo run --release --example crawler`.
//!
//! It is the kind of program that heist is for: thousands of pages are on their way at once, and each that comes
//! in must be parsed, which takes a core. Both happen in one pool of workers, each page in a task of its own, and
//! what one worker can't get to, another steals.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | the command line |
//! | `address` | one spelling for each page, and which pages belong to the crawl |
//! | `site` | a site to crawl, served by hyper on the same runtime |
//! | `fetch` | gets a page: connections, limits, errors |
//! | `robots` | what a host's robots.txt allows |
//! | `parse` | finds a page's links |
//! | `crawl` | knows all pages, hands them out, and keeps the books |
//! | `progress`, `report` | what one sees |
//!
//! It ends with 0, with 1 where the start page can't be had, and with 2 for bad arguments.

mod address;
mod args;
mod crawl;
mod fetch;
mod parse;
mod progress;
mod report;
mod robots;
mod site;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use heist::runtime::{Builder, Handle};
use heist::task::spawn_blocking;
use url::Url;

use crate::args::Args;
use crate::crawl::{Options, Outcome, crawl};
use crate::fetch::Limits;
use crate::progress::Progress;
use crate::report::Worker;
use crate::site::Site;

/// The start page can't be had, or something fails on the way.
const FAILED: u8 = 1;
/// The arguments are wrong; clap ends with it as well.
const BAD_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    // Better now than after an hour's crawl.
    let json = match args.json.as_ref().map(File::create).transpose() {
        Ok(json) => json,
        Err(error) => {
            let path = args.json.unwrap_or_default();
            eprintln!("crawler: can't write {}: {error}", path.display());
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        builder.worker_threads(workers);
    }
    let done = builder.build().and_then(|runtime| {
        // As a task of its own it runs on a worker, and so do its spawns.
        let (outcome, workers) = runtime.block_on(async { heist::spawn(run(args)).await })??;
        print(&outcome, &workers, json)?;
        Ok(outcome)
    });
    match done {
        Ok(outcome) => match outcome.start_error {
            None => ExitCode::SUCCESS,
            Some(reason) => {
                eprintln!("crawler: {} can't be had: {reason}", outcome.start);
                ExitCode::from(FAILED)
            }
        },
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(args: Args) -> io::Result<(Outcome, Vec<Worker>)> {
    let (site, under) = match (&args.url, &args.serve) {
        (Some(_), _) => (None, None),
        (None, Some(folder)) => (Some(Site::Folder(folder.clone())), None),
        (None, None) => {
            // It runs a program, which no worker should wait for.
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
        under,
        max_pages: args.max_pages,
        max_redirects: args.max_redirects,
        concurrency: args.concurrency,
        limits: Limits {
            timeout: args.timeout,
            max_bytes: args.max_bytes,
            per_host: args.per_host,
            robots_on_loopback: args.robots,
        },
    };
    let metrics = Handle::current().metrics();
    let before = report::workers(&metrics);
    let outcome = crawl(options, Progress::shown()).await;
    let after = report::workers(&metrics);
    let workers = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after.since(before));
    Ok((outcome, workers.collect()))
}

fn print(outcome: &Outcome, workers: &[Worker], json: Option<File>) -> io::Result<()> {
    if let Some(file) = json {
        let mut file = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, &report::json(outcome))?;
        file.flush()?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match report::table(&mut out, outcome, workers).and_then(|()| out.flush()) {
        // Who reads only the first lines has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
