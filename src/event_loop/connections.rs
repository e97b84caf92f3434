//! Servers and connections: how they are made, and the task that runs each.

mod connection;
mod create_connection;
mod create_server;
pub(super) mod listener;
#[cfg(unix)]
mod pipes;
mod server;
#[cfg(unix)]
mod unix;

pub use create_connection::CreateConnection;
pub use create_server::CreateServer;
pub use server::Server;
