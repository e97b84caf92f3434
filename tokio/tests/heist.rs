//! heist's own interface beside tokio's: it is one runtime.

use std::any::type_name;
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

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

/// Runs the test `name` of this file again, in a process of its own with `HEIST_REACTOR`.
fn child(name: &str, reactor: &str) -> bool {
    let test = std::env::current_exe().unwrap();
    let output = Command::new(test)
        .args(["--exact", name, "--ignored"])
        .env("HEIST_REACTOR", reactor)
        .output()
        .unwrap();
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
    assert!(child("uses_the_poller_of_the_environment", "poll"));
    assert!(child("uses_the_poller_of_the_environment", "mio"));
    assert!(!child("uses_the_poller_of_the_environment", "none-such"));
}
