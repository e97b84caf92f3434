//! What the operating system says about a thread of this process. Only Linux says something.

use std::time::Duration;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU32;

/// Whether the operating system says something about threads that are known.
pub(crate) const TELLS: bool = cfg!(all(target_os = "linux", not(any(miri, heist_loom))));

/// A thread's number with the operating system; 0 if it isn't known.
#[derive(Debug)]
pub(crate) struct Tid(AtomicU32);

impl Tid {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets it to this thread.
    pub(crate) fn set_here(&self) {
        // Ordering: hint only, here and below.
        self.0.store(here(), Ordering::Relaxed);
    }

    /// Sets it to no known thread, until `set_here` is called.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The thread's number.
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether the thread sleeps in the kernel at the moment. False if the operating system doesn't say.
pub(crate) fn is_blocked(thread: u32) -> bool {
    blocks(thread) == Some(true)
}

/// As [`is_blocked`]. `None` if the operating system doesn't say: it may be out of descriptors.
pub(crate) fn blocks(thread: u32) -> Option<bool> {
    system::letter(thread).map(|letter| matches!(letter, 'S' | 'D'))
}

/// How long the thread has had a processor since it began. `None` if the operating system doesn't say.
pub(crate) fn cpu_time(thread: u32) -> Option<Duration> {
    system::cpu_time(thread)
}

/// What the thread does, in the words of the operating system.
pub(crate) fn describe(thread: u32) -> Option<String> {
    let state = match system::letter(thread)? {
        'R' => return Some("running".to_owned()),
        'S' => "sleeping",
        'D' => "waiting for a disk or the like",
        'T' | 't' => "stopped",
        _ => return None,
    };
    Some(match system::place(thread) {
        Some(place) => format!("{state}, in the kernel's {place}"),
        None => state.to_owned(),
    })
}

/// This thread's number.
pub(crate) fn here() -> u32 {
    if cfg!(heist_loom) {
        return 0;
    }
    system::here()
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::time::Duration;

    pub(super) fn here() -> u32 {
        rustix::thread::gettid().as_raw_nonzero().get() as u32
    }

    /// The letter for its state.
    pub(super) fn letter(thread: u32) -> Option<char> {
        let stat = read(thread, "stat")?;
        // It follows the name, which is in parentheses and may hold any byte but a NUL.
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// The kernel function that it sleeps in.
    pub(super) fn place(thread: u32) -> Option<String> {
        read(thread, "wchan").filter(|place| !place.is_empty() && place != "0")
    }

    fn read(thread: u32, file: &str) -> Option<String> {
        if thread == 0 {
            return None;
        }
        let bytes = std::fs::read(format!("/proc/self/task/{thread}/{file}")).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn cpu_time(thread: u32) -> Option<Duration> {
        /// The kernel names a thread's clock by its number negated, above these bits. They say that the clock is a
        /// thread's and counts all its time (`clock_getcpuclockid(3)`).
        const THREAD_CLOCK: i32 = 0b110;
        if thread == 0 {
            return None;
        }
        let clock = (!(thread as i32) << 3) | THREAD_CLOCK;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the kernel writes to `time` and nothing else; a clock that is gone is an error.
        let answer = unsafe { libc::clock_gettime(clock, &mut time) };
        (answer == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

#[cfg(miri)]
mod system {
    //! Under Miri each known thread is reported as sleeping whenever it is asked for. So loans are called in under Miri
    //! too, at the most unlikely moments.

    use std::time::Duration;

    pub(super) fn here() -> u32 {
        heist_sync::sys::thread::number() as u32 + 1
    }

    pub(super) fn letter(thread: u32) -> Option<char> {
        (thread != 0).then_some('S')
    }

    pub(super) fn place(_: u32) -> Option<String> {
        None
    }

    pub(super) fn cpu_time(_: u32) -> Option<Duration> {
        None
    }
}

#[cfg(not(any(target_os = "linux", miri)))]
mod system {
    use std::time::Duration;

    pub(super) fn here() -> u32 {
        0
    }

    pub(super) fn letter(_: u32) -> Option<char> {
        None
    }

    pub(super) fn place(_: u32) -> Option<String> {
        None
    }

    pub(super) fn cpu_time(_: u32) -> Option<Duration> {
        None
    }
}

#[cfg(all(test, target_os = "linux", not(any(heist_loom, miri))))]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_blocked_and_one_that_computes_gets_processor_time() {
        let (tell, told) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(here()).unwrap();
            let _ = ends.recv();
        });
        let sleeper = told.recv().unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        while !is_blocked(sleeper) {
            assert!(Instant::now() < limit, "it sleeps by now");
        }
        assert!(describe(sleeper).unwrap().starts_with("sleeping"));
        assert!(!is_blocked(here()));
        let before = cpu_time(here()).unwrap();
        while cpu_time(here()).unwrap() == before {}
        drop(end);
        thread.join().unwrap();
        assert_eq!(cpu_time(0), None);
        assert!(!is_blocked(0));
    }
}
