//! What the crawler finds is what there is, whatever the order in which the workers find it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};

use heist::runtime::Runtime;
use url::Url;

use crate::address::canonical;
use crate::crawl::Options;
use crate::host::{Host, say_missing, say_page, say_redirect};
use crate::outcome::Outcome;
use crate::site::{Served, Site};
use crate::tree::{Dice, plant};
use crate::walk::{Walk, decode, walk};
use crate::{options, run, runtime, watched};

/// What the crawler found, in the walk's terms.
fn in_terms_of_walk(outcome: &Outcome, authority: &str) -> Walk {
    let place = |url: &str| {
        // The walk has one name for each page.
        let url = &*String::from(canonical(Url::parse(url).unwrap()));
        let path = url
            .strip_prefix("http://")
            .and_then(|url| url.strip_prefix(authority));
        let path = path.unwrap_or_else(|| panic!("{url} is not on {authority}"));
        match path.split_once('?') {
            Some((path, query)) => format!("{}?{query}", decode(path)),
            None => decode(path),
        }
    };
    let pages = outcome.pages.iter();
    let broken = outcome.broken.iter();
    Walk {
        pages: pages.map(|(url, page)| (place(url), page.links)).collect(),
        broken: broken
            .map(|broken| (place(broken.page.as_deref().unwrap()), place(&broken.url)))
            .collect(),
    }
}

fn same(found: &Walk, there: &Walk) {
    // Field by field, for a message that can be read.
    let missed: Vec<_> = there
        .pages
        .iter()
        .filter(|(page, _)| !found.pages.contains_key(*page))
        .collect();
    let invented: Vec<_> = found
        .pages
        .iter()
        .filter(|(page, _)| !there.pages.contains_key(*page))
        .collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "missed {missed:?}, invented {invented:?}"
    );
    let missed: Vec<_> = there.broken.difference(&found.broken).collect();
    let invented: Vec<_> = found.broken.difference(&there.broken).collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "broken: missed {missed:?}, invented {invented:?}"
    );
    assert_eq!(found, there);
}

fn serve(runtime: &Runtime, site: Site) -> (Served, String) {
    let served = runtime.block_on(site.serve()).unwrap();
    let authority = served.address().to_string();
    (served, authority)
}

fn under(authority: &str, path: &str) -> Options {
    Options {
        under: Some(path.to_owned()),
        ..options(&format!("http://{authority}{path}"))
    }
}

#[test]
fn a_crawl_finds_what_a_walk_over_the_files_finds() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        for workers in [1, 2, 4] {
            let runtime = runtime(workers);
            let (_served, authority) = serve(&runtime, Site::Folder(folder.path().to_owned()));
            plant(folder.path(), &authority);
            let there = walk(folder.path(), &authority, "/site/");
            assert!(
                there.pages.len() > 60 && there.broken.len() > 20,
                "{there:?}"
            );
            for time in 0..20 {
                let mut options = under(&authority, "/site/");
                options.concurrency = 1 + time * 3;
                options.limits.per_host = 1 + time;
                let outcome = run(&runtime, options);
                assert_eq!(outcome.start_error, None);
                same(&in_terms_of_walk(&outcome, &authority), &there);
            }
        }
    });
}

#[test]
fn a_crawl_of_the_rust_book_finds_what_a_walk_over_its_files_finds() {
    let Some(Site::Folder(docs)) = Site::rust_docs() else {
        eprintln!("skipped: this toolchain has no documentation");
        return;
    };
    watched(move || {
        let server = runtime(1);
        let (_served, authority) = serve(&server, Site::Folder(docs.clone()));
        let there = walk(&docs, &authority, "/book/");
        assert!(there.pages.len() > 100);
        for workers in [1, 2, 4] {
            let outcome = run(&runtime(workers), under(&authority, "/book/"));
            same(&in_terms_of_walk(&outcome, &authority), &there);
        }
    });
}

#[test]
fn the_made_site_is_found_whole_with_its_dead_link() {
    watched(|| {
        let runtime = runtime(2);
        let site = Site::made();
        let Site::Made(pages) = &site else {
            unreachable!("it is made");
        };
        let paths: BTreeSet<String> = pages.keys().cloned().collect();
        let (_served, authority) = serve(&runtime, site);
        let outcome = run(&runtime, under(&authority, "/book/"));
        let found = in_terms_of_walk(&outcome, &authority);
        assert_eq!(found.pages.into_keys().collect::<BTreeSet<_>>(), paths);
        assert_eq!(found.broken.len(), 1);
    });
}

#[test]
fn no_more_pages_than_allowed_are_had() {
    watched(|| {
        let runtime = runtime(2);
        let (_served, authority) = serve(&runtime, Site::made());
        for max_pages in [1, 7, 50] {
            let options = Options {
                max_pages,
                ..under(&authority, "/book/")
            };
            let outcome = run(&runtime, options);
            assert_eq!(outcome.pages.len(), max_pages);
            assert!(outcome.left > 0);
        }
    });
}

/// A page of a site of redirects.
pub(crate) enum Node {
    Page(Vec<usize>),
    Redirect(usize),
    Missing,
}

pub(crate) const LIMIT: u32 = 5;

pub(crate) fn random_site(seed: u64) -> Vec<Node> {
    let mut dice = Dice(seed);
    let nodes = 40 + dice.throw(80);
    let mut site = vec![Node::Page(vec![1, 2, 3, 4, 5])];
    for number in 1..nodes {
        site.push(match dice.throw(8) {
            0..3 => Node::Redirect(dice.throw(nodes)),
            // Makes long chains.
            3 | 5 => Node::Redirect((number + 1) % nodes),
            4 => Node::Missing,
            _ => Node::Page((0..dice.throw(6)).map(|_| dice.throw(nodes)).collect()),
        });
    }
    site
}

/// The pages, and the broken links, that there are on a site of redirects.
pub(crate) fn look_at(site: &[Node]) -> (BTreeSet<usize>, BTreeSet<(usize, usize)>) {
    let mut pages = BTreeSet::from([0]);
    let mut broken = BTreeSet::new();
    let mut queue = VecDeque::from([0]);
    while let Some(page) = queue.pop_front() {
        let Node::Page(links) = &site[page] else {
            unreachable!("only pages are queued");
        };
        for &link in links {
            let mut end = link;
            let mut redirects = 0;
            while let Node::Redirect(target) = site[end]
                && redirects < LIMIT
            {
                end = target;
                redirects += 1;
            }
            if !matches!(site[end], Node::Page(_)) {
                broken.insert((page, link));
            } else if pages.insert(end) {
                queue.push_back(end);
            }
        }
    }
    (pages, broken)
}

/// Answers for `/nNUMBER`.
pub(crate) fn say_node(site: &[Node], path: &str, stream: &mut TcpStream) -> io::Result<()> {
    let number: usize = path[2..].parse().unwrap();
    match &site[number] {
        Node::Page(links) => {
            let link = |link: &usize| format!("<a href=n{link}>");
            say_page(stream, &links.iter().map(link).collect::<String>())
        }
        Node::Redirect(target) => say_redirect(stream, &format!("/n{target}#x")),
        Node::Missing => say_missing(stream),
    }
}

#[test]
fn redirects_are_followed_to_the_same_end_in_whatever_order_they_are_met() {
    watched(|| {
        let runtimes = [1, 2, 4].map(runtime);
        let mut seen = BTreeMap::from([("too long", 0), ("missing", 0)]);
        for seed in 0..30 {
            let site = random_site(seed);
            let (pages, broken) = look_at(&site);
            let host = Host::start(move |path, stream| say_node(&site, path, stream));
            let number = |url: &str| url[host.url("/n").len()..].parse::<usize>().unwrap();
            for runtime in &runtimes {
                let options = Options {
                    max_redirects: LIMIT,
                    ..options(&host.url("/n0"))
                };
                let outcome = run(runtime, options);
                let found = outcome.pages.keys().map(|url| number(url));
                assert_eq!(found.collect::<BTreeSet<_>>(), pages, "site {seed}");
                let found = outcome.broken.iter();
                let found = found.map(|broken| {
                    let cause = if broken.reason.contains("in a row") {
                        "too long"
                    } else {
                        "missing"
                    };
                    *seen.get_mut(cause).unwrap() += 1;
                    (number(broken.page.as_deref().unwrap()), number(&broken.url))
                });
                assert_eq!(found.collect::<BTreeSet<_>>(), broken, "site {seed}");
            }
        }
        assert!(seen.values().all(|&count| count > 10), "{seen:?}");
    });
}

/// A chain of redirects that is too long from its beginning on, `c0` to `c8`, and then a page; `late` leads to
/// its middle, but says so only when the chain has been followed as far as the limit lets.
#[test]
fn a_shorter_way_that_is_found_late_leads_to_the_end() {
    watched(|| {
        for late_links in ["<a href=c4>", "<a href=c3>"] {
            let followed = Arc::new((Mutex::new(false), Condvar::new()));
            let host = Host::start(move |path, stream| match &path[1..] {
                "" => say_page(stream, "<a href=c0><a href=late>"),
                "late" => {
                    let (done, told) = &*followed;
                    drop(told.wait_while(done.lock().unwrap(), |done| !*done));
                    say_page(stream, late_links)
                }
                "page" => say_page(stream, ""),
                "c8" => say_redirect(stream, "page"),
                step => {
                    let step: u32 = step[1..].parse().unwrap();
                    if step == LIMIT {
                        *followed.0.lock().unwrap() = true;
                        followed.1.notify_all();
                    }
                    say_redirect(stream, &format!("c{}", step + 1))
                }
            });
            let options = Options {
                max_redirects: LIMIT,
                ..options(&host.url("/"))
            };
            let outcome = run(&runtime(2), options);
            let reached = late_links.contains("c4");
            assert_eq!(outcome.pages.contains_key(&host.url("/page")), reached);
            let broken = outcome.broken.iter().map(|broken| &*broken.url);
            let mut expected = vec![host.url("/c0")];
            if !reached {
                expected.push(host.url("/c3"));
            }
            assert_eq!(broken.collect::<Vec<_>>(), expected);
        }
    });
}
