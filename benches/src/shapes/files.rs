//! Files that are in the page cache.

use std::path::PathBuf;
use std::time::Instant;

use crate::rt::{BLOCKS, Rt};
use benches::measure::nanos_each;

/// A file that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(blocks: usize) -> Self {
        let name = format!("heist-benches-{}-{blocks}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, vec![7; blocks * 4096]).expect("room for a file");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn cached<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const TIMES: usize = 400;
    const FILES: usize = 20_000;
    let (long, short) = (Scratch::new(BLOCKS), Scratch::new(1));
    let (blocks, file) = (long.0.clone(), short.0.clone());
    let reads = async move {
        R::read_blocks(blocks.clone(), TIMES / 10).await;
        let start = Instant::now();
        R::read_blocks(blocks, TIMES).await;
        let read = nanos_each(start, TIMES * BLOCKS);
        let start = Instant::now();
        for _ in 0..FILES {
            assert_eq!(R::read_whole(file.clone()).await.len(), 4096);
        }
        vec![read, nanos_each(start, FILES)]
    };
    runtime.block_on(runtime.spawn_from_outside(reads))
}
