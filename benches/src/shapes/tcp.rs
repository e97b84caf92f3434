//! TCP echo over loopback. The server is the runtime measured. The client is another process, the same for all.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::rt::Rt;
use benches::measure::process_cpu;

const MESSAGE: usize = 64;

pub(super) fn echo_1<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    echo(runtime, 1, 20_000)
}

pub(super) fn echo_64<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    echo(runtime, 64, 200_000)
}

pub(super) fn echo_1000<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    echo(runtime, 1_000, 200_000)
}

fn echo<R: Rt>(runtime: &R, connections: usize, messages: usize) -> Vec<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _server = runtime.spawn_from_outside(R::echo(listener));
    let run = |messages: usize| {
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--client",
                &address,
                &connections.to_string(),
                &messages.to_string(),
            ])
            .status()
            .unwrap();
        assert!(status.success(), "the client failed");
    };
    run(messages / 10);
    let before = process_cpu();
    run(messages);
    vec![(process_cpu() - before).as_nanos() as f64 / 1_000.0 / messages as f64]
}

/// Sends `messages` in all over so many connections. Each connection sends the next one when the last one has come
/// back.
pub(crate) fn client(address: SocketAddr, connections: usize, messages: usize) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let one = move || async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut buffer = [7; MESSAGE];
            for _ in 0..messages / connections {
                stream.write_all(&buffer).await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
            }
            assert_eq!(buffer, [7; MESSAGE]);
        };
        // The client never sleeps, so no message from the server has to wake it. On a virtual machine that would cost
        // more than everything else, and would be counted as the server's time.
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let all: Vec<_> = (0..connections).map(|_| tokio::spawn(one())).collect();
        for connection in all {
            connection.await.unwrap();
        }
    });
}
