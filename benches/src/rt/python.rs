//! asyncio's echo, in Python: by asyncio's own loop, or by uvloop.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rt/echo.py");

/// Processes that share one port.
pub(crate) struct Server {
    processes: Vec<Child>,
    pub(crate) address: SocketAddr,
}

/// Starts so many processes. `PYTHON` names the interpreter, `python3` by default.
pub(crate) fn echo(event_loop: &str, processes: usize) -> io::Result<Server> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server {
        processes: Vec::new(),
        address,
    };
    for _ in 0..processes {
        server.start(event_loop)?;
    }
    Ok(server)
}

impl Server {
    /// Starts one more. The first one chooses the port.
    fn start(&mut self, event_loop: &str) -> io::Result<()> {
        let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let mut child = Command::new(python)
            .args([SCRIPT, event_loop, &self.address.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        self.processes.push(child);
        BufReader::new(stdout).read_line(&mut said)?;
        let port = said.trim().parse();
        self.address
            .set_port(port.map_err(|_| io::Error::other(format!("there is no {event_loop}")))?);
        Ok(())
    }

    /// CPU time of all processes so far, in the kernel's steps of 10 ms.
    pub(crate) fn cpu(&self) -> Duration {
        self.processes.iter().map(cpu).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn cpu(process: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|it| it.parse::<u64>().unwrap())
        .sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}
