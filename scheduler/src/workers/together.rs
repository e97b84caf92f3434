//! Whether all workers poll, each for itself, or one of them polls for all: whichever the lookout has measured to be
//! faster.
//!
//! Tasks that communicate in short polls are slower on two processors than on one, because each message, lock and wake
//! moves memory from one processor to the other. Tasks that compute are faster on two. Their progress shows which case
//! it is: how many polls and budgeted operations (`coop`) all workers do per second. So both ways are tried:
//!
//! | phase | who polls | it ends |
//! |---|---|---|
//! | `Apart` | all | once two workers or more have done short polls, and nothing else, for two ticks: the next phase is tried |
//! | `TryTogether` | the chief | after two ticks, the first of which doesn't count: the next phase follows if that was faster by a tenth, else the one before |
//! | `Together` | the chief | after a while: the next phase is tried; at once if a poll is long or the chief falls asleep |
//! | `TryApart` | all | after two ticks: `Together` again, unless `Apart` is as fast |
//!
//! After a trial in vain, the wait before the next one is four times as long, up to [`SELDOM`].
//!
//! While there is a chief, it alone takes tasks. Only threads that have a poll under way still finish that. As their
//! events and polls come to an end, the other workers put their tasks into the injector and sleep, and pushes wake only
//! the chief. It is as though the runtime had one worker. All this is a hint to those that push: they read without
//! order whether there is a chief. A push that meets the change wakes one worker too many, or leaves its task to the
//! chief. If there is no chief any more, the lookout wakes the others for that task.

use std::time::{Duration, Instant};

use super::shared::Shared;

/// Polls that last longer on average are worth another processor each.
const SHORT: Duration = Duration::from_micros(20);
/// How long to wait at first after a trial in vain.
const SOON: Duration = Duration::from_millis(4);
/// How long to wait at most after a trial in vain.
const SELDOM: Duration = Duration::from_millis(1024);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Apart,
    TryTogether,
    Together,
    TryApart,
}

/// What a worker had done by the last tick.
#[derive(Clone, Copy, Default)]
struct Done {
    polls: u64,
    operations: u64,
}

/// What the workers have done since the last tick.
#[derive(Default)]
struct Fresh {
    /// How many workers have done short polls.
    busy: usize,
    /// The worker that has polled most.
    busiest: usize,
    /// How many polls and budgeted operations all workers have done.
    done: u64,
}

/// What the lookout remembers of the phases.
pub(crate) struct Together {
    phase: Phase,
    /// The number of ticks so far in this state.
    ticks: u32,
    /// When the last tick was.
    at: Instant,
    /// How much was done per second before the trial.
    rate: f64,
    /// When to try next, and how long to wait after that trial if it is in vain.
    next: Instant,
    pause: Duration,
    /// What each worker had done. It is kept for each, so that a spare that goes doesn't lessen what the others have
    /// done.
    seen: Vec<Done>,
}

impl Together {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Apart,
            ticks: 0,
            at: now,
            rate: 0.0,
            next: now,
            pause: SOON,
            seen: Vec::new(),
        }
    }

    /// Whether it wants to look again soon.
    pub(crate) fn is_trying(&self) -> bool {
        match self.phase {
            Phase::Apart => self.ticks > 0 && self.at >= self.next,
            Phase::Together => false,
            Phase::TryTogether | Phase::TryApart => true,
        }
    }

    /// Called once a tick. `calm`: no worker is held up while tasks wait.
    pub(crate) fn tick(&mut self, shared: &Shared, now: Instant, calm: bool) {
        let time = now - std::mem::replace(&mut self.at, now);
        let Fresh {
            busy,
            busiest,
            done,
        } = self.look(shared, time);
        let rate = done as f64 / time.as_secs_f64();
        self.ticks += 1;
        match self.phase {
            Phase::Apart if !calm || busy < 2 => self.ticks = 0,
            Phase::Apart if self.ticks >= 2 && now >= self.next => {
                self.rate = rate;
                self.enter(shared, Phase::TryTogether, Some(busiest));
            }
            Phase::TryTogether | Phase::Together if !calm || busy == 0 => self.give_up(shared, now),
            Phase::TryTogether if self.ticks >= 2 => {
                if rate >= 1.1 * self.rate {
                    self.pause = SOON;
                    self.next = now + self.pause;
                    self.enter(shared, Phase::Together, shared.modes.chief());
                } else {
                    self.give_up(shared, now);
                }
            }
            Phase::Together if now >= self.next => {
                self.rate = rate;
                self.enter(shared, Phase::TryApart, None);
            }
            Phase::TryApart if !calm || busy == 0 => self.give_up(shared, now),
            Phase::TryApart if self.ticks >= 2 => {
                if rate >= 0.95 * self.rate {
                    self.pause = SOON;
                    self.give_up(shared, now);
                } else {
                    self.pause = (4 * self.pause).min(SELDOM);
                    self.next = now + self.pause;
                    self.enter(shared, Phase::Together, Some(busiest));
                }
            }
            Phase::Apart | Phase::TryTogether | Phase::Together | Phase::TryApart => {}
        }
    }

    /// All workers poll again. A new trial follows later.
    pub(crate) fn give_up(&mut self, shared: &Shared, now: Instant) {
        if self.phase != Phase::Apart {
            self.next = now + self.pause;
            self.pause = (4 * self.pause).min(SELDOM);
            self.enter(shared, Phase::Apart, None);
        }
    }

    fn enter(&mut self, shared: &Shared, phase: Phase, chief: Option<usize>) {
        self.phase = phase;
        self.ticks = 0;
        shared.set_chief(chief);
    }

    /// What the workers have done in the last `time`.
    fn look(&mut self, shared: &Shared, time: Duration) -> Fresh {
        let few = (time.as_nanos() / SHORT.as_nanos()) as u64;
        let (mut fresh, mut most) = (Fresh::default(), 0);
        self.seen.resize(shared.remotes.len(), Done::default());
        for (worker, remote) in shared.reachable().iter().enumerate() {
            let now = Done {
                polls: remote.counters.polls.get(),
                operations: remote.counters.operations.get(),
            };
            let before = std::mem::replace(&mut self.seen[worker], now);
            let polls = now.polls.wrapping_sub(before.polls);
            let operations = now.operations.wrapping_sub(before.operations);
            fresh.done += polls + operations;
            fresh.busy += usize::from(polls > few && !shared.idle.is_asleep(worker));
            if polls > most {
                (fresh.busiest, most) = (worker, polls);
            }
        }
        fresh
    }
}

#[cfg(all(test, not(any(heist_loom, miri))))]
mod tests {
    use super::*;
    use crate::whole::Whole;
    use heist_sync::sys::Arc;

    const TICK: Duration = Duration::from_millis(1);
    /// With this many polls in a tick, polls count as short.
    const MANY: u64 = 1_000;

    /// Two workers that do in each tick what the test says.
    struct Scene {
        shared: Arc<Shared>,
        together: Together,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                shared: Whole::new(2).0.handle().shared().clone(),
                together: Together::new(now),
                now,
            }
        }

        /// In the next tick each worker does `polls` polls. Returns which worker is the chief then.
        fn tick(&mut self, polls: [u64; 2]) -> Option<usize> {
            self.tick_if(true, polls)
        }

        fn tick_if(&mut self, calm: bool, polls: [u64; 2]) -> Option<usize> {
            self.now += TICK;
            for (remote, n) in self.shared.remotes.iter().zip(polls) {
                remote.counters.polls.add(n);
            }
            self.together.tick(&self.shared, self.now, calm);
            self.shared.modes.chief()
        }

        /// Both are busy until one polls for all. Returns how many ticks that took.
        fn until_tried(&mut self) -> u32 {
            (1..1_000)
                .find(|_| self.tick([MANY, MANY + 1]) == Some(1))
                .expect("it is tried")
        }
    }

    #[test]
    fn the_busiest_polls_for_all_while_that_is_faster_by_a_tenth() {
        let mut scene = Scene::new();
        assert_eq!(scene.until_tried(), 2);
        // The first tick doesn't count, and the second decides.
        for _ in 0..3 {
            assert_eq!(scene.tick([0, 3 * MANY]), Some(1));
        }
        // After a while the other phase is tried, and found to be slower.
        let apart = (0..10).find(|_| scene.tick([0, 3 * MANY]).is_none());
        assert!(apart.is_some());
        assert_eq!(scene.tick([MANY, MANY]), None);
        assert!(scene.tick([MANY, MANY]).is_some());
        // Once the workers are as fast apart, they stay apart.
        let apart = (0..1_000).find(|_| scene.tick([0, 3 * MANY]).is_none());
        assert!(apart.is_some());
        assert_eq!(scene.tick([2 * MANY, MANY]), None);
        assert_eq!(scene.tick([2 * MANY, MANY]), None);
        assert_eq!(scene.tick([2 * MANY, MANY]), None);
    }

    #[test]
    fn what_is_tried_in_vain_is_tried_ever_more_seldom() {
        let mut scene = Scene::new();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            pauses.push(scene.until_tried());
            scene.tick([0, 2 * MANY]);
            assert_eq!(scene.tick([0, 2 * MANY]), None, "no faster than before");
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(pauses[4] >= 200, "{pauses:?}");
    }

    #[test]
    fn all_work_as_soon_as_someone_is_held_up_or_nobody_polls() {
        let held_up = |scene: &mut Scene| scene.tick_if(false, [0, 3 * MANY]);
        let idle = |scene: &mut Scene| scene.tick([0, 1]);
        for end in [held_up, idle] {
            for ticks in [0, 4] {
                let mut scene = Scene::new();
                scene.until_tried();
                for _ in 0..ticks {
                    scene.tick([0, 3 * MANY]);
                }
                assert_eq!(end(&mut scene), None);
            }
        }
    }

    #[test]
    fn one_worker_that_is_busy_is_left_alone() {
        let mut scene = Scene::new();
        assert!((0..100).all(|_| scene.tick([3 * MANY, 0]).is_none()));
    }
}
