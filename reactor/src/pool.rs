//! The pool of threads for blocking jobs: a queue under a lock, and threads that start when they are needed and end
//! when they have waited long enough.
//!
//! A thread of the pool is in one of these states. The counts are under the lock, and exact whenever the lock is free:
//!
//! | state | counted in | left by |
//! |---|---|---|
//! | starting, with a first job in hand | `threads` | running, or the operating system's refusal |
//! | running | `threads` | the end of its job, if nothing is queued |
//! | lingering: idle but awake, for some microseconds | `threads`, `lingering` | a look at the queue, under the lock |
//! | idle | `threads`, `idle` | a submitter's claim, the end of its keep-alive time, the pool's shutdown |
//! | claimed | `threads`, `claims` | waking up and taking the claim |
//! | ending, in its last hook | only `alive`, which counts all of the above too | – |
//!
//! Invariants:
//! 1. `idle + claims` threads wait on the condition variable. `threads` is the number of all threads that have not
//!    ended.
//! 2. A job is queued only while `threads > 0`, and a thread becomes idle or ends only while the queue is empty. So
//!    after a job was queued, there is always a thread that will look at the queue.
//! 3. `lingering + claims` threads are about to look at the queue. If a submitter finds more of them than jobs queued,
//!    it wakes nobody. Otherwise, if `idle > 0`, it makes an idle thread a claimed one, under the lock. A claimed
//!    thread takes the claim even if its time is up, so no claim is given to a thread that ends.
//! 4. `threads` is never above the maximum.
//! 5. User code (jobs, hooks, the name, what jobs own) runs and is dropped while the lock is free.
//! 6. A new thread holds its first job itself; the job is not in the queue. If the thread can't be started, the
//!    submitter still has the job. If it was the only thread, nobody is left for the jobs that others queued meanwhile,
//!    trusting in it: the submitter runs the mandatory ones, whose submitters were promised that, and drops the rest.
//! 7. After the pool's shutdown only mandatory jobs are queued, and none is added. A thread that runs a job goes on with
//!    them until the queue is empty, so by invariant 2 all of them run.
//!
//! Why threads linger: if a job follows another within some microseconds, its thread is still awake. Then the hand-over
//! costs no system call on either side. Each thread learns for itself whether lingering pays (`Patience`).
//!
//! Orderings: everything is under the one lock. `queued` repeats the length of the queue for the threads that linger.
//! It is a hint: after it they look under the lock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use heist_sync::protocol::Patience;
use heist_sync::protocol::contain;
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, MutexGuard, thread};

use crate::config::{Config, ThreadHook, ThreadName, call_hook};
use joining::join_all;

mod joining;

/// A blocking job. If it is dropped instead of called, it will not run.
pub type Job = Box<dyn FnOnce() + Send>;

/// What starts a thread.
pub type Spawner = Box<
    dyn Fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>>
        + Send
        + Sync,
>;

/// Hears when jobs run.
pub trait PoolWatch: Send + Sync {
    /// A thread is about to run a job. The pool is [no longer at rest](Pool::is_at_rest).
    fn begins(&self);
    /// A thread has no more jobs to run. The pool may be at rest. This is called under the pool's lock.
    fn rests(&self);
}

/// Nobody watches.
struct Unwatched;

impl PoolWatch for Unwatched {
    fn begins(&self) {}
    fn rests(&self) {}
}

/// How a [`Pool`] is made.
pub struct PoolConfig {
    /// Names each thread.
    pub thread_name: ThreadName,
    /// The stack of each thread, in bytes.
    pub thread_stack_size: Option<usize>,
    /// How many threads there may be at once; 0 counts as 1.
    pub max_threads: usize,
    /// How long an idle thread waits for a job before it ends.
    pub keep_alive: Duration,
    /// Called by each thread as it starts.
    pub on_thread_start: Option<ThreadHook>,
    /// Called by each thread as it stops.
    pub on_thread_stop: Option<ThreadHook>,
    /// Starts a thread.
    pub spawner: Spawner,
}

impl PoolConfig {
    /// The pool of a reactor.
    pub fn from_config(config: &Config) -> Self {
        Self {
            thread_name: config.thread_name.clone(),
            thread_stack_size: config.thread_stack_size,
            max_threads: config.max_blocking_threads,
            keep_alive: config.thread_keep_alive,
            on_thread_start: config.on_thread_start.clone(),
            on_thread_stop: config.on_thread_stop.clone(),
            spawner: Box::new(|builder, body| builder.spawn(body)),
        }
    }
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("max_threads", &self.max_threads)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

/// Why a job was not taken; the job comes back.
pub enum Refused {
    /// The pool has been shut down.
    Shutdown(Job),
    /// No thread is alive and none can be started.
    NoThread(Job, io::Error),
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Shutdown(_) => f.write_str("Shutdown"),
            Refused::NoThread(_, error) => f.debug_tuple("NoThread").field(error).finish(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Shutdown(_) => f.write_str("the blocking pool has been shut down"),
            Refused::NoThread(_, error) => {
                write!(f, "no thread for blocking jobs can be started: {error}")
            }
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Refused::Shutdown(_) => None,
            Refused::NoThread(_, error) => Some(error),
        }
    }
}

/// A pool of threads for blocking jobs. Threads start as they are needed. Dropping the pool shuts it down.
pub struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The length of the queue, stored under the lock.
    queued: AtomicUsize,
    /// Idle threads wait here.
    work: Condvar,
    /// [`Pool::join`] waits here.
    ended: Condvar,
    config: PoolConfig,
    watch: Box<dyn PoolWatch>,
}

struct Queued {
    job: Job,
    /// It runs even if the pool is shut down first.
    mandatory: bool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Queued>,
    threads: usize,
    /// `threads`, and the threads that are in their last hook. Joining waits for this to become zero.
    alive: usize,
    idle: usize,
    lingering: usize,
    claims: usize,
    shut_down: bool,
    /// The identifiers of the threads, from before their first job to their end.
    members: Vec<thread::ThreadId>,
    /// The number of the next thread.
    next: u64,
    /// The handles of threads, for joining. A thread's handle may be stored after the thread's end.
    handles: BTreeMap<u64, thread::JoinHandle<()>>,
    /// Threads that have ended and whose handles nobody has joined yet.
    unjoined: Vec<u64>,
    /// How many threads had left their loops but not ended when the time of [`Pool::join`] was over.
    left_behind: usize,
}

impl Pool {
    /// A pool that has no thread yet.
    pub fn new(config: PoolConfig) -> Self {
        Self::watched(config, Box::new(Unwatched))
    }

    /// A pool that has no thread yet. `watch` hears when its jobs run.
    pub fn watched(config: PoolConfig, watch: Box<dyn PoolWatch>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            queued: AtomicUsize::new(0),
            work: Condvar::new(),
            ended: Condvar::new(),
            config,
            watch,
        }))
    }

    /// Queues a job. Starts or wakes a thread for it if possible. It never blocks, except for the lock.
    ///
    /// # Errors
    ///
    /// If the pool has been shut down, or if no thread is alive and none can be started. The job comes back.
    pub fn submit(&self, job: Job) -> Result<(), Refused> {
        let mandatory = false;
        self.take(Queued { job, mandatory })
    }

    /// Like [`submit`](Self::submit), but once the job has been taken, it also runs if the pool is shut down before its turn
    /// has come. [`join`](Self::join) waits for it.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_mandatory(&self, job: Job) -> Result<(), Refused> {
        let mandatory = true;
        self.take(Queued { job, mandatory })
    }

    fn take(&self, entry: Queued) -> Result<(), Refused> {
        let shared = &self.0;
        let mut state = shared.state.lock();
        if state.shut_down {
            drop(state);
            return Err(Refused::Shutdown(entry.job));
        }
        if !state.has_free_thread() && state.threads < shared.config.max_threads.max(1) {
            let number = state.count_thread();
            drop(state);
            let Queued { job, mandatory } = entry;
            return Shared::start_thread(shared, number, job).or_else(|(job, error)| {
                shared.not_started(Queued { job, mandatory }, error, true)
            });
        }
        shared.enqueue(state, entry);
        Ok(())
    }

    /// Like [`submit`](Self::submit), but only if a thread takes the job at once. The job never waits behind another.
    ///
    /// # Errors
    ///
    /// If the pool has been shut down, or if all threads are taken and no other can be started. The job comes back.
    pub fn submit_now(&self, job: Job) -> Result<(), Refused> {
        let shared = &self.0;
        let mandatory = false;
        let mut state = shared.state.lock();
        if state.shut_down {
            drop(state);
            return Err(Refused::Shutdown(job));
        }
        if state.has_free_thread() {
            shared.enqueue(state, Queued { job, mandatory });
            return Ok(());
        }
        if state.threads >= shared.config.max_threads.max(1) {
            drop(state);
            let full = io::Error::other("all threads are taken");
            return Err(Refused::NoThread(job, full));
        }
        let number = state.count_thread();
        drop(state);
        Shared::start_thread(shared, number, job)
            .or_else(|(job, error)| shared.not_started(Queued { job, mandatory }, error, false))
    }

    /// Refuses new jobs, and drops the queued ones that aren't mandatory. Each thread ends after the job that it runs, or once
    /// no mandatory one is left.
    pub fn shutdown(&self) {
        let mut state = self.0.state.lock();
        state.shut_down = true;
        let dropped = self.0.take_optional(&mut state);
        drop(state);
        self.0.work.notify_all();
        self.0.ended.notify_all();
        drop_jobs(dropped);
    }

    /// Waits until every thread has ended, including the destructors of its thread-locals. Waits until `deadline` at
    /// most, and returns whether they have ended. Call it after [`shutdown`](Self::shutdown). If a thread of the pool
    /// calls it, it returns false at once.
    pub fn join(&self, deadline: Option<Instant>) -> bool {
        let own = thread::current().id();
        let mut state = self.0.state.lock();
        if state.members.contains(&own) {
            return false;
        }
        while state.alive > 0 {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.0.ended.wait(&mut state),
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.0.ended.wait_for(&mut state, left);
                }
            }
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        let left = join_all(handles.into_values().collect(), deadline);
        self.0.state.lock().left_behind = left;
        left == 0
    }

    /// How many threads have not ended. This includes threads in their last hook, and threads that [`join`](Self::join)
    /// has waited for in vain.
    pub fn num_left(&self) -> usize {
        let state = self.0.state.lock();
        state.alive + state.left_behind
    }

    /// How many threads there are, including those that start and those that are idle.
    pub fn num_threads(&self) -> usize {
        self.0.state.lock().threads
    }

    /// How many jobs wait for a thread.
    pub fn queue_depth(&self) -> usize {
        self.0.state.lock().queue.len()
    }

    /// Whether no job runs, and none is queued.
    pub fn is_at_rest(&self) -> bool {
        let state = self.0.state.lock();
        state.queue.is_empty() && state.threads == state.idle
    }

    /// How many threads wait for a job.
    pub fn num_idle(&self) -> usize {
        let state = self.0.state.lock();
        state.idle + state.lingering
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl State {
    /// Counts a thread that is about to be started, and returns its number.
    fn count_thread(&mut self) -> u64 {
        self.threads += 1;
        self.alive += 1;
        self.next += 1;
        self.next - 1
    }

    /// Whether a waiting thread is free for the next job.
    fn has_free_thread(&self) -> bool {
        self.idle > 0 || self.lingering + self.claims > self.queue.len()
    }
}

impl Shared {
    /// Queues a job. Wakes an idle thread for it if no thread that is awake will see it (invariant 3).
    fn enqueue(&self, mut state: MutexGuard<'_, State>, entry: Queued) {
        let unseen = state.lingering + state.claims <= state.queue.len();
        state.queue.push_back(entry);
        // Ordering: hint only.
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        let claimed = unseen && state.idle > 0;
        if claimed {
            state.idle -= 1;
            state.claims += 1;
        }
        drop(state);
        if claimed {
            self.work.notify_one();
        }
    }

    fn dequeue(&self, state: &mut State) -> Option<Job> {
        let entry = state.queue.pop_front()?;
        // Ordering: hint only.
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        Some(entry.job)
    }

    /// Takes everything that is queued.
    fn clear(&self, state: &mut State) -> VecDeque<Queued> {
        // Ordering: hint only.
        self.queued.store(0, Ordering::Relaxed);
        std::mem::take(&mut state.queue)
    }

    /// Takes everything that is queued and not mandatory.
    fn take_optional(&self, state: &mut State) -> VecDeque<Queued> {
        let queue = self.clear(state).into_iter();
        let (mandatory, optional) = queue.partition(|entry| entry.mandatory);
        state.queue = mandatory;
        // Ordering: hint only.
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        optional
    }

    /// Starts a thread with its first job. The thread has been counted already.
    fn start_thread(this: &Arc<Self>, number: u64, job: Job) -> Result<(), (Job, io::Error)> {
        let in_hand = Arc::new(Mutex::new(Some(job)));
        let (shared, first) = (this.clone(), in_hand.clone());
        let body = Box::new(move || shared.run(number, &first));
        let name = || (this.config.thread_name)();
        let mut builder = thread::Builder::new();
        if let Some(name) = contain(name) {
            builder = builder.name(name);
        }
        if let Some(bytes) = this.config.thread_stack_size {
            builder = builder.stack_size(bytes);
        }
        match (this.config.spawner)(builder, body) {
            Ok(handle) => {
                this.state.lock().handles.insert(number, handle);
                Ok(())
            }
            Err(error) => {
                let job = in_hand.lock().take();
                Err((job.expect("only the thread takes it"), error))
            }
        }
    }

    /// A thread could not be started. It has been counted already. Its job waits for the other threads, if there are
    /// any and if it `may`.
    fn not_started(&self, entry: Queued, error: io::Error, may: bool) -> Result<(), Refused> {
        let mut state = self.state.lock();
        state.threads -= 1;
        if (state.has_free_thread() || may && state.threads > 0) && !state.shut_down {
            state.alive -= 1;
            self.enqueue(state, entry);
            return Ok(());
        }
        // Invariant 2: without a thread, nothing may stay queued.
        let orphans = match state.threads {
            0 => self.clear(&mut state),
            _ => VecDeque::new(),
        };
        let shut_down = state.shut_down;
        drop(state);
        // Invariant 6. Joining waits for them, as `alive` still counts the thread.
        for orphan in orphans {
            if orphan.mandatory {
                self.run_job(orphan.job);
            } else {
                contain(|| drop(orphan));
            }
        }
        let mut state = self.state.lock();
        state.alive -= 1;
        self.watch.rests();
        drop(state);
        self.ended.notify_all();
        Err(if shut_down {
            Refused::Shutdown(entry.job)
        } else {
            Refused::NoThread(entry.job, error)
        })
    }

    /// The body of a thread of the pool.
    fn run(&self, number: u64, first: &Mutex<Option<Job>>) {
        let own = thread::current().id();
        self.state.lock().members.push(own);
        call_hook(self.config.on_thread_start.as_ref());
        let first = first.lock().take();
        self.run_job(first.expect("the submitter left it here"));
        let mut patience = Patience::new();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = self.dequeue(&mut state) {
                drop(state);
                self.run_job(job);
                state = self.state.lock();
                let may_linger = state.queue.is_empty() && !state.shut_down;
                if may_linger && patience.is_worth_it() {
                    state = self.linger(state, &mut patience);
                }
            } else if state.shut_down || !self.idle(&mut state) {
                break;
            }
        }
        // The lock has been held since the last look at the queue (invariant 2).
        state.threads -= 1;
        self.watch.rests();
        drop(state);
        call_hook(self.config.on_thread_stop.as_ref());
        self.end(number);
    }

    /// Runs a job, and contains its panic.
    fn run_job(&self, job: Job) {
        self.watch.begins();
        contain(job);
    }

    /// The end of a thread. It has called its hook, and is no longer counted in `threads`.
    fn end(&self, number: u64) {
        let mut state = self.state.lock();
        state.alive -= 1;
        let own = thread::current().id();
        state.members.retain(|member| *member != own);
        let State {
            unjoined, handles, ..
        } = &mut *state;
        // A thread whose handle is not stored yet is left for the next one that ends.
        let mut before = Vec::new();
        unjoined.retain(|ended| match handles.remove(ended) {
            Some(handle) => {
                before.push(handle);
                false
            }
            None => true,
        });
        unjoined.push(number);
        drop(state);
        self.ended.notify_all();
        before.into_iter().for_each(|handle| drop(handle.join()));
    }

    /// Waits for a job, awake. Afterwards, look at the queue under the lock that this returns (invariant 3).
    fn linger<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        patience: &mut Patience,
    ) -> MutexGuard<'a, State> {
        state.lingering += 1;
        drop(state);
        // Ordering: hint only; the look under the lock decides.
        patience.wait(|| self.queued.load(Ordering::Relaxed) > 0);
        let mut state = self.state.lock();
        state.lingering -= 1;
        state
    }

    /// Waits for a claim, idle. Returns false if its time is up or the pool has been shut down.
    fn idle(&self, state: &mut MutexGuard<'_, State>) -> bool {
        state.idle += 1;
        self.watch.rests();
        let mut late = false;
        while state.claims == 0 {
            if late || state.shut_down {
                state.idle -= 1;
                return false;
            }
            late = self
                .work
                .wait_for(state, self.config.keep_alive)
                .timed_out();
        }
        state.claims -= 1;
        true
    }
}

/// Drops jobs that will not run. If dropping one panics, the others are dropped all the same.
fn drop_jobs(jobs: VecDeque<Queued>) {
    for job in jobs {
        contain(|| drop(job));
    }
}
