//! Polls that delay other tasks: how they are seen, and what is done about them. `rounds.rs` says who looks, and when.
//!
//! At each look the [`Lookout`] reads what every worker has written about itself. A worker that is awake and hasn't
//! begun a poll since the last look is *held up*: by its poll, by a hook, or by a waker. If other workers are busy, the
//! tasks in its queues go to the injector: fresh ones after [`PATIENCE`], yielded ones from the stall threshold on.
//! There the injector's turn bounds how long they wait. If tasks are ready, what else the lookout does depends on which
//! workers could take them:
//!
//! | the others | the lookout |
//! |---|---|
//! | one sleeps | wakes it; after [`PATIENCE`] it does so even if another counts as searching, because that one may be in a hook |
//! | all are awake | finds out what the threads of the held-up workers do, and brings more threads, or none |
//!
//! | a thread that | is recognised by | brings |
//! |---|---|---|
//! | *blocks* | the operating system: it sleeps in the kernel | another thread at once, as long as fewer threads compute than there are regular workers: a spare that is blocked loses its worker to another thread (R6); if there is none, another spare is engaged |
//! | *burns* | its processor time in this poll: half a millisecond, or an eighth of the time since it was first read | a spare: the first one if all are held up, each further one a threshold after the one before it |
//! | *waits for a processor* | neither of the two | nothing: more threads would make it worse |
//!
//! A thread that is asked for the first time in a poll says nothing yet about processor time: it waits for a processor,
//! as far as the lookout knows. A thread that has begun another poll since the glance is left alone: the lookout's own
//! thread may have lost its processor in between, so what it reads may be about other polls, or about sleep. If the
//! operating system doesn't say, a thread is taken to burn. So is one that starts with a hook (`on_thread_start`), until
//! it is known; any other thread that is on its way waits for a processor. There are never more spares than the bound. A spare
//! takes waiting tasks, but no tasks that have yielded and merely go on. It sleeps among the others when there is
//! nothing to take. When no poll has held up a worker for [`QUIET`], the last spare is dismissed, then the next one, and
//! so on. A worker that merely lacks a processor keeps no spare. The thread of a dismissed spare ends by itself.
//!
//! The lookout rests, and with it the reactor thread, if nothing is ready and every worker sleeps or is blocked
//! ([`Lookout::may_rest`]). A thread that queues a task then wakes it ([`Shared::rouse_lookout`]). A push from outside
//! is ordered by a fence on both sides. A push on a blocked worker's own thread needs no fence: the kernel reported
//! that this thread slept, and that orders everything the thread does afterwards behind `unwatched`. A look by a worker
//! leaves `unwatched` alone: it would hide that the reactor thread rests.
//!
//! Everything else that is judged here is a hint: figures are read one by one, without order. A wrong guess wakes or
//! engages one worker too many, or the right one a tick later.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::engage;
use super::shared::{Remote, Shared};
use super::stall::Stall;
use super::thread_state::{self, cpu_time, describe, is_blocked};
use super::together::Together;
use crate::cell::Id;

/// How long a worker may be held up, with tasks waiting, before something is done.
const PATIENCE: Duration = Duration::from_micros(500);
/// For how long a thread must have been watched before its share of a processor says anything. A poll that lasts an
/// eighth of this never counts as one that burns.
const SPELL: Duration = Duration::from_micros(200);
/// Polls count as long if they last at least this long on average.
const LONG_POLL: Duration = Duration::from_micros(250);
/// A spare is dismissed when no worker has been held up for this long.
const QUIET: Duration = Duration::from_millis(100);
/// After how long the lookout asks again whether it may rest.
const RESTLESS: Duration = Duration::from_millis(10);

/// What the lookout sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Nothing to watch.
    Asleep,
    /// There is work, or was a moment ago, and no tasks wait for a worker that is held up.
    Busy,
    /// Some worker needs help, or may soon: polls are long, and tasks wait.
    HeldUp,
}

/// What the lookout remembers of a worker.
#[derive(Clone, Copy)]
struct Sight {
    polls: u64,
    /// The time of the first look that saw this count.
    since: Instant,
    /// Whether it is engaged, awake, and has begun no poll since the last look.
    held_up: bool,
    /// Whether its thread blocked when it was asked last.
    blocks: bool,
    /// Whether all that its thread lacked when it was asked last was a processor.
    lacks_processor: bool,
    /// What was seen of its thread when that was first held up in this poll.
    used: Option<Used>,
    /// Tasks have waited for this poll.
    waited: bool,
    reported: bool,
}

/// How much processor time a thread had used at some moment.
#[derive(Clone, Copy)]
struct Used {
    thread: u32,
    time: Duration,
    at: Instant,
}

/// What the thread of a worker does that is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Blocks,
    Burns,
    WaitsForProcessor,
}

/// Watches the workers of a runtime.
pub(crate) struct Lookout {
    sights: Box<[Sight]>,
    engaged: Vec<bool>,
    /// Since when all workers that are awake have been held up.
    stuck_since: Option<Instant>,
    /// Since when a task has been ready beside a worker that sleeps.
    unserved_since: Option<Instant>,
    /// When a poll held up a worker while tasks waited, or a spare was dismissed, for the last time.
    last_trouble: Instant,
    last_engaged: Instant,
    /// When it last found that it may not rest.
    last_restless: Instant,
    /// Until when it doesn't ask again: all workers were blocked, and no thread could be brought.
    in_vain_until: Option<Instant>,
    together: Together,
    /// When it looked last.
    looked: Instant,
    /// Reports of stalls, still to be made. Only the reactor thread makes them.
    pub(crate) reports: Vec<Waker>,
    /// The reactor thread has to look at once: a worker that looks brings and dismisses no threads.
    pub(crate) urgent: bool,
}

/// The result of one look at all workers.
struct Glance {
    now: Instant,
    /// How many spares are engaged.
    spares: usize,
    awake: usize,
    held_up: usize,
    /// A task waits that a worker should have taken.
    ready: bool,
    /// Some worker has been held up for [`PATIENCE`].
    for_long: bool,
    /// Some worker has stalled, and tasks wait for it.
    stalled: bool,
    /// Some worker's polls are long, and tasks are queued that it would take.
    long_polls: bool,
    /// The same for a worker that has begun a poll since the last look.
    long_polls_end: bool,
    /// Some worker has polled since the last look.
    moved: bool,
}

/// What holds workers up.
#[derive(Default)]
struct HeldUp {
    /// How many threads block.
    blocked: usize,
    /// Some thread has burned for [`PATIENCE`].
    burning: bool,
}

impl HeldUp {
    /// Whether it is more than the lack of a processor.
    fn by_polls(&self) -> bool {
        self.blocked > 0 || self.burning
    }
}

impl Sight {
    /// A worker that has begun `polls` polls, looked at for the first time in this one.
    fn first(polls: u64, now: Instant) -> Self {
        Self {
            polls,
            since: now,
            held_up: false,
            blocks: false,
            lacks_processor: false,
            used: None,
            waited: false,
            reported: false,
        }
    }

    /// Notes what its thread has used so far, unless that is known.
    fn note_use(&mut self, thread: u32, now: Instant) {
        if self.used.is_none_or(|used| used.thread != thread) {
            let note = |time| Used {
                thread,
                time,
                at: now,
            };
            self.used = cpu_time(thread).map(note);
        }
    }

    /// What the thread of `remote` does, a worker that was held up at the glance. `None` if it has gone on since.
    /// `starts_at_once`: a thread that is on its way calls no hook first.
    fn doing(&self, remote: &Remote, starts_at_once: bool, now: Instant) -> Option<Doing> {
        let thread = remote.thread.get();
        let doing = match thread_state::blocks(thread) {
            // It was claimed, and has not come out of its sleep yet.
            Some(true) if remote.counters.busy.rests() => Doing::WaitsForProcessor,
            Some(true) => Doing::Blocks,
            Some(false) => self.computes(cpu_time(thread), now),
            None if thread == 0 && starts_at_once && thread_state::TELLS => {
                Doing::WaitsForProcessor
            }
            None => Doing::Burns,
        };
        (remote.counters.polls.get() == self.polls).then_some(doing)
    }

    /// Whether `doing` is to wait for a processor, and isn't merely what is said of a thread that is asked for the first time.
    fn is_sure(&self, doing: Option<Doing>, now: Instant) -> bool {
        doing == Some(Doing::WaitsForProcessor) && self.is_known(now)
    }

    /// Whether its thread has been watched for long enough that its processor time says something.
    fn is_known(&self, now: Instant) -> bool {
        self.used.is_some_and(|used| now - used.at >= SPELL)
    }

    /// Whether a thread that doesn't block burns. It has used `time` by now.
    fn computes(&self, time: Option<Duration>, now: Instant) -> Doing {
        let (Some(before), Some(time)) = (self.used, time) else {
            return Doing::Burns;
        };
        let (used, passed) = (time.saturating_sub(before.time), now - before.at);
        match used >= PATIENCE || self.is_known(now) && 8 * used >= passed {
            true => Doing::Burns,
            false => Doing::WaitsForProcessor,
        }
    }
}

impl Lookout {
    /// For a runtime that has room for `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        let now = Instant::now();
        Self {
            sights: vec![Sight::first(0, now); workers].into_boxed_slice(),
            engaged: Vec::new(),
            stuck_since: None,
            unserved_since: None,
            last_trouble: now,
            last_engaged: now,
            last_restless: now,
            in_vain_until: None,
            together: Together::new(now),
            looked: now,
            reports: Vec::new(),
            urgent: false,
        }
    }

    /// Looks at all workers, and helps if one is held up. `by`: the worker that looks, if one does. It is between two polls, and
    /// leaves to the reactor thread what may call user code: to make reports, and to bring threads.
    pub(crate) fn look(&mut self, shared: &Shared, by: Option<usize>) -> View {
        let glance = self.glance(shared, by);
        self.urgent = by.is_some() && !self.reports.is_empty();
        let trouble = glance.ready && glance.held_up > 0;
        self.move_on(shared, &glance);
        if shared.modes.chief().is_none() {
            self.wake_sleepers(shared, &glance);
        }
        let stuck_for = self.stuck_for(&glance);
        let mut by_polls = false;
        if trouble {
            let ask = self.in_vain_until.is_none_or(|until| glance.now >= until);
            if glance.moved || ask {
                self.in_vain_until = None;
            }
            let all_awake = shared.idle.asleep() == 0;
            let asks = shared.all_at_work() || glance.spares > 0;
            if glance.for_long && self.in_vain_until.is_none() && asks {
                let held_up = self.ask(shared, &glance);
                by_polls = held_up.by_polls();
                if by_polls {
                    self.last_trouble = glance.now;
                }
                if all_awake && by.is_none() {
                    self.bring_threads(shared, &glance, stuck_for, &held_up);
                } else if all_awake {
                    self.urgent |= held_up.by_polls();
                }
            }
        }
        let held_up = by_polls || glance.spares > 0;
        let engaged = &self.engaged;
        self.together.tick(shared, engaged, glance.now, held_up);
        // Workers that merely lack a processor keep no spare: it would stay for as long as the machine is busy, and make it
        // busier.
        if glance.spares > 0 && glance.now - self.last_trouble >= QUIET {
            if by.is_some() {
                self.urgent = true;
            } else {
                self.last_trouble = glance.now;
                engage::dismiss_spare(shared);
            }
        }
        let in_vain = self.in_vain_until.is_some() && trouble;
        if in_vain || self.lacks_processors(&glance) {
            View::Busy
        } else if trouble || glance.long_polls || self.together.is_trying() {
            View::HeldUp
        } else if by.is_none() && self.together.rests(shared) && self.may_rest(shared, &glance) {
            View::Asleep
        } else {
            View::Busy
        }
    }

    /// Reads what every worker does.
    fn glance(&mut self, shared: &Shared, by: Option<usize>) -> Glance {
        shared.crew.read_roll(&mut self.engaged);
        let injected = !shared.injector.is_empty();
        let regular = shared.crew.regular().min(self.engaged.len());
        let spares = self.engaged[regular..].iter();
        let mut glance = Glance {
            now: Instant::now(),
            spares: spares.filter(|&&engaged| engaged).count(),
            awake: 0,
            held_up: 0,
            ready: injected,
            for_long: false,
            stalled: false,
            long_polls: false,
            long_polls_end: false,
            moved: false,
        };
        let time = glance.now - std::mem::replace(&mut self.looked, glance.now);
        // Workers beyond reach have gone. If they come again, they are looked at as if for the first time.
        self.sights[shared.reachable().len()..].fill(Sight::first(0, glance.now));
        for (worker, remote) in shared.reachable().iter().enumerate() {
            let sight = &mut self.sights[worker];
            sight.blocks = false;
            sight.lacks_processor = false;
            let polls = remote.counters.polls.get();
            let asleep = !self.engaged[worker] || shared.idle.is_asleep(worker);
            glance.awake += usize::from(!asleep);
            let begun = polls.wrapping_sub(sight.polls);
            let queued = injected || remote.open.depth() > 0;
            let long_polls = !asleep && queued && polls_in(time, LONG_POLL) >= begun;
            glance.long_polls |= long_polls;
            glance.long_polls_end |= long_polls && begun > 0;
            if !asleep && begun > 0 {
                remote.set_polls_per_ms(per_ms(begun, time));
            }
            glance.moved |= polls != sight.polls;
            if asleep || polls != sight.polls || by == Some(worker) {
                *sight = Sight::first(polls, glance.now);
                remote.set_stalled(false);
                continue;
            }
            glance.held_up += 1;
            sight.held_up = true;
            sight.note_use(remote.thread.get(), glance.now);
            let duration = glance.now - sight.since;
            let long = duration >= shared.stalls.threshold;
            // Set before any worker is woken, because a woken worker looks at it afterwards.
            remote.set_stalled(long);
            let waiting = waits_behind(remote, long);
            glance.ready |= waiting;
            glance.for_long |= duration >= PATIENCE;
            glance.stalled |= long && (waiting || injected);
            sight.waited |= waiting || injected;
            if long && sight.waited && !sight.reported {
                sight.reported = true;
                let polled = remote.counters.polled.get();
                self.reports
                    .extend(report(shared, worker, polled, duration));
            }
        }
        glance
    }

    /// Moves tasks that lie behind held-up workers to the injector, if other workers are busy and don't look for them.
    /// If no other worker is busy, the next one that comes steals those tasks, in its usual order.
    fn move_on(&self, shared: &Shared, glance: &Glance) {
        if glance.held_up == glance.awake || !glance.for_long {
            return;
        }
        let mut moved = 0;
        for (sight, remote) in self.sights.iter().zip(shared.reachable()) {
            if sight.held_up && glance.now - sight.since >= PATIENCE {
                remote.open.take_out(remote.is_stalled(), |task| {
                    shared.injector.push(task);
                    moved += 1;
                });
            }
        }
        shared.wake_for(moved);
    }

    /// Wakes a worker that sleeps beside a ready task.
    fn wake_sleepers(&mut self, shared: &Shared, glance: &Glance) {
        if !glance.ready || shared.idle.asleep() == 0 {
            self.unserved_since = None;
            return;
        }
        let since = *self.unserved_since.get_or_insert(glance.now);
        if glance.now - since < PATIENCE {
            shared.wake_one();
        } else if let Some(worker) = shared.idle.claim_any() {
            self.unserved_since = None;
            shared.unpark(worker);
        }
    }

    /// How long all workers that are awake have been held up.
    fn stuck_for(&mut self, glance: &Glance) -> Duration {
        if glance.held_up < glance.awake || glance.awake == 0 {
            self.stuck_since = None;
            return Duration::ZERO;
        }
        glance.now - *self.stuck_since.get_or_insert(glance.now)
    }

    /// Asks the operating system what the threads of the held-up workers do.
    fn ask(&mut self, shared: &Shared, glance: &Glance) -> HeldUp {
        let mut held_up = HeldUp::default();
        for (worker, remote) in shared.reachable().iter().enumerate() {
            let sight = &mut self.sights[worker];
            if !sight.held_up {
                continue;
            }
            let doing = sight.doing(remote, !shared.hooks.on_thread_start, glance.now);
            // A worker that has fallen asleep since the glance has a thread that blocks, but not in a poll.
            let doing = doing.filter(|_| !shared.idle.is_asleep(worker));
            sight.blocks = doing == Some(Doing::Blocks);
            sight.lacks_processor = sight.is_sure(doing, glance.now);
            match doing {
                Some(Doing::Blocks) => held_up.blocked += 1,
                Some(Doing::Burns) => held_up.burning |= glance.now - sight.since >= PATIENCE,
                Some(Doing::WaitsForProcessor) | None => {}
            }
        }
        held_up
    }

    /// Brings more threads, depending on what the threads of the held-up workers do.
    fn bring_threads(
        &mut self,
        shared: &Shared,
        glance: &Glance,
        stuck_for: Duration,
        held_up: &HeldUp,
    ) {
        let &HeldUp { blocked, burning } = held_up;
        if blocked > 0 {
            // A worker that came within reach since the glance may count as blocked and not as awake.
            let computing = glance.awake.saturating_sub(blocked) + shared.crew.adrift.computing();
            let wanted = shared.crew.regular().saturating_sub(computing).min(blocked);
            let brings = |_: &usize| self.replace(shared) || self.engage(shared, glance);
            let brought = (0..wanted).take_while(brings).count();
            if blocked == glance.awake && wanted > 0 && brought == 0 {
                // As long as no worker makes progress, asking takes only a small part of the time.
                let pause = RESTLESS.max(32 * glance.now.elapsed());
                self.in_vain_until = Some(glance.now + pause);
            }
        }
        let soon =
            shared.crew.spares() > 0 && glance.now - self.last_engaged < shared.stalls.threshold;
        if burning && !soon && (stuck_for >= PATIENCE || glance.stalled) {
            self.engage(shared, glance);
        }
    }

    fn engage(&mut self, shared: &Shared, glance: &Glance) -> bool {
        let engaged = engage::engage_spare(shared);
        if engaged {
            self.last_engaged = glance.now;
        }
        engaged
    }

    /// Gives another thread to a spare whose thread is blocked.
    fn replace(&mut self, shared: &Shared) -> bool {
        let spares = shared.crew.regular()..self.sights.len();
        let mut spares = spares.filter(|&worker| self.sights[worker].blocks);
        let replaced = spares.find(|&worker| engage::replace(shared, worker));
        if let Some(worker) = replaced {
            self.sights[worker].blocks = false;
        }
        replaced.is_some()
    }

    /// Whether the workers that are held up lack processors and nothing else. To look again soon would help none of them. It
    /// would take processor time from all.
    fn lacks_processors(&self, glance: &Glance) -> bool {
        let mut held_up = self.sights.iter().filter(|sight| sight.held_up);
        glance.held_up > 0 && !glance.long_polls_end && held_up.all(|sight| sight.lacks_processor)
    }

    /// Whether nothing has to be watched: nothing is ready, and all workers sleep, or have been blocked for long.
    /// Whoever makes something ready then rouses the lookout.
    fn may_rest(&mut self, shared: &Shared, glance: &Glance) -> bool {
        shared.modes.set_unwatched(false);
        if glance.moved || glance.ready {
            return false;
        }
        if glance.awake == 0 && glance.spares == 0 {
            return true;
        }
        if glance.held_up < glance.awake || glance.now - self.last_restless < RESTLESS {
            return false;
        }
        shared.modes.set_unwatched(true);
        let rests = shared
            .reachable()
            .iter()
            .enumerate()
            .all(|(worker, remote)| {
                match self.sights[worker].held_up {
                    true => is_blocked(remote.thread.get()) && remote.open.depth() == 0,
                    // A spare that sleeps has to be dismissed first.
                    false => {
                        !self.engaged[worker]
                            || !shared.crew.is_spare(worker)
                            || remote.is_dismissed()
                    }
                }
            });
        let rests = rests && shared.injector.is_empty();
        if !rests {
            shared.modes.set_unwatched(false);
            self.last_restless = glance.now;
        }
        rests
    }
}

/// How many polls that last `each` fit into `time`.
fn polls_in(time: Duration, each: Duration) -> u64 {
    (time.as_nanos() / each.as_nanos()) as u64
}

/// How many polls that is in a millisecond: `polls` in `time`.
fn per_ms(polls: u64, time: Duration) -> u32 {
    let polls = u128::from(polls) * 1_000_000 / time.as_nanos().max(1);
    u32::try_from(polls).unwrap_or(u32::MAX)
}

/// A report, made by waking it, of a poll of `worker` that has lasted for `duration`. The polled task has the number
/// `polled`.
fn report(shared: &Shared, worker: usize, polled: u64, duration: Duration) -> Option<Waker> {
    let id = Id::from_u64(polled)?;
    let task = shared.alive.tasks.find(id);
    let thread_state = describe(shared.remotes[worker].thread.get());
    let stall = Stall::new(id, task, worker, duration, thread_state);
    Some(shared.stalls.report(stall))
}

/// Whether the queues of a held-up worker contain tasks that others may take.
fn waits_behind(remote: &Remote, long: bool) -> bool {
    let open = &remote.open;
    open.slot.look().is_some() || open.has_fresh() || long && open.has_yielded()
}

#[cfg(all(test, target_os = "linux", not(any(heist_loom, miri))))]
mod tests {
    use super::*;
    use crate::queue::Local;
    use crate::whole::Whole;
    use crate::workers::thread_state::here;

    const MS: Duration = Duration::from_millis(1);

    /// A worker of this thread, and the sight of it: it was first seen held up `ago`, and its thread has used `used`
    /// since.
    fn seen(ago: Duration, used: Duration, now: Instant) -> (Remote, Sight) {
        let remote = Remote::new(Local::new().1);
        remote.thread.set_here();
        remote.counters.busy.wakes(0);
        // A thread has to have used that much.
        while cpu_time(here()).unwrap() < used {}
        let mut sight = Sight::first(remote.counters.polls.get(), now);
        sight.note_use(here(), now);
        if let Some(seen) = &mut sight.used {
            (seen.time, seen.at) = (seen.time - used, now - ago);
        }
        (remote, sight)
    }

    #[test]
    fn a_worker_that_lacks_a_processor_is_not_held_up_by_a_poll() {
        let shared = Whole::new(2).0.handle().shared().clone();
        let now = Instant::now();
        for by_polls in [false, true] {
            let (_, mut sight) = seen(10 * MS, MS / 2, now);
            if let (Some(seen), false) = (&mut sight.used, by_polls) {
                // However slow this thread is, it has used none since.
                seen.time += 1_000_000 * MS;
            }
            shared.remotes[0].thread.set_here();
            let mut lookout = Lookout::new(2);
            lookout.sights[0] = Sight {
                held_up: true,
                since: now - 10 * MS,
                ..sight
            };
            let glance = lookout.glance(&shared, None);
            assert!(glance.for_long);
            assert_eq!(lookout.ask(&shared, &glance).by_polls(), by_polls);
        }
    }

    #[test]
    fn a_thread_that_is_asked_for_the_first_time_is_not_taken_to_burn() {
        let now = Instant::now();
        let (_, sight) = seen(Duration::ZERO, Duration::ZERO, now);
        let time = sight.used.map(|used| used.time);
        assert_eq!(sight.computes(time, now), Doing::WaitsForProcessor);
    }

    #[test]
    fn a_thread_without_a_processor_waits_for_one_however_long() {
        let now = Instant::now();
        for ago in [MS / 50, MS / 4, MS, 50 * MS] {
            let (_, sight) = seen(ago, Duration::ZERO, now);
            let time = sight.used.map(|used| used.time + MS / 50);
            assert_eq!(sight.computes(time, now), Doing::WaitsForProcessor);
        }
    }

    #[test]
    fn a_thread_lacks_a_processor_once_it_was_watched_for_a_spell() {
        let now = Instant::now();
        for (ago, sure) in [(Duration::ZERO, false), (SPELL / 2, false), (SPELL, true)] {
            let (_, sight) = seen(ago, Duration::ZERO, now);
            let time = sight.used.map(|used| used.time);
            let doing = sight.computes(time, now);
            assert_eq!(sight.is_sure(Some(doing), now), sure, "{ago:?}");
            assert!(!sight.is_sure(Some(Doing::Burns), now));
            assert!(!sight.is_sure(None, now));
        }
    }

    #[test]
    fn a_thread_with_half_a_millisecond_or_an_eighth_burns() {
        let now = Instant::now();
        for (ago, used) in [(50 * MS, MS / 2), (MS, MS / 8), (MS / 4, MS / 4)] {
            let (remote, sight) = seen(ago, used, now);
            assert_eq!(sight.doing(&remote, true, now), Some(Doing::Burns));
        }
    }

    #[test]
    fn a_worker_that_has_gone_on_since_the_glance_is_left_alone() {
        let now = Instant::now();
        let (remote, sight) = seen(MS, MS, now);
        remote.counters.polls.add(1);
        assert_eq!(sight.doing(&remote, true, now), None);
    }

    #[test]
    fn a_worker_whose_thread_has_changed_is_judged_by_the_new_one() {
        let now = Instant::now();
        let (_, mut sight) = seen(MS, MS, now - MS);
        let other = std::thread::spawn(here).join().unwrap();
        sight.note_use(other, now);
        assert!(sight.used.is_none(), "that thread has ended");
        sight.note_use(here(), now);
        assert_eq!(sight.used.unwrap().at, now);
    }

    #[test]
    fn a_worker_that_was_claimed_and_still_sleeps_waits_for_a_processor() {
        let now = Instant::now();
        let (remote, sight) = seen(MS, Duration::ZERO, now);
        let (wakes, sleeps) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let remote = &remote;
            scope.spawn(move || {
                remote.thread.set_here();
                sleeps.recv()
            });
            while remote.thread.get() == here() || !is_blocked(remote.thread.get()) {}
            assert_eq!(sight.doing(remote, true, now), Some(Doing::Blocks));
            remote.counters.busy.sleeps(0);
            assert_eq!(
                sight.doing(remote, true, now),
                Some(Doing::WaitsForProcessor)
            );
            drop(wakes);
        });
    }

    #[test]
    fn a_thread_on_its_way_waits_for_a_processor_unless_a_hook_may_hold_it_up() {
        let now = Instant::now();
        let (remote, sight) = seen(50 * MS, Duration::ZERO, now);
        remote.thread.clear();
        assert_eq!(
            sight.doing(&remote, true, now),
            Some(Doing::WaitsForProcessor)
        );
        assert_eq!(sight.doing(&remote, false, now), Some(Doing::Burns));
    }
}
