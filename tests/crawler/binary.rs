//! The program itself, from its arguments to its exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::command;
use crate::host::{Host, say_missing, say_page};
use crate::secure_host::{SecureHost, page};

/// The path of the program. The first who asks builds it.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

/// Runs a test of the program. To build it first takes as long as it takes: there may be nothing compiled yet.
pub(crate) fn watched<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    program();
    crate::watched(test)
}

/// Builds the program where this test was built, by the plain command, and gives its path.
fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/test
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let target = profile.parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--example", "crawler", "--target-dir"]);
    build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    // What a sanitizer wants of this test is not for cargo's plugins, which the plain command builds for the host.
    build
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    let name = format!("crawler{}", std::env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}

/// Runs the program, with time enough for each page on any machine, unless the arguments say how much.
fn crawler(arguments: &[&str]) -> Output {
    let mut crawler = command(program());
    crawler.args(arguments);
    if !arguments.contains(&"--timeout") {
        crawler.args(["--timeout", "200"]);
    }
    crawler.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// For which share of the time each worker was busy, in percent.
fn busy(table: &str) -> Vec<f64> {
    let busy = table.lines().filter_map(|line| {
        let (_, busy) = line.split_once("busy ")?;
        busy.split_once(" % of the time")?.0.parse().ok()
    });
    busy.collect()
}

#[test]
fn a_run_prints_its_table_and_writes_its_file() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.json");
        let site = folder.path().join("site");
        std::fs::create_dir(&site).unwrap();
        std::fs::write(site.join("index.html"), "<a href=b.html><a href=dead.html>").unwrap();
        std::fs::write(
            site.join("b.html"),
            "<a href=index.html><a href=dead.html#x>",
        )
        .unwrap();
        let arguments = [
            "--serve",
            site.to_str().unwrap(),
            "--json",
            file.to_str().unwrap(),
        ];
        let output = crawler(&[&arguments[..], &["--workers", "2", "--timeout", "60"]].concat());

        let table = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        for row in [
            "pages         2",
            "bytes         72",
            "links         4",
            "status codes  200: 2, 404: 1",
            "pages/s       ",
            "latency       p50 ",
            "worker 0      ",
            "worker 1      ",
            "steals        ",
            "broken links  2",
            "dead.html: 404 Not Found",
            "    on http://127.0.0.1:",
        ] {
            assert!(table.contains(row), "no {row:?} in:\n{table}");
        }
        let busy = busy(table);
        // A worker is busy for the whole time at most.
        assert!(
            busy.len() == 2 && busy.iter().all(|busy| (0.0..=100.0).contains(busy)),
            "{table}"
        );
        assert_eq!(text(&output.stderr).matches("error: ").count(), 1);

        let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let pages = json["pages"].as_array().unwrap();
        assert_eq!(pages.len(), 2);
        for page in pages {
            assert!(
                page["url"]
                    .as_str()
                    .unwrap()
                    .starts_with("http://127.0.0.1:")
            );
            assert_eq!((&page["status"], &page["links"]), (&200.into(), &2.into()));
            assert!(page["bytes"].as_u64().unwrap() > 30);
            assert_eq!(
                (&page["type"], &page["cut"]),
                (&"text/html".into(), &Value::Null)
            );
        }
        let broken = json["broken"].as_array().unwrap();
        assert_eq!(broken.len(), 2);
        for broken in broken {
            assert!(broken["page"].is_string());
            assert!(broken["url"].as_str().unwrap().ends_with("/dead.html"));
            assert_eq!(broken["reason"], "404 Not Found");
        }
    });
}

#[test]
fn without_arguments_it_crawls_the_book_that_it_brings() {
    watched(|| {
        let output = crawler(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("/book/\npages         "));
    });
}

#[test]
fn a_site_is_crawled_by_https_if_its_certificate_is_trusted() {
    watched(|| {
        let host = SecureHost::start(&["h2"], |request, _| match request.uri().path() {
            "/" => page("<a href=a>"),
            _ => page(""),
        });
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, host.pem()).unwrap();
        let output = crawler(&[&host.url("/"), "--root", root.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("\npages         2\n"));

        // The system doesn't know it.
        let output = crawler(&[&host.url("/")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("no secure connection"));
    });
}

#[test]
fn a_url_is_crawled_under_a_path() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/in/" => say_page(stream, "<a href=/in/x><a href=/inside><a href=/>"),
            "/in/x" => say_page(stream, ""),
            _ => say_missing(stream),
        });
        let output = crawler(&[&host.url("/in/"), "--under", "/in"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let table = text(&output.stdout);
        assert!(
            table.contains("pages         2\n") && table.contains("broken links  0\n"),
            "{table}"
        );
        assert!(table.contains("3, 2 of them out of the crawl"), "{table}");
    });
}

#[test]
fn a_start_page_that_cannot_be_had_ends_with_1() {
    watched(|| {
        let host = Host::start(|_, stream| say_missing(stream));
        let output = crawler(&[&host.url("/")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("can't be had: 404 Not Found"));

        let empty = tempfile::tempdir().unwrap();
        let output = crawler(&["--serve", empty.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_written_costs_the_table_nothing() {
    watched(|| {
        let host = Host::start(|_, stream| say_page(stream, ""));
        let output = crawler(&[&host.url("/"), "--json", "/dev/full"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains("pages         1\n"));
        assert!(text(&output.stderr).contains("can't write the JSON"));
    });
}

/// The file has more bytes than the program may have memory.
#[cfg(target_os = "linux")]
#[test]
fn a_large_file_is_served_piece_by_piece() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), "<a href=large>").unwrap();
        let large = std::fs::File::create(folder.path().join("large")).unwrap();
        // On disk it is only a length.
        large.set_len(8 << 30).unwrap();
        let script =
            r#"ulimit -v 4000000; exec "$1" --serve "$2" --workers 2 --timeout 60 --json "$3""#;
        let (output, json) = under_sh(script, folder.path().to_str().unwrap());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(json["pages"].as_array().unwrap().len(), 2, "{json}");
        assert!(json["broken"].as_array().unwrap().is_empty(), "{json}");
    });
}

/// Runs the program under `sh`, with its path and a URL as `$1` and `$2`, and gives the JSON that it writes to `$3`.
#[cfg(unix)]
fn under_sh(script: &str, url: &str) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json");
    let mut command = command("sh");
    command.args(["-c", script, "sh"]).arg(program());
    let output = command.arg(url).arg(&file).output().unwrap();
    let json = serde_json::from_slice(&std::fs::read(&file).unwrap());
    (output, json.unwrap())
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_reading_stops_no_crawl() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_page(
                stream,
                &(0..500)
                    .map(|link| format!("<a href=dead{link}>"))
                    .collect::<String>(),
            ),
            _ => say_missing(stream),
        });
        let script = r#"{ "$1" "$2" --timeout 200 --json "$3"; echo $? >"$3.code"; } 2>&1 | head -n 1; cat "$3.code""#;
        let (output, json) = under_sh(script, &host.url("/"));
        assert!(text(&output.stdout).ends_with("\n0\n"), "{output:?}");
        assert_eq!(json["broken"].as_array().unwrap().len(), 500);
    });
}

#[cfg(unix)]
#[test]
fn too_few_descriptors_cost_no_page() {
    watched(|| {
        let host = Host::start(|path, stream| match path {
            "/" => say_page(
                stream,
                &(0..200)
                    .map(|link| format!("<a href=page{link}>"))
                    .collect::<String>(),
            ),
            _ => {
                std::thread::sleep(std::time::Duration::from_millis(5));
                say_page(stream, "")
            }
        });
        let script = r#"ulimit -n 32; exec "$1" "$2" --json "$3" --per-host 64 --timeout 60"#;
        let (output, json) = under_sh(script, &host.url("/"));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(json["pages"].as_array().unwrap().len(), 201);
        assert!(json["broken"].as_array().unwrap().is_empty());
    });
}

#[test]
fn no_page_can_write_to_the_terminal_what_it_likes() {
    watched(|| {
        let host = Host::start(|_, stream| {
            say_page(stream, "<a href='http://[\u{1b}]0;title\u{7}\nx\u{9b}'>")
        });
        let output = crawler(&[&host.url("/")]);
        for stream in [text(&output.stdout), text(&output.stderr)] {
            assert!(stream.contains(r"http://[\u{1b}]0;title"), "{stream}");
            let obeyed = |character: char| character.is_control() && character != '\n';
            assert!(!stream.contains(obeyed), "{stream:?}");
        }
    });
}

#[test]
fn bad_arguments_end_with_2_and_say_why() {
    watched(|| {
        for (arguments, why) in [
            (&["ftp://localhost/"][..], "http and https only"),
            (&["localhost"], "relative URL"),
            (&["--no-such-option"], "--no-such-option"),
            (&["--workers", "0"], "at least 1"),
            (&["--per-host", "99999999999"], "at most 1000000"),
            (&["--max-pages=-1"], "--max-pages"),
            (&["--timeout", "0"], "longer than nothing"),
            (&["--timeout", "soon"], "invalid float"),
            (&["--delay", "1e19"], "at most a year"),
            (&["--max-wait", "1e10"], "at most a year"),
            (&["--under", "book"], "starts with /"),
            (&["--serve", "/no/such/folder"], "No such file"),
            (
                &["--serve", "/", "http://localhost/"],
                "cannot be used with",
            ),
            (
                &["--serve", "/", "--frontier", "redis://localhost/"],
                "cannot be used with",
            ),
            (
                &["--serve", "/", "--host", "http://localhost/"],
                "cannot be used with",
            ),
            (&["--root", "/no/such/file"], "No such file"),
            (&["--root", "Cargo.toml"], "no certificate"),
            (&["--retries=-1"], "--retries"),
            (&["--max-wait", "0"], "longer than nothing"),
            (&["--json", "/no/such/folder/file"], "can't write"),
        ] {
            let output = crawler(arguments);
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
            assert!(error.contains(why), "{arguments:?}: {error}");
            assert!(output.stdout.is_empty());
        }
    });
}

/// Waits until the site is asked for a page that never comes, then lets the program be interrupted. Gives what it wrote, and
/// which pages it had asked for before.
#[cfg(unix)]
fn interrupted(signal: &str) -> (Option<i32>, String, Value, Vec<String>) {
    use std::sync::mpsc;

    let (asked, wait) = mpsc::channel();
    let host = Host::start(move |path, stream| {
        asked.send(path.to_owned()).unwrap();
        match path {
            "/" => say_page(stream, "<a href=page><a href=gone><a href=hangs>"),
            "/page" => say_page(stream, ""),
            "/hangs" => loop {
                std::thread::park();
            },
            _ => say_missing(stream),
        }
    });
    interrupt(signal, &host, || {
        wait.iter().take_while(|path| path != "/hangs").collect()
    })
}

/// Crawls a host, waits for something, and interrupts the crawl.
#[cfg(unix)]
fn interrupt<T>(
    signal: &str,
    host: &Host,
    wait: impl FnOnce() -> T,
) -> (Option<i32>, String, Value, T) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json");
    let mut command = command(program());
    // One after the other, so that the others are done by then.
    command.args(["--timeout", "1000", "--concurrency", "1", "--json"]);
    command.arg(&file).arg(host.url("/"));
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let before = wait();
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    (
        output.status.code(),
        text(&output.stdout).to_owned(),
        json,
        before,
    )
}

#[cfg(unix)]
#[test]
fn an_interrupted_crawl_reports_what_was_done() {
    watched(|| {
        for signal in ["-INT", "-TERM"] {
            let (code, table, json, before) = interrupted(signal);
            assert_eq!(code, Some(130));
            // Which of the links comes first isn't said.
            let asked = |path: &str| before.iter().any(|one| one == path);
            let (page, gone) = (asked("/page"), asked("/gone"));
            let pages = 1 + usize::from(page);
            let broken = usize::from(gone);
            let left = 3 - usize::from(page) - usize::from(gone);
            let rows = [
                format!("pages         {pages}\n"),
                format!("left          {left} known pages, as the crawl was interrupted\n"),
                format!("broken links  {broken}\n"),
            ];
            for row in rows {
                assert!(table.contains(&row), "no {row:?} in:\n{table}");
            }
            assert_eq!(json["pages"].as_array().unwrap().len(), pages);
            assert_eq!(json["broken"].as_array().unwrap().len(), broken);
            assert_eq!(
                (&json["interrupted"], &json["left"]),
                (&true.into(), &left.into())
            );
        }
    });
}

#[cfg(unix)]
#[test]
fn a_crawl_that_waits_for_a_busy_host_can_be_interrupted() {
    use std::io::Write;
    use std::sync::mpsc;

    watched(|| {
        let (asked, wait) = mpsc::channel();
        let host = Host::start(move |path, stream| match path {
            "/" => say_page(stream, "<a href=busy><a href=other>"),
            _ => {
                write!(
                    stream,
                    "HTTP/1.1 503 Busy\r\nRetry-After: 50\r\nContent-Length: 0\r\n\r\n"
                )?;
                asked.send(()).unwrap();
                Ok(())
            }
        });
        let (code, table, json, ()) = interrupt("-INT", &host, || wait.recv().unwrap());
        assert_eq!(code, Some(130));
        assert!(table.contains("\npages         1\n"), "{table}");
        assert_eq!(
            (&json["interrupted"], &json["left"]),
            (&true.into(), &2.into())
        );
    });
}

/// A signal that is ignored from the start on, as `nohup` leaves it, stays so.
#[cfg(target_os = "linux")]
#[test]
fn a_crawl_under_nohup_outlives_its_terminal() {
    use std::sync::mpsc;

    watched(|| {
        let (asked, wait) = mpsc::channel();
        let host = Host::start(move |_, _| {
            asked.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        let mut crawler = command("sh");
        let script = r#"trap "" HUP; exec "$1" "$2" --timeout 1000"#;
        crawler.args(["-c", script, "sh"]).arg(program());
        let mut crawler = crawler.arg(host.url("/")).spawn().unwrap();
        wait.recv().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", crawler.id())).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
        crawler.kill().unwrap();
        crawler.wait().unwrap();
        assert_eq!(ignored & 1, 1, "{ignored:x}");
    });
}

/// The most memory that a process has had so far, in KiB.
#[cfg(target_os = "linux")]
fn peak(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Without a bound, a page of 10 MB with so many links takes 300 MB.
#[cfg(target_os = "linux")]
#[test]
fn a_page_of_very_many_links_takes_little_memory() {
    use std::fmt::Write as _;
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    static CRAWLER: AtomicU32 = AtomicU32::new(0);
    static PEAK: AtomicUsize = AtomicUsize::new(0);
    watched(|| {
        let mut page = String::new();
        for link in 0..600_000 {
            let _ = writeln!(page, "<a href={link}.x>");
        }
        let host = Host::start(move |path, stream| match path {
            "/" => say_page(stream, "<a href=many>"),
            "/many" => say_page(stream, &page),
            _ => {
                // The links have been read.
                // Ordering: hint only; the process was started, and is waited for, by another thread.
                let id = CRAWLER.load(Ordering::Relaxed);
                PEAK.fetch_max(peak(id), Ordering::Relaxed);
                say_missing(stream)
            }
        });
        let mut command = command(program());
        command.args([
            "--timeout",
            "200",
            "--max-pages",
            "3",
            "--max-links",
            "5000",
        ]);
        command
            .arg(host.url("/"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // Before it has asked for the first page, most likely, and long before it has asked for the last.
        CRAWLER.store(child.id(), Ordering::Relaxed);
        let output = child.wait_with_output().unwrap();
        assert!(
            text(&output.stdout).contains("\ncut           1 pages"),
            "{}",
            text(&output.stdout)
        );
        let peak = PEAK.load(Ordering::Relaxed);
        assert!((1..80_000).contains(&peak), "{peak} KiB");
    });
}
