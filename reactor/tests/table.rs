//! The table of sources frees what leaves it.

use std::sync::Arc;

use heist_reactor::protocol::Table;

#[test]
fn a_source_is_freed_when_it_leaves() {
    let table = Table::new(2);
    let sources: Vec<_> = (0..100_000).map(Arc::new).collect();
    let comes = |source: &Arc<i32>| table.insert(0, source.clone()).expect("open");
    let tokens: Vec<_> = sources.iter().map(comes).collect();
    for token in tokens {
        drop(table.remove(1, token));
    }
    assert!(sources.iter().all(|source| Arc::strong_count(source) == 1));
}
