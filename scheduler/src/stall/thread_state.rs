//! What the operating system says of a thread of this process. Linux says something; elsewhere there is no answer.

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU32;

/// A thread's number with the operating system; 0 where it isn't known.
#[derive(Debug)]
pub(crate) struct Tid(AtomicU32);

impl Tid {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// It is this thread.
    pub(crate) fn set_here(&self) {
        if cfg!(heist_loom) {
            return;
        }
        // Ordering: hint only.
        self.0.store(here(), Ordering::Relaxed);
    }

    /// What the thread does, in the words of the operating system.
    pub(crate) fn state(&self) -> Option<String> {
        // Ordering: hint only.
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            number => state(number),
        }
    }
}

/// This thread's number.
#[cfg(target_os = "linux")]
fn here() -> u32 {
    // A link to <process>/task/<thread>.
    let link = std::fs::read_link("/proc/thread-self").ok();
    link.and_then(|path| path.file_name()?.to_str()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(target_os = "linux")]
fn state(number: u32) -> Option<String> {
    let read = |file| std::fs::read_to_string(format!("/proc/self/task/{number}/{file}")).ok();
    let stat = read("stat")?;
    // The state follows the name, which is in parentheses and may hold any byte but a NUL.
    let letter = stat.rsplit_once(") ")?.1.chars().next()?;
    let state = match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting for a disk or the like",
        'T' | 't' => "stopped",
        _ => return None,
    };
    let place = read("wchan").filter(|place| !place.is_empty() && place != "0");
    Some(match place {
        Some(place) if letter != 'R' => format!("{state}, in the kernel's {place}"),
        _ => state.to_owned(),
    })
}

#[cfg(not(target_os = "linux"))]
fn here() -> u32 {
    0
}

#[cfg(not(target_os = "linux"))]
fn state(_: u32) -> Option<String> {
    None
}
