//! Threads that finish a poll without a worker: they blocked in the poll, and another thread has their worker by now.
//!
//! There may be more of them than workers, and the poll can't be taken from them. Their number is bounded as follows:
//! - A thread that announced that it blocks ([`block_in_place`](crate::task::block_in_place)) comes back through
//!   [`Adrift::go_on`]. If as many threads go on already as there may be spares, it waits in line. It leaves the line
//!   when one of them ends its poll or blocks, or when no thread has been let in for an interval. The interval is there
//!   because one of those threads may wait for something that this thread holds.
//! - A thread that blocked without announcing it goes on when the operating system lets it. It is the thread of a spare
//!   that was replaced, or one of those that were let in. The lookout counts the threads that compute. While there are
//!   too many, it gives no other blocked thread's worker away (`lookout.rs`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heist_sync::sys::{Arc, Condvar, Mutex};

use super::thread_state::{cpu_time, is_blocked};

/// How long the first in line waits, at least, before it asks again whether the threads that go on block. A thread that
/// sleeps for less than this counts as going on.
const GLANCE: Duration = Duration::from_micros(200);

/// The threads of one runtime that are in a poll without a worker.
pub struct Adrift {
    line: Mutex<Line>,
}

struct Line {
    /// Threads that blocked without announcing it.
    silent: Vec<Silent>,
    /// Threads that came back and go on.
    going: Vec<Going>,
    /// Threads that came back and wait. Each is represented by the condition variable that wakes it.
    waiting: VecDeque<Arc<Condvar>>,
    /// When a thread was let in last.
    last: Option<Instant>,
}

struct Going {
    thread: u32,
    /// Set while it sleeps: since when, and its processor time at that moment.
    asleep: Option<(Instant, Option<Duration>)>,
}

struct Silent {
    thread: u32,
    /// How much processor time it had used at the last look.
    cpu_time: Option<Duration>,
}

impl Line {
    fn is_first(&self, moves: &Arc<Condvar>) -> bool {
        self.waiting
            .front()
            .is_some_and(|first| Arc::ptr_eq(first, moves))
    }

    /// Makes the first in line look again.
    fn tell(&self) {
        if let Some(first) = self.waiting.front() {
            first.notify_one();
        }
    }

    fn add_silent(&mut self, thread: u32) {
        let cpu_time = cpu_time(thread);
        self.silent.push(Silent { thread, cpu_time });
    }

    /// Threads that go on but block no longer count as going.
    fn set_aside(&mut self) {
        let now = Instant::now();
        let blocked = self.going.extract_if(.., |it| it.blocks(now));
        let blocked: Vec<_> = blocked.collect();
        blocked
            .into_iter()
            .for_each(|it| self.add_silent(it.thread));
    }

    /// The thread has ended its poll, or announces that it blocks.
    fn strike(&mut self, thread: u32) {
        if let Some(at) = self.going.iter().position(|it| it.thread == thread) {
            self.going.swap_remove(at);
        } else if let Some(at) = self.silent.iter().position(|it| it.thread == thread) {
            self.silent.swap_remove(at);
        }
    }
}

impl Going {
    /// Whether it has slept for [`GLANCE`] without running in between.
    fn blocks(&mut self, now: Instant) -> bool {
        if !is_blocked(self.thread) {
            self.asleep = None;
            return false;
        }
        let time = cpu_time(self.thread);
        match self.asleep {
            Some((since, before)) if before == time => now - since >= GLANCE,
            _ => {
                self.asleep = Some((now, time));
                false
            }
        }
    }
}

impl Adrift {
    /// Nobody yet.
    pub fn new() -> Self {
        Self {
            line: Mutex::new(Line {
                silent: Vec::new(),
                going: Vec::new(),
                waiting: VecDeque::new(),
                last: None,
            }),
        }
    }

    /// Called by a thread that comes back from blocking and goes on without its worker. Returns at once if fewer than
    /// `bound` go on, else when it is this thread's turn. Must be followed by [`stop`](Self::stop).
    pub fn go_on(&self, thread: u32, bound: usize, interval: Duration) {
        let mut line = self.line.lock();
        let moves = Arc::new(Condvar::new());
        line.waiting.push_back(moves.clone());
        while !line.is_first(&moves) {
            moves.wait(&mut line);
        }
        while line.going.len() >= bound {
            let asked = Instant::now();
            line.set_aside();
            if line.going.len() < bound {
                break;
            }
            // Asking takes only a small part of the time.
            let pause = GLANCE.max(16 * asked.elapsed());
            let waited = line.last.map_or(interval, |last| last.elapsed());
            if waited >= interval {
                break;
            }
            moves.wait_for(&mut line, pause.min(interval - waited));
        }
        line.waiting.pop_front();
        line.going.push(Going {
            thread,
            asleep: None,
        });
        line.last = Some(Instant::now());
        line.tell();
    }

    /// The thread has ended its poll, or announces that it blocks.
    pub fn stop(&self, thread: u32) {
        let mut line = self.line.lock();
        line.strike(thread);
        line.tell();
    }

    /// The thread blocked without announcing it, and has lost its worker. Must be followed by [`stop`](Self::stop).
    pub(crate) fn replace(&self, thread: u32) {
        self.line.lock().add_silent(thread);
    }

    /// How many threads compute: those that were let in and don't block, and those of the others that have used
    /// processor time since the last call.
    pub(crate) fn computing(&self) -> usize {
        let mut line = self.line.lock();
        line.set_aside();
        let mut computing = line.going.len();
        for one in &mut line.silent {
            let now = cpu_time(one.thread);
            computing += usize::from(now > one.cpu_time);
            one.cpu_time = now;
        }
        computing
    }
}

impl Default for Adrift {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Adrift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line.lock();
        f.debug_struct("Adrift")
            .field("silent", &line.silent.len())
            .field("going", &line.going.len())
            .field("waiting", &line.waiting.len())
            .finish()
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::workers::thread_state::here;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    #[cfg_attr(miri, ignore = "each thread sleeps whenever it is asked for")]
    fn as_many_go_on_as_may_and_each_that_stops_lets_the_next_one_in() {
        let adrift = Arc::new(Adrift::new());
        let (going, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..20)
            .map(|_| {
                let (adrift, going, most) = (adrift.clone(), going.clone(), most.clone());
                std::thread::spawn(move || {
                    adrift.go_on(here(), 2, LONG);
                    most.fetch_max(going.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    going.fetch_sub(1, Ordering::SeqCst);
                    adrift.stop(here());
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(adrift.computing(), 0);
    }

    #[test]
    fn nobody_waits_for_ever_behind_those_who_never_stop() {
        let adrift = Adrift::new();
        for _ in 0..4 {
            adrift.go_on(here(), 1, Duration::from_millis(1));
        }
        assert_eq!(adrift.computing(), 4);
    }

    #[test]
    #[cfg_attr(
        any(miri, not(target_os = "linux")),
        ignore = "nobody says that it blocks"
    )]
    fn those_that_were_let_in_and_block_keep_nobody_in_line() {
        let adrift = Arc::new(Adrift::new());
        let (ends, end) = std::sync::mpsc::channel::<()>();
        let end = Arc::new(std::sync::Mutex::new(end));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (adrift, end) = (adrift.clone(), end.clone());
                std::thread::spawn(move || {
                    adrift.go_on(here(), 2, LONG);
                    let _ = end.lock().map(|end| end.recv());
                    adrift.stop(here());
                })
            })
            .collect();
        adrift.go_on(here(), 2, LONG);
        let let_in = |line: &Line| line.going.len() + line.silent.len();
        while let_in(&adrift.line.lock()) < 9 {
            std::thread::yield_now();
        }
        while adrift.computing() > 1 {
            std::thread::yield_now();
        }
        adrift.stop(here());
        drop(ends);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let line = adrift.line.lock();
        assert!(line.going.is_empty() && line.silent.is_empty());
    }

    #[test]
    fn a_thread_that_was_replaced_counts_while_it_computes_and_is_forgotten_at_the_end() {
        let adrift = Adrift::new();
        let here = here();
        adrift.replace(here);
        if cfg!(all(target_os = "linux", not(miri))) {
            let before = cpu_time(here);
            while cpu_time(here) == before {}
            assert_eq!(adrift.computing(), 1);
        }
        adrift.stop(here);
        adrift.stop(here);
        assert_eq!(adrift.computing(), 0);
    }
}
