//! The list of a poller made of `poll(2)`: registering, rearming, leaving and notifying against a wait that begins, goes on or
//! ends. An arming that is lost, or a bell that isn't heard, shows as a deadlock.
//!
//! mio's pollers have no model of this kind: their list is the kernel's, and their `rearm` does nothing.
#![cfg(unix)]

use std::future::poll_fn;
use std::io;
use std::os::fd::RawFd;
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use heist_reactor::protocol::{
    Asked, Errno, Event, File, Interest, News, PollFlags, Source, System, Table, Watchlist,
};
use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::block_on::block_on;
use loom_tests::{Census, model};

/// The first descriptor.
const FD: RawFd = 3;

/// Files with some data each, and which of them the descriptors name.
struct Machine {
    bell: bool,
    data: [usize; 2],
    open: [Option<usize>; 2],
    /// What the `poll` under way waits for.
    waits_for: Vec<RawFd>,
}

/// A system that is made up.
#[derive(Clone)]
struct Kernel(Arc<(Mutex<Machine>, Condvar)>);

impl Kernel {
    /// The descriptors name these files.
    fn new(open: [Option<usize>; 2]) -> Self {
        let machine = Machine {
            bell: false,
            data: [0; 2],
            open,
            waits_for: Vec::new(),
        };
        Self(Arc::new((Mutex::new(machine), Condvar::new())))
    }

    /// Data comes for a file.
    fn put(&self, file: usize) {
        self.0.0.lock().data[file] += 1;
        self.0.1.notify_all();
    }

    /// A read that takes one piece. Returns whether there was one.
    fn take(&self, fd: RawFd) -> bool {
        let mut machine = self.0.0.lock();
        let file = machine.open[(fd - FD) as usize].expect("it is open");
        let there = machine.data[file] > 0;
        machine.data[file] -= usize::from(there);
        there
    }

    fn close(&self, fd: RawFd) {
        let mut machine = self.0.0.lock();
        assert!(
            !machine.waits_for.contains(&fd),
            "the system holds it open still"
        );
        machine.open[(fd - FD) as usize] = None;
    }

    fn open(&self, fd: RawFd, file: usize) {
        self.0.0.lock().open[(fd - FD) as usize] = Some(file);
    }
}

impl System for Kernel {
    fn file(&self, fd: RawFd) -> io::Result<File> {
        let file = self.0.0.lock().open[(fd - FD) as usize];
        Ok((0, file.expect("it is open") as u64))
    }

    unsafe fn poll(&self, asked: &mut [Asked], timeout: Option<Duration>) -> Result<bool, Errno> {
        let mut machine = self.0.0.lock();
        loop {
            let mut returns = machine.bell || timeout == Some(Duration::ZERO);
            for one in &mut *asked {
                let file = machine.open[(one.fd - FD) as usize].expect("closed in a wait for it");
                if one.wanted.contains(PollFlags::IN) && machine.data[file] > 0 {
                    one.found = PollFlags::IN;
                    returns = true;
                }
            }
            if returns {
                return Ok(machine.bell);
            }
            machine.waits_for = asked.iter().map(|one| one.fd).collect();
            self.0.1.wait(&mut machine);
            machine.waits_for.clear();
        }
    }

    fn ring(&self) {
        self.0.0.lock().bell = true;
        self.0.1.notify_all();
    }

    fn silence(&self) {
        self.0.0.lock().bell = false;
    }
}

/// The list, and what a reactor has besides.
struct Scene {
    kernel: Kernel,
    list: Watchlist<Kernel>,
    table: Table<Source>,
    over: AtomicBool,
}

impl Scene {
    fn new(kernel: Kernel) -> Arc<Self> {
        Arc::new(Self {
            list: Watchlist::new(kernel.clone()),
            kernel,
            table: Table::new(1),
            over: AtomicBool::new(false),
        })
    }

    /// Waits and hands out, again and again, as the holder of the poller does.
    fn serve(&self) {
        // Ordering: Relaxed: the list's lock publishes it, as it is stored before `notify`.
        while !self.over.load(Ordering::Relaxed) {
            let (mut events, mut wakers) = (Vec::new(), Vec::new());
            self.list.wait(&mut events, None).expect("no error");
            for Event { token, .. } in events {
                let tell = |source: &Source| source.tell(News::READY, News::NONE, &mut wakers);
                self.table.with(token, tell);
            }
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Makes `serve` return.
    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.list.notify();
    }

    fn register(&self, fd: RawFd, news: News) -> (usize, Arc<Source>) {
        let source = Arc::new(Source::new(news));
        let token = self.table.insert(0, source.clone()).expect("open");
        let registered = self.list.register(fd, token, Interest::READABLE);
        registered.expect("it can be watched");
        (token, source)
    }

    fn deregister(&self, token: usize) {
        self.list.deregister(token).expect("it is registered");
        assert!(self.table.remove(0, token).is_some());
    }

    /// Reads one piece as soon as there is one. `in_vain` is told of each read that finds nothing.
    fn read(&self, fd: RawFd, (token, source): &(usize, Arc<Source>), in_vain: impl Fn()) {
        block_on(poll_fn(|cx| {
            loop {
                let seen = ready!(source.read.poll(cx));
                if self.kernel.take(fd) {
                    return Poll::Ready(());
                }
                in_vain();
                source.read.clear(seen);
                self.list.rearm(*token, Interest::READABLE);
            }
        }));
    }
}

/// Data comes twice, while a reader that finds nothing rearms, and an event of before is on its way. The reader gets both.
#[test]
fn a_part_that_is_rearmed_is_reported_again() {
    let census = Census::new(&["found nothing", "found both"]);
    let counted = census.clone();
    let name = "a_part_that_is_rearmed_is_reported_again";
    model(name, Some(3), move || {
        let scene = Scene::new(Kernel::new([Some(0), None]));
        let serving = thread::spawn({
            let scene = scene.clone();
            move || scene.serve()
        });
        let device = thread::spawn({
            let kernel = scene.kernel.clone();
            move || {
                kernel.put(0);
                kernel.put(0);
            }
        });
        let registered = scene.register(FD, News::NONE);
        let vain = std::cell::Cell::new(false);
        scene.read(FD, &registered, || vain.set(true));
        scene.read(FD, &registered, || vain.set(true));
        counted.saw(["found both", "found nothing"][usize::from(vain.get())]);
        scene.end();
        device.join().unwrap();
        serving.join().unwrap();
    });
    census.assert_all_seen();
}

/// A descriptor is deregistered and closed during a wait, and another file takes its number. Nobody waits for what is closed, the
/// events of the old file don't reach the new one, and those of the new one do.
#[test]
fn a_descriptor_that_takes_the_number_of_another_has_its_own_events() {
    let name = "a_descriptor_that_takes_the_number_of_another_has_its_own_events";
    model(name, Some(3), || {
        let scene = Scene::new(Kernel::new([Some(0), None]));
        let (old, _) = scene.register(FD, News::NONE);
        let serving = thread::spawn({
            let scene = scene.clone();
            move || scene.serve()
        });
        let device = thread::spawn({
            let kernel = scene.kernel.clone();
            move || {
                kernel.put(0);
                kernel.put(1);
            }
        });
        scene.deregister(old);
        scene.kernel.close(FD);
        scene.kernel.open(FD, 1);
        let new = scene.register(FD, News::NONE);
        scene.read(FD, &new, || panic!("it was told of another's event"));
        scene.end();
        device.join().unwrap();
        serving.join().unwrap();
    });
}

/// Two descriptors leave during a wait. Each may be closed at once.
#[test]
fn two_that_leave_in_a_wait_are_both_let_go() {
    model("two_that_leave_in_a_wait_are_both_let_go", Some(3), || {
        let scene = Scene::new(Kernel::new([Some(0), Some(1)]));
        let leaving = [FD, FD + 1].map(|fd| (fd, scene.register(fd, News::NONE).0));
        let serving = thread::spawn({
            let scene = scene.clone();
            move || scene.serve()
        });
        let [one, other] = leaving.map(|(fd, token)| {
            let scene = scene.clone();
            move || {
                scene.deregister(token);
                scene.kernel.close(fd);
            }
        });
        let one = thread::spawn(one);
        other();
        one.join().unwrap();
        scene.end();
        serving.join().unwrap();
    });
}

/// A wait begins while it is notified, and while another change rings. It ends, and so does the next one, which is notified
/// again.
#[test]
fn a_notification_ends_the_wait_or_the_next() {
    model("a_notification_ends_the_wait_or_the_next", Some(3), || {
        let scene = Scene::new(Kernel::new([Some(0), None]));
        let notifying = thread::spawn({
            let scene = scene.clone();
            move || scene.list.notify()
        });
        let registering = thread::spawn({
            let scene = scene.clone();
            move || scene.register(FD, News::NONE)
        });
        let mut events = Vec::new();
        scene.list.wait(&mut events, None).unwrap();
        notifying.join().unwrap();
        scene.list.notify();
        scene.list.wait(&mut events, None).unwrap();
        assert_eq!(events, [], "nothing was there");
        registering.join().unwrap();
    });
}
