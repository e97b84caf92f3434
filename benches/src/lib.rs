//! What both programs share: heist beside other runtimes (`benches`), and its `sync` beside other crates (`sync`).

pub mod measure;
pub mod processors;
