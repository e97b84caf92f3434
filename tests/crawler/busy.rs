//! Hosts that have too much to do: they are asked again, but neither too soon nor for ever.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::crawl::Options;
use crate::host::{Host, say_missing, say_page};
use crate::{options, run, runtime, watched};

fn say_busy(stream: &mut TcpStream, status: u16, head: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Busy\r\n{head}Content-Length: 5\r\n\r\nlater"
    )
}

/// The paths that a host was asked for, each with the time.
type Asked = Arc<Mutex<Vec<(String, Instant)>>>;

/// A host that answers by the path, and by how often that was asked for before.
fn host(
    answer: impl Fn(&str, usize, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (Host, Asked) {
    let asked = Asked::default();
    let list = asked.clone();
    let host = Host::start(move |path, stream| {
        let mut list = list.lock().unwrap();
        let before = list.iter().filter(|(asked, _)| asked == path).count();
        list.push((path.to_owned(), Instant::now()));
        drop(list);
        answer(path, before, stream)
    });
    (host, asked)
}

fn patient(start: &str) -> Options {
    let mut options = options(start);
    options.limits.retries = 3;
    options
}

#[test]
fn a_busy_host_is_asked_again() {
    watched(|| {
        let (host, _) = host(|path, before, stream| match (path, before) {
            ("/", 0) => say_busy(stream, 503, "Retry-After: 0\r\n"),
            ("/", _) => say_page(
                stream,
                "<a href=seconds><a href=date><a href=silent><a href=odd>",
            ),
            (_, 2..) => say_page(stream, ""),
            ("/seconds", _) => say_busy(stream, 429, "Retry-After: 0\r\n"),
            ("/date", _) => {
                let date = httpdate::fmt_http_date(SystemTime::now());
                say_busy(stream, 503, &format!("Retry-After: {date}\r\n"))
            }
            ("/silent", _) => say_busy(stream, 503, ""),
            _ => say_busy(stream, 429, "Retry-After: when I like\r\n"),
        });
        let mut options = patient(&host.url("/"));
        options.limits.max_wait = Duration::from_millis(10);
        let outcome = run(&runtime(2), options);
        assert_eq!((outcome.pages.len(), outcome.broken.len()), (5, 0));
        let statuses: Vec<_> = outcome.statuses.into_iter().collect();
        assert_eq!(statuses, [(200, 5), (429, 4), (503, 5)]);
    });
}

#[test]
fn a_host_that_is_always_busy_is_asked_a_few_times() {
    watched(|| {
        let (host, asked) = host(|path, _, stream| match path {
            "/" => say_page(
                stream,
                "<a href=busy><a href=year><a href=ever><a href=gone>",
            ),
            "/busy" => say_busy(stream, 503, "Retry-After: 0\r\n"),
            "/year" => say_busy(stream, 503, "Retry-After: 31536000\r\n"),
            "/ever" => say_busy(stream, 429, "Retry-After: 99999999999999999999999\r\n"),
            _ => say_missing(stream),
        });
        let outcome = run(&runtime(2), patient(&host.url("/")));
        let reasons: Vec<_> = outcome
            .broken
            .iter()
            .map(|broken| &*broken.reason)
            .collect();
        assert_eq!(reasons.len(), 4);
        let asked = asked.lock().unwrap();
        let times = |path: &str| asked.iter().filter(|(asked, _)| asked == path).count();
        assert_eq!(
            ["/busy", "/year", "/ever", "/gone"].map(times),
            [4, 1, 1, 1]
        );
    });
}

#[test]
fn a_host_that_wants_to_be_left_alone_is_left_alone() {
    watched(|| {
        let (host, asked) = host(|path, before, stream| match (path, before) {
            ("/", _) => say_page(stream, "<a href=a><a href=b><a href=c>"),
            ("/a", 0) | ("/b", 0) | ("/c", 0) => say_busy(stream, 503, "Retry-After: 1\r\n"),
            _ => say_page(stream, ""),
        });
        let mut options = patient(&host.url("/"));
        options.limits.per_host = 1;
        let outcome = run(&runtime(2), options);
        assert_eq!((outcome.pages.len(), outcome.broken.len()), (4, 0));
        let asked = asked.lock().unwrap();
        for pair in asked.windows(2) {
            let [(first, then), (_, now)] = pair else {
                unreachable!("two of them");
            };
            let was_busy = first != "/"
                && !asked
                    .iter()
                    .any(|(path, time)| path == first && time < then);
            if was_busy {
                assert!(
                    now.duration_since(*then) >= Duration::from_secs(1),
                    "{asked:?}"
                );
            }
        }
        assert_eq!(asked.len(), 7);
    });
}

#[test]
fn each_try_counts_as_a_request() {
    watched(|| {
        let (host, asked) = host(|_, _, stream| say_busy(stream, 503, "Retry-After: 0\r\n"));
        let mut options = patient(&host.url("/"));
        options.limits.retries = 1000;
        options.max_pages = 7;
        let outcome = run(&runtime(2), options);
        assert_eq!(asked.lock().unwrap().len(), 7);
        assert_eq!((outcome.left, outcome.statuses[&503]), (1, 7));
    });
}

#[test]
fn a_robots_txt_that_comes_late_counts() {
    watched(|| {
        let (host, asked) = host(|path, before, stream| match (path, before) {
            ("/robots.txt", 0) => say_busy(stream, 503, "Retry-After: 0\r\n"),
            ("/robots.txt", _) => say_page(stream, "User-agent: *\nDisallow: /no\n"),
            _ => say_page(stream, "<a href=no>"),
        });
        let mut options = patient(&host.url("/"));
        options.limits.robots_on_loopback = true;
        let outcome = run(&runtime(2), options);
        assert_eq!((outcome.pages.len(), outcome.forbidden.len()), (1, 1));
        assert_eq!(asked.lock().unwrap().len(), 3);
    });
}
