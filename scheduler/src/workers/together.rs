//! Whether all workers poll, each for itself, or one of them polls for all: whichever the lookout has measured to be
//! faster.
//!
//! Tasks that communicate in short polls are slower on two processors than on one, because each message, lock and wake
//! moves memory from one processor to the other. A server is slower with a second worker if that worker takes the
//! processor from the clients. Tasks that compute are faster on two. Their progress shows which case it is: how many polls
//! and budgeted operations (`coop`) all workers do per second. So both ways are tried:
//!
//! | phase | who polls | it ends |
//! |---|---|---|
//! | `Apart` | all | once two workers or more do short polls, and nothing else: the next phase is tried |
//! | `TryTogether` | the chief | once it is clear which is faster: the next phase follows if that was faster by a tenth, else the one before |
//! | `Together` | the chief | after a while, or once the work goes half as fast: the next phase is tried; at once if a poll holds others up, if polls are long, or if there is nothing to do |
//! | `TryApart` | all | once it is clear: `Together` again, unless `Apart` was faster by a tenth |
//!
//! The first tick of a phase doesn't count. How long a trial lasts depends on the work:
//! - If the workers don't sleep, nothing outside limits them. The trial ends after the next tick.
//! - If they sleep at times, clients limit them, and perhaps wait for the same processors. The rate varies much then. The
//!   trial ends when the difference is clear (`tally.rs`), after [`MOST`] ticks at the latest. Until then it ends in vain only
//!   if it is far slower, because the system needs some milliseconds until each thread has a processor.
//!
//! After a trial in vain, the wait before the next one is four times as long, up to [`SELDOM`]. It ends early if the work has
//! become slower since.
//!
//! While there is a chief, it alone takes tasks. Only threads that have a poll under way still finish that. As their
//! events and polls come to an end, the other workers put their tasks into the injector and sleep, and pushes wake only
//! the chief. They don't sleep in the poller, where each event would wake one of them for the chief's sake. It is as though
//! the runtime had one worker. All this is a hint to those that push: they read without order whether there is a chief. A
//! push that meets the change wakes one worker too many, or leaves its task to the chief. If there is no chief any more,
//! the lookout wakes the others for that task.

use std::time::{Duration, Instant};

use super::shared::Shared;
use super::tally::Tally;
use super::thread_state::cpu_time;

/// Polls that last longer on average are worth another processor each.
const SHORT: Duration = Duration::from_micros(40);
/// How long to wait at first before the next trial.
const SOON: Duration = Duration::from_millis(4);
/// The same after a long trial that wasn't in vain.
const A_WHILE: Duration = Duration::from_millis(64);
/// How long to wait at most before the next trial.
const SELDOM: Duration = Duration::from_millis(4_096);
/// After how many ticks a trial ends, even if nothing is clear.
const MOST: u32 = 64;
/// What is faster by less isn't worth a change.
const FASTER: f64 = 1.1;
/// What is slower than this part of the rate before is far slower.
const FAR_SLOWER: f64 = 0.75;
/// The work has become slower if its rate is less than this part of what it was.
const SLOWED: f64 = 0.8;
/// A tick that comes so late is the first one after a rest.
const LATE: Duration = Duration::from_millis(2);
/// The chief goes if nothing was done for this long.
const IDLE: Duration = Duration::from_millis(2);
/// After how many ticks it is asked whether the work goes half as fast.
const RECENT: u32 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Apart,
    TryTogether,
    Together,
    TryApart,
}

/// What a worker had done by some tick.
#[derive(Clone, Copy, Default)]
struct Done {
    polls: u64,
    operations: u64,
    awake_nanos: u64,
}

/// What the workers did since the last tick. Those that hardly did anything don't count.
#[derive(Clone, Copy, Default)]
struct Fresh {
    /// How many polls and budgeted operations.
    done: u64,
    /// For how long they were awake, on average.
    awake: Duration,
    /// For how long the chief had a processor.
    chief_had: Duration,
    /// How many workers did short polls.
    short: usize,
    /// How many did others.
    long: usize,
    /// The regular worker that polled most.
    busiest: usize,
}

/// What the lookout remembers of the phases.
pub(crate) struct Together {
    phase: Phase,
    /// When the last tick was.
    at: Instant,
    /// Whether the next tick counts.
    counts: bool,
    /// When something was last seen to have been done.
    progress_at: Instant,
    /// What was done in this phase.
    tally: Tally,
    /// What the chief has done lately, by its processor time, and what it usually does per second.
    recent: Tally,
    usual: Option<f64>,
    /// What was done before the last trial.
    before: Tally,
    /// Whether no worker slept in the last tick.
    is_steady: bool,
    /// After how many ticks the trial ends.
    most: u32,
    /// When to try next, and how long to wait after that trial if it is in vain.
    next: Instant,
    pause: Duration,
    /// What was seen at the last tick. It is kept for each worker, so that a spare that goes doesn't lessen what the others
    /// have done.
    seen: Vec<Done>,
    /// The processor time of the chief's thread at the last tick.
    chief_used: Option<(u32, Duration)>,
    /// Who polled most when all polled.
    busiest: usize,
    /// Whether two workers or more did short polls in the last tick.
    talk: bool,
    /// For how many ticks the chief's polls have been long.
    long_for: u32,
}

impl Together {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Apart,
            at: now,
            counts: false,
            progress_at: now,
            tally: Tally::default(),
            recent: Tally::default(),
            usual: None,
            before: Tally::default(),
            is_steady: false,
            most: 1,
            next: now,
            pause: SOON,
            seen: Vec::new(),
            chief_used: None,
            busiest: 0,
            talk: false,
            long_for: 0,
        }
    }

    /// Whether it wants to look again soon: a short trial is under way, or about to begin.
    pub(crate) fn is_trying(&self) -> bool {
        match self.phase {
            Phase::Apart => self.is_steady && self.talk && self.at >= self.next,
            Phase::Together => false,
            Phase::TryTogether | Phase::TryApart => self.most == 1,
        }
    }

    /// Called once a tick. `held_up`: tasks wait for a poll that blocks or burns, or did lately, so that there are spares.
    pub(crate) fn tick(&mut self, shared: &Shared, engaged: &[bool], now: Instant, held_up: bool) {
        let time = now.saturating_duration_since(self.at);
        if time.is_zero() {
            return;
        }
        self.at = now;
        let fresh = self.look(shared, now, time);
        if fresh.done > 0 {
            self.progress_at = now;
        }
        let mut last = Tally::default();
        last.add(fresh.done, time, fresh.awake);
        self.is_steady = !last.sleeps();
        self.talk = fresh.short >= 2 && fresh.long == 0;
        if time >= LATE {
            // It may be other work now.
            self.tally = Tally::default();
        } else if std::mem::replace(&mut self.counts, true) {
            self.tally.add(fresh.done, time, fresh.awake);
        }
        if self.phase == Phase::Apart {
            self.busiest = fresh.busiest;
            if fresh.short + fresh.long == 0 {
                // What comes next is other work.
                self.tally = Tally::default();
            }
            if !held_up {
                self.try_together(shared, now, last);
            }
            return;
        }
        self.long_for = match self.phase {
            Phase::TryApart => 0,
            _ if fresh.long > 0 => self.long_for + 1,
            _ => 0,
        };
        if held_up || self.long_for >= 2 || self.chief_has_gone(shared, engaged) {
            return self.give_up(shared, now);
        }
        let due = self.phase == Phase::Together && self.goes_half_as_fast(&fresh);
        match self.phase {
            Phase::Apart => {}
            Phase::Together if due || now >= self.next => {
                self.before = self.tally;
                self.enter(shared, Phase::TryApart);
            }
            Phase::Together => {}
            Phase::TryTogether => match self.is_faster() {
                Some(true) => {
                    self.pause = if self.most == 1 { SOON } else { A_WHILE };
                    self.next = now + self.pause;
                    self.phase = Phase::Together;
                    self.tally = Tally::default();
                }
                Some(false) => self.give_up(shared, now),
                None => {}
            },
            Phase::TryApart => match self.is_faster() {
                Some(true) => {
                    self.pause = SOON;
                    self.give_up(shared, now);
                }
                Some(false) => {
                    self.pause = (4 * self.pause).min(SELDOM);
                    self.next = now + self.pause;
                    self.enter(shared, Phase::Together);
                }
                None => {}
            },
        }
    }

    /// Begins a trial if it is time to. `last`: what was done in the last tick.
    fn try_together(&mut self, shared: &Shared, now: Instant, last: Tally) {
        let due = now >= self.next || self.has_slowed();
        if self.talk && self.tally.ticks >= 2 && due {
            (self.before, self.most) = match self.is_steady {
                true => (last, 1),
                false => (self.tally, MOST),
            };
            self.enter(shared, Phase::TryTogether);
        }
    }

    /// There is nothing to do. If that isn't only for a moment, all workers poll again. Whether there is no chief.
    pub(crate) fn rests(&mut self, shared: &Shared) -> bool {
        if self.phase != Phase::Apart && self.at - self.progress_at >= IDLE {
            self.give_up(shared, self.at);
        }
        self.phase == Phase::Apart
    }

    /// Whether the trial is faster than what was before. `None` if that isn't clear yet.
    fn is_faster(&self) -> Option<bool> {
        let Self { tally, before, .. } = self;
        if tally.ticks >= self.most {
            return Some(tally.gain(FASTER, before) >= 0.0);
        }
        if tally.ticks == 0 {
            return None;
        }
        let far_slower = tally.is_faster(FAR_SLOWER, before) == Some(false);
        match tally.is_faster(FASTER, before) {
            Some(true) => Some(true),
            _ => far_slower.then_some(false),
        }
    }

    /// Whether the work has become slower since the trial that was in vain.
    fn has_slowed(&self) -> bool {
        self.tally.ticks >= MOST && self.tally.gain(SLOWED, &self.before) < 0.0
    }

    /// Whether the chief does half as much as usual in its processor time: it may be other work.
    fn goes_half_as_fast(&mut self, fresh: &Fresh) -> bool {
        if !fresh.chief_had.is_zero() {
            self.recent
                .add(fresh.done, fresh.chief_had, fresh.chief_had);
        }
        if self.recent.ticks < RECENT {
            return false;
        }
        let rate = std::mem::take(&mut self.recent).rate();
        let usual = *self.usual.get_or_insert(rate);
        if 2.0 * rate < usual {
            self.pause = SOON;
            return true;
        }
        self.usual = Some(0.75 * usual + 0.25 * rate);
        false
    }

    /// All workers poll again. A new trial follows later.
    fn give_up(&mut self, shared: &Shared, now: Instant) {
        self.next = now + self.pause;
        self.pause = (4 * self.pause).min(SELDOM);
        self.enter(shared, Phase::Apart);
    }

    fn enter(&mut self, shared: &Shared, phase: Phase) {
        self.phase = phase;
        self.counts = false;
        self.tally = Tally::default();
        self.recent = Tally::default();
        self.usual = None;
        self.long_for = 0;
        self.chief_used = None;
        shared.set_chief(match phase {
            Phase::Apart | Phase::TryApart => None,
            Phase::TryTogether | Phase::Together => Some(self.busiest),
        });
    }

    /// Whether a worker has to poll for all that isn't there any more, or has been told to leave.
    fn chief_has_gone(&self, shared: &Shared, engaged: &[bool]) -> bool {
        match self.phase {
            Phase::Apart | Phase::TryApart => false,
            Phase::TryTogether | Phase::Together => shared.modes.chief().is_none_or(|chief| {
                !engaged.get(chief).is_some_and(|&it| it) || shared.remotes[chief].is_dismissed()
            }),
        }
    }

    /// What the workers have done since the last tick, `time` ago.
    fn look(&mut self, shared: &Shared, now: Instant, time: Duration) -> Fresh {
        let nanos = shared.nanos_at(now);
        let (chief, regular) = (shared.modes.chief(), shared.crew.regular());
        let (mut fresh, mut most, mut took_part) = (Fresh::default(), 0, 0);
        self.seen.resize(shared.remotes.len(), Done::default());
        for (worker, remote) in shared.reachable().iter().enumerate() {
            let counters = &remote.counters;
            let done = Done {
                polls: counters.polls.get(),
                operations: counters.operations.get(),
                awake_nanos: counters.busy.total(nanos),
            };
            let before = std::mem::replace(&mut self.seen[worker], done);
            let polls = done.polls.wrapping_sub(before.polls);
            fresh.done += polls + done.operations.wrapping_sub(before.operations);
            let awake = Duration::from_nanos(done.awake_nanos.saturating_sub(before.awake_nanos));
            // The others hand over their tasks to the chief.
            let hands_over = chief.is_some_and(|chief| chief != worker);
            if hands_over || 8 * awake < time {
                continue;
            }
            took_part += 1;
            fresh.awake += awake;
            let mut worked = awake;
            if chief.is_some() {
                worked = self.chief_had_processor(remote.thread.get(), awake);
                fresh.chief_had = worked;
            }
            let polled = u32::try_from(polls).unwrap_or(u32::MAX);
            // One that merely lacked a processor did neither.
            match worked < SHORT * polled {
                true => fresh.short += 1,
                false => fresh.long += usize::from(8 * worked >= time),
            }
            if polls > most && worker < regular {
                (fresh.busiest, most) = (worker, polls);
            }
        }
        fresh.awake /= took_part.max(1);
        fresh
    }

    /// For how long the chief's thread had a processor since the last tick. `awake` if the system doesn't say.
    fn chief_had_processor(&mut self, thread: u32, awake: Duration) -> Duration {
        let used = cpu_time(thread).map(|used| (thread, used));
        match (std::mem::replace(&mut self.chief_used, used), used) {
            (Some((before, was)), Some((thread, is))) if before == thread => is.saturating_sub(was),
            // It isn't known yet.
            (_, Some(_)) => Duration::ZERO,
            (_, None) => awake,
        }
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
        /// For which part of each tick they are awake.
        awake: f64,
    }

    impl Scene {
        fn new() -> Self {
            let shared = Whole::new(2).0.handle().shared().clone();
            let now = Instant::now();
            Self {
                shared,
                together: Together::new(now),
                now,
                awake: 1.0,
            }
        }

        /// In the next tick each worker does `polls` polls. Returns which worker is the chief then.
        fn tick(&mut self, polls: [u64; 2]) -> Option<usize> {
            self.tick_if(false, polls)
        }

        fn tick_if(&mut self, held_up: bool, polls: [u64; 2]) -> Option<usize> {
            let begin = self.shared.nanos_at(self.now);
            let asleep = begin + (TICK.as_nanos() as f64 * self.awake) as u64;
            self.now += TICK;
            for (remote, n) in self.shared.remotes.iter().zip(polls) {
                remote.counters.polls.add(n);
                remote.counters.busy.wakes(begin);
                if self.awake < 1.0 {
                    remote.counters.busy.sleeps(asleep);
                }
            }
            self.together
                .tick(&self.shared, &[true; 2], self.now, held_up);
            self.shared.modes.chief()
        }

        /// Both are busy until one polls for all. Returns how many ticks that took.
        fn until_tried(&mut self) -> u32 {
            (1..10_000)
                .find(|_| self.tick([MANY, MANY + 1]) == Some(1))
                .expect("it is tried")
        }

        /// One polls for all, `polls(n)` in the nth tick, until all poll. Returns how many ticks that took.
        fn until_given_up(&mut self, polls: impl Fn(u64) -> u64) -> u64 {
            (1..10_000)
                .find(|&n| self.tick([0, polls(n)]).is_none())
                .expect("it is given up")
        }
    }

    #[test]
    fn the_busiest_polls_for_all_while_that_is_faster_by_a_tenth() {
        let mut scene = Scene::new();
        assert_eq!(scene.until_tried(), 3);
        // The first tick doesn't count, and the second decides.
        for _ in 0..3 {
            assert_eq!(scene.tick([0, 3 * MANY]), Some(1));
        }
        // After a while the other phase is tried, and found to be slower.
        assert!(scene.until_given_up(|_| 3 * MANY) < 10);
        assert_eq!(scene.tick([MANY, MANY]), None);
        assert_eq!(scene.tick([MANY, MANY]), Some(1));
        // Once the workers are faster apart, they stay apart.
        scene.until_given_up(|_| 3 * MANY);
        for _ in 0..4 {
            assert_eq!(scene.tick([2 * MANY, 2 * MANY]), None);
        }
    }

    #[test]
    fn what_is_tried_in_vain_is_tried_ever_more_seldom() {
        let mut scene = Scene::new();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.push(scene.until_tried());
            let ticks = scene.until_given_up(|_| 2 * MANY);
            assert_eq!(ticks, 2, "no faster than before");
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!((4_000..4_200).contains(&pauses[6]), "{pauses:?}");
    }

    #[test]
    fn where_workers_sleep_a_trial_lasts_until_it_is_clear_which_is_faster() {
        let mut scene = Scene::new();
        scene.awake = 0.7;
        scene.until_tried();
        // The system has not moved the threads yet.
        for _ in 0..10 {
            assert_eq!(scene.tick([0, 2 * MANY]), Some(1));
        }
        // They are as fast apart at first, for as long as the trial lasts.
        scene.until_given_up(|_| 3 * MANY);
        let ticks = (1..1_000).find(|_| scene.tick([MANY, 2 * MANY]).is_some());
        assert_eq!(ticks, Some(65));
    }

    #[test]
    fn where_workers_sleep_a_trial_in_vain_ends() {
        for (polls, ends) in [(MANY, 2..8), (2 * MANY, 65..66)] {
            let mut scene = Scene::new();
            scene.awake = 0.7;
            scene.until_tried();
            let ticks = scene.until_given_up(|_| polls);
            assert!(ends.contains(&ticks), "{polls} polls: {ticks}");
        }
    }

    #[test]
    fn a_trial_in_vain_is_repeated_if_the_work_becomes_slower() {
        let mut scene = Scene::new();
        scene.awake = 0.7;
        for _ in 0..6 {
            scene.until_tried();
            scene.until_given_up(|_| MANY);
        }
        let tried = (1..4_000).find(|_| scene.tick([MANY / 2, MANY / 2 + 1]).is_some());
        assert!(tried.is_some_and(|ticks| ticks < 200), "{tried:?}");
    }

    #[test]
    fn all_work_as_soon_as_someone_is_held_up() {
        for ticks in [0, 4] {
            let mut scene = Scene::new();
            scene.until_tried();
            for _ in 0..ticks {
                scene.tick([0, 3 * MANY]);
            }
            assert_eq!(scene.tick_if(true, [0, 3 * MANY]), None);
        }
    }

    #[test]
    fn all_work_once_polls_are_long() {
        let mut scene = Scene::new();
        scene.until_tried();
        for _ in 0..3 {
            scene.tick([0, 3 * MANY]);
        }
        assert!(scene.until_given_up(|_| 10) <= 2);
    }

    #[test]
    fn both_ways_are_tried_once_the_work_goes_half_as_fast() {
        let mut scene = Scene::new();
        scene.awake = 0.7;
        for _ in 0..4 {
            // It stays for longer each time.
            scene.until_tried();
            for _ in 0..200 {
                scene.tick([MANY, 3 * MANY]);
            }
        }
        while scene.shared.modes.chief().is_none() {
            scene.tick([MANY, MANY]);
        }
        assert!(scene.until_given_up(|_| MANY) <= 3 * u64::from(RECENT));
    }

    #[test]
    fn all_work_once_the_chief_has_gone() {
        let mut scene = Scene::new();
        scene.until_tried();
        scene.now += TICK;
        let engaged = [true, false];
        let Scene {
            shared,
            together,
            now,
            ..
        } = &mut scene;
        together.tick(shared, &engaged, *now, false);
        assert_eq!(shared.modes.chief(), None);
    }

    #[test]
    fn all_work_once_nobody_has_polled_for_a_while() {
        let mut scene = Scene::new();
        scene.until_tried();
        scene.tick([0, 3 * MANY]);
        assert!(!scene.together.rests(&scene.shared), "only for a moment");
        assert!(scene.shared.modes.chief().is_some());
        scene.tick([0, 0]);
        scene.tick([0, 0]);
        assert!(scene.together.rests(&scene.shared));
        assert_eq!(scene.shared.modes.chief(), None);
    }

    #[test]
    fn one_worker_that_is_busy_is_left_alone() {
        let mut scene = Scene::new();
        assert!((0..100).all(|_| scene.tick([3 * MANY, 0]).is_none()));
    }
}
