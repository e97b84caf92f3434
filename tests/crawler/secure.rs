//! Sites by HTTPS, in both versions of HTTP, and hosts that harm them.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use h2::Reason;
use hyper::{Request, Response, Version};
use rustls::{ServerConnection, StreamOwned};

use crate::crawl::Options;
use crate::host::{Host, read_request, say_page, say_redirect};
use crate::outcome::Outcome;
use crate::secure_host::{Say, SecureHost, answer, config, endless, gzipped, missing, only, page};
use crate::{options, run, runtime, watched};

const BOTH: &[&str] = &["h2", "http/1.1"];

fn trusting(host: &SecureHost) -> Options {
    Options {
        roots: host.roots(),
        ..options(&host.url("/"))
    }
}

fn links<T: std::fmt::Display>(to: impl IntoIterator<Item = T>) -> String {
    to.into_iter()
        .map(|to| format!("<a href='{to}'>"))
        .collect()
}

fn reasons(outcome: &Outcome) -> BTreeMap<&str, &str> {
    let broken = outcome.broken.iter();
    broken
        .map(|broken| (broken.url.rsplit('/').next().unwrap(), &*broken.reason))
        .collect()
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_site_is_crawled_by_tls_in_the_version_that_its_host_chooses() {
    watched(|| {
        for (protocols, version) in [
            (BOTH, Version::HTTP_2),
            (&["h2"], Version::HTTP_2),
            (&["http/1.1"], Version::HTTP_11),
            (&[], Version::HTTP_11),
        ] {
            let host = SecureHost::start(protocols, move |request, _| {
                assert_eq!(request.version(), version);
                let authority = match version {
                    Version::HTTP_2 => request.uri().authority().unwrap().as_str(),
                    _ => request.headers()["host"].to_str().unwrap(),
                };
                assert!(authority.starts_with("localhost:"), "{authority}");
                assert_eq!(request.headers()["accept-encoding"], "gzip, deflate, br");
                match request.uri().path() {
                    "/" => page(links(0..40)),
                    "/7" => missing(),
                    path => gzipped(zipped(format!("<a href={path}?{path}>").as_bytes())),
                }
            });
            for workers in [1, 2] {
                let before = host.connections();
                let outcome = run(&runtime(workers), trusting(&host));
                assert_eq!(outcome.start_error, None);
                assert_eq!(outcome.pages.len(), 1 + 39 + 39);
                assert_eq!(reasons(&outcome), BTreeMap::from([("7", "404 Not Found")]));
                let connections = host.connections() - before;
                match version {
                    Version::HTTP_2 => assert_eq!(connections, 1),
                    _ => assert!((1..=8).contains(&connections), "{connections}"),
                }
            }
        }
    });
}

#[test]
fn nothing_is_asked_of_a_host_that_is_not_what_it_says() {
    let never = |_: &Request<_>, _| -> Say { panic!("it was asked") };
    let certificate = |change: fn(&mut rcgen::CertificateParams)| {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&signing_key).unwrap();
        rcgen::CertifiedKey { cert, signing_key }
    };
    watched(move || {
        let runtime = runtime(2);
        let stranger = SecureHost::start(BOTH, never);
        let outcome = run(&runtime, options(&stranger.url("/")));
        let error = outcome.start_error.unwrap();
        assert!(error.contains("UnknownIssuer"), "{error}");

        let other = SecureHost::start_with(
            rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap(),
            BOTH,
            never,
        );
        let expired = certificate(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
        let expired = SecureHost::start_with(expired, BOTH, never);
        let odd = SecureHost::start(&["odd"], never);
        for (host, why) in [
            (other, "not valid for name"),
            (expired, "expired"),
            (odd, "alert"),
        ] {
            let error = run(&runtime, trusting(&host)).start_error.unwrap();
            assert!(
                error.contains("no secure connection") && error.contains(why),
                "{error}"
            );
        }
    });
}

#[test]
fn a_port_without_tls_costs_no_more_than_its_page() {
    watched(|| {
        let runtime = runtime(2);
        let plain = Host::start(|_, stream| say_page(stream, ""));
        let error = run(
            &runtime,
            options(&plain.url("/").replace("http:", "https:")),
        )
        .start_error;
        assert!(error.unwrap().contains("no secure connection"));

        // One that says nothing, and one that closes in the middle.
        for closes in [false, true] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let start = format!("https://{}/", listener.local_addr().unwrap());
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    stream.read_exact(&mut [0; 50]).unwrap();
                    if !closes {
                        loop {
                            thread::park();
                        }
                    }
                }
            });
            let mut options = options(&start);
            if !closes {
                options.limits.timeout = Duration::from_secs(1);
            }
            let error = run(&runtime, options).start_error.unwrap();
            let why = if closes {
                "no secure connection"
            } else {
                "not done within"
            };
            assert!(error.contains(why), "{error}");
        }
    });
}

#[test]
fn a_site_may_move_to_https() {
    watched(|| {
        let host = SecureHost::start(BOTH, |request, _| match request.uri().path() {
            "/" => page("<a href=page>"),
            _ => page(""),
        });
        let home = host.url("/");
        let old = Host::start(move |_, stream| say_redirect(stream, &home));
        let mut options = trusting(&host);
        options.start = old.url("/").parse().unwrap();
        let outcome = run(&runtime(2), options);
        let pages: Vec<_> = outcome.pages.keys().cloned().collect();
        assert_eq!(pages, [host.url("/"), host.url("/page")]);
    });
}

/// Browsers take what came before the end, unless the host said that there is more.
#[test]
fn a_host_that_ends_without_saying_so_costs_no_whole_page() {
    watched(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let config = config(&made, &["http/1.1"]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let tls = ServerConnection::new(config.clone()).unwrap();
                let mut reader = BufReader::new(StreamOwned::new(tls, stream.unwrap()));
                let path = read_request(&mut reader).unwrap();
                let mut stream = reader.into_inner();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
                let rest = match &*path {
                    "/" => "\r\n<a href=whole><a href=cut><a href=cut-too>",
                    "/whole" => "\r\n",
                    "/cut" => "Content-Length: 100\r\n\r\n<p>",
                    _ => "Transfer-Encoding: chunked\r\n\r\n5\r\n<p>",
                };
                write!(stream, "{head}{rest}").unwrap();
            }
        });
        let mut options = options(&format!("https://localhost:{port}/"));
        options.roots = only(&made.cert);
        let outcome = run(&runtime(2), options);
        assert_eq!(outcome.pages.len(), 2, "{outcome:?}");
        let broken: Vec<_> = reasons(&outcome).into_keys().collect();
        assert_eq!(broken, ["cut", "cut-too"]);
    });
}

/// What each page does over HTTP/2, and what the crawl says of it. Nothing if the page can be had all the same.
const MISDEEDS: &[(&str, Option<&str>)] = &[
    ("good1", None),
    ("internal", Some("unexpected internal error")),
    ("protocol", Some("protocol error")),
    ("cancel", Some("stream no longer needed")),
    ("calm", Some("excessive load")),
    // It has no HTTP/1.1 either.
    ("no-http2", Some("no secure connection")),
    ("good2", None),
    ("bomb", None),
    ("endless", None),
    ("fields", Some("protocol error")),
    ("no-gzip", Some("gzip")),
    ("good3", None),
];

/// Eighty times as many bytes as a page may have. To zip them takes a debug build long. A host that did so in between would
/// answer no ping meanwhile.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| zipped(&vec![b'.'; 8 << 20]));

fn misdeed(name: &str) -> Say {
    match name {
        "" => page(links(MISDEEDS.iter().map(|(name, _)| name))),
        "internal" => Say::Reset(Reason::INTERNAL_ERROR),
        "protocol" => Say::Reset(Reason::PROTOCOL_ERROR),
        "cancel" => Say::Reset(Reason::CANCEL),
        "calm" => Say::Reset(Reason::ENHANCE_YOUR_CALM),
        "no-http2" => Say::Reset(Reason::HTTP_1_1_REQUIRED),
        "bomb" => gzipped(BOMB.clone()),
        "endless" => endless(),
        "no-gzip" => gzipped("<a href=x>"),
        "fields" => {
            let fields = (0..50).map(|field| (format!("x-{field}"), "x".repeat(10_000)));
            let builder = Response::builder();
            let builder = fields.fold(builder, |all, (name, value)| all.header(name, value));
            Say::Answer(answer(builder, ""))
        }
        _ => page("<a href=/>"),
    }
}

#[test]
fn each_misdeed_over_http2_costs_its_own_page_alone() {
    watched(|| {
        LazyLock::force(&BOMB);
        let host = SecureHost::start(&["h2"], |request, _| misdeed(&request.uri().path()[1..]));
        for (workers, per_host) in [(1, 1), (2, 8), (4, 64)] {
            let mut options = trusting(&host);
            options.limits.max_bytes = 100_000;
            options.limits.per_host = per_host;
            let outcome = run(&runtime(workers), options);
            let mut reasons = reasons(&outcome);
            for (name, expected) in MISDEEDS {
                match (expected, reasons.remove(name)) {
                    (None, None) => {
                        let had = outcome.pages.contains_key(&host.url(&format!("/{name}")));
                        assert!(had, "{name} is not there");
                    }
                    (Some(expected), Some(reason)) => {
                        assert!(reason.contains(expected), "{name}: {reason}");
                    }
                    (expected, reason) => panic!("{name}: {reason:?} instead of {expected:?}"),
                }
            }
            assert!(reasons.is_empty(), "{reasons:?}");
            for cut in ["/bomb", "/endless"] {
                let cut = outcome.pages[&host.url(cut)].cut.as_deref();
                assert_eq!(cut, Some("larger than 100000 bytes"));
            }
        }
    });
}

#[test]
fn a_bomb_by_tls_is_cut() {
    watched(|| {
        LazyLock::force(&BOMB);
        let host = SecureHost::start(&["http/1.1"], |request, _| match request.uri().path() {
            "/" => page(links(["bomb", "endless", "good"])),
            path => misdeed(&path[1..]),
        });
        let mut options = trusting(&host);
        options.limits.max_bytes = 100_000;
        let outcome = run(&runtime(2), options);
        let cut = outcome.pages.values().filter(|page| page.cut.is_some());
        assert_eq!((outcome.pages.len(), cut.count()), (4, 2));
    });
}

/// nginx, for one, ends a connection after a thousand requests.
#[test]
fn a_host_that_ends_its_connections_costs_no_page() {
    watched(|| {
        type Act = fn(usize) -> Option<Say>;
        // How many pages are asked for at a time, and the least number of connections.
        let acts: [(&str, usize, usize, Act); 4] = [
            // Pages that were asked for before the goodbye came are still served.
            ("says goodbye", 8, 2, |number| {
                (number == 4).then(|| Say::Last(answer(Response::builder(), "")))
            }),
            ("refuses", 1, 11, |number| {
                (number > 4).then_some(Say::Reset(Reason::REFUSED_STREAM))
            }),
            ("closes", 1, 11, |number| (number > 4).then_some(Say::Close)),
            // After the first page, it has hardly begun with any.
            ("closes at once", 1, 51, |number| {
                (number > 0).then_some(Say::Close)
            }),
        ];
        for (name, per_host, least, act) in acts {
            let host = SecureHost::start(&["h2"], move |request, number| {
                match (request.uri().path(), act(number)) {
                    ("/", _) => page(links(0..50)),
                    (_, Some(said)) => said,
                    _ => page(""),
                }
            });
            let mut options = trusting(&host);
            options.limits.per_host = per_host;
            let outcome = run(&runtime(2), options);
            assert_eq!(outcome.pages.len(), 51, "{name}: {:?}", reasons(&outcome));
            assert!(host.connections() >= least, "{name}");
        }
    });
}

#[test]
fn a_host_that_wants_http1_for_some_pages_gets_it() {
    watched(|| {
        let host = SecureHost::start(BOTH, |request, _| {
            let http2 = request.version() == Version::HTTP_2;
            match request.uri().path() {
                "/" => page(links(0..20)),
                "/7" | "/13" if http2 => Say::Reset(Reason::HTTP_1_1_REQUIRED),
                _ => page(""),
            }
        });
        for per_host in [1, 8] {
            let mut options = trusting(&host);
            options.limits.per_host = per_host;
            let outcome = run(&runtime(2), options);
            assert_eq!(outcome.pages.len(), 21, "{:?}", reasons(&outcome));
        }
    });
}

/// All bodies together are many times longer than what may be on its way at once, and more of them are parsed as they
/// come than there may be.
#[test]
fn bodies_that_wait_hold_up_no_other() {
    watched(|| {
        let long = format!("{}<a href=/dead>", ".".repeat(1_800_000));
        let most = Arc::new(AtomicUsize::new(0));
        let asked = most.clone();
        let host = SecureHost::start(&["h2"], move |request, _| match request.uri().path() {
            "/" => page(links(0..24)),
            "/dead" => missing(),
            _ => {
                // Ordering: hint only; it is read after the crawl.
                asked.fetch_add(1, Ordering::Relaxed);
                page(long.clone())
            }
        });
        let mut options = trusting(&host);
        options.concurrency = 24;
        options.limits.per_host = 24;
        let outcome = run(&runtime(2), options);
        assert_eq!(outcome.pages.len(), 25, "{:?}", reasons(&outcome));
        assert_eq!((outcome.broken.len(), host.connections()), (24, 1));
        assert_eq!(most.load(Ordering::Relaxed), 24);
    });
}
