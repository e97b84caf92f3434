//! What a site wants of its visitors: that they bring its cookies back, and follow the links that are for them.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::host::{Host, say_missing, say_page, say_redirect};
use crate::secure_host::{Say, SecureHost, answer, page};
use crate::{options, run, runtime, watched};

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// Sites redirect to where they set a cookie, and then back, or to themselves.
#[test]
fn a_site_gets_its_cookies_back() {
    watched(|| {
        let host = Host::start_reading(|head, stream| {
            let known = head.contains("cookie: id=7\r\n");
            match path(head) {
                "/" if known => say_page(stream, "<a href=in><a href=renewed>"),
                "/in" if known => say_page(stream, ""),
                "/renewed" if known => write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nSet-Cookie: id=8\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n"
                ),
                "/end" if head.contains("cookie: id=8\r\n") => say_page(stream, ""),
                "/" => write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nSet-Cookie: id=7\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
                ),
                _ => say_missing(stream),
            }
        });
        let mut options = options(&host.url("/"));
        options.concurrency = 1;
        let outcome = run(&runtime(2), options);
        assert_eq!(
            (outcome.pages.len(), outcome.broken.len()),
            (3, 0),
            "{outcome:?}"
        );
    });
}

#[test]
fn cookies_go_back_over_http2_too() {
    watched(|| {
        let secure = SecureHost::start(&["h2"], |request, number| {
            let cookies = request.headers().get("cookie");
            match number {
                0 => {
                    let builder = hyper::Response::builder().header("content-type", "text/html");
                    let builder = builder.header("set-cookie", "a=1; Secure");
                    Say::Answer(answer(builder, "<a href=page>"))
                }
                _ => {
                    assert_eq!(cookies.unwrap(), "a=1");
                    page("")
                }
            }
        });
        let mut options = options(&secure.url("/"));
        options.roots = secure.roots();
        assert_eq!(run(&runtime(2), options).pages.len(), 2);
    });
}

#[test]
fn a_flood_of_cookies_costs_no_page() {
    watched(|| {
        let longest = Arc::new(AtomicUsize::new(0));
        let heads = longest.clone();
        let host = Host::start_reading(move |head, stream| {
            // Ordering: hint only; it is read after the crawl.
            heads.fetch_max(head.len(), Ordering::Relaxed);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")?;
            let value = "x".repeat(100);
            for number in 0..2000 {
                write!(
                    stream,
                    "Set-Cookie: c{number}-{}={value}\r\n",
                    &path(head)[1..]
                )?;
            }
            write!(stream, "Set-Cookie: \r\nSet-Cookie: =;;=\r\nSet-Cookie: b=")?;
            stream.write_all(&[b'\xff'; 100_000])?;
            let links: String = (0..20).map(|link| format!("<a href={link}>")).collect();
            write!(stream, "\r\nContent-Length: {}\r\n\r\n{links}", links.len())
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        assert_eq!((outcome.pages.len(), outcome.broken.len()), (21, 0));
        let longest = longest.load(Ordering::Relaxed);
        assert!((5_000..10_000).contains(&longest), "{longest}");
    });
}

#[test]
fn all_kinds_of_links_are_followed_but_those_that_are_not_to_be() {
    watched(|| {
        let host = Host::start(|path, stream| {
            match path {
            "/" => say_page(
                stream,
                "<link rel=canonical href=canonical><map><area href=area></map><iframe src=iframe></iframe>
                 <a href=refresh>x</a><a href=frames>x</a><a href=meta>x</a><a href=tag>x</a><a href=ours>x</a>
                 <a href=header>x</a><a href=no-page>x</a>
                 <a rel='nofollow noopener' href=never>x</a><area rel=nofollow href=never>",
            ),
            "/header" | "/no-page" => {
                let (kind, after) = match path {
                    "/header" => ("text/html", "5; url=after"),
                    _ => ("text/plain", "0, 'after too'"),
                };
                let page = "<base href=/new/><a href=/never rel=nofollow>";
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nRefresh: {after}\r\n")?;
                write!(stream, "Content-Length: {}\r\n\r\n{page}", page.len())
            }
            "/refresh" => say_page(stream, "<meta http-equiv=refresh content='0; URL=/refreshed'>"),
            "/frames" => say_page(stream, "<frameset><frame src=frame></frameset>"),
            "/meta" => say_page(stream, "<a href=never><meta name=robots content=nofollow><a href=never>"),
            "/tag" | "/ours" => {
                let rule = if path == "/tag" { "noindex, nofollow" } else { "other: nofollow" };
                let page = if path == "/tag" { "<a href=never>" } else { "<a href=followed>" };
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Robots-Tag: {rule}\r\n")?;
                write!(stream, "Content-Length: {}\r\n\r\n{page}", page.len())
            }
            "/never" => panic!("not to be followed"),
            "/canonical" => say_redirect(stream, "/area"),
            "/area" | "/iframe" | "/refreshed" | "/frame" | "/followed" | "/new/after" | "/after%20too" => {
                say_page(stream, "")
            }
            _ => say_missing(stream),
        }
        });
        let outcome = run(&runtime(2), options(&host.url("/")));
        let pages: Vec<_> = outcome.pages.keys().cloned().collect();
        let expected = [
            "/",
            "/after%20too",
            "/area",
            "/followed",
            "/frame",
            "/frames",
            "/header",
            "/iframe",
            "/meta",
            "/new/after",
            "/no-page",
            "/ours",
            "/refresh",
            "/refreshed",
            "/tag",
        ];
        assert_eq!(pages, expected.map(|path| host.url(path)));
        assert!(outcome.broken.is_empty(), "{:?}", outcome.broken);
        // They are links all the same, but not the crawl's.
        assert_eq!(outcome.pages[&host.url("/meta")].links, 2);
        assert_eq!(outcome.pages[&host.url("/no-page")].links, 1);
        assert_eq!(outcome.links_out, 2 + 2 + 1 + 1);
    });
}
