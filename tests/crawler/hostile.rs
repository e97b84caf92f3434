//! Hosts that do what they should not: each costs its page, never the crawl.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::crawl::Options;
use crate::host::{Host, read_request, say_missing, say_page, say_redirect};
use crate::nobody::nobody;
use crate::{options, run, run_with_more_time, runtime, watched};

/// What each page does, and what the crawl must say of it; nothing where the page can be had all the same.
const PAGES: &[(&str, Option<&str>)] = &[
    ("good1", None),
    ("hangs", Some("not done within")),
    ("hangs-in-head", Some("not done within")),
    ("hangs-in-body", Some("not done within")),
    ("drips", Some("not done within")),
    ("good2", None),
    ("closes", Some("connection")),
    ("resets", Some("connection")),
    ("too-short", Some("end of file before")),
    ("too-long", None),
    ("good3", None),
    ("length-no-number", Some("content-length")),
    ("two-lengths", Some("content-length")),
    ("rubbish", Some("HTTP")),
    ("nothing-but-text", Some("HTTP")),
    ("bad-chunk", Some("chunk")),
    ("endless-head", Some("")),
    ("endless-body", None),
    ("endless-continue", Some("not done within")),
    ("good4", None),
    ("to-itself", Some("redirects to itself")),
    ("round1", Some("redirects in a row")),
    ("forth-and-forth", Some("redirects in a row")),
    ("nowhere", Some("nowhere to")),
    ("to-rubbish", Some("302 Found, but to")),
    ("to-script", Some("no place to go to")),
    ("off-the-host", None),
    ("unknown-charset", None),
    ("wrong-charset", None),
    ("compressed", Some("gzip")),
    ("not-modified", Some("304")),
    ("fails", Some("500")),
    ("404-that-hangs", Some("404")),
    ("odd-status", Some("999")),
    ("empty", None),
    ("deep", None),
    ("good5", None),
];

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";

/// Says something again and again, until the other side has had enough.
fn say_for_ever(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(what)?;
    }
}

fn answer(path: &str, stream: &mut TcpStream) -> io::Result<()> {
    match &path[1..] {
        "" => {
            // Twice, so that each is seen to be fetched once.
            let link = |(name, _): &(&str, _)| format!("<a href={name}><a href='./{name}#again'>");
            say_page(stream, &PAGES.iter().map(link).collect::<String>())
        }
        name if name.starts_with("good") => say_page(stream, "<a href='/'>home</a>"),
        name => go_silent(name, stream),
    }
}

fn go_silent(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    match name {
        "hangs" => {}
        "hangs-in-head" => write!(stream, "HTTP/1.1 200 O")?,
        "hangs-in-body" => write!(stream, "{OK}Content-Length: 9\r\n\r\n<a")?,
        "404-that-hangs" => write!(stream, "HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n")?,
        "drips" => {
            write!(stream, "{OK}Content-Length: 1000000\r\n\r\n")?;
            loop {
                stream.write_all(b".")?;
                thread::sleep(Duration::from_millis(20));
            }
        }
        "endless-continue" => loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            thread::sleep(Duration::from_millis(5));
        },
        _ => return end(name, stream),
    }
    loop {
        thread::park();
    }
}

fn end(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    match name {
        "closes" => stream.shutdown(Shutdown::Both)?,
        "resets" => SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?,
        "too-short" => {
            write!(stream, "{OK}Content-Length: 1000\r\n\r\nshort")?;
            stream.shutdown(Shutdown::Both)?;
        }
        _ => return misframe(name, stream),
    }
    Err(io::ErrorKind::Other.into())
}

fn misframe(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";
    match name {
        // The connection stays, with more on it than was said: whoever uses it next must not suffer.
        "too-long" => write!(stream, "{OK}Content-Length: 5\r\n\r\n12345 and a surplus"),
        "length-no-number" => write!(stream, "{OK}Content-Length: -5\r\n\r\n12345"),
        "two-lengths" => write!(
            stream,
            "{OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345"
        ),
        "rubbish" => stream.write_all(b"\x16\x03\x01\0\xff\r\n\0\r\n\r\n"),
        "nothing-but-text" => write!(stream, "<html>hello\r\n\r\n"),
        "bad-chunk" => write!(stream, "{OK}{CHUNKED}xyz\r\nabc\r\n0\r\n\r\n"),
        "endless-head" => {
            write!(stream, "{OK}")?;
            say_for_ever(stream, b"X-More: and more and more and more\r\n")
        }
        "endless-body" => {
            write!(stream, "{OK}{CHUNKED}")?;
            let chunk = format!("4000\r\n{}\r\n", "<p> ".repeat(0x1000));
            say_for_ever(stream, chunk.as_bytes())
        }
        _ => redirect(name, stream),
    }
}

fn redirect(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    match name {
        "to-itself" => say_redirect(stream, "/x/../to-itself"),
        "round1" => say_redirect(stream, "round2"),
        "round2" => say_redirect(stream, "round1"),
        "nowhere" => write!(stream, "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"),
        "to-rubbish" => say_redirect(stream, "http://[nonsense"),
        "to-script" => say_redirect(stream, "javascript:history.back()"),
        "off-the-host" => say_redirect(stream, "http://other.invalid/"),
        _ => match name.strip_prefix("forth-and-forth") {
            Some(number) => {
                let number = number.parse().unwrap_or(0) + 1;
                say_redirect(stream, &format!("forth-and-forth{number}"))
            }
            None => say_oddly(name, stream),
        },
    }
}

fn say_oddly(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    match name {
        "unknown-charset" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=klingon\r\n"
            )?;
            write!(stream, "Content-Length: 17\r\n\r\n<a href=by-klin>!")
        }
        "wrong-charset" => {
            write!(
                stream,
                "{OK}Content-Length: 28\r\n\r\n<meta charset=utf-16><a h="
            )?;
            stream.write_all(b"\xff\xfe")
        }
        "compressed" => {
            write!(
                stream,
                "{OK}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f__"
            )
        }
        "not-modified" => write!(stream, "HTTP/1.1 304 Not Modified\r\n\r\n"),
        "fails" => write!(stream, "HTTP/1.1 500 Oh No\r\nContent-Length: 0\r\n\r\n"),
        "odd-status" => write!(stream, "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
        "empty" => write!(stream, "{OK}Content-Length: 0\r\n\r\n"),
        "deep" => say_page(stream, &"<div><p><table>".repeat(5_000)),
        _ => say_missing(stream),
    }
}

#[test]
fn each_misdeed_costs_its_own_page_alone() {
    watched(|| {
        let host = Host::start(answer);
        for (workers, per_host) in [(1, 1), (2, 8), (4, 64)] {
            let runtime = runtime(workers);
            let mut options = options(&host.url("/"));
            options.limits.timeout = Duration::from_secs(2);
            options.limits.max_bytes = 100_000;
            options.limits.per_host = per_host;
            let outcome = run_with_more_time(&runtime, options, |outcome| {
                let hangs = |url: &str| {
                    let named = PAGES
                        .iter()
                        .find(|(name, _)| host.url(&format!("/{name}")) == url);
                    named.is_some_and(|(_, expected)| *expected == Some("not done within"))
                };
                let mut broken = outcome.broken.iter();
                outcome.start_error.is_none()
                    && broken
                        .all(|each| !each.reason.contains("not done within") || hangs(&each.url))
            });
            assert_eq!(outcome.start_error, None);

            let start = host.url("/");
            let mut broken = BTreeMap::new();
            for each in &outcome.broken {
                assert!(
                    broken
                        .insert(each.url.to_string(), each.reason.to_string())
                        .is_none()
                );
            }
            // Behind the unknown charset there is a link, which proves that it was read.
            let reason = broken.remove(&host.url("/by-klin"));
            assert_eq!(reason.as_deref(), Some("404 Not Found"));
            for (name, expected) in PAGES {
                let url = host.url(&format!("/{name}"));
                match (expected, broken.remove(&url)) {
                    (None, None) => {
                        let had = outcome.pages.contains_key(&url);
                        assert!(had || *name == "off-the-host", "{name} is not there");
                    }
                    (Some(expected), Some(reason)) => {
                        assert!(reason.contains(expected), "{name}: {reason}");
                        assert!(!outcome.pages.contains_key(&url));
                    }
                    (expected, reason) => panic!("{name}: {reason:?} instead of {expected:?}"),
                }
            }
            assert!(broken.is_empty(), "{broken:?}");
            assert!(outcome.pages.contains_key(&start));
        }
    });
}

#[test]
fn a_host_that_stops_listening_costs_the_pages_that_are_left() {
    watched(|| {
        // Nobody else gets the port when the listener is gone.
        let (_keeps, address) = nobody("127.0.0.1");
        let listener = TcpListener::bind(address).unwrap();
        let start = format!("http://{address}/");
        let host = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut BufReader::new(&stream)).unwrap();
            drop(listener);
            let links: String = (0..9).map(|page| format!("<a href=p{page}>")).collect();
            write!(stream, "{OK}Connection: close\r\n\r\n{links}").unwrap();
        });
        let outcome = run(&runtime(2), options(&start));
        host.join().unwrap();
        assert_eq!(outcome.pages.len(), 1);
        assert_eq!(outcome.broken.len(), 9);
        for broken in &outcome.broken {
            assert_eq!(broken.page.as_deref(), Some(&*start));
            assert!(broken.reason.contains("can't connect"), "{}", broken.reason);
        }
    });
}

#[test]
fn a_host_that_breaks_kept_connections_costs_no_page() {
    watched(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let start = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                thread::spawn(move || {
                    read_request(&mut reader)?;
                    let links: String = (0..20).map(|page| format!("<a href=p{page}>")).collect();
                    say_page(&mut stream, &links)?;
                    // The next request is taken, and never answered.
                    read_request(&mut reader)
                });
            }
        });
        for per_host in [1, 8] {
            let mut options = options(&start);
            options.limits.per_host = per_host;
            let outcome = run(&runtime(2), options);
            assert_eq!((outcome.pages.len(), outcome.broken.len()), (21, 0));
        }
    });
}

#[test]
fn a_start_page_that_cannot_be_had_is_said_to_be_so() {
    watched(|| {
        let runtime = runtime(2);
        let (_keeps, address) = nobody("127.0.0.1");
        let host = Host::start(move |path, stream| match path {
            "/to-tls" => say_redirect(stream, &format!("https://{address}/")),
            "/via" => say_redirect(stream, "/dead"),
            _ => say_missing(stream),
        });
        for (path, reason) in [
            ("/dead", "404"),
            ("/via", "404"),
            ("/to-tls", "can't connect"),
        ] {
            let outcome = run(&runtime, options(&host.url(path)));
            let error = outcome.start_error.expect(path);
            assert!(error.contains(reason), "{error}");
            assert!(outcome.pages.is_empty());
            let broken = outcome.broken.first().unwrap();
            assert_eq!((&broken.page, &*broken.url), (&None, &*host.url(path)));
        }
    });
}

#[test]
fn the_start_page_may_move_to_another_host_and_no_other_page_may() {
    watched(|| {
        let site = Host::start(|path, stream| match path {
            "/" => say_page(stream, "<a href=page><a href=away>"),
            "/page" => say_page(stream, ""),
            _ => say_redirect(stream, "http://127.0.0.2/never"),
        });
        let home = site.url("/");
        let old = Host::start(move |_, stream| say_redirect(stream, &home));
        let outcome = run(&runtime(2), options(&old.url("/")));
        assert_eq!(outcome.start_error, None);
        let pages: Vec<_> = outcome.pages.keys().cloned().collect();
        assert_eq!(pages, [site.url("/"), site.url("/page")]);
        assert!(outcome.broken.is_empty());
    });
}

#[test]
fn a_page_that_the_host_wants_spelled_otherwise_is_had() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_redirect(stream, "/index.html"),
            "/index.html" => say_page(stream, "<a href=folder/>"),
            "/folder/" => say_redirect(stream, "index.html"),
            "/folder/index.html" => say_page(stream, "<a href=../index.html>"),
            _ => say_missing(stream),
        });
        let outcome = run(&runtime(2), options(&host.url("/index.html")));
        assert_eq!(outcome.pages.len(), 2);
        assert!(outcome.broken.is_empty());
    });
}

#[test]
fn robots_txt_is_heeded_where_it_counts() {
    watched(|| {
        let runtime = runtime(2);
        let host = Host::start(|path, stream| match path {
            "/robots.txt" => say_redirect(stream, "/elsewhere.txt"),
            "/elsewhere.txt" => say_page(
                stream,
                "User-agent: *\nDisallow: /private\nCrawl-delay: 0.01\n",
            ),
            "/" => say_page(stream, "<a href=public><a href=private><a href=private/x>"),
            _ => say_page(stream, ""),
        });
        let start = host.url("/");
        let all = run(&runtime, options(&start));
        assert_eq!(
            (all.pages.len(), all.forbidden.len()),
            (4, 0),
            "on loopback it counts for nothing"
        );

        let mut heeding = options(&start);
        heeding.limits.robots_on_loopback = true;
        let begin = Instant::now();
        let some = run(&runtime, heeding.clone());
        assert_eq!((some.pages.len(), some.forbidden.len()), (2, 2));
        assert!(some.broken.is_empty());
        assert!(
            begin.elapsed() >= Duration::from_millis(10),
            "the pause was not made"
        );

        let start = host.url("/private");
        let none = run(
            &runtime,
            Options {
                start: start.parse().unwrap(),
                ..heeding
            },
        );
        assert!(none.start_error.unwrap().contains("robots.txt"));
    });
}

#[test]
fn each_page_is_asked_for_once_and_no_more_at_once_than_allowed() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    static ALL: AtomicUsize = AtomicUsize::new(0);
    watched(|| {
        let host = Host::start(|path, stream| {
            // Ordering: hint only; the counts are read after the crawl has had every answer.
            let now = NOW.fetch_add(1, Ordering::Relaxed) + 1;
            MOST.fetch_max(now, Ordering::Relaxed);
            ALL.fetch_add(1, Ordering::Relaxed);
            let number: usize = path[1..].parse().unwrap_or(0);
            let links = (1..=200).map(|step| format!("<a href={}>", (number + step) % 200));
            // Long enough for the others to come too, if they were let.
            thread::sleep(Duration::from_millis(2));
            NOW.fetch_sub(1, Ordering::Relaxed);
            say_page(stream, &links.collect::<String>())
        });
        let mut options = options(&host.url("/0"));
        options.limits.per_host = 3;
        let outcome = run(&runtime(4), options);
        assert_eq!(outcome.pages.len(), 200);
        assert_eq!(ALL.load(Ordering::Relaxed), 200);
        assert!((1..=3).contains(&MOST.load(Ordering::Relaxed)), "{MOST:?}");
    });
}

/// The tokenizer's time for one tag grows with the square of the number of its attributes.
#[test]
fn pages_that_are_slow_to_parse_hold_up_no_other() {
    watched(|| {
        let attributes: String = (0..150_000).map(|number| format!(" a{number}")).collect();
        let slow = format!("<a{attributes}>");
        let host = Host::start(move |path, stream| match path {
            "/" => {
                let slow = (0..8).map(|page| format!("<a href=slow{page}>"));
                let good = (0..50).map(|page| format!("<a href=good{page}>"));
                say_page(stream, &slow.chain(good).collect::<String>())
            }
            path if path.starts_with("/slow") => say_page(stream, &slow),
            _ => say_page(stream, ""),
        });
        let mut options = options(&host.url("/"));
        options.limits.per_host = 16;
        options.limits.timeout = Duration::from_secs(5);
        let outcome = run_with_more_time(&runtime(2), options, |outcome| outcome.broken.is_empty());
        assert_eq!((outcome.pages.len(), outcome.broken.len()), (59, 0));
    });
}

#[test]
fn what_a_head_says_is_kept_no_longer_than_it_may_be() {
    watched(|| {
        let host = Host::start(|path, stream| {
            let long = "x".repeat(100_000);
            match path {
                "/" => say_page(stream, "<a href=type><a href=place><a href=end>"),
                "/type" => write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: a/{long}\r\nContent-Length: 0\r\n\r\n"
                ),
                "/place" => say_redirect(stream, &format!("http://[{long}")),
                _ => say_missing(stream),
            }
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        let media = outcome.pages[&host.url("/type")].media.as_ref().unwrap();
        assert!(media.len() < 1000);
        assert_eq!(outcome.broken.len(), 2);
        assert!(
            outcome
                .broken
                .iter()
                .all(|broken| broken.reason.len() < 1000)
        );
    });
}
