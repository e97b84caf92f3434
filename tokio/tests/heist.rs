//! heist's own interface beside tokio's: it is one runtime.

use std::any::type_name;
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(240);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn ids() -> Vec<heist::runtime::Id> {
    let spawned = tokio::spawn(async { heist::runtime::Handle::current().id() });
    let by_heist = heist::spawn(async { tokio::runtime::Handle::current().id() });
    vec![
        tokio::runtime::Handle::current().id(),
        heist::runtime::Handle::current().id(),
        spawned.await.unwrap(),
        by_heist.await.unwrap(),
    ]
}

#[test]
fn a_program_of_tokio_is_in_a_runtime_of_heist() {
    let ids = ids();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn types_are_the_same_types() {
    let builder: &mut heist::runtime::Builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime: heist::runtime::Runtime = builder.build().unwrap();
    let (sender, receiver): (heist::sync::mpsc::Sender<u32>, _) = tokio::sync::mpsc::channel(1);
    let sum = runtime.block_on(timeout(LONG, async move {
        let mut receiver: heist::sync::mpsc::Receiver<u32> = receiver;
        let sent: heist::task::JoinHandle<_> = tokio::spawn(async move { sender.send(5).await });
        let received = receiver.recv().await;
        sent.await.unwrap().unwrap();
        received
    }));
    assert_eq!(sum.unwrap(), Some(5));
}

#[test]
fn the_path_of_a_type_tells_which_runtime_it_is() {
    assert!(type_name::<tokio::runtime::Runtime>().starts_with("heist"));
}

#[test]
fn metrics_count_the_tasks_of_crates_that_know_tokio_alone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let task = runtime.spawn(std::future::pending::<()>());
    let handle: heist::runtime::Handle = runtime.handle().clone();
    assert_eq!(handle.metrics().num_alive_tasks(), 1);
    task.abort();
}

/// Whether the test `name` of this file passes in a process of its own, where the variable `key` has this value.
fn passes_with(name: &str, key: &str, value: &str) -> bool {
    let test = std::env::current_exe().unwrap();
    let output = Command::new(test)
        .args(["--exact", name, "--ignored"])
        .env(key, value)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("running 1 test"), "{report}");
    output.status.success()
}

#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn uses_the_poller_of_the_environment() {
    let wanted = std::env::var("HEIST_REACTOR").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .build()
        .unwrap();
    assert_eq!(runtime.handle().backend(), wanted);
}

#[cfg(unix)]
#[test]
fn the_builder_reads_the_environment_as_heists_does() {
    let uses = |poller| {
        passes_with(
            "uses_the_poller_of_the_environment",
            "HEIST_REACTOR",
            poller,
        )
    };
    assert!(uses("poll") && uses("mio") && !uses("none-such"));
}

#[tokio::main]
async fn workers_by_default() -> usize {
    tokio::runtime::Handle::current().metrics().num_workers()
}

#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn has_three_workers_by_default() {
    let built = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    assert_eq!(built.metrics().num_workers(), 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.metrics().num_workers(), 3);
    assert_eq!(workers_by_default(), 3);
}

#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn has_the_workers_that_the_program_says() {
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    assert_eq!(several.metrics().num_workers(), 2);
    let one = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(one.metrics().num_workers(), 1);
}

#[test]
fn the_environment_sets_the_default_number_of_workers() {
    let by_default = |value| {
        passes_with(
            "has_three_workers_by_default",
            "TOKIO_WORKER_THREADS",
            value,
        )
    };
    assert!(by_default("3"));
    for wrong in ["0", "", "-1", "three"] {
        assert!(!by_default(wrong), "{wrong:?}");
    }
    let name = "has_the_workers_that_the_program_says";
    assert!(passes_with(name, "TOKIO_WORKER_THREADS", "7"));
    assert!(passes_with(name, "TOKIO_WORKER_THREADS", "none"));
}
