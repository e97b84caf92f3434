//! Which implementations there are, and who chooses.

use std::env;
use std::process::Command;

use heist::event_loop::{EventLoop, Implementation, implementations, register_implementation};
use heist::runtime::{Builder, RuntimeFlavor};

use super::Watchdog;

fn names(all: &[Implementation]) -> Vec<&str> {
    all.iter().map(Implementation::name).collect()
}

#[test]
fn each_flavor_is_there_with_each_backend() {
    let _watchdog = Watchdog::new();
    let all = implementations();
    for flavor in ["multi_thread", "current_thread"] {
        for backend in ["", "/mio", "/poll"] {
            let name = format!("{flavor}{backend}");
            if cfg!(not(unix)) && backend == "/poll" {
                continue;
            }
            assert!(names(&all).contains(&&*name), "{name}");
            let event_loop = EventLoop::builder().implementation(&name).build().unwrap();
            let multi_thread = event_loop.handle().runtime_flavor() == RuntimeFlavor::MultiThread;
            assert_eq!(multi_thread, flavor == "multi_thread");
            if !backend.is_empty() {
                assert_eq!(event_loop.handle().backend(), &backend[1..]);
            }
            assert_eq!(event_loop.run_until_complete(async { 1 }), Ok(1));
        }
    }
    for implementation in &all {
        assert!(!implementation.description().is_empty() && !implementation.reason().is_empty());
    }
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let error = EventLoop::builder()
        .implementation("uvloop")
        .build()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"uvloop\"") && text.contains("current_thread"),
        "{text}"
    );
}

#[test]
fn what_is_registered_can_be_taken_once() {
    let build = || Builder::new_current_thread().name("mine").build();
    register_implementation("mine", "the test's own", build).unwrap();
    assert!(register_implementation("mine", "again", build).is_err());
    assert!(register_implementation("multi_thread", "heist's own", build).is_err());
    assert!(register_implementation("auto", "not a name", build).is_err());
    let all = implementations();
    assert!(names(&all).contains(&"mine"));
    let event_loop = EventLoop::builder().implementation("mine").build().unwrap();
    assert_eq!(event_loop.handle().name(), Some("mine"));
    assert_eq!(event_loop.run_until_complete(async { 1 }), Ok(1));
}

#[test]
#[ignore = "only as a child of the test below"]
fn child_says_what_it_would_take() {
    let taken: Vec<_> = implementations()
        .into_iter()
        .filter(Implementation::is_default)
        .map(|taken| format!("{}: {}", taken.name(), taken.reason()))
        .collect();
    let built = EventLoop::builder()
        .build()
        .map(|event_loop| event_loop.handle().runtime_flavor());
    let given = EventLoop::builder()
        .implementation("multi_thread")
        .build()
        .map(|event_loop| event_loop.handle().runtime_flavor());
    println!("{taken:?} {built:?} {given:?}");
}

#[test]
fn the_environment_chooses_where_the_program_does_not() {
    let _watchdog = Watchdog::new();
    let child = |value: Option<&str>| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--ignored", "--nocapture", "--exact"]);
        command.arg("implementations::child_says_what_it_would_take");
        command.env_remove("HEIST_EVENT_LOOP");
        command.envs(value.map(|value| ("HEIST_EVENT_LOOP", value)));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for unset in [None, Some(""), Some("auto")] {
        let said = child(unset);
        assert!(said.contains("[\"multi_thread: taken by default"), "{said}");
        assert!(said.contains("Ok(MultiThread) Ok(MultiThread)"), "{said}");
    }
    let said = child(Some("current_thread/mio"));
    assert!(
        said.contains("current_thread/mio: taken because HEIST_EVENT_LOOP"),
        "{said}"
    );
    assert!(said.contains("Ok(CurrentThread) Ok(MultiThread)"), "{said}");
    let said = child(Some("nonsense"));
    assert!(
        said.contains("[] Err(") && said.contains("(from HEIST_EVENT_LOOP)"),
        "{said}"
    );
}
