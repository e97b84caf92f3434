//! Names and spawn locations: what the handles of tasks show of them, by whatever way they were spawned.

#[path = "support/watch.rs"]
mod watch;

use std::fmt::Debug;
use std::future::ready;

use heist_scheduler::task::{self, Builder, JoinSet, LocalSet, TaskGroup};
use watch::{current_thread, watchdog};

/// Whether `handle` shows this line of this file, and the name.
#[track_caller]
fn shows(handle: &impl Debug, line: u32, name: Option<&str>) {
    let text = format!("{handle:?}");
    let place = format!("task_origin.rs:{line}:");
    assert!(text.contains(&place), "{text} shows {place}");
    match name {
        Some(name) => assert!(text.contains(&format!("name: {name:?}")), "{text}"),
        None => assert!(!text.contains("name:"), "{text}"),
    }
}

#[test]
fn each_way_of_spawning_notes_its_callers_place() {
    let _dog = watchdog();
    let runtime = current_thread();
    let handle = runtime.handle();
    shows(&runtime.spawn(ready(())), line!(), None);
    shows(&handle.spawn(ready(())), line!(), None);
    shows(&handle.spawn_eager(ready(())), line!(), None);
    shows(&handle.spawn_blocking(|| ()), line!(), None);
    let local = LocalSet::new();
    shows(&local.spawn_local(ready(())), line!(), None);
    local.block_on(&runtime, async {
        shows(&task::spawn(ready(())), line!(), None);
        shows(&task::spawn_eager(ready(())), line!(), None);
        shows(&task::spawn_blocking(|| ()), line!(), None);
        shows(&task::spawn_local(ready(())), line!(), None);
        shows(&task::spawn(ready(())).abort_handle(), line!(), None);
        let mut set = JoinSet::new();
        shows(&set.spawn(ready(())), line!(), None);
        shows(&set.spawn_local(ready(())), line!(), None);
        shows(&set.spawn_blocking(|| ()), line!(), None);
        let builder = set.build_task().name("in a set");
        let named = builder.spawn(ready(())).expect("no error");
        shows(&named, line!() - 1, Some("in a set"));
        set.join_all().await;
        let mut group = TaskGroup::<(), ()>::new();
        assert!(group.spawn(ready(Ok(()))).is_some());
        group.join().await.expect("no failure");
    });
}

#[test]
fn a_builder_names_every_kind_of_task() {
    let _dog = watchdog();
    let runtime = current_thread();
    let local = LocalSet::new();
    // The builder's name is copied: it may go before the task.
    let name = String::from("of any kind");
    let builder = Builder::new().name(&name);
    let kept = local.block_on(&runtime, async {
        let tasks = [
            builder.clone().spawn(ready(())),
            builder.clone().spawn_on(ready(()), runtime.handle()),
            builder.clone().spawn_local(ready(())),
            builder.clone().spawn_local_on(ready(()), &local),
            builder.clone().spawn_blocking(|| ()),
            builder.clone().spawn_blocking_on(|| (), runtime.handle()),
        ];
        let mut kept = Vec::new();
        for task in tasks {
            let task = task.expect("no error");
            kept.push(task.abort_handle());
            task.await.expect("no panic");
        }
        kept
    });
    drop(name);
    for handle in kept {
        assert!(handle.is_finished());
        assert!(format!("{handle:?}").contains("name: \"of any kind\""));
    }
    let bare = runtime.block_on(async { Builder::new().spawn(ready(())) });
    shows(&bare.expect("no error"), line!() - 1, None);
}
