//! Programs on crates that name tokio, a module for each crate, all in one process.
//!
//! Each runs in `on_heist`, which bounds its time and sees to it that its tasks are heist's.

mod axum;
mod deadpool;
mod hyper_util;
mod mini_redis;
mod quinn;
mod redis;
mod reqwest;
mod server;
mod sqlx;
mod tokio_rustls;
mod tokio_stream;
mod tokio_tungstenite;
mod tokio_util;
mod tonic;
mod tower;
mod tracing;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// The most that one program may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs `program`, for five minutes at the most. Panics if it has spawned nothing on heist, or if the process has a thread of
/// tokio's.
async fn on_heist(program: impl Future<Output = ()>) {
    let runtime = heist::runtime::Handle::current();
    let spawned_before = runtime.metrics().spawned_tasks_count();
    let watchdog = watchdog();
    program.await;
    drop(watchdog);
    let spawned = runtime.metrics().spawned_tasks_count() - spawned_before;
    assert!(spawned > 0, "no task was spawned on heist");
    let threads = thread_names();
    assert!(
        !threads.iter().any(|name| name.starts_with("tokio-")),
        "{threads:?}"
    );
}

/// Ends the process after five minutes of the real clock, unless the value is dropped before.
fn watchdog() -> mpsc::Sender<()> {
    let test = std::thread::current().name().map(str::to_owned);
    let (watchdog, dropped) = mpsc::channel();
    std::thread::spawn(move || {
        if dropped.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test:?} takes too long");
            std::process::abort();
        }
    });
    watchdog
}

fn thread_names() -> Vec<String> {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux lists the threads")
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .collect()
}

/// A certificate for `localhost` that signs itself, and both sides' settings with it.
struct Tls {
    server: rustls::ServerConfig,
    client: rustls::ClientConfig,
    /// In PEM, for clients that build their settings themselves.
    certificate: String,
}

/// The client speaks `versions` of TLS, and the server all.
fn tls(versions: &[&'static rustls::SupportedProtocolVersion]) -> Tls {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = signed
        .signing_key
        .serialize_der()
        .try_into()
        .expect("a key");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).expect("a root");
    Tls {
        server: rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .expect("the key fits"),
        client: rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth(),
        certificate: signed.cert.pem(),
    }
}
