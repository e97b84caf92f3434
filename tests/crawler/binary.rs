//! The program itself, from its arguments to its exit code.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::host::{Host, say_missing, say_page};
use crate::watched;

/// Builds the program where this test was built, by the plain command, and gives its path.
fn program() -> PathBuf {
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

fn crawler(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
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

#[test]
fn bad_arguments_end_with_2_and_say_why() {
    watched(|| {
        for (arguments, why) in [
            (&["https://localhost/"][..], "https is not supported"),
            (&["ftp://localhost/"], "http only"),
            (&["localhost"], "relative URL"),
            (&["--no-such-option"], "--no-such-option"),
            (&["--workers", "0"], "at least 1"),
            (&["--per-host", "99999999999"], "at most 1000000"),
            (&["--max-pages=-1"], "--max-pages"),
            (&["--timeout", "0"], "longer than nothing"),
            (&["--timeout", "soon"], "invalid float"),
            (&["--under", "book"], "starts with /"),
            (&["--serve", "/no/such/folder"], "No such file"),
            (
                &["--serve", "/", "http://localhost/"],
                "cannot be used with",
            ),
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
