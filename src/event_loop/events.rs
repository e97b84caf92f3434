//! Events of the operating system: descriptors that are ready, operations on sockets, signals.

mod recurring;
mod signals;
mod sock;
mod watch;
