//! A task's state: one word, changed in this file only. No other code tests a bit. Each transition returns what its
//! caller has to do next.
//!
//! | bits | name | set when | cleared by |
//! |---|---|---|---|
//! | 0 | `RUNNING` | a worker takes the task from a queue | that worker, at the end of the poll |
//! | 1 | `COMPLETE` | the output (or the error) is stored; never cleared | nobody |
//! | 2 | `NOTIFIED` | a wake: the task is in one queue; if `RUNNING` is set too, it will be put there after the poll | the worker that starts the poll |
//! | 3 | `CANCELLED` | abort or shutdown; never cleared | nobody |
//! | 4 | `JOIN_INTEREST` | from birth | the `JoinHandle`, when it is dropped |
//! | 5 | `JOIN_WAKER` | the handle has stored a waker for the completion | the handle before `COMPLETE`, the completing worker after it |
//! | 6… | references | | |
//!
//! Phases (R, C and N are the first three bits):
//!
//! | R C N | the task is | who may touch the future | in a queue? |
//! |---|---|---|---|
//! | 0 0 0 | idle: somebody holds a waker, or nobody will ever wake it | nobody | no |
//! | 0 0 1 | scheduled | whoever takes it from the queue | in exactly one, or on its way there |
//! | 1 0 0 | being polled | the polling worker | no |
//! | 1 0 1 | being polled, woken meanwhile | the polling worker, which queues it after the poll | no |
//! | 0 1 x | complete | nobody: the handle owns the output, or the completing worker if `JOIN_INTEREST` was clear by then | no |
//!
//! Invariants:
//! - **S1** `NOTIFIED` without `RUNNING` or `COMPLETE`: exactly one [`Runnable`](super::Runnable) of the task exists.
//!   Only the transition that sets `NOTIFIED` on an idle task creates one, and only `start_poll` consumes it.
//! - **S2** The runtime's own reference lives from birth until after `COMPLETE`. So a task that isn't complete is
//!   never freed, and neither a `Runnable` nor a poll needs a reference of its own.
//! - **S3** `COMPLETE` is set by the worker that holds `RUNNING`, and by nobody else: an abort only marks. So a
//!   complete task is in no queue, and its wakers touch only this word.
//! - **S4** The join waker's cell belongs to the handle while `JOIN_WAKER` is clear, and is read-only for both while it
//!   is set. After `COMPLETE`, the completing worker clears the bit once it has woken the waker. It drops the waker if
//!   the handle has gone by then.
//!
//! Ordering: every transition is a read-modify-write with AcqRel, so all transitions of one task form one chain. So the
//! poll that follows a wake sees what the waking thread did before it, even if the task was notified already. And
//! whoever frees the task sees what every holder of a reference did.

use heist_sync::sys::atomic::{AtomicUsize, Ordering};

const RUNNING: usize = 1;
const COMPLETE: usize = 1 << 1;
const NOTIFIED: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const JOIN_INTEREST: usize = 1 << 4;
const JOIN_WAKER: usize = 1 << 5;
const REF_ONE: usize = 1 << 6;

/// A scheduled task with a handle: the runtime's reference and the handle's.
const BORN: usize = NOTIFIED | JOIN_INTEREST | (2 * REF_ONE);

/// A count of references that only a leak can reach. Beyond it the process ends, as with `Arc`.
const MAX_REFS: usize = (isize::MAX as usize) / REF_ONE;

/// The state word. See the module's table.
pub(super) struct State(AtomicUsize);

/// What a worker has to do after it took a task from a queue.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Poll the future.
    Poll,
    /// Drop it: the task was cancelled.
    Cancel,
}

/// What a worker has to do after a poll that returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing: whoever wakes the task next queues it, and may have done so already.
    Idle,
    /// Queue the task: it was woken during the poll.
    Requeue,
    /// Drop the future: the task was cancelled during the poll.
    Cancel,
}

/// What a thread has to do after it woke or aborted a task.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Queue the task: the caller holds its one `Runnable`.
    Queue,
    /// Nothing.
    Nothing,
    /// Free the task: the caller's was the last reference.
    Free,
}

/// What a worker has to do for the handle after it completed a task.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joiner {
    /// Nobody will ask: drop the output.
    Gone,
    /// Nothing: the handle will look by itself.
    Silent,
    /// Wake the waker in the cell, then call [`State::joiner_woken`].
    Waiting,
}

/// What a handle has to do when it goes away.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leave {
    /// The task is complete and its output was never taken.
    pub(super) drop_output: bool,
    /// The join waker's cell is the handle's (S4).
    pub(super) drop_waker: bool,
}

/// What the handle finds when it looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The output is there.
    Complete,
    /// Not complete yet. The handle has stored a waker, and may read it (S4).
    Awaited,
    /// Not complete yet. The join waker's cell is the handle's (S4).
    Open,
}

/// The task was complete already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completed;

impl State {
    pub(super) fn born() -> Self {
        Self(AtomicUsize::new(BORN))
    }

    /// Applies `next` until the exchange succeeds. `next` returns the new word, or `None` if there's nothing to change,
    /// and the answer for the caller.
    #[inline]
    fn transition<A>(&self, mut next: impl FnMut(usize) -> (Option<usize>, A)) -> A {
        // Ordering: the CAS below acquires. If a load leads to no change, it read a final bit (COMPLETE).
        let mut current = self.0.load(Ordering::Acquire);
        loop {
            let (new, answer) = next(current);
            let Some(new) = new else { return answer };
            // Ordering: AcqRel, one link in the chain (see the module).
            match self
                .0
                .compare_exchange_weak(current, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return answer,
                Err(actual) => current = actual,
            }
        }
    }

    /// The holder of the `Runnable` starts a poll: `NOTIFIED` becomes `RUNNING`.
    #[inline]
    pub(super) fn start_poll(&self) -> Start {
        // Ordering: AcqRel: acquires what every waking thread so far did before its wake.
        let before = self.0.fetch_xor(NOTIFIED | RUNNING, Ordering::AcqRel);
        debug_assert_eq!(before & (NOTIFIED | RUNNING | COMPLETE), NOTIFIED, "S1");
        if before & CANCELLED == 0 {
            Start::Poll
        } else {
            Start::Cancel
        }
    }

    /// The poll returned `Pending`. After `Idle` the caller must not touch the task: another thread may have it.
    #[inline]
    pub(super) fn end_poll(&self) -> End {
        self.transition(|word| {
            debug_assert_eq!(word & (RUNNING | COMPLETE), RUNNING, "S3");
            if word & CANCELLED != 0 {
                (None, End::Cancel)
            } else if word & NOTIFIED != 0 {
                (Some(word & !RUNNING), End::Requeue)
            } else {
                (Some(word & !RUNNING), End::Idle)
            }
        })
    }

    /// The output is stored: `RUNNING` becomes `COMPLETE`.
    #[inline]
    pub(super) fn complete(&self) -> Joiner {
        // Ordering: AcqRel: publishes the output to the handle, and acquires the join waker from it.
        let before = self.0.fetch_xor(RUNNING | COMPLETE, Ordering::AcqRel);
        debug_assert_eq!(before & (RUNNING | COMPLETE), RUNNING, "S3");
        if before & JOIN_INTEREST == 0 {
            Joiner::Gone
        } else if before & JOIN_WAKER == 0 {
            Joiner::Silent
        } else {
            Joiner::Waiting
        }
    }

    /// The completing worker has used the join waker. Returns whether it has to drop it, because the handle has gone
    /// (S4).
    pub(super) fn joiner_woken(&self) -> bool {
        // Ordering: AcqRel: hands the cell back to the handle, which acquires with its own transition.
        let before = self.0.fetch_and(!JOIN_WAKER, Ordering::AcqRel);
        before & JOIN_INTEREST == 0
    }

    /// A wake by a borrowed waker.
    #[inline]
    pub(super) fn wake_by_ref(&self) -> Wake {
        self.transition(|word| {
            if word & COMPLETE != 0 {
                (None, Wake::Nothing)
            } else if word & (NOTIFIED | RUNNING) != 0 {
                // This happens even if the bit is set already: the exchange publishes what this thread did before the
                // wake.
                (Some(word | NOTIFIED), Wake::Nothing)
            } else {
                (Some(word | NOTIFIED), Wake::Queue)
            }
        })
    }

    /// A wake that consumes the waker: its reference goes in the same step. By S2 that is never the last reference of a
    /// task that isn't complete.
    #[inline]
    pub(super) fn wake_by_val(&self) -> Wake {
        self.transition(|word| {
            let less = word - REF_ONE;
            if word & COMPLETE != 0 {
                let last = less < REF_ONE;
                (Some(less), if last { Wake::Free } else { Wake::Nothing })
            } else if word & (NOTIFIED | RUNNING) != 0 {
                (Some(less | NOTIFIED), Wake::Nothing)
            } else {
                (Some(less | NOTIFIED), Wake::Queue)
            }
        })
    }

    /// Marks the task cancelled. Whoever polls it next drops the future.
    pub(super) fn abort(&self) -> Wake {
        self.transition(|word| {
            if word & COMPLETE != 0 {
                (None, Wake::Nothing)
            } else if word & (NOTIFIED | RUNNING) != 0 {
                (Some(word | CANCELLED), Wake::Nothing)
            } else {
                (Some(word | CANCELLED | NOTIFIED), Wake::Queue)
            }
        })
    }

    /// The handle has stored a waker in the cell.
    pub(super) fn publish_join_waker(&self) -> Result<(), Completed> {
        self.transition(|word| {
            debug_assert_eq!(word & (JOIN_INTEREST | JOIN_WAKER), JOIN_INTEREST, "S4");
            if word & COMPLETE != 0 {
                (None, Err(Completed))
            } else {
                (Some(word | JOIN_WAKER), Ok(()))
            }
        })
    }

    /// The handle takes the cell back, in order to store another waker.
    pub(super) fn retract_join_waker(&self) -> Result<(), Completed> {
        self.transition(|word| {
            if word & COMPLETE != 0 {
                (None, Err(Completed))
            } else {
                (Some(word & !JOIN_WAKER), Ok(()))
            }
        })
    }

    /// The handle goes. Its reference stays, and the caller has to drop it.
    pub(super) fn leave(&self) -> Leave {
        self.transition(|word| {
            debug_assert_ne!(word & JOIN_INTEREST, 0, "one handle, which leaves once");
            let complete = word & COMPLETE != 0;
            // Before COMPLETE, the handle takes the waker's cell along. After it, a set bit means that the completing
            // worker is reading the cell, and will see that JOIN_INTEREST is gone.
            let taken = if complete { 0 } else { JOIN_WAKER };
            let leave = Leave {
                drop_output: complete,
                drop_waker: !complete || word & JOIN_WAKER == 0,
            };
            (Some(word & !(JOIN_INTEREST | taken)), leave)
        })
    }

    /// What the handle finds. It needs one load for both bits: the completing worker clears `JOIN_WAKER` after it has
    /// set `COMPLETE`. So a clear `JOIN_WAKER` means that the cell is the handle's only if the same load saw no
    /// `COMPLETE`.
    #[inline]
    pub(super) fn outcome(&self) -> Outcome {
        // Ordering: Acquire pairs with the AcqRel in `complete`: if the answer is `Complete`, the output is seen.
        let word = self.0.load(Ordering::Acquire);
        if word & COMPLETE != 0 {
            Outcome::Complete
        } else if word & JOIN_WAKER != 0 {
            Outcome::Awaited
        } else {
            Outcome::Open
        }
    }

    /// Whether the output is there. Acquires it.
    pub(super) fn is_complete(&self) -> bool {
        // Ordering: Acquire pairs with the AcqRel in `complete`: if the answer is true, the output is seen.
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Whether it is being polled, or is scheduled. Only for reports.
    pub(super) fn is_due(&self) -> bool {
        // Ordering: hint only.
        let state = self.0.load(Ordering::Relaxed);
        state & (RUNNING | NOTIFIED) != 0 && state & COMPLETE == 0
    }

    /// One more reference.
    #[inline]
    pub(super) fn add_ref(&self) {
        // Ordering: Relaxed: a reference is made from another one, which keeps the task alive meanwhile.
        let before = self.0.fetch_add(REF_ONE, Ordering::Relaxed);
        if before / REF_ONE > MAX_REFS {
            // Unwinding would leave the count wrong. A program that leaks 2^57 wakers is past help.
            std::process::abort();
        }
    }

    /// One reference fewer. Returns whether it was the last.
    #[inline]
    #[must_use]
    pub(super) fn drop_ref(&self) -> bool {
        // Ordering: AcqRel: the last holder acquires what every other holder did.
        let before = self.0.fetch_sub(REF_ONE, Ordering::AcqRel);
        debug_assert!(before >= REF_ONE, "a reference too many was dropped");
        before < 2 * REF_ONE
    }

    /// The handle goes, with one exchange, if nothing but the spawn has happened since birth.
    #[inline]
    #[must_use]
    pub(super) fn leave_at_birth(&self) -> bool {
        // Ordering: Release: a later holder that frees the task acquires what the spawning thread did.
        self.0
            .compare_exchange(
                BORN,
                (BORN & !JOIN_INTEREST) - REF_ONE,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

#[cfg(all(test, not(heist_loom), not(miri)))]
mod tests {
    use super::{AtomicUsize, BORN, MAX_REFS, REF_ONE, State};
    use std::process::{Command, Stdio};

    /// Set for the process that has to end.
    const CHILD: &str = "HEIST_TEST_TOO_MANY_REFERENCES";

    #[test]
    fn a_reference_too_many_ends_the_process_before_the_count_wraps() {
        let state = State(AtomicUsize::new(BORN + MAX_REFS * REF_ONE));
        if std::env::var_os(CHILD).is_some() {
            state.add_ref();
            return;
        }
        let name =
            "cell::state::tests::a_reference_too_many_ends_the_process_before_the_count_wraps";
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", name])
            .env(CHILD, "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let status = child.expect("a child");
        // The expected result is not a test that fails, but a process that has ended.
        assert!(
            status.code().is_none_or(|code| code != 0 && code != 101),
            "{status}"
        );
    }
}
