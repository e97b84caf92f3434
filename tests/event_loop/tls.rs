//! TLS, with certificates that are made for the test.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use heist::event_loop::tls::rustls::pki_types::{PrivateKeyDer, ServerName};
use heist::event_loop::tls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use heist::event_loop::tls::{ClientTls, ServerTls};
use heist::event_loop::{
    EventLoop, Protocol, Server, StreamReader, StreamWriter, Transport, extra,
};
use heist::time::Duration;

use super::{on_all, pattern, told};

struct Configs {
    client: Arc<ClientConfig>,
    stranger: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

fn configs() -> Configs {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = |roots| {
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    };
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Configs {
        client: client(roots),
        stranger: client(RootCertStore::empty()),
        server: Arc::new(server),
    }
}

fn localhost() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}

async fn echo(mut reader: StreamReader, mut writer: StreamWriter) {
    loop {
        match reader.read(100_000).await {
            Ok(data) if !data.is_empty() => writer.write(&data),
            _ => return,
        }
        if writer.drain().await.is_err() {
            return;
        }
    }
}

async fn echo_server(event_loop: &EventLoop, configs: &Configs) -> Server {
    let tls = ServerTls::new(configs.server.clone());
    let start = event_loop.start_server(echo, "127.0.0.1:0");
    start.with(|server| server.tls(tls)).await.unwrap()
}

#[test]
fn bytes_go_whole_and_in_order_both_ways_and_the_end_is_orderly() {
    let configs = configs();
    on_all(async |event_loop| {
        let server = echo_server(&event_loop, &configs).await;
        let tls = ClientTls::new(configs.client.clone(), localhost());
        let open = event_loop.open_connection(server.local_addr());
        let (mut reader, mut writer) = open.with(|client| client.tls(tls)).await.unwrap();
        let info = writer.get_extra_info(extra::TLS).unwrap();
        assert_eq!(info.peer_certificates.len(), 1);
        assert!(info.version.is_some() && info.cipher.is_some());
        let message = pattern(2_000_000);
        let write = async {
            for chunk in message.chunks(50_000) {
                writer.write(chunk);
                writer.drain().await.unwrap();
            }
            writer.write_eof();
        };
        let read = reader.read_to_end();
        let (echoed, ()) = heist::join!(read, write);
        assert!(echoed.unwrap() == message);
        writer.close();
        writer.wait_closed().await.unwrap();
        server.close();
        server.wait_closed().await;
    });
}

struct Quiet;
impl Protocol for Quiet {}

#[test]
fn a_certificate_that_does_not_fit_is_an_error_and_is_reported() {
    let configs = configs();
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let server = echo_server(&event_loop, &configs).await;
        let address = server.local_addr();
        let unknown = ClientTls::new(configs.stranger.clone(), localhost());
        let other = ClientTls::new(configs.client.clone(), "other.example".try_into().unwrap());
        for tls in [unknown, other] {
            let connect = event_loop.create_connection(|| Quiet, address).tls(tls);
            let error = connect.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("certificate"), "{error}");
            // The server hears of it too.
            let report = loop {
                match told.try_recv() {
                    Ok(report) => break report,
                    Err(_) => heist::task::yield_now().await,
                }
            };
            assert!(
                report.starts_with("a connection failed before it was made: "),
                "{report}"
            );
        }
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let configs = configs();
    on_all(async |event_loop| {
        let told = told(&event_loop);
        // A client that says nothing.
        let tls =
            ServerTls::new(configs.server.clone()).handshake_timeout(Duration::from_millis(20));
        let server = event_loop
            .create_server(|| Quiet, "127.0.0.1:0")
            .tls(tls)
            .await
            .unwrap();
        let silent = TcpStream::connect(server.local_addr()).unwrap();
        let report = loop {
            match told.try_recv() {
                Ok(report) => break report,
                Err(_) => heist::task::yield_now().await,
            }
        };
        server.close();
        server.wait_closed().await;
        assert_eq!(
            report,
            "a connection failed before it was made: the TLS handshake took too long"
        );
        drop(silent);
        // A server that says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = ClientTls::new(configs.client.clone(), localhost())
            .handshake_timeout(Duration::from_millis(20));
        let address = listener.local_addr().unwrap();
        let error = event_loop
            .create_connection(|| Quiet, address)
            .tls(tls)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_peer_that_speaks_no_tls_or_goes_away_is_an_error() {
    let configs = configs();
    on_all(async |event_loop| {
        for says in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let tls = ClientTls::new(configs.client.clone(), localhost());
            let peer = heist::task::spawn_blocking(move || {
                let (mut peer, _) = listener.accept().unwrap();
                peer.write_all(says).unwrap();
                peer.shutdown(Shutdown::Write).unwrap();
                let _ = peer.read_to_end(&mut Vec::new());
            });
            let error = event_loop
                .create_connection(|| Quiet, address)
                .tls(tls)
                .await
                .unwrap_err();
            let expected = if says.is_empty() {
                ErrorKind::UnexpectedEof
            } else {
                ErrorKind::InvalidData
            };
            assert_eq!(error.kind(), expected);
            peer.await.unwrap();
        }
    });
}

#[test]
fn an_attempt_that_is_dropped_is_given_up() {
    let configs = configs();
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = ClientTls::new(configs.client.clone(), localhost());
        let connect = event_loop
            .create_connection(|| Quiet, listener.local_addr().unwrap())
            .tls(tls);
        assert!(
            heist::time::timeout(Duration::from_millis(5), connect)
                .await
                .is_err()
        );
        let read = heist::task::spawn_blocking(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.read_to_end(&mut Vec::new())
        });
        // It ends; what the client had said is thrown away with it, which may look like a reset.
        let _ = read.await.unwrap();
    });
}

/// A server's side that starts TLS when it is asked to.
struct Starts {
    transport: Option<Transport>,
    tls: ServerTls,
}

impl Protocol for Starts {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        let transport = self.transport.as_ref().unwrap();
        if data == b"STARTTLS\n" {
            transport.write(b"go\n");
            drop(transport.start_tls(self.tls.clone()));
            transport.write(b"secret\n");
        } else {
            transport.write(data);
        }
    }
}

#[test]
fn tls_is_started_on_a_connection_that_runs() {
    let configs = configs();
    on_all(async |event_loop| {
        let tls = ServerTls::new(configs.server.clone());
        let factory = move || Starts {
            transport: None,
            tls: tls.clone(),
        };
        let server = event_loop
            .create_server(factory, "127.0.0.1:0")
            .await
            .unwrap();
        let (mut reader, mut writer) = event_loop
            .open_connection(server.local_addr())
            .await
            .unwrap();
        assert!(writer.get_extra_info(extra::TLS).is_none());
        writer.write(b"STARTTLS\n");
        // Exactly this much, so that no byte of the handshake is taken for a line.
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        writer
            .start_tls(ClientTls::new(configs.client.clone(), localhost()))
            .await
            .unwrap();
        assert!(writer.get_extra_info(extra::TLS).is_some());
        assert_eq!(reader.readline().await.unwrap(), b"secret\n");
        writer.write(b"hello\n");
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_start_that_fails_costs_the_connection() {
    let configs = configs();
    on_all(async |event_loop| {
        let _told = told(&event_loop);
        let tls = ServerTls::new(configs.server.clone());
        let factory = move || Starts {
            transport: None,
            tls: tls.clone(),
        };
        let server = event_loop
            .create_server(factory, "127.0.0.1:0")
            .await
            .unwrap();
        let (mut reader, mut writer) = event_loop
            .open_connection(server.local_addr())
            .await
            .unwrap();
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        let tls = ClientTls::new(configs.stranger.clone(), localhost());
        assert_eq!(
            writer.start_tls(tls).await.unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        assert_eq!(
            writer.wait_closed().await.unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_peer_that_does_not_end_its_side_is_waited_for_no_longer_than_allowed() {
    let configs = configs();
    on_all(async |event_loop| {
        let tls =
            ServerTls::new(configs.server.clone()).shutdown_timeout(Duration::from_millis(20));
        let (told, lost) = std::sync::mpsc::channel();
        struct Closes(std::sync::mpsc::Sender<Option<ErrorKind>>);
        impl Protocol for Closes {
            fn connection_made(&mut self, transport: Transport) {
                transport.close();
            }
            fn connection_lost(&mut self, error: Option<std::io::Error>) {
                let _ = self.0.send(error.map(|error| error.kind()));
            }
        }
        let server = event_loop.create_server(move || Closes(told.clone()), "127.0.0.1:0");
        let server = server.tls(tls).await.unwrap();
        let address = server.local_addr();
        let config = configs.client.clone();
        // A client of rustls alone, which shakes hands and then does nothing.
        let client = heist::task::spawn_blocking(move || {
            let mut client = rustls::ClientConnection::new(config, localhost()).unwrap();
            let mut socket = TcpStream::connect(address).unwrap();
            while client.is_handshaking() {
                client.complete_io(&mut socket).unwrap();
            }
            socket
        });
        let socket = client.await.unwrap();
        server.close();
        server.wait_closed().await;
        assert_eq!(lost.recv().unwrap(), Some(ErrorKind::TimedOut));
        drop(socket);
    });
}

/// Sends back what it reads.
#[derive(Default)]
struct Echo(Option<Transport>);

impl Protocol for Echo {
    fn connection_made(&mut self, transport: Transport) {
        self.0 = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.0.as_ref().unwrap().write(data);
    }
}

#[test]
fn an_accepted_socket_speaks_tls_as_a_server() {
    let configs = configs();
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = ClientTls::new(configs.client.clone(), localhost());
        let address = listener.local_addr().unwrap();
        let client = event_loop.create_task({
            let event_loop = event_loop.clone();
            async move {
                let open = event_loop.open_connection(address);
                let (mut reader, mut writer) = open.with(|client| client.tls(tls)).await.unwrap();
                writer.write(b"hello");
                let read = reader.readexactly(5).await.unwrap();
                // The connection stays open as long as these are kept.
                (read, reader, writer)
            }
        });
        let (accepted, _) = heist::task::spawn_blocking(move || listener.accept())
            .await
            .unwrap()
            .unwrap();
        let connect = event_loop.connect_accepted_socket(Echo::default, accepted);
        let tls = ServerTls::new(configs.server.clone());
        let (transport, _) = connect.tls(tls).await.unwrap();
        assert!(transport.get_extra_info(extra::TLS).is_some());
        let (read, _reader, _writer) = client.await.unwrap();
        assert_eq!(read, b"hello");
    });
}

#[test]
fn closing_the_clients_of_a_server_ends_handshakes_that_hang() {
    let configs = configs();
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let endings: [fn(&Server); 2] = [Server::close_clients, Server::abort_clients];
        for end in endings {
            let tls = ServerTls::new(configs.server.clone())
                .handshake_timeout(Duration::from_secs(1_000));
            let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").tls(tls);
            let server = server.await.unwrap();
            let silent = TcpStream::connect(server.local_addr()).unwrap();
            silent.set_nonblocking(true).unwrap();
            loop {
                end(&server);
                // It is accepted some time.
                match (&silent).read(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        heist::task::yield_now().await;
                    }
                    _ => break,
                }
            }
            server.close();
            server.wait_closed().await;
        }
        assert!(told.try_recv().is_err(), "what was asked for is no failure");
    });
}

#[test]
fn a_limit_that_the_clock_cannot_count_is_for_ever() {
    let configs = configs();
    on_all(async |event_loop| {
        let server = echo_server(&event_loop, &configs).await;
        let tls = ClientTls::new(configs.client.clone(), localhost());
        let for_ever = tls
            .shutdown_timeout(Duration::MAX)
            .handshake_timeout(Duration::MAX);
        let open = event_loop.open_connection(server.local_addr());
        let open = open.with(|client| client.tls(for_ever.clone()));
        let (mut reader, mut writer) = open.await.unwrap();
        writer.write(b"hello");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
        // Its drop closes the connection, and so do those of the task.
        let transport = writer.transport().clone();
        drop(writer);
        assert!(transport.is_closing());
        assert!(reader.read_to_end().await.unwrap().is_empty());

        // A connection that is closed while TLS is started on it gets the limit with the new socket.
        let tls = ServerTls::new(configs.server.clone());
        let factory = move || Starts {
            transport: None,
            tls: tls.clone(),
        };
        let starts = event_loop.create_server(factory, "127.0.0.1:0");
        let starts = starts.await.unwrap();
        let open = event_loop.open_connection(starts.local_addr());
        let (mut reader, mut writer) = open.await.unwrap();
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        let started = writer.transport().start_tls(for_ever);
        writer.close();
        started.await.unwrap();
        writer.wait_closed().await.unwrap();
        for server in [server, starts] {
            server.close();
            server.wait_closed().await;
        }
    });
}

#[test]
#[cfg(unix)]
fn pipes_speak_no_tls_and_say_so_and_unix_sockets_in_their_place_speak_it() {
    use std::os::unix::net::UnixStream;

    let configs = configs();
    on_all(async |event_loop| {
        let client = ClientTls::new(configs.client.clone(), localhost());
        let server = ServerTls::new(configs.server.clone());
        let (here, there) = UnixStream::pair().unwrap();
        let connect = event_loop.connect_write_pipe(|| Quiet, here);
        let accept = event_loop.connect_read_pipe(|| Quiet, there);
        let (connected, accepted) =
            heist::join!(connect.tls(client.clone()), accept.tls(server.clone()));
        for transport in [connected.unwrap().0, accepted.unwrap().0] {
            assert!(transport.get_extra_info(extra::TLS).is_some());
            transport.abort();
        }

        let (reader, writer) = std::io::pipe().unwrap();
        let connect = event_loop.connect_write_pipe(|| Quiet, writer);
        let error = connect.tls(client.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let connect = event_loop.connect_read_pipe(|| Quiet, reader);
        let error = connect.tls(server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        let (mut reader, writer) = std::io::pipe().unwrap();
        let connect = event_loop.connect_write_pipe(|| Quiet, writer);
        let (transport, protocol) = connect.await.unwrap();
        let error = transport.start_tls(client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // It goes on.
        transport.write(b"plain");
        transport.close();
        protocol.wait_lost().await.unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "plain");
    });
}
