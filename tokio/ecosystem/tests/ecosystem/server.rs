//! Servers of Debian's packages, each started by a test for itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// A server that is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    /// The server's files.
    _folder: TempDir,
}

impl Server {
    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) {
        let id = self.process.id().expect("it runs").to_string();
        let asked = Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await
            .expect("kill runs");
        assert!(asked.success());
        let status = self.process.wait().await.expect("it ends");
        assert!(status.success(), "{status}");
    }
}

/// Starts redis.
pub(crate) async fn redis() -> Server {
    let command = |folder: &Path, port: u16| {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
        ]);
        command.arg(folder).stdout(Stdio::piped());
        command
    };
    let folder = tempfile::tempdir().expect("a folder");
    start(
        folder,
        command,
        |child| child.stdout.take(),
        "Ready to accept connections",
    )
    .await
}

/// Starts PostgreSQL with an empty cluster, where anybody is `tester`.
pub(crate) async fn postgres() -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let user = unprivileged(folder.path()).await;
    let run = |program: PathBuf| {
        // PostgreSQL refuses to be run by root.
        let Some(user) = &user else {
            return Command::new(program);
        };
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .arg(program);
        command
    };
    let programs = programs();
    let mut initdb = run(programs.join("initdb"));
    initdb.args([
        "--no-sync",
        "--auth=trust",
        "--username=tester",
        "--encoding=UTF8",
        "--pgdata",
    ]);
    let made = initdb
        .arg(folder.path())
        .output()
        .await
        .expect("initdb runs");
    assert!(made.status.success(), "{made:?}");
    let command = |folder: &Path, port: u16| {
        let mut command = run(programs.join("postgres"));
        command
            .args(["-F", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(folder);
        command.arg("-D").arg(folder).stderr(Stdio::piped());
        command
    };
    start(
        folder,
        command,
        |child| child.stderr.take(),
        "ready to accept connections",
    )
    .await
}

/// PostgreSQL's newest programs, which Debian keeps out of the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions
        .filter_map(|version| Some(version.ok()?.path()))
        .max_by_key(version)
        .expect("postgresql is installed")
        .join("bin")
}

/// The user whom Debian made for PostgreSQL, if this process is root. The folder is then theirs.
async fn unprivileged(folder: &Path) -> Option<String> {
    let id = async |arguments: &[&str]| {
        let output = Command::new("id")
            .args(arguments)
            .output()
            .await
            .expect("id runs");
        String::from_utf8(output.stdout)
            .expect("a number")
            .trim()
            .to_owned()
    };
    if id(&["-u"]).await != "0" {
        return None;
    }
    let owner = id(&["-u", "postgres"])
        .await
        .parse()
        .expect("Debian's package has made the user");
    std::os::unix::fs::chown(folder, Some(owner), None).expect("root may do that");
    Some("postgres".to_owned())
}

/// Starts a server and waits until it says that it is `ready`. Tries another port if the first is somebody else's.
async fn start<O: AsyncRead + Unpin + Send + 'static>(
    folder: TempDir,
    command: impl Fn(&Path, u16) -> Command,
    output: impl Fn(&mut Child) -> Option<O>,
    ready: &str,
) -> Server {
    for _ in 0..10 {
        let port = free_port();
        let started = command(folder.path(), port)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = started.expect("the server is installed");
        let mut lines = BufReader::new(output(&mut process).expect("a pipe")).lines();
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.contains(ready) {
                // The server must never find its pipe full.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Server {
                    port,
                    process,
                    _folder: folder,
                };
            }
        }
    }
    panic!("the server doesn't start");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}
