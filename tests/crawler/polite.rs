//! What robots.txt forbids is not asked for, whatever comes in between.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::host::{Host, say_missing, say_page, say_redirect};
use crate::outcome::Outcome;
use crate::{options, run, runtime, watched};

const PAGE: &str = "<a href=/a><a href=/%61><a href=/b><a href=/docs/index.html><a href=/moved/>";

/// Crawls a site with a robots.txt; gives what came of it, and the paths that were asked for, in order.
fn crawl(
    robots: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (Outcome, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = asked.clone();
    let host = Host::start(move |path, stream| {
        if path == "/robots.txt" {
            return robots(stream);
        }
        list.lock().unwrap().push(path.to_owned());
        match path {
            "/" => say_page(stream, PAGE),
            "/moved/" => say_redirect(stream, "/moved/index.html"),
            _ => say_page(stream, ""),
        }
    });
    let mut options = options(&host.url("/"));
    options.limits.robots_on_loopback = true;
    let outcome = run(&runtime(2), options);
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    (outcome, asked)
}

fn say(stream: &mut TcpStream, head: &str, body: &[u8]) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

fn text(robots: impl AsRef<[u8]> + Send + Sync + 'static) -> (Outcome, Vec<String>) {
    crawl(move |stream| say(stream, "", robots.as_ref()))
}

const ALL: [&str; 6] = [
    "/",
    "/a",
    "/b",
    "/docs/index.html",
    "/moved/",
    "/moved/index.html",
];

fn all_but(forbidden: &[&str]) -> Vec<&'static str> {
    let allowed = |path: &&str| !forbidden.contains(path);
    ALL.into_iter().filter(allowed).collect()
}

/// It is measured from before an answer is sent, which is before the delay begins.
#[test]
fn no_host_is_asked_sooner_than_its_delay() {
    const DELAY: Duration = Duration::from_millis(10);
    watched(|| {
        for robots in [true, false] {
            let answered: Mutex<Option<Instant>> = Mutex::default();
            let hasty = Arc::new(Mutex::new(Vec::new()));
            let pauses = hasty.clone();
            let host = Host::start(move |path, stream| {
                // What its last answer is isn't known yet.
                let last = answered.lock().unwrap().take();
                match last.map(|last| last.elapsed()) {
                    Some(pause) if pause >= DELAY => {}
                    None if path == "/robots.txt" || (!robots && path == "/") => {}
                    // Too soon, or while the last one waits for its answer.
                    pause => pauses.lock().unwrap().push((path.to_owned(), pause)),
                }
                // Long enough for others to come too, if they were let.
                thread::sleep(DELAY);
                *answered.lock().unwrap() = Some(Instant::now());
                match path {
                    // It is no request of the crawl, so its delay isn't known before.
                    "/robots.txt" => {
                        *answered.lock().unwrap() = Instant::now().checked_sub(DELAY);
                        say(stream, "", b"User-agent: *\nCrawl-delay: 0.01\n")
                    }
                    "/" => say_page(
                        stream,
                        &(0..30)
                            .map(|link| format!("<a href={link}>"))
                            .collect::<String>(),
                    ),
                    // Another spelling of itself.
                    "/7" => say_redirect(stream, "/%37"),
                    "/8" => say_missing(stream),
                    _ => say_page(stream, ""),
                }
            });
            let mut options = options(&host.url("/"));
            match robots {
                true => options.limits.robots_on_loopback = true,
                false => options.limits.delay = DELAY,
            }
            let outcome = run(&runtime(2), options);
            assert_eq!(outcome.pages.len(), 30, "{:?}", outcome.broken);
            let hasty = hasty.lock().unwrap();
            assert!(hasty.is_empty(), "{hasty:?}");
        }
    });
}

#[test]
fn a_long_robots_txt_counts_as_far_as_500_kib() {
    watched(|| {
        let line = "Disallow: /some/where/else\n";
        let mut robots = String::from("User-agent: *\nDisallow: /b\n");
        robots.push_str(&line.repeat((640 << 10) / line.len()));
        robots.push_str("Disallow: /\n");
        assert_eq!(text(robots.clone()).1, all_but(&["/b"]));
        // One that never ends is no longer.
        let (_, asked) = crawl(move |stream| {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n{robots}")?;
            loop {
                stream.write_all(b"Disallow: /\n")?;
            }
        });
        assert_eq!(asked, all_but(&["/b"]));
    });
}

#[test]
fn a_robots_txt_is_understood_however_it_comes() {
    watched(|| {
        let robots = b"User-agent: *\nDisallow: /b\n";
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(robots).unwrap();
        let gzip = encoder.finish().unwrap();
        let (_, asked) = crawl(move |stream| say(stream, "Content-Encoding: gzip\r\n", &gzip));
        assert_eq!(asked, all_but(&["/b"]));
        let fields: String = (0..150).map(|field| format!("X-{field}: x\r\n")).collect();
        for head in [
            "Content-Encoding: none\r\n",
            "junk\r\n",
            "X: a\r\n b\r\n",
            &fields,
        ] {
            let head = head.to_owned();
            let (_, asked) = crawl(move |stream| say(stream, &head, robots));
            assert_eq!(asked, all_but(&["/b"]));
        }
    });
}

#[test]
fn an_address_is_checked_as_it_is_written() {
    watched(|| {
        // Both sides may be escaped.
        let (outcome, asked) = text("User-agent: *\nDisallow: /%61\n");
        assert_eq!(asked, all_but(&["/a"]));
        assert_eq!(outcome.forbidden.len(), 2);
        assert!(outcome.broken.is_empty());
        for rule in ["/docs/index.html", "/*/index.html$"] {
            let (outcome, asked) = text(format!("User-agent: *\nDisallow: {rule}\n"));
            assert!(!asked.contains(&"/docs/index.html".into()), "{rule}");
            assert!(outcome.broken.is_empty());
        }
        // The short form is another address.
        assert_eq!(text("User-agent: *\nDisallow: /docs/$\n").1, ALL);
        // And so is what a page redirects to.
        let (outcome, asked) = text("User-agent: *\nDisallow: /moved/index.html\n");
        assert_eq!(asked, all_but(&["/moved/index.html"]));
        assert_eq!(outcome.forbidden.len(), 1);
    });
}

#[test]
fn the_product_token_says_whom_a_group_is_for() {
    watched(|| {
        let robots = "User-agent: *\nDisallow: /\n\nUser-agent: Heist-Crawler/1.0\nDisallow: /b\n";
        assert_eq!(text(robots).1, all_but(&["/b"]));
        // A remark is no part of it.
        assert_eq!(
            text("User-agent: *#all\nDisallow: /b\n").1,
            all_but(&["/b"])
        );
        // To Google's parser a delay ends no list of agents.
        let robots = "User-agent: *\nCrawl-delay: 0\nUser-agent: x\nDisallow: /b\n";
        assert_eq!(text(robots).1, all_but(&["/b"]));
    });
}

#[test]
fn a_host_without_a_robots_txt_is_open_and_one_in_trouble_is_closed() {
    watched(|| {
        let status = |status: &'static str| {
            crawl(move |stream| write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"))
        };
        for open in ["404", "403", "410", "401"] {
            assert_eq!(status(open).1, ALL, "{open}");
        }
        for closed in ["500", "503", "429"] {
            let (outcome, asked) = status(closed);
            assert!(asked.is_empty(), "{closed}");
            assert!(outcome.start_error.unwrap().contains(closed));
        }
        assert_eq!(crawl(say_missing).1, ALL);
        assert_eq!(crawl(|stream| say_redirect(stream, "/robots.txt")).1, ALL);
        // What can't be read may hold rules.
        let garbled =
            |stream: &mut TcpStream| say(stream, "Content-Encoding: gzip\r\n", b"no gzip");
        let nul = |stream: &mut TcpStream| say(stream, "X: \0\r\n", b"");
        let robots: [fn(&mut TcpStream) -> io::Result<()>; 3] =
            [garbled, nul, |_| Err(io::ErrorKind::Other.into())];
        for robots in robots {
            let (outcome, asked) = crawl(robots);
            assert!(asked.is_empty() && outcome.start_error.is_some());
        }
    });
}
