//! The event loop is built on what users see of heist, and on nothing else.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn the_event_loop_uses_the_public_api_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![src.join("event_loop.rs")];
    sources(&src.join("event_loop"), &mut files);
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let place = format!("{}:{}: {line}", file.display(), number + 1);
            // The one switch between real threads and modelled ones may be named.
            let code = line
                .split("//")
                .next()
                .unwrap()
                .replace("heist_sync::sys", "");
            for internal in ["heist_scheduler", "heist_reactor", "heist_sync"] {
                assert!(!code.contains(internal), "{place}");
            }
            for raw in ["std::sync::atomic::Atomic", "parking_lot", "crossbeam"] {
                assert!(!code.contains(raw), "{place}");
            }
        }
    }
}
