//! What the command line says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use url::Url;

use crate::address;
use crate::frontier::redis::Place;
use crate::tls::Roots;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

const AFTER_HELP: &str = "\
Ctrl-C stops the crawl and reports what was done so far. A second Ctrl-C ends it at once.

Exit code: 0 if the crawl is done, whether links are broken or not; 1 if the start page can't be had, the report
can't be written or the frontier is lost; 2 if the arguments are wrong, or the frontier is none; 130 if the crawl was
interrupted.";

/// Crawls a web site with heist: fetches its pages, parses them on all cores, and lists the broken links.
///
/// Without arguments it serves the documentation of the installed Rust toolchain on loopback and crawls The Book.
#[derive(Parser, Debug)]
#[command(name = "crawler", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where to start (http or https); the crawl stays on its host
    #[arg(value_name = "URL", value_parser = start_url, conflicts_with = "serve")]
    pub(crate) url: Option<Url>,

    /// Another host that belongs to the crawl, as a URL; may be given several times
    #[arg(long, value_name = "URL", value_parser = start_url, requires = "url", conflicts_with = "serve")]
    pub(crate) host: Vec<Url>,

    /// Share the crawl with other crawlers that use this Redis: redis://[user:password@]host[:port][/db], rediss://… by TLS, or redis+unix:///path
    #[arg(long, value_name = "URL", requires = "url", conflicts_with = "serve")]
    pub(crate) frontier: Option<Url>,

    /// With --frontier: the crawl's name; crawlers that give the same one share a crawl [default: the start's address]
    #[arg(long, value_name = "NAME", requires = "frontier")]
    pub(crate) crawl: Option<String>,

    /// With --frontier: seconds after which others get the pages of a crawler that is not heard of
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) lease: Duration,

    /// With --frontier: fetch nothing; measure how fast the frontier hands out so many pages that are made up
    #[arg(long, value_name = "PAGES", requires = "frontier", value_parser = measured)]
    pub(crate) measure: Option<usize>,

    /// Serve this folder on loopback, and crawl that
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub(crate) serve: Option<PathBuf>,

    /// Stay under this path: links that leave it are not fetched
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) under: Option<String>,

    /// Stop after so many requests: pages, redirects and dead links count, robots.txt does not
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one)]
    pub(crate) max_pages: usize,

    /// Different links that are taken from one page
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one)]
    pub(crate) max_links: usize,

    /// Pages in work at once, from the request to the parsed links
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_once)]
    pub(crate) concurrency: usize,

    /// Requests to one host at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_once)]
    pub(crate) per_host: usize,

    /// Least seconds from an answer of a host to the next request to it, which then gets one request at a time; with --frontier,
    /// of all crawlers together
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = pause)]
    pub(crate) delay: Duration,

    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,

    /// Seconds that a page may take, from connecting to its last byte
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Bytes that are read of a page, decoded; of a longer one, the links within them count
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20, value_parser = at_least_one)]
    pub(crate) max_bytes: usize,

    /// Redirects in a row that are followed
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) max_redirects: u32,

    /// Times that a page is asked for again if its host has too much to do (429, 503)
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) retries: usize,

    /// Seconds that a host may ask to be left alone before it is asked again (Retry-After); if it wants more, it isn't
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) max_wait: Duration,

    /// Trust the certificates in this file (PEM) instead of those of the system
    #[arg(long, value_name = "FILE", value_parser = roots)]
    pub(crate) root: Option<Roots>,

    /// Heed robots.txt on loopback too
    #[arg(long)]
    pub(crate) robots: bool,

    /// Write pages, broken links, redirects and counts to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Args {
    /// Where the crawl's frontier is, if other crawlers share it.
    pub(crate) fn place(&self) -> Option<Place> {
        let url = self.frontier.clone()?;
        let start = || {
            self.url
                .as_ref()
                .map(|url| address::canonical(url.clone()).into())
        };
        Some(Place {
            url,
            name: self.crawl.clone().or_else(start).unwrap_or_default(),
            lease: self.lease,
        })
    }
}

fn start_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("can't crawl {other}:, http and https only")),
    }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err("not a folder".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn roots(text: &str) -> Result<Roots, String> {
    Roots::read(Path::new(text))
}

/// Brings the path into the spelling that the addresses of pages have, so that the two can be compared.
fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path on the host starts with /".into());
    }
    let root = Url::parse("http://localhost/").expect("a valid URL");
    let mut url = root.clone();
    url.set_path(text);
    Ok(address::canonical(url).path().to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn workers(text: &str) -> Result<usize, String> {
    at_most(at_least_one(text)?, 1024)
}

fn at_once(text: &str) -> Result<usize, String> {
    at_most(at_least_one(text)?, 1_000_000)
}

/// They are taken in by one call, which Redis limits to a million arguments.
fn measured(text: &str) -> Result<usize, String> {
    at_most(at_least_one(text)?, 500_000)
}

fn at_most(number: usize, most: usize) -> Result<usize, String> {
    match number {
        number if number > most => Err(format!("at most {most}")),
        number => Ok(number),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match pause(text)? {
        time if time.is_zero() => Err("longer than nothing".into()),
        time => Ok(time),
    }
}

fn pause(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())? {
        // No clock goes on for ever.
        time if time > YEAR => Err("at most a year".into()),
        time => Ok(time),
    }
}
