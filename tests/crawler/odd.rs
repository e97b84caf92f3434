//! What real sites do, and browsers bear: none of it costs a page or a link.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::host::{Host, say_missing, say_page, say_redirect};
use crate::outcome::Outcome;
use crate::{options, run, runtime, watched};

/// `<a href=/dead/br>` in Brotli: an uncompressed block, and the end.
const BROTLI: &[u8] = b"\x0b\x08\x80<a href=/dead/br>\x03";

/// Serves one page for each name; each links to a page under `/dead/`, which shows that its links were read.
/// The head is all after the status line, but for the length; the page is as the function encodes it.
struct Case {
    name: &'static str,
    head: &'static [u8],
    encode: fn(&[u8]) -> Vec<u8>,
}

const fn head(name: &'static str, head: &'static [u8]) -> Case {
    let encode = |page: &[u8]| page.to_vec();
    Case { name, head, encode }
}

const fn coded(name: &'static str, head: &'static [u8], encode: fn(&[u8]) -> Vec<u8>) -> Case {
    Case { name, head, encode }
}

const CASES: &[Case] = &[
    coded(
        "gzip",
        b"Content-Encoding: gzip\r\nContent-Type: text/html\r\n",
        gzip,
    ),
    coded(
        "x-gzip",
        b"Content-Encoding: X-GZIP\r\nContent-Type: text/html\r\n",
        gzip,
    ),
    coded(
        "zlib",
        b"Content-Encoding: deflate\r\nContent-Type: text/html\r\n",
        zlib,
    ),
    coded(
        "bare",
        b"Content-Encoding: deflate\r\nContent-Type: text/html\r\n",
        bare,
    ),
    coded(
        "br",
        b"Content-Encoding: br\r\nContent-Type: text/html\r\n",
        |_| BROTLI.to_vec(),
    ),
    coded(
        "twice",
        b"Content-Encoding: deflate, gzip\r\nContent-Type: text/html\r\n",
        |page| gzip(&zlib(page)),
    ),
    coded(
        "twice-in-two",
        b"Content-Encoding: deflate\r\nContent-Encoding: gzip\r\nContent-Type: text/html\r\n",
        |page| gzip(&zlib(page)),
    ),
    coded(
        "surplus",
        b"Content-Encoding: gzip\r\nContent-Type: text/html\r\n",
        |page| [gzip(page), b"\n\0\0".to_vec()].concat(),
    ),
    head(
        "coding-none",
        b"Content-Encoding: none\r\nContent-Type: text/html\r\n",
    ),
    head(
        "coding-identity",
        b"Content-Encoding: Identity\r\nContent-Type: text/html\r\n",
    ),
    head(
        "coding-empty",
        b"Content-Encoding:\r\nContent-Type: text/html\r\n",
    ),
    head(
        "coding-utf-8",
        b"Content-Encoding: utf-8\r\nContent-Type: text/html\r\n",
    ),
    head("type-none", b""),
    head("type-empty", b"Content-Type:\r\n"),
    head("type-stars", b"Content-Type: */*\r\n"),
    head("type-rubbish", b"Content-Type: html\r\n"),
    head("type-unknown", b"Content-Type: application/unknown\r\n"),
    head("type-doubled", b"Content-Type: text/html, text/html\r\n"),
    head(
        "type-twice",
        b"Content-Type: text/html\r\nContent-Type: text/html; charset=utf-8\r\n",
    ),
    head(
        "type-and-stars",
        b"Content-Type: text/html\r\nContent-Type: */*\r\n",
    ),
    head(
        "type-after-plain",
        b"Content-Type: text/plain, text/html\r\n",
    ),
    head(
        "folded",
        b"X-Long: one\r\n two\r\n\tthree\r\nContent-Type: text/html;\r\n charset=utf-8\r\n",
    ),
    head(
        "junk",
        b"no field at all\r\n: no name\r\nsp ace: x\r\n\xff\xfe: x\r\nContent-Type: text/html\r\n",
    ),
    head("space", b"X-Space : x\r\nContent-Type : text/html\r\n"),
    head("bare-lf", b"X: y\nContent-Type: text/html\n"),
    head("fields-150", b""),
    head("fields-2000", b""),
    // The most that fits into a `HeaderMap`, and the least that one field takes.
    head("fields-24576", b""),
    head("trailers-2000", b""),
    // In XML an element without content may have no end tag.
    coded(
        "xhtml",
        b"Content-Type: application/xhtml+xml\r\n",
        |page| [b"<html><script src='x'/><title/>", page].concat(),
    ),
    coded("open-svg", b"Content-Type: text/html\r\n", |page| {
        [b"<svg><g><p><script>'<a href=/no>'</script>", page].concat()
    }),
    coded("base-data", b"Content-Type: text/html\r\n", |page| {
        [b"<base href=data:,>", page].concat()
    }),
    coded("base-inert", b"Content-Type: text/html\r\n", |page| {
        [b"<template><base href=//no/></template>", page].concat()
    }),
];

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

fn zlib(page: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

fn bare(page: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

fn say(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(&[length.as_bytes(), head, b"\r\n", body].concat())
}

fn say_case(name: &str, stream: &mut TcpStream) -> io::Result<()> {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        return say_missing(stream);
    };
    let page = (case.encode)(format!("<a href=/dead/{name}>").as_bytes());
    let mut head = case.head.to_vec();
    if let Some(number) = name.strip_prefix("fields-") {
        // One of them is the length.
        head = fields(number.parse::<usize>().unwrap() - 1);
    }
    if let Some(number) = name.strip_prefix("trailers-") {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let size = format!("{:x}\r\n", page.len());
        let trailers = fields(number.parse().unwrap());
        let parts = [
            head,
            size.as_bytes(),
            &page,
            b"\r\n0\r\n",
            &trailers,
            b"\r\n",
        ];
        return stream.write_all(&parts.concat());
    }
    say(stream, &head, &page)
}

fn fields(number: usize) -> Vec<u8> {
    let field = |i| format!("X-{i}:{i}\r\n").into_bytes();
    (0..number).flat_map(field).collect()
}

fn broken(outcome: &Outcome) -> BTreeSet<&str> {
    outcome.broken.iter().map(|broken| &*broken.url).collect()
}

#[test]
fn what_browsers_bear_costs_no_link() {
    watched(|| {
        let host = Host::start_reading(|head, stream| {
            let asked = "accept-encoding: gzip, deflate, br\r\n";
            assert!(head.contains(asked), "{head}");
            match head.split(' ').nth(1).unwrap() {
                "/" => {
                    let link = |case: &Case| format!("<a href={}>", case.name);
                    say_page(stream, &CASES.iter().map(link).collect::<String>())
                }
                path => say_case(&path[1..], stream),
            }
        });
        for (workers, per_host) in [(1, 1), (2, 8)] {
            let mut options = options(&host.url("/"));
            options.limits.per_host = per_host;
            let outcome = run(&runtime(workers), options);
            let dead: BTreeSet<_> = CASES
                .iter()
                .map(|case| host.url(&format!("/dead/{}", case.name)))
                .collect();
            assert_eq!(broken(&outcome), dead.iter().map(|url| &**url).collect());
            assert_eq!(outcome.pages.len(), CASES.len() + 1);
        }
    });
}

/// A body that can't be decoded is an error in Fetch as well. No browser shows it as it is.
#[test]
fn a_coding_that_is_not_decoded_or_not_kept_is_named() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_page(
                stream,
                "<a href=zstd><a href=no-gzip><a href=short-gzip><a href=many><img src=image>",
            ),
            "/zstd" => say(stream, b"Content-Encoding: zstd\r\n", b"(\xb5/\xfd"),
            "/no-gzip" => say(stream, b"Content-Encoding: gzip\r\n", b"<a href=x>"),
            // Nothing is wanted of its body.
            "/image" => say(
                stream,
                b"Content-Encoding: gzip\r\nContent-Type: image/png\r\n",
                b"\x89PNG",
            ),
            "/short-gzip" => say(
                stream,
                b"Content-Encoding: gzip\r\n",
                &gzip(b"<a href=x>")[..15],
            ),
            _ => say(
                stream,
                b"Content-Encoding: gzip, gzip, gzip, gzip, gzip\r\n",
                b"",
            ),
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        let reasons: Vec<_> = outcome
            .broken
            .iter()
            .map(|broken| &*broken.reason)
            .collect();
        assert_eq!(reasons.len(), 4, "{reasons:?}");
        for (reason, expected) in reasons
            .iter()
            .zip(["codings", "the gzip", "the gzip", "zstd"])
        {
            assert!(reason.contains(expected), "{reason}");
        }
    });
}

/// Fetch has no field values with a NUL, and browsers give up on the whole answer.
#[test]
fn a_nul_in_a_head_is_an_error_as_it_is_to_browsers() {
    const HEADS: &[&[u8]] = &[
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\0: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\0\r\n\r\n",
    ];
    watched(|| {
        let host = Host::start(|path, stream| match path[1..].parse::<usize>() {
            Ok(head) => {
                stream.write_all(HEADS[head])?;
                stream.write_all(b"<a href=never>")
            }
            Err(_) => {
                let link = |head| format!("<a href={head}>");
                say_page(stream, &(0..HEADS.len()).map(link).collect::<String>())
            }
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        let all: Vec<_> = (0..HEADS.len())
            .map(|head| host.url(&format!("/{head}")))
            .collect();
        assert_eq!(broken(&outcome), all.iter().map(|url| &**url).collect());
        for broken in &outcome.broken {
            assert!(broken.reason.contains("invalid HTTP"), "{}", broken.reason);
        }
    });
}

#[test]
fn an_address_is_asked_for_as_it_is_written() {
    watched(|| {
        let host = Host::start(|path, stream| {
            match path {
            "/" => say_page(
                stream,
                "<a href=docs/index.html><a href=both/><a href=both/index.html><a href=%61?><a href=two/>
                 <a href=two/index.html><a href=gone/><a href=gone/index.html>",
            ),
            "/docs/index.html" | "/both/index.html" | "/%61?" | "/two/" => say_page(stream, ""),
            _ => say_missing(stream),
        }
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        let pages: Vec<_> = outcome.pages.keys().cloned().collect();
        let expected = [
            "/",
            "/%61?",
            "/both/index.html",
            "/docs/index.html",
            "/two/",
        ];
        assert_eq!(pages, expected.map(|path| host.url(path)));
        let dead = ["/both/", "/gone/", "/gone/index.html"].map(|path| host.url(path));
        assert_eq!(broken(&outcome), dead.iter().map(|url| &**url).collect());
    });
}

#[test]
fn bytes_in_a_location_stay_the_bytes_that_they_are() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_page(stream, "<a href=latin1><a href=utf8>"),
            "/latin1" | "/utf8" => {
                let to: &[u8] = if path == "/utf8" {
                    b"/caf\xc3\xa9?\xc3\xa9"
                } else {
                    b"/caf\xe9?\xe9"
                };
                let head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ";
                stream.write_all(&[head, to, b"\r\n\r\n"].concat())
            }
            "/caf%E9?%E9" | "/caf%C3%A9?%C3%A9" => say_page(stream, ""),
            _ => say_missing(stream),
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        assert_eq!(
            (outcome.pages.len(), broken(&outcome)),
            (3, BTreeSet::new())
        );
    });
}

/// What is too long is no dead link. Of a page the links count that stand within the limit; of anything else
/// hardly more than the head is asked for.
#[test]
fn what_is_too_long_is_no_dead_link() {
    watched(|| {
        let sent = Arc::new(AtomicUsize::new(0));
        let image = sent.clone();
        // Zipped before anybody waits for them: in a debug build that takes many seconds.
        let bomb = gzip(&[b"<a href=dead2>".to_vec(), vec![b'.'; 50 << 20]].concat());
        let bombs = gzip(&gzip(&[&b"<a href=dead3>"[..], &[b'.'; 30 << 20]].concat()));
        let host = Host::start(move |path, stream| match path {
            "/" => say_page(
                stream,
                "<a href=long><a href=bomb><a href=bombs><a href=image><a href=many><a href=just>",
            ),
            "/long" => say_page(
                stream,
                &format!("<a href=dead1>{}<a href=never>", ".".repeat(100_000)),
            ),
            "/bomb" => say(
                stream,
                b"Content-Encoding: gzip\r\nContent-Type: text/html\r\n",
                &bomb,
            ),
            "/bombs" => say(
                stream,
                b"Content-Encoding: gzip, gzip\r\nContent-Type: text/html\r\n",
                &bombs,
            ),
            "/image" => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")?;
                loop {
                    stream.write_all(&[0; 1000])?;
                    // Ordering: hint only; nothing else is read by it.
                    image.fetch_add(1000, Ordering::Relaxed);
                }
            }
            "/many" => {
                let links = (0..100).fold(String::new(), |mut all, link| {
                    let _ = write!(all, "<a href=dead{}>", link % 20);
                    all
                });
                say_page(stream, &links)
            }
            "/just" => say_page(stream, &"x".repeat(10_000)),
            _ => say_missing(stream),
        });
        let mut options = options(&host.url("/"));
        options.limits.max_bytes = 10_000;
        options.max_links = 10;
        let outcome = run(&runtime(2), options);
        let dead = (0..10)
            .map(|link| host.url(&format!("/dead{link}")))
            .collect::<Vec<_>>();
        assert_eq!(broken(&outcome), dead.iter().map(|url| &**url).collect());
        let cut = |path: &str| outcome.pages[&host.url(path)].cut.as_deref();
        assert_eq!(cut("/long"), Some("larger than 10000 bytes"));
        assert_eq!(cut("/bomb"), Some("larger than 10000 bytes"));
        assert_eq!(cut("/bombs"), Some("larger than 10000 bytes"));
        assert_eq!(cut("/image"), None);
        assert_eq!(cut("/many"), Some("too many or too long links"));
        assert_eq!(cut("/just"), None);
        // What the sockets' buffers take, at most.
        assert!(sent.load(Ordering::Relaxed) < 20 << 20, "{sent:?}");
    });
}

/// A page beyond a mebibyte is parsed while it comes, on one worker too, and so are more of them than may be at once.
#[test]
fn a_long_page_is_parsed_as_it_comes() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_page(
                stream,
                &(0..10)
                    .map(|page| format!("<a href=long{page}>"))
                    .collect::<String>(),
            ),
            path if path.starts_with("/long") => {
                let mut page = format!("<p>{}", "\u{e9}".repeat(100)).repeat(6_200);
                let _ = write!(page, "<a href={}>", path.replace("long", "dead"));
                let (first, last) = page.as_bytes().split_at(1_100_001);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n";
                write!(stream, "{head}Content-Length: {}\r\n\r\n", page.len())?;
                stream.write_all(first)?;
                std::thread::sleep(Duration::from_millis(20));
                stream.write_all(last)
            }
            _ => say_missing(stream),
        });
        for workers in [1, 2] {
            let mut options = options(&host.url("/"));
            options.limits.per_host = 12;
            let outcome = run(&runtime(workers), options);
            assert_eq!((outcome.pages.len(), outcome.broken.len()), (11, 10));
            assert!(outcome.pages.values().all(|page| page.cut.is_none()));
        }
    });
}

#[test]
fn no_more_is_asked_for_than_allowed() {
    watched(|| {
        for max_pages in [1, 10, 300] {
            let asked = Arc::new(AtomicUsize::new(0));
            let counted = asked.clone();
            let host = Host::start(move |path, stream| {
                // Ordering: hint only; it is read after the crawl has had every answer.
                counted.fetch_add(1, Ordering::Relaxed);
                match path {
                    "/" => say_page(
                        stream,
                        &(0..20_000)
                            .map(|link| format!("<a href=dead{link}>"))
                            .collect::<String>(),
                    ),
                    // A redirect to another spelling counts too.
                    path if path.ends_with("7") => {
                        say_redirect(stream, &path.replace("dead", "%64ead"))
                    }
                    _ => say_missing(stream),
                }
            });
            let mut options = options(&host.url("/"));
            options.max_pages = max_pages;
            let outcome = run(&runtime(2), options);
            assert_eq!(asked.load(Ordering::Relaxed), max_pages);
            assert_eq!(outcome.pages.len(), 1);
            let answers: usize = outcome.statuses.values().sum();
            assert_eq!(answers, max_pages);
            assert!(
                outcome.left >= 20_000 - max_pages && outcome.left + outcome.broken.len() == 20_000
            );
        }
    });
}
