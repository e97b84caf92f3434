//! Crawls that several crawlers share, over a Redis that the test starts.
//!
//! Without `redis-server` on the path these tests say that they are skipped. If `HEIST_REQUIRE_REDIS` is set they fail.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use heist::sync::CancellationToken;
use serde_json::Value;
use url::Url;

use crate::address::canonical;
use crate::binary::{program, watched};
use crate::crawl::{Options, crawl_together};
use crate::exact::{LIMIT, look_at, random_site, say_node};
use crate::frontier::redis::{Place, Redis};
use crate::frontier::{Claim, Frontier};
use crate::host::{Host, say_missing, say_page};
use crate::job::{Fetched, Report};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::site::Site;
use crate::tree::plant;
use crate::{command, options, run, runtime};

/// A Redis of the test's own, on a socket in a folder of its own.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    child: Child,
}

impl Server {
    /// Starts one, or says that the test is skipped.
    pub(crate) fn start(arguments: &[&str]) -> Option<Server> {
        let there = Command::new("redis-server")
            .arg("--version")
            .output()
            .is_ok();
        if !there {
            let required = std::env::var_os("HEIST_REQUIRE_REDIS").is_some();
            assert!(!required, "there is no redis-server");
            eprintln!("skipped: there is no redis-server");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let child = Server::spawn(&folder, arguments);
        Some(Server { folder, child })
    }

    /// Starts the program, and waits until it can be connected to.
    fn spawn(folder: &tempfile::TempDir, arguments: &[&str]) -> Child {
        let mut command = command("redis-server");
        command.args(["--port", "0", "--unixsocket", "socket", "--save", ""]);
        // What it has answered is in the file. The file need not be on the disk: the machine stays up.
        command.args(["--appendonly", "yes", "--appendfsync", "no"]);
        command.args(arguments).arg("--dir").arg(folder.path());
        command.current_dir(folder.path()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = log.any(|line| line.unwrap().contains("eady to accept"));
        assert!(ready, "redis-server ended");
        // A full pipe would block it.
        thread::spawn(move || log.for_each(drop));
        child
    }

    /// Kills it, and starts it again after some time.
    fn go_away_for(&mut self, time: Duration) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        thread::sleep(time);
        self.child = Server::spawn(&self.folder, &[]);
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "redis+unix://{}",
            self.folder.path().join("socket").display()
        )
    }

    pub(crate) fn place(&self, lease: Duration) -> Place {
        Place {
            url: Url::parse(&self.url()).unwrap(),
            name: "test".into(),
            lease,
        }
    }

    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        ask(&self.url(), command)
    }

    /// How many records a crawl has.
    pub(crate) fn records(&self, crawl: &str) -> usize {
        self.ask(&["LLEN", &format!("crawler:{{{crawl}}}:records")])
    }
}

pub(crate) fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut call = redis::cmd(command[0]);
    call.arg(&command[1..]);
    call.query(&mut connection).unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hosts whose pages link to each other: page N is on host N modulo their number. They note how they are asked.
struct Web {
    hosts: Vec<Host>,
    asked: Arc<Asked>,
}

#[derive(Default)]
struct Asked {
    times: Mutex<usize>,
    more: Condvar,
    /// Whether requests wait for their answers.
    closed: Mutex<bool>,
    opened: Condvar,
    /// Requests that came sooner than the delay.
    hasty: Mutex<Vec<Duration>>,
}

impl Web {
    fn start(hosts: usize, pages: usize, delay: Duration) -> Web {
        let asked = Arc::new(Asked::default());
        let addresses: Arc<Mutex<Vec<String>>> = Arc::default();
        let host = |_| {
            let (asked, addresses) = (asked.clone(), addresses.clone());
            let last: Mutex<Option<Instant>> = Mutex::new(None);
            Host::start(move |path, stream| {
                let now = Instant::now();
                let before = last.lock().unwrap().replace(now);
                if let Some(pause) = before.map(|before| now - before)
                    && pause < delay
                {
                    asked.hasty.lock().unwrap().push(pause);
                }
                *asked.times.lock().unwrap() += 1;
                asked.more.notify_all();
                let closed = asked.closed.lock().unwrap();
                drop(asked.opened.wait_while(closed, |closed| *closed).unwrap());
                let Ok(number) = path[1..].parse::<usize>() else {
                    return say_missing(stream);
                };
                let addresses = addresses.lock().unwrap().clone();
                let links = (10 * number + 1..=10 * number + 10).filter(|&link| link < pages);
                let link = |link: usize| format!("<a href={}{link}>", addresses[link % hosts]);
                say_page(stream, &links.chain([0]).map(link).collect::<String>())
            })
        };
        let hosts: Vec<Host> = (0..hosts).map(host).collect();
        *addresses.lock().unwrap() = hosts.iter().map(|host| host.url("/")).collect();
        Web { hosts, asked }
    }

    fn start_url(&self) -> String {
        self.hosts[0].url("/0")
    }

    /// From now on no request is answered.
    fn close(&self) {
        *self.asked.closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.asked.closed.lock().unwrap() = false;
        self.asked.opened.notify_all();
    }

    /// Waits until the hosts were asked so many times.
    fn wait(&self, times: usize) {
        let asked = self.asked.times.lock().unwrap();
        drop(
            self.asked
                .more
                .wait_while(asked, |asked| *asked < times)
                .unwrap(),
        );
    }

    /// Starts a crawler.
    fn crawler(&self, server: &Server, file: &std::path::Path, more: &[&str]) -> Child {
        let mut command = command(program());
        command.args(["--timeout", "60", "--workers", "2", "--crawl", "test"]);
        command.args(["--frontier", &server.url(), "--json"]);
        command.arg(file).args(more);
        for host in &self.hosts[1..] {
            command.args(["--host", &host.url("/")]);
        }
        command.arg(self.start_url());
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Waits for a crawler. Gives its table and its JSON.
fn finish(crawler: Child, file: &std::path::Path) -> (String, Value) {
    let output = crawler.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    (String::from_utf8(output.stdout).unwrap(), json)
}

/// Each page is in the outcome, in a record of its own, and in the count of one process.
fn all_recorded_once(server: &Server, json: &Value, pages: usize) {
    assert_eq!(json["pages"].as_array().unwrap().len(), pages);
    assert_eq!(json["broken"].as_array().unwrap().len(), 0);
    assert_eq!(json["dead"].as_array().unwrap().len(), 0);
    assert_eq!(server.records("test"), pages);
    let shares = json["processes"].as_object().unwrap().values();
    let sum: u64 = shares.map(|share| share["pages"].as_u64().unwrap()).sum();
    assert_eq!(sum, pages as u64);
}

#[test]
fn a_crawler_that_is_killed_again_and_again_costs_no_page_and_no_host_its_pause() {
    const PAGES: usize = 10_000;
    const DELAY: Duration = Duration::from_millis(10);
    watched(|| {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let web = Web::start(40, PAGES, DELAY);
        let folder = tempfile::tempdir().unwrap();
        let files = ["one", "two", "killed"].map(|name| folder.path().join(name));
        let crawler = |file| web.crawler(&server, file, &["--delay", "0.01", "--lease", "3"]);
        let survivors = [crawler(&files[0]), crawler(&files[1])];
        for kill in 1..=6 {
            let mut killed = crawler(&files[2]);
            web.wait(kill * 1500);
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
        for (crawler, file) in survivors.into_iter().zip(&files) {
            let (table, json) = finish(crawler, file);
            all_recorded_once(&server, &json, PAGES);
            for row in ["hosts         40\n", "process 1     ", "process 2     "] {
                assert!(table.contains(row), "no {row:?} in:\n{table}");
            }
        }
        let hasty = web.asked.hasty.lock().unwrap();
        assert!(hasty.is_empty(), "{hasty:?}");
    });
}

#[test]
fn a_redis_that_goes_away_stops_the_crawl_and_loses_nothing() {
    const PAGES: usize = 2000;
    watched(|| {
        let Some(mut server) = Server::start(&[]) else {
            return;
        };
        let web = Web::start(4, PAGES, Duration::ZERO);
        web.close();
        let folder = tempfile::tempdir().unwrap();
        let files = ["one", "two"].map(|name| folder.path().join(name));
        let crawler = |file| web.crawler(&server, file, &["--lease", "3"]);
        let crawlers = [crawler(&files[0]), crawler(&files[1])];
        // The first page is not answered until both have joined.
        web.wait(1);
        while server.ask::<usize>(&["HGET", "crawler:{test}:meta", "processes"]) < 2 {
            thread::yield_now();
        }
        web.open();
        for times in [300, 900] {
            web.wait(times);
            server.go_away_for(Duration::from_secs(2));
        }
        for (crawler, file) in crawlers.into_iter().zip(&files) {
            let (_, json) = finish(crawler, file);
            all_recorded_once(&server, &json, PAGES);
        }
    });
}

/// Pages with the number of their links, and broken links with the pages that hold them, by their canonical addresses.
type Found = (BTreeSet<(String, u64)>, BTreeSet<(String, String)>);

fn one(url: &str) -> String {
    canonical(Url::parse(url).unwrap()).into()
}

fn of_outcome(outcome: &Outcome) -> Found {
    let pages = outcome.pages.iter();
    let broken = outcome.broken.iter();
    (
        pages
            .map(|(url, page)| (one(url), page.links as u64))
            .collect(),
        broken
            .map(|broken| (one(broken.page.as_deref().unwrap()), one(&broken.url)))
            .collect(),
    )
}

fn of_json(json: &Value) -> Found {
    let pages = json["pages"].as_array().unwrap().iter();
    let broken = json["broken"].as_array().unwrap().iter();
    let url = |value: &Value| one(value.as_str().unwrap());
    (
        pages
            .map(|page| (url(&page["url"]), page["links"].as_u64().unwrap()))
            .collect(),
        broken
            .map(|broken| (url(&broken["page"]), url(&broken["url"])))
            .collect(),
    )
}

#[test]
fn several_processes_find_what_one_finds_in_memory() {
    watched(|| {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime(2);
        let site = Site::Folder(folder.path().to_owned());
        let served = runtime.block_on(site.serve()).unwrap();
        let authority = served.address().to_string();
        plant(folder.path(), &authority);
        let start = format!("http://{authority}/site/");
        let alone = of_outcome(&run(
            &runtime,
            Options {
                under: Some("/site/".into()),
                ..options(&start)
            },
        ));
        assert!(alone.0.len() > 60 && alone.1.len() > 20);
        let files = ["one", "two", "three"].map(|name| folder.path().join(name));
        let crawlers = files.each_ref().map(|file| {
            let mut command = command(program());
            command.args(["--timeout", "60", "--frontier", &server.url(), "--under"]);
            command.args(["/site/", &start, "--json"]).arg(file);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        for (crawler, file) in crawlers.into_iter().zip(&files) {
            assert!(of_json(&finish(crawler, file).1) == alone);
        }
    });
}

/// Crawls with three frontiers at once, as three processes do.
fn together(server: &Server, name: &str, options: &Options) -> Vec<Outcome> {
    let place = Place {
        name: name.to_owned(),
        ..server.place(Duration::from_secs(60))
    };
    let crawl = |_| {
        let (place, options) = (place.clone(), options.clone());
        thread::spawn(move || {
            let crawl = async move {
                let frontier = Redis::open(&place, &options, Progress::hidden()).await?;
                crawl_together(frontier, &options, CancellationToken::new()).await
            };
            runtime(1)
                .block_on(async { heist::spawn(crawl).await.unwrap() })
                .unwrap()
        })
    };
    let crawls: Vec<_> = (0..3).map(crawl).collect();
    crawls
        .into_iter()
        .map(|crawl| crawl.join().unwrap())
        .collect()
}

#[test]
fn redirects_lead_several_crawlers_where_they_lead_one() {
    watched(|| {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        for seed in 0..10 {
            let site = random_site(seed);
            let (pages, broken) = look_at(&site);
            let host = Host::start(move |path, stream| say_node(&site, path, stream));
            let number = |url: &str| url[host.url("/n").len()..].parse::<usize>().unwrap();
            let options = Options {
                max_redirects: LIMIT,
                ..options(&host.url("/n0"))
            };
            for outcome in together(&server, &seed.to_string(), &options) {
                let found = outcome.pages.keys().map(|url| number(url));
                assert_eq!(found.collect::<BTreeSet<_>>(), pages, "site {seed}");
                let found = outcome.broken.iter();
                let found = found
                    .map(|broken| (number(broken.page.as_deref().unwrap()), number(&broken.url)));
                assert_eq!(found.collect::<BTreeSet<_>>(), broken, "site {seed}");
            }
        }
    });
}

#[test]
fn several_crawlers_ask_for_no_more_pages_than_allowed() {
    watched(|| {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let web = Web::start(1, 1000, Duration::ZERO);
        for max_pages in [1, 7, 50] {
            let before = *web.asked.times.lock().unwrap();
            let options = Options {
                max_pages,
                ..options(&web.start_url())
            };
            for outcome in together(&server, &max_pages.to_string(), &options) {
                assert_eq!(outcome.pages.len(), max_pages);
                assert!(outcome.left > 0);
            }
            assert_eq!(*web.asked.times.lock().unwrap() - before, max_pages);
        }
    });
}

/// Runs a test against one frontier, on a runtime.
pub(crate) fn on_frontier(test: impl AsyncFnOnce(&Server) + Send + 'static) {
    watched(move || {
        if let Some(server) = Server::start(&[]) {
            runtime(1).block_on(test(&server));
        }
    });
}

pub(crate) async fn open(server: &Server, lease: Duration) -> Arc<Redis> {
    open_at(server.place(lease)).await
}

async fn open_at(place: Place) -> Arc<Redis> {
    let options = options("http://host/");
    let opened = Redis::open(&place, &options, Progress::hidden()).await;
    opened.unwrap()
}

pub(crate) async fn claim(frontier: &Redis) -> Claim {
    let claims = frontier.claim(1).await.unwrap();
    claims.into_iter().next().expect("there is a page")
}

#[test]
fn a_page_comes_back_five_times_and_then_is_given_up() {
    on_frontier(async |server| {
        let lease = Duration::from_millis(50);
        let mut first = None;
        for _ in 0..6 {
            // This one dies: nobody renews its lease.
            let frontier = open(server, lease).await;
            first.get_or_insert(claim(&frontier).await);
        }
        let frontier = open(server, lease).await;
        assert!(frontier.claim(1).await.unwrap().is_empty());
        // Whoever had it first comes back from its coma. That is too late.
        let late = Report::new(Fetched::Failed("late".into()));
        frontier.complete(&first.unwrap(), late).await.unwrap();
        assert_eq!(server.records("test"), 1);
        let outcome = frontier.close(false).await.unwrap();
        assert_eq!(outcome.dead, BTreeSet::from(["http://host/".to_owned()]));
        let why = outcome.start_error.unwrap();
        assert!(why.contains("6 crawlers ended while they had it"), "{why}");
        assert_eq!(outcome.processes[&6].dead, 1);
    });
}

#[test]
fn a_report_counts_once_and_only_from_the_last_who_has_the_page() {
    on_frontier(async |server| {
        let slow = open(server, Duration::from_millis(50)).await;
        let lost = claim(&slow).await;
        // Without this handle nobody renews the lease.
        drop(slow);
        let quick = open(server, Duration::from_secs(60)).await;
        let taken = claim(&quick).await;
        assert_eq!(taken.url, lost.url);
        assert_ne!(taken.lease, lost.lease);
        let report = |reason: &str| Report::new(Fetched::Failed(reason.into()));
        quick.complete(&lost, report("lost")).await.unwrap();
        quick.complete(&taken, report("taken")).await.unwrap();
        quick.complete(&taken, report("again")).await.unwrap();
        assert_eq!(server.records("test"), 1);
        let outcome = quick.close(false).await.unwrap();
        assert_eq!(outcome.start_error.as_deref(), Some("taken"));
    });
}

#[test]
fn a_crawler_that_is_heard_of_keeps_its_pages() {
    on_frontier(async |server| {
        // A machine that stands still for as long as a lease isn't heard of either. Then a longer one has to do.
        for seconds in [1, 5, 25] {
            let lease = Duration::from_secs(seconds);
            let place = Place {
                name: seconds.to_string(),
                ..server.place(lease)
            };
            let slow = open_at(place.clone()).await;
            let other = open_at(place).await;
            let page = claim(&slow).await;
            if heist::time::timeout(lease * 5 / 2, other.claim(1))
                .await
                .is_ok()
            {
                continue;
            }
            let report = Report::new(Fetched::Failed("in the end".into()));
            slow.complete(&page, report).await.unwrap();
            assert!(other.claim(1).await.unwrap().is_empty());
            return;
        }
        panic!("others get its pages");
    });
}

#[test]
fn a_crawler_that_is_interrupted_gives_its_pages_back_at_once() {
    on_frontier(async |server| {
        let lease = Duration::from_secs(600);
        let (first, second) = (open(server, lease).await, open(server, lease).await);
        let page = claim(&first).await;
        let outcome = first.close(true).await.unwrap();
        assert!(outcome.interrupted && outcome.left == 1);
        assert_eq!(claim(&second).await.url, page.url);
    });
}

#[test]
fn a_host_is_not_asked_before_its_pause_is_over() {
    on_frontier(async |server| {
        let frontier = open(server, Duration::from_secs(60)).await;
        let (pause, begin) = (Duration::from_millis(300), Instant::now());
        frontier.not_before("host", pause).await.unwrap();
        claim(&frontier).await;
        assert!(begin.elapsed() >= pause);
    });
}
