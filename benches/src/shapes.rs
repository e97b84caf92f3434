//! The shapes, in the order of the table: what each is called, and what it measures.
//!
//! A shape is a function over [`Rt`] that returns one value for each of its metrics. It has a process to itself.

use crate::rt::Rt;

mod channels;
mod fairness;
mod files;
mod names;
mod processes;
mod serve;
mod spawn;
mod timers;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

pub(crate) use serve::{bare, in_callbacks};

/// A shape's name on the command line, and its rows in the table: what is measured, and in which unit.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [(&'static str, &'static str)],
}

macro_rules! shapes {
    ($($name:literal => $function:path: $(($what:literal, $unit:literal)),+;)+) => {
        /// All shapes.
        pub(crate) const SHAPES: &[Shape] = &[$(Shape { name: $name, rows: &[$(($what, $unit)),+] }),+];

        /// Runs the shape called `name`. Returns one value for each of its rows.
        pub(crate) fn run<R: Rt>(name: &str, runtime: &R, workers: usize) -> Vec<f64> {
            match name {
                $($name => $function(runtime, workers),)+
                _ => panic!("no shape is called {name}"),
            }
        }
    };
}

shapes! {
    "spawn" => spawn::from_a_task: ("100,000 tasks spawned from a task, then done", "ns a task");
    "spawn-join" => spawn::and_join: ("100,000 spawned and joined", "ns a task");
    "spawn-outside" => spawn::from_outside: ("100,000 spawned from outside and joined", "ns a task");
    "yield" => spawn::yields: ("200 tasks × 1,000 yields", "ns a yield");
    "ping-pong" => channels::ping_pong: ("oneshot ping-pong", "ns a pair");
    "chain" => spawn::chained: ("chained spawns", "ns a task");
    "ring" => channels::ring: ("ring of 500 bounded channels, 8 tokens", "ns a hop");
    "mpsc-1" => channels::one_to_one: ("bounded mpsc, 1 to 1", "ns a message");
    "mpsc-8" => channels::eight_to_one: ("bounded mpsc, 8 to 1", "ns a message");
    "mutex" => channels::mutex: ("async mutex, 64 tasks", "ns a lock");
    "timeout" => timers::timeout_dropped: ("timeout made and dropped", "ns");
    "sleeps" => timers::many_sleeps: ("200,000 sleeps within 500 ms", "CPU ns a sleep");
    "timeouts" => timers::million_held: ("1,000,000 timeouts at once, made, armed and dropped", "CPU ns a timeout"), ("the same: memory", "bytes a timeout");
    "timeouts-fire" => timers::million_fire: ("1,000,000 tasks whose timeouts fire within a second", "CPU ns a task"), ("the same: memory", "bytes a task");
    "late" => timers::late: ("how late a 1 ms sleep wakes, p50", "µs");
    "skynet" => spawn::skynet: ("skynet, 1.1 million tasks", "ns a task");
    "fib" => spawn::fib: ("recursive spawn and join, fib(24)", "ns a task");
    "blocking" => spawn::blocking: ("spawn_blocking of nothing", "ns a call");
    "file" => files::cached: ("cached 4 KiB reads", "ns a read"), ("cached files of 4 KiB, each opened and read whole", "ns a file");
    "memory" => spawn::memory: ("memory of an idle task", "bytes");
    "outside" => fairness::event_from_outside: ("an event every 200 µs from outside: wake, p50", "µs"), ("the same: CPU", "µs an event");
    "idle" => fairness::idle: ("idle runtime", "CPU µs a second");
    "burners" => fairness::burners: ("1 ms sleeps while 4 tasks burn 5 ms a poll: late, p50", "µs"), ("the same, p99", "µs");
    "blocked" => fairness::every_worker_blocked: ("every worker blocked for 200 ms: until a ready task runs", "ms");
    "wake-block" => fairness::wake_then_block: ("a task wakes another, then blocks 100 ms: until that runs, p99", "ms");
    "process" => processes::one_after_the_other: ("`true` started and waited for", "µs a process"), ("the same: CPU of the parent", "µs a process");
    "process-8" => processes::eight_at_a_time: ("the same, 8 at a time", "µs a process");
    "lookup" => names::look_up: ("`localhost` looked up, one after the other", "µs a name"), ("the same, 64 at a time", "µs a name"), ("an address looked up", "ns an address");
    "echo-1" => serve::echo_1: ("TCP echo, 64 B, 1 connection", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "echo-64" => serve::echo_64: ("TCP echo, 64 B, 64 connections", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "echo-1000" => serve::echo_1000: ("TCP echo, 64 B, 1,000 connections", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "echo-10000" => serve::echo_10000: ("TCP echo, 64 B, 9,900 connections", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "echo-8k" => serve::echo_8k: ("TCP echo, 8 KiB, 64 connections", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "accept" => serve::accept: ("connections accepted, served once, closed; 16 at a time", "server CPU µs a connection"), ("the same: time", "µs a connection"), ("the same: latency, p99", "µs");
    "udp" => serve::udp: ("UDP echo, 64 B, 64 clients", "server CPU µs a message"), ("the same: time", "µs a message"), ("the same: latency, p99", "µs");
    "http" => serve::http: ("HTTP by hyper, 64 connections", "server CPU µs a request"), ("the same: time", "µs a request"), ("the same: latency, p99", "µs");
    "http-20" => serve::http_20: ("the same with 20 µs of work a request", "server CPU µs a request"), ("the same: time", "µs a request"), ("the same: latency, p99", "µs");
}
