//! tokio-rustls over TCP, in TLS 1.2 and 1.3.

use std::io::ErrorKind;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Tls, on_heist};

const LENGTH: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_megabyte_is_echoed() {
    on_heist(async {
        for version in rustls::ALL_VERSIONS {
            let Tls { server, client, .. } = crate::tls(&[version]);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            let server = tokio::spawn(async move {
                let (stream, _) = listener.accept().await.expect("a connection");
                let stream = TlsAcceptor::from(Arc::new(server))
                    .accept(stream)
                    .await
                    .expect("a handshake");
                let (mut reads, mut writes) = tokio::io::split(stream);
                tokio::io::copy(&mut reads, &mut writes)
                    .await
                    .expect("an echo");
                writes.shutdown().await.expect("closed");
            });
            let stream = TcpStream::connect(address).await.expect("a connection");
            let name = "localhost".try_into().expect("a name");
            let stream = TlsConnector::from(Arc::new(client))
                .connect(name, stream)
                .await
                .expect("a handshake");
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            let (reads, mut writes) = tokio::io::split(stream);
            let sent = tokio::spawn(async move {
                for i in 0..LENGTH / 1024 {
                    writes.write_all(&[i as u8; 1024]).await.expect("written");
                }
                writes.shutdown().await.expect("closed");
            });
            let mut echoed = Vec::new();
            BufReader::new(reads)
                .read_to_end(&mut echoed)
                .await
                .expect("an end that is announced");
            sent.await.expect("no panic");
            assert_eq!(echoed.len(), LENGTH);
            assert!(
                echoed
                    .iter()
                    .enumerate()
                    .all(|(i, byte)| *byte == (i / 1024) as u8)
            );
            server.await.expect("no panic");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_without_notice_is_an_error() {
    on_heist(async {
        let Tls { server, client, .. } = crate::tls(rustls::ALL_VERSIONS);
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let (ours, theirs) = tokio::io::duplex(1000);
        let server =
            tokio::spawn(async move { drop(acceptor.accept(theirs).await.expect("a handshake")) });
        let name = "localhost".try_into().expect("a name");
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(name, ours)
            .await
            .expect("a handshake");
        server.await.expect("no panic");
        let error = stream.read_u8().await.expect_err("the other side is gone");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    })
    .await;
}
