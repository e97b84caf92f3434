//! The choice of the reactor's poller: by the program, by the environment, and by a poller that the program brings. One such
//! poller injects faults, and nothing gets lost.
#![cfg(all(unix, not(miri)))]

use std::io;
use std::os::fd::RawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heist::io::{AsyncReadExt, AsyncWriteExt};
use heist::net::{TcpListener, TcpStream, UnixStream};
use heist::runtime::backend::{Backend, Event, Interest, Poller, PosixPoll, Ready};
use heist::runtime::{Builder, Runtime};
use heist::task::JoinSet;
use heist::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(240);

fn runtime(backend: Backend) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .reactor(backend)
        .build()
        .expect("a runtime")
}

/// Echoes some bytes over TCP, and waits for a timer meanwhile.
async fn works() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = heist::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await
    });
    let mut stream = TcpStream::connect(address).await?;
    sleep(Duration::from_millis(1)).await;
    stream.write_all(b"hello").await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    server.await.expect("no panic")?;
    assert_eq!(bytes, b"hello");
    Ok(())
}

#[test]
fn each_backend_serves_both_flavours() {
    for (backend, name) in [(Backend::Mio, "mio"), (Backend::Poll, "poll")] {
        let single = Builder::new_current_thread()
            .reactor(backend.clone())
            .build()
            .unwrap();
        for runtime in [single, runtime(backend.clone())] {
            assert_eq!(runtime.handle().backend(), name);
            let done = runtime.block_on(timeout(LONG, works()));
            done.expect("it doesn't hang").expect("it works");
        }
    }
}

#[test]
fn runtimes_with_different_backends_live_side_by_side() {
    let (one, other) = (runtime(Backend::Mio), runtime(Backend::Poll));
    let (mut here, mut there) = {
        let _entered = one.enter();
        UnixStream::pair().unwrap()
    };
    // Each belongs to the runtime in which it was made, whichever one polls it.
    let reader = other.spawn(async move {
        let mut byte = [0];
        here.read_exact(&mut byte).await.map(|_| byte)
    });
    one.block_on(timeout(LONG, async {
        there.write_all(b"x").await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), *b"x");
    }))
    .expect("it doesn't hang");
}

#[test]
fn a_foreign_event_loop_is_offered_a_descriptor_where_there_is_one() {
    let built = |backend| Builder::new_current_thread().reactor(backend).build();
    assert!(built(Backend::Mio).unwrap().descriptor().is_some());
    assert!(built(Backend::Poll).unwrap().descriptor().is_none());
}

/// Runs this test program again, for one test, with another environment.
fn child(test: &str, value: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("HEIST_REACTOR", value)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
#[ignore = "run by `the_environment_chooses_unless_the_program_does`"]
fn child_says_which() {
    let built = |backend| Builder::new_current_thread().reactor(backend).build();
    let name = |backend| match built(backend) {
        Ok(runtime) => runtime.handle().backend().to_owned(),
        Err(error) => format!("{:?}: {error}", error.kind()),
    };
    let [auto, mio, poll] = [Backend::Auto, Backend::Mio, Backend::Poll].map(name);
    let default = Builder::new_current_thread().build().is_ok();
    // Outside of a runtime there is the default reactor.
    let outside = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    println!("<{auto}|{mio}|{poll}|{default}|{}>", outside.is_ok());
}

#[test]
fn the_environment_chooses_unless_the_program_does() {
    let says = |value| child("child_says_which", value);
    let usual = if says("").contains("<mio|") {
        "mio"
    } else {
        "poll"
    };
    for (value, auto) in [("mio", "mio"), ("poll", "poll"), ("auto", usual)] {
        assert!(says(value).contains(&format!("<{auto}|mio|poll|true|true>")));
    }
    let said = says("epoll");
    assert!(said.contains("<InvalidInput: the environment variable HEIST_REACTOR must be"));
    assert!(said.contains("\"epoll\"|mio|poll|false|false>"));
}

/// What a poller of the program's own has been asked, and how it misbehaves.
#[derive(Default)]
struct Record {
    waits: AtomicUsize,
    reports: AtomicUsize,
    registrations: AtomicUsize,
}

/// Counts, and changes nothing.
struct Counting(PosixPoll, Arc<Record>);

impl Poller for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
        self.0.register(fd, token, interest)
    }

    fn rearm(&self, token: usize, interest: Interest) {
        self.0.rearm(token, interest);
    }

    fn deregister(&self, fd: RawFd, token: usize) -> io::Result<()> {
        self.0.deregister(fd, token)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        // Ordering: Relaxed: a count.
        self.1.waits.fetch_add(1, Ordering::Relaxed);
        self.0.wait(events, timeout)?;
        // Ordering: Relaxed: a count.
        self.1.reports.fetch_add(events.len(), Ordering::Relaxed);
        Ok(())
    }

    fn notify(&self) {
        self.0.notify();
    }
}

#[test]
fn the_program_brings_its_own() {
    let record = Arc::new(Record::default());
    let made = record.clone();
    let backend = Backend::custom(move || Ok(Counting(PosixPoll::new()?, made.clone())));
    // Each runtime gets one.
    for runtime in [runtime(backend.clone()), runtime(backend)] {
        assert_eq!(runtime.handle().backend(), "counting");
        let before = record.reports.load(Ordering::Relaxed);
        let done = runtime.block_on(timeout(LONG, works()));
        done.expect("it doesn't hang").expect("it works");
        assert!(record.reports.load(Ordering::Relaxed) > before);
    }
}

#[test]
fn a_poller_that_cant_be_made_is_an_error_of_build() {
    let backend = Backend::custom(|| Err::<PosixPoll, _>(io::Error::other("no poller today")));
    let error = Builder::new_multi_thread()
        .reactor(backend)
        .build()
        .unwrap_err();
    assert_eq!(error.to_string(), "no poller today");
}

#[test]
fn what_nobody_reads_wakes_nobody() {
    let record = Arc::new(Record::default());
    let made = record.clone();
    let backend = Backend::custom(move || Ok(Counting(PosixPoll::new()?, made.clone())));
    let runtime = Builder::new_current_thread()
        .reactor(backend)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        there.write_all(b"much that nobody reads").await.unwrap();
        here.readable().await.unwrap();
        let waits = || record.waits.load(Ordering::Relaxed);
        let before = waits();
        for _ in 0..20 {
            sleep(Duration::from_millis(1)).await;
        }
        // Some for each timer, not one after the other.
        assert!(waits() - before < 200, "{}", waits() - before);
        let mut bytes = [0; 32];
        assert_eq!(here.read(&mut bytes).await.unwrap(), 22);
    });
}

/// Does everything that the contract allows, and some things that it forbids.
struct Faulty {
    poll: PosixPoll,
    record: Arc<Record>,
    seed: AtomicU64,
    /// Tokens, old and new.
    tokens: Mutex<Vec<usize>>,
}

impl Faulty {
    /// True once in `n` times.
    fn once_in(&self, n: u64) -> bool {
        self.random().is_multiple_of(n)
    }

    fn random(&self) -> u64 {
        // Ordering: Relaxed: any order is random enough.
        let seed = self
            .seed
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// An event that has no cause: for a source that is there, for one that has left, or for none.
    fn spurious(&self) -> Event {
        let tokens = self.tokens.lock().unwrap();
        let random = self.random() as usize;
        let token = match random % 4 {
            0 => random,
            1 => usize::MAX - random % 3,
            _ if tokens.is_empty() => 0,
            _ => tokens[random / 4 % tokens.len()],
        };
        let parts = [
            Ready::READABLE,
            Ready::WRITABLE,
            Ready::READABLE | Ready::WRITABLE,
            Ready::EMPTY,
        ];
        Event {
            token,
            ready: parts[random / 16 % 4],
        }
    }
}

impl Poller for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
        // Ordering: Relaxed: a count.
        let count = self.record.registrations.fetch_add(1, Ordering::Relaxed);
        if count % 80 == 40 {
            std::panic::resume_unwind(Box::new("a fault in register"));
        } else if count.is_multiple_of(20) {
            return Err(io::Error::other("refused"));
        }
        self.tokens.lock().unwrap().push(token);
        self.poll.register(fd, token, interest)
    }

    fn rearm(&self, token: usize, interest: Interest) {
        self.poll.rearm(token, interest);
    }

    fn deregister(&self, fd: RawFd, token: usize) -> io::Result<()> {
        self.poll.deregister(fd, token)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        match self.random() % 40 {
            0 => return Err(io::ErrorKind::Interrupted.into()),
            1 => return Err(io::Error::other("a wait that fails")),
            2 => return Ok(()),
            3 => events.extend((0..5).map(|_| self.spurious())),
            4 if self.once_in(8) => std::panic::resume_unwind(Box::new("a fault in wait")),
            _ => {}
        }
        // It never sleeps for long, as `notify` forgets some calls: they come late.
        let short = Duration::from_micros(500);
        let timeout = Some(timeout.map_or(short, |timeout| timeout.min(short)));
        self.poll.wait(events, timeout)?;
        // In any order, some of them twice.
        let again = events.first().copied();
        events.extend(again.filter(|_| self.once_in(4)));
        events.reverse();
        Ok(())
    }

    fn notify(&self) {
        if !self.once_in(3) {
            self.poll.notify();
        }
    }
}

/// Tries again what the poller has refused.
async fn until_registered<T>(mut attempt: impl AsyncFnMut() -> io::Result<T>) -> T {
    for _ in 0..200 {
        if let Ok(value) = attempt().await {
            return value;
        }
    }
    panic!("refused too often");
}

/// Sends bytes that depend on `number` there and back, in pieces, more than the system's buffers hold.
async fn exchange(number: usize) {
    const LENGTH: usize = 700_000;
    let sent: Vec<u8> = (0..LENGTH).map(|i| (i * 31 + number) as u8).collect();
    let (here, there) = until_registered(async || UnixStream::pair()).await;
    let echo = heist::spawn(async move {
        let (mut reader, mut writer) = there.into_split();
        heist::io::copy(&mut reader, &mut writer).await
    });
    let (mut reader, mut writer) = here.into_split();
    let copy = sent.clone();
    let write = heist::spawn(async move {
        for piece in copy.chunks(10_007) {
            writer.write_all(piece).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    reader.read_to_end(&mut back).await.unwrap();
    let echoed = echo.await.unwrap();
    assert!(back == sent, "{} of {LENGTH} bytes, {echoed:?}", back.len());
    write.await.unwrap();
    assert_eq!(echoed.unwrap(), LENGTH as u64);
}

#[test]
fn nothing_is_lost_with_a_poller_that_is_at_fault() {
    let record = Arc::new(Record::default());
    let made = record.clone();
    let runtime = runtime(Backend::custom(move || {
        Ok(Faulty {
            poll: PosixPoll::new()?,
            record: made.clone(),
            seed: AtomicU64::new(1),
            tokens: Mutex::default(),
        })
    }));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            tasks.spawn(timeout(LONG, exchange(number)));
        }
        for _ in 0..40 {
            tasks.spawn(timeout(LONG, async {
                let before = Instant::now();
                sleep(Duration::from_millis(5)).await;
                assert!(before.elapsed() >= Duration::from_millis(5));
            }));
            tasks.spawn(timeout(LONG, async {
                // It connects or is refused, and doesn't hang.
                let _ = works().await;
            }));
        }
        for done in tasks.join_all().await {
            done.expect("it doesn't hang");
        }
    });
    assert!(record.registrations.load(Ordering::Relaxed) > 100);
}
