//! An echo server over TLS, in callbacks.
//!
//! `cargo run --example echo_tls [ADDRESS] [--once]`
//!
//! Makes a certificate for `localhost`, listens at ADDRESS (by default a free port of 127.0.0.1), prints where, and
//! serves until ctrl-c. With `--once` it is its own client, which trusts that certificate: it has a megabyte echoed,
//! checks it and exits.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use heist::event_loop::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use heist::event_loop::tls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use heist::event_loop::tls::{ClientTls, ServerTls};
use heist::event_loop::{EventLoop, Protocol, Transport, extra};
use heist::time::timeout;

type Error = Box<dyn std::error::Error>;

/// Writes back what it receives. It knows nothing of TLS.
#[derive(Default)]
struct Echo {
    transport: Option<Transport>,
}

impl Protocol for Echo {
    fn connection_made(&mut self, transport: Transport) {
        if let Some(tls) = transport.get_extra_info(extra::TLS) {
            println!(
                "{:?}: {:?}, {:?}",
                transport.peer_addr(),
                tls.version,
                tls.cipher
            );
        }
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.transport.as_ref().unwrap().write(data);
    }

    // The peer doesn't keep up: let the network hold back what it sends.
    fn pause_writing(&mut self) {
        self.transport.as_ref().unwrap().pause_reading();
    }

    fn resume_writing(&mut self) {
        self.transport.as_ref().unwrap().resume_reading();
    }
}

fn server_tls(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerTls, Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(ServerTls::new(Arc::new(config)))
}

fn client_tls(trusted: CertificateDer<'static>) -> Result<ClientTls, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(ClientTls::new(Arc::new(config), "localhost".try_into()?))
}

async fn check_once(address: std::net::SocketAddr, tls: ClientTls) -> Result<(), Error> {
    let connect = EventLoop::current().open_connection(address);
    let (mut reader, mut writer) = connect.with(|connect| connect.tls(tls)).await?;
    let message: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
    let sent = message.clone();
    let sender = heist::spawn(async move {
        for chunk in sent.chunks(50_000) {
            writer.write(chunk);
            writer.drain().await?;
        }
        std::io::Result::Ok(writer)
    });
    let echoed = reader.readexactly(message.len()).await?;
    let mut writer = sender.await??;
    writer.close();
    writer.wait_closed().await?;
    if echoed != message {
        return Err("the bytes differ".into());
    }
    println!("{} bytes echoed", echoed.len());
    Ok(())
}

async fn run(address: &str, once: bool) -> Result<(), Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = server_tls(certificate.clone(), key)?;
    let event_loop = EventLoop::current();
    let server = event_loop
        .create_server(Echo::default, address)
        .tls(tls)
        .await?;
    println!("listening at {}", server.local_addr());
    if once {
        let check = check_once(server.local_addr(), client_tls(certificate)?);
        timeout(Duration::from_secs(30), check).await??;
        server.close();
    }
    server.wait_closed().await;
    Ok(())
}

#[heist::main]
async fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments.iter().any(|argument| argument == "--once");
    arguments.retain(|argument| argument != "--once");
    let address = arguments.first().map_or("127.0.0.1:0", String::as_str);
    match run(address, once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_tls: {error}");
            ExitCode::FAILURE
        }
    }
}
