//! Frontiers in trouble: a Redis that loses answers, has no memory, is written to by others, or is none.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use heist::io::compat::FuturesAsyncReadCompatExt;
use heist::runtime::Runtime;
use serde_json::Value;
use url::Url;

use crate::binary::{program, watched};
use crate::frontier::Frontier;
use crate::frontier::redis::{Place, Redis};
use crate::host::{Host, say_page};
use crate::job::{Fetched, Report};
use crate::nobody::nobody;
use crate::progress::Progress;
use crate::secure_host::config;
use crate::shared::{Server, ask, claim, on_frontier, open};
use crate::{command, options, runtime};

/// What stands between a frontier and its Redis, and loses answers that hand out pages of `http://host/`: with them it ends
/// the connection. Gives its address, and how many it is to lose.
fn loser(server: &Server) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let socket = server.folder.path().join("socket");
    let to_lose = Arc::new(AtomicUsize::new(0));
    let left = to_lose.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut redis = UnixStream::connect(&socket).unwrap();
            let (mut calls, mut to) = (client.try_clone().unwrap(), redis.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut calls, &mut to));
            let left = left.clone();
            thread::spawn(move || {
                let mut room = [0; 1 << 16];
                while let Ok(length @ 1..) = redis.read(&mut room) {
                    let answer = String::from_utf8_lossy(&room[..length]);
                    // Ordering: hint only; the test sets it before it claims.
                    let lose = |left: usize| left.checked_sub(1);
                    if answer.contains("\r\nhttp://host/page")
                        && left
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose)
                            .is_ok()
                    {
                        break;
                    }
                    client.write_all(&room[..length]).unwrap();
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    (Url::parse(&url).unwrap(), to_lose)
}

#[test]
fn pages_in_an_answer_that_is_lost_are_handed_out_again_at_once() {
    on_frontier(async |server| {
        let (url, to_lose) = loser(server);
        let place = Place {
            url,
            ..server.place(Duration::from_secs(3600))
        };
        let options = options("http://host/page");
        let frontier = Redis::open(&place, &options, Progress::hidden())
            .await
            .unwrap();
        // More of them than crawlers may die with a page.
        // Ordering: hint only; the claim is sent, and answered, by others later.
        to_lose.store(8, Ordering::Relaxed);
        let page = claim(&frontier).await;
        assert_eq!(to_lose.load(Ordering::Relaxed), 0);
        let report = Report::new(Fetched::Failed("in the end".into()));
        frontier.complete(&page, report).await.unwrap();
        let outcome = frontier.close(false).await.unwrap();
        assert_eq!(outcome.start_error.as_deref(), Some("in the end"));
    });
}

#[test]
fn a_redis_without_memory_takes_no_page_from_a_crawler_that_is_heard_of() {
    on_frontier(async |server| {
        let frontier = open(server, Duration::from_secs(2)).await;
        let page = claim(&frontier).await;
        server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        let runs_out = || server.ask::<u64>(&["ZSCORE", "crawler:{test}:leases", &page.lease.0]);
        let before = runs_out();
        while runs_out() == before {
            heist::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Somebody else writes to the crawl's keys while two pages are out, and one of them never comes.
#[test]
fn a_frontier_that_takes_no_report_ends_the_crawl() {
    watched(|| {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let hanging = Host::start(|_, _| {
            loop {
                thread::park();
            }
        });
        let (hangs, redis) = (hanging.url("/"), server.url());
        let host = Host::start(move |path, stream| match path {
            "/" => say_page(stream, &format!("<a href={hangs}><a href=next>")),
            _ => {
                let host = "crawler:{test}:leases";
                while ask::<usize>(&redis, &["ZCARD", host]) < 2 {
                    thread::sleep(Duration::from_millis(10));
                }
                let due: Vec<String> = ask(&redis, &["HKEYS", "crawler:{test}:hosts"]);
                for host in due {
                    ask::<()>(
                        &redis,
                        &["SET", &format!("crawler:{{test}}:queue:{host}"), "x"],
                    );
                }
                say_page(stream, "<a href=last>")
            }
        });
        let mut crawler = command(program());
        crawler.args([
            "--timeout",
            "1000",
            "--crawl",
            "test",
            "--frontier",
            &server.url(),
        ]);
        crawler.args(["--host", &hanging.url("/"), &host.url("/")]);
        let output = crawler.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("WRONGTYPE"), "{error}");
    });
}

/// A Redis that is reached by TLS alone, in front of the one that the test has started.
fn secured(server: &Server) -> (Runtime, u16, String) {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let acceptor = TlsAcceptor::from(config(&made, &[]));
    let socket = server.folder.path().join("socket");
    let runtime = runtime(1);
    let listener = heist::net::TcpListener::bind("127.0.0.1:0");
    let listener = runtime.block_on(listener).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            heist::spawn(async move {
                let Ok(client) = acceptor.accept(client).await else {
                    return;
                };
                let mut redis = heist::net::UnixStream::connect(&socket).await.unwrap();
                // Whoever ends it is right.
                let _ = heist::io::copy_bidirectional(&mut client.compat(), &mut redis).await;
            });
        }
    });
    (runtime, port, made.cert.pem())
}

#[test]
fn a_frontier_is_reached_by_tls_if_its_certificate_is_trusted() {
    watched(|| {
        let Some(server) = Server::start(&["--requirepass", "secret"]) else {
            return;
        };
        let (_runtime, port, pem) = secured(&server);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, pem).unwrap();
        let site = Host::start(|path, stream| match path {
            "/" => say_page(
                stream,
                &(0..100)
                    .map(|link| format!("<a href={link}>"))
                    .collect::<String>(),
            ),
            _ => say_page(stream, ""),
        });
        let crawl = |host: &str, more: &[&str]| {
            let mut crawler = command(program());
            crawler.args(["--frontier", &format!("rediss://:secret@{host}:{port}/2")]);
            crawler.arg(site.url("/")).args(more);
            crawler.output().unwrap()
        };
        let trust = ["--root", root.to_str().unwrap()];
        for (name, host) in [("one", "localhost"), ("two", "127.0.0.1")] {
            let output = crawl(host, &[&trust[..], &["--crawl", name]].concat());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let table = String::from_utf8(output.stdout).unwrap();
            assert!(table.contains("\npages         101\n"), "{table}");
        }
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&root, other.cert.pem()).unwrap();
        let output = crawl("localhost", &trust);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains("invalid peer certificate") && !error.contains("secret"),
            "{error}"
        );
    });
}

/// A host that speaks first, and no Redis.
fn greeter(greeting: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(greeting).unwrap();
            // It stays until the other side ends.
            let _ = stream.read(&mut [0; 1]);
        }
    });
    address
}

#[test]
fn a_frontier_that_is_none_ends_with_2_and_says_why() {
    watched(|| {
        let Some(server) = Server::start(&["--requirepass", "secret"]) else {
            return;
        };
        let host = greeter(b"220 mail.example.org ready\r\n");
        let cluster = greeter(b"-MOVED 7000 127.0.0.1:7001\r\n");
        let socket = server.url();
        let other = Host::start(|_, stream| say_page(stream, ""));
        let with = |password: &str| format!("{socket}?pass={password}");
        let crawl = |frontier: &str, more: &[&str]| {
            let mut command = command(program());
            command.args(["--frontier", frontier, "--crawl", "test", &other.url("/")]);
            command.args(more).output().unwrap()
        };
        let (_keeps, nobody) = nobody("127.0.0.1");
        for (frontier, why) in [
            (socket.clone(), "NOAUTH"),
            (with("wrong"), "WRONGPASS"),
            ("redis+unix:///no/such/socket".into(), "No such file"),
            (format!("redis://{nobody}"), "refused"),
            (format!("redis://{host}"), "not what a Redis says"),
            (format!("redis://{cluster}"), "It is a Redis Cluster"),
            (format!("rediss://{host}"), "corrupt message"),
            ("http://127.0.0.1".into(), "http: Redis URL"),
        ] {
            let output = crawl(&frontier, &[]);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{frontier}: {error}");
            assert!(error.contains(why), "{frontier}: {error}");
            assert!(!error.contains("wrong@") && output.stdout.is_empty());
        }
        let right = with("secret");
        for is_over in [false, true] {
            let output = crawl(&right, &[]);
            assert_eq!(output.status.code(), Some(0));
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(error.contains("is over"), is_over, "{error}");
        }
        let output = crawl(&right, &["--max-pages", "3"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("has other settings"), "{error}");
    });
}

#[test]
fn a_crawl_that_waits_for_its_frontier_can_be_interrupted() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.json");
        let json = ["--json", file.to_str().unwrap()];
        for more in [&["--measure", "100"], &json] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let frontier = format!("redis://{}", listener.local_addr().unwrap());
            let mut crawler = command(program());
            crawler.args(["--frontier", &frontier, "http://host.invalid/"]);
            crawler.args(more);
            crawler.stdout(Stdio::null()).stderr(Stdio::null());
            let mut crawler = crawler.spawn().unwrap();
            let (mut call, _) = listener.accept().unwrap();
            call.read_exact(&mut [0; 1]).unwrap();
            let id = crawler.id().to_string();
            let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
            assert!(killed.success());
            assert_eq!(crawler.wait().unwrap().code(), Some(130));
        }
        let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(json["interrupted"], true);
    });
}
