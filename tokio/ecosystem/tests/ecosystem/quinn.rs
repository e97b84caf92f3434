//! quinn over loopback: streams side by side, datagrams, and the end of a connection.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ServerConfig};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Tls, on_heist};

const STREAMS: usize = 16;
const LENGTH: usize = 200_000;

/// Echoes each stream and each datagram until the client closes.
async fn echo(connection: Connection) -> ConnectionError {
    loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((mut writes, mut reads)) => {
                    tokio::spawn(async move {
                        tokio::io::copy(&mut reads, &mut writes).await.expect("an echo");
                        writes.finish().expect("open");
                    });
                }
                Err(end) => return end,
            },
            datagram = connection.read_datagram() => match datagram {
                Ok(datagram) => connection.send_datagram(datagram).expect("sent"),
                Err(end) => return end,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_datagrams_are_echoed() {
    on_heist(async {
        let Tls {
            mut server,
            mut client,
            ..
        } = crate::tls(&[&rustls::version::TLS13]);
        server.alpn_protocols = vec![b"echo".to_vec()];
        client.alpn_protocols = vec![b"echo".to_vec()];
        let server = ServerConfig::with_crypto(Arc::new(
            QuicServerConfig::try_from(server).expect("TLS 1.3"),
        ));
        let client = ClientConfig::new(Arc::new(
            QuicClientConfig::try_from(client).expect("TLS 1.3"),
        ));

        let listens = Endpoint::server(server, (Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let address = listens.local_addr().expect("bound");
        let serves = tokio::spawn(async move {
            let end = echo(
                listens
                    .accept()
                    .await
                    .expect("open")
                    .await
                    .expect("a handshake"),
            )
            .await;
            assert!(
                matches!(end, ConnectionError::ApplicationClosed(close) if close.reason == "bye")
            );
            listens.wait_idle().await;
        });

        let mut connects = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        connects.set_default_client_config(client);
        let connection = connects
            .connect(address, "localhost")
            .expect("settings")
            .await
            .expect("a handshake");
        let mut streams = JoinSet::new();
        for i in 0..STREAMS {
            let connection = connection.clone();
            streams.spawn(async move {
                let (mut writes, mut reads) = connection.open_bi().await.expect("a stream");
                let sent = tokio::spawn(async move {
                    writes
                        .write_all(&vec![i as u8; LENGTH])
                        .await
                        .expect("written");
                    writes.finish().expect("open");
                    // Until all is acknowledged.
                    drop(writes.stopped().await);
                });
                let echoed = reads.read_to_end(LENGTH).await.expect("an echo");
                assert_eq!(echoed, vec![i as u8; LENGTH]);
                sent.await.expect("no panic");
            });
        }
        streams.join_all().await;
        // A datagram may be lost.
        let echoed = loop {
            connection
                .send_datagram(Bytes::from_static(b"ping"))
                .expect("sent");
            let read = timeout(Duration::from_secs(1), connection.read_datagram());
            if let Ok(echoed) = read.await {
                break echoed.expect("an echo");
            }
        };
        assert_eq!(echoed, "ping");

        connection.close(0u8.into(), b"bye");
        connects.wait_idle().await;
        serves.await.expect("no panic");
    })
    .await;
}
