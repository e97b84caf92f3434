//! A supervisor in callbacks: runs a command line, prints what it prints, and starts it again when it fails.
//!
//! `cargo run --example supervisor COMMAND [RESTARTS]`
//! `cargo run --example supervisor -- --once`
//!
//! COMMAND is run by the shell. It is started again up to RESTARTS times (3 without), after a pause that doubles each
//! time. With `--once` it supervises a command that fails twice and then works, checks that, and exits.

#[cfg(unix)]
mod unix {
    use std::collections::HashMap;
    use std::io;
    use std::process::{ExitCode, ExitStatus};
    use std::time::Duration;

    use heist::event_loop::{EventLoop, Promise, SubprocessProtocol, SubprocessTransport};
    use heist::time::{sleep, timeout};

    /// Prints a child's lines, and says how it has ended.
    struct Watched {
        transport: Option<SubprocessTransport>,
        /// The line of each pipe that has not ended yet.
        lines: HashMap<i32, Vec<u8>>,
        ended: Promise<Option<ExitStatus>>,
    }

    impl SubprocessProtocol for Watched {
        fn connection_made(&mut self, transport: SubprocessTransport) {
            println!("[{}] started", transport.get_pid());
            if let Some(stdin) = transport.get_pipe_transport(0) {
                stdin.close();
            }
            self.transport = Some(transport);
        }

        fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
            let pid = self.transport.as_ref().unwrap().get_pid();
            let line = self.lines.entry(fd).or_default();
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.ends_with(b"\n") || line.len() > 4096 {
                    let name = if fd == 2 { "error" } else { "output" };
                    println!(
                        "[{pid}] {name}: {}",
                        String::from_utf8_lossy(line).trim_end()
                    );
                    line.clear();
                }
            }
        }

        fn process_exited(&mut self) {
            let transport = self.transport.as_ref().unwrap();
            match transport.get_returncode() {
                Some(status) => println!("[{}] {status}", transport.get_pid()),
                None => println!("[{}] has ended", transport.get_pid()),
            }
        }

        fn connection_lost(&mut self, _error: Option<io::Error>) {
            let status = self.transport.as_ref().unwrap().get_returncode();
            let _ = self.ended.set_result(status);
        }
    }

    /// Runs the command until it works, or has failed too often. Returns how often it was started.
    async fn supervise(command: &str, restarts: u32) -> Result<u32, Box<dyn std::error::Error>> {
        let event_loop = EventLoop::current();
        let mut pause = Duration::from_millis(50);
        for start in 1..=restarts + 1 {
            let (ended, end) = event_loop.create_future();
            let watched = || Watched {
                transport: None,
                lines: HashMap::new(),
                ended,
            };
            event_loop.subprocess_shell(watched, command).await?;
            if end.await?.is_some_and(|status| status.success()) {
                return Ok(start);
            }
            if start <= restarts {
                sleep(pause).await;
                pause *= 2;
            }
        }
        Err(format!("`{command}` has failed {} times", restarts + 1).into())
    }

    async fn check_once() -> Result<(), Box<dyn std::error::Error>> {
        let file = std::env::temp_dir().join(format!("supervisor-{}", std::process::id()));
        let path = file.display();
        let command = format!(
            "echo x >> '{path}'; test $(wc -l < '{path}') = 3 || {{ echo no >&2; exit 7; }}; echo yes"
        );
        let started = timeout(Duration::from_secs(30), supervise(&command, 5)).await;
        std::fs::remove_file(&file)?;
        match started?? {
            3 => Ok(()),
            other => Err(format!("started {other} times instead of 3").into()),
        }
    }

    pub(crate) async fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let restarts = arguments.get(1).map_or(Ok(3), |text| text.parse());
        let ended = match (arguments.first().map(String::as_str), restarts) {
            (Some("--once"), _) => check_once().await,
            (Some(command), Ok(restarts)) => supervise(command, restarts).await.map(drop),
            _ => Err("usage: supervisor COMMAND [RESTARTS] | --once".into()),
        };
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("supervisor: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(unix)]
#[heist::main]
async fn main() -> std::process::ExitCode {
    unix::main().await
}

#[cfg(not(unix))]
fn main() {
    eprintln!("supervisor: this system has no process API in heist");
}
