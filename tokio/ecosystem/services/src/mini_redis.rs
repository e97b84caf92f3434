//! A small part of redis: strings that may expire, counters, channels.

pub mod client;
mod connection;
mod database;
mod frame;
pub mod server;
