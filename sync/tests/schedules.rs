//! Whole interfaces under random schedules: `.ci/shuttle` runs these, with shuttle beneath the crate.
//!
//! A model of loom's is small and complete; these are large and random. Each test lets four threads and more do what they
//! please with one primitive, cancellations included, and holds what came of it against an account. An interleaving in
//! which all threads sleep fails too, so nothing that is lost goes unnoticed.
#![cfg(heist_shuttle)]

#[path = "schedules/harness.rs"]
mod harness;

#[path = "schedules/channels.rs"]
mod channels;
#[path = "schedules/crowds.rs"]
mod crowds;
#[path = "schedules/locks.rs"]
mod locks;
#[path = "schedules/signals.rs"]
mod signals;
