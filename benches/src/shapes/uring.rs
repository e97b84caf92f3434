//! The echo of `serve.rs`, by a bare `io_uring` loop.

use benches::measure::process_cpu;

use crate::client::{Client, Load};
use crate::rt::uring;

/// The values of a shape with this loop, if it has one.
pub(crate) fn bare(shape: &str) -> Option<Vec<f64>> {
    let (connections, messages) = match shape {
        "echo-1" => (1, 40_000),
        "echo-64" => (64, 200_000),
        "echo-1000" => (1_000, 200_000),
        _ => return None,
    };
    let address = match uring::echo() {
        Ok(address) => address,
        Err(error) => {
            eprintln!("{shape}: this kernel refuses io_uring: {error}");
            return None;
        }
    };
    let load = |messages| Load {
        kind: "echo-64",
        connections,
        messages,
    };
    Client::start(address, load(messages / 10)).run(|| ());
    let client = Client::start(address, load(messages));
    let before = process_cpu();
    let (seen, after) = client.run(process_cpu);
    let cpu = (after - before).as_secs_f64() * 1e6 / messages as f64;
    Some(vec![cpu, seen.each, seen.p99])
}
