//! Child processes.

use std::process::Stdio;
use std::sync::mpsc;

use heist::event_loop::{SubprocessProtocol, SubprocessTransport};
use heist::process::Command;
use heist::signal::unix::SignalKind;

use super::{on_all, pattern, told};

#[derive(Debug, PartialEq)]
enum Told {
    Made,
    Data(i32, Vec<u8>),
    Closed(i32, Option<std::io::ErrorKind>),
    Exited,
    Lost,
}

struct Records {
    told: mpsc::Sender<Told>,
    panics: bool,
}

impl SubprocessProtocol for Records {
    fn connection_made(&mut self, _: SubprocessTransport) {
        let _ = self.told.send(Told::Made);
    }

    fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
        assert!(!self.panics, "as the test wants it");
        let _ = self.told.send(Told::Data(fd, data.to_vec()));
    }

    fn pipe_connection_lost(&mut self, fd: i32, error: Option<std::io::Error>) {
        let _ = self
            .told
            .send(Told::Closed(fd, error.map(|error| error.kind())));
    }

    fn process_exited(&mut self) {
        let _ = self.told.send(Told::Exited);
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        let _ = self.told.send(Told::Lost);
    }
}

fn records(panics: bool) -> (Records, mpsc::Receiver<Told>) {
    let (told, receiver) = mpsc::channel();
    (Records { told, panics }, receiver)
}

/// Everything that is told, up to the end.
async fn all(receiver: &mpsc::Receiver<Told>) -> Vec<Told> {
    let mut all = Vec::new();
    while all.last() != Some(&Told::Lost) {
        match receiver.try_recv() {
            Ok(told) => all.push(told),
            Err(_) => heist::time::sleep(heist::time::Duration::from_millis(1)).await,
        }
    }
    all
}

fn data(all: &[Told], wanted: i32) -> Vec<u8> {
    let pieces = all.iter().filter_map(|told| match told {
        Told::Data(fd, data) if *fd == wanted => Some(&data[..]),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

#[test]
fn a_child_speaks_by_its_pipes_and_all_is_told_before_the_end() {
    on_all(async |event_loop| {
        let (records, receiver) = records(false);
        let line = "echo out; echo err >&2; exit 3";
        let transport = event_loop.subprocess_shell(|| records, line).await.unwrap();
        assert!(transport.get_pid() > 0);
        let all = all(&receiver).await;
        assert_eq!(all[0], Told::Made);
        assert_eq!(
            (data(&all, 1), data(&all, 2)),
            (b"out\n".to_vec(), b"err\n".to_vec())
        );
        for fd in 0..3 {
            assert_eq!(
                all.iter()
                    .filter(|told| **told == Told::Closed(fd, None))
                    .count(),
                1,
                "{all:?}"
            );
        }
        assert_eq!(all.iter().filter(|told| **told == Told::Exited).count(), 1);
        assert_eq!(transport.get_returncode().unwrap().code(), Some(3));
        assert!(transport.is_closing() && transport.get_pipe_transport(1).is_none());
        assert!(transport.kill().is_err());
        transport.close();
    });
}

#[test]
fn a_child_is_written_to_and_its_output_is_whole() {
    on_all(async |event_loop| {
        let (records, receiver) = records(false);
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let transport = event_loop
            .subprocess_exec(|| records, command)
            .await
            .unwrap();
        let stdin = transport.get_pipe_transport(0).unwrap();
        assert!(transport.get_pipe_transport(2).is_none());
        assert!(transport.get_pipe_transport(3).is_none());
        stdin.write(&pattern(1_000_000));
        stdin.close();
        let all = all(&receiver).await;
        assert!(data(&all, 1) == pattern(1_000_000));
        assert!(transport.get_returncode().unwrap().success());
    });
}

#[test]
fn a_child_can_be_sent_signals() {
    use std::os::unix::process::ExitStatusExt as _;
    on_all(async |event_loop| {
        type Sends = fn(&SubprocessTransport);
        let signals: [(Sends, i32); 4] = [
            (|child| child.terminate().unwrap(), 15),
            (|child| child.kill().unwrap(), 9),
            // Not the one of hang-up, which whoever started the tests may have had ignored (`nohup`).
            (
                |child| child.send_signal(SignalKind::user_defined1()).unwrap(),
                SignalKind::user_defined1().as_raw_value(),
            ),
            (SubprocessTransport::close, 9),
        ];
        for (send, signal) in signals {
            let (records, receiver) = records(false);
            let mut command = Command::new("sleep");
            command.arg("1000").stdin(Stdio::piped());
            let transport = event_loop
                .subprocess_exec(|| records, command)
                .await
                .unwrap();
            assert!(transport.get_returncode().is_none());
            assert!(transport.send_signal(SignalKind::from_raw(12345)).is_err());
            send(&transport);
            all(&receiver).await;
            assert_eq!(transport.get_returncode().unwrap().signal(), Some(signal));
        }
    });
}

#[test]
fn a_panic_kills_the_child() {
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let (records, receiver) = records(true);
        let line = "echo x; exec sleep 1000";
        let transport = event_loop.subprocess_shell(|| records, line).await.unwrap();
        all(&receiver).await;
        assert!(!transport.get_returncode().unwrap().success());
        assert_eq!(
            told.recv().unwrap(),
            "a protocol panicked in a callback of a pipe: as the test wants it"
        );
    });
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    on_all(async |event_loop| {
        let (records, receiver) = records(false);
        let command = Command::new("/nowhere/at/all");
        let error = event_loop
            .subprocess_exec(|| records, command)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(receiver.try_recv().is_err());
    });
}

/// Takes its time for what two pipes flood it with, and kills the child on the way.
struct Flooded {
    told: mpsc::Sender<Told>,
    transport: Option<SubprocessTransport>,
    taken: u32,
}

impl SubprocessProtocol for Flooded {
    fn connection_made(&mut self, transport: SubprocessTransport) {
        self.transport = Some(transport);
    }

    fn pipe_data_received(&mut self, _: i32, _: &[u8]) {
        std::thread::sleep(std::time::Duration::from_millis(1));
        self.taken += 1;
        if self.taken == 10 {
            self.transport.as_ref().unwrap().kill().unwrap();
        }
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        let _ = self.told.send(Told::Lost);
    }
}

#[test]
fn a_child_that_floods_its_pipes_can_be_killed() {
    on_all(async |event_loop| {
        let (told, receiver) = mpsc::channel();
        let flooded = Flooded {
            told,
            transport: None,
            taken: 0,
        };
        let mut command = Command::new("sh");
        command.args(["-c", "cat /dev/zero >&2 & exec cat /dev/zero"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let transport = event_loop
            .subprocess_exec(|| flooded, command)
            .await
            .unwrap();
        let group = format!("-{}", transport.get_pid());
        while transport.get_returncode().is_none() {
            heist::time::sleep(heist::time::Duration::from_millis(1)).await;
        }
        // Its own child floods on.
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-9", "--", &group]).status().unwrap().success());
        all(&receiver).await;
    });
}

#[test]
fn a_child_whose_start_is_given_up_is_killed() {
    on_all(async |event_loop| {
        // Polled a number of times, then dropped.
        for polls in 0..10 {
            let (records, receiver) = records(false);
            let mut command = Command::new("sleep");
            command
                .arg("1000")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut start = Box::pin(event_loop.subprocess_exec(|| records, command));
            let done = super::poll_times(start.as_mut(), polls).await;
            drop(start);
            if let Some(transport) = done {
                transport.unwrap().close();
            }
            // It ends in any case, and so its protocol is dropped.
            while receiver.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                heist::time::sleep(heist::time::Duration::from_millis(1)).await;
            }
        }
    });
}
