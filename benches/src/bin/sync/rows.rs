//! The rows of the table: what each is called, what it measures, and the crates that have it.

mod alone;
mod memory;
mod tasks;
mod threads;

use crate::libs::{crossbeam, flume, futures, heist, kanal, smol, tokio};

/// A row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) kind: Kind,
    /// The number of operations.
    pub(crate) count: usize,
    /// The column of each crate, and its run.
    pub(crate) runs: &'static [(&'static str, Run)],
}

/// Runs so many operations, and returns the figure for one.
pub(crate) type Run = fn(usize) -> f64;

/// What the figure of a row is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nanoseconds of a single thread, whose instructions can be counted too.
    Alone,
    /// Nanoseconds of several threads.
    Together,
    /// Bytes, which are the same in every round.
    Bytes,
}

impl Kind {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Alone | Self::Together => "ns",
            Self::Bytes => "bytes",
        }
    }
}

/// For each crate of a group: its column, and a function with its type.
macro_rules! runs {
    (mutex $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::Mutex<u64>,
            tokio: ::tokio::sync::Mutex<u64>,
            smol: async_lock::Mutex<u64>,
            futures: futures_util::lock::Mutex<u64>,
        }
    };
    (rwlock $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::RwLock<u64>,
            tokio: ::tokio::sync::RwLock<u64>,
            smol: async_lock::RwLock<u64>,
        }
    };
    (barrier $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::Barrier,
            tokio: ::tokio::sync::Barrier,
            smol: async_lock::Barrier,
        }
    };
    (once $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::OnceCell<u64>,
            tokio: ::tokio::sync::OnceCell<u64>,
            smol: async_lock::OnceCell<u64>,
        }
    };
    (broadcast $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Broadcast,
            tokio: tokio::Broadcast,
        }
    };
    (watch $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Watch,
            tokio: tokio::Watch,
        }
    };
    (semaphore $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::Semaphore,
            tokio: ::tokio::sync::Semaphore,
            smol: async_lock::Semaphore,
        }
    };
    (notify $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::Notify,
            tokio: ::tokio::sync::Notify,
            smol: event_listener::Event,
        }
    };
    (oneshot $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::One,
            tokio: tokio::One,
            smol: smol::One,
            flume: flume::One,
            kanal: kanal::One,
            futures: futures::One,
        }
    };
    (channel $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpsc,
            tokio: tokio::Mpsc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
            futures: futures::Mpsc,
        }
    };
    (try_channel $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpsc,
            tokio: tokio::Mpsc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
            futures: futures::Mpsc,
            crossbeam: crossbeam::Mpmc,
        }
    };
    (unbounded $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Unbounded,
            tokio: tokio::Unbounded,
            smol: smol::Unbounded,
            flume: flume::Unbounded,
            kanal: kanal::Unbounded,
            futures: futures::Unbounded,
        }
    };
    (notify_kept $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: ::heist::sync::Notify,
            tokio: ::tokio::sync::Notify,
        }
    };
    (mpmc $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpmc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
        }
    };
    (mpmc_unbounded $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::MpmcUnbounded,
            smol: smol::Unbounded,
            flume: flume::Unbounded,
            kanal: kanal::Unbounded,
        }
    };
    (mpmc_blocking $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpmc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
            crossbeam: crossbeam::Mpmc,
        }
    };
    (rendezvous $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
        }
    };
    (blocking $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpsc,
            tokio: tokio::Mpsc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
            crossbeam: crossbeam::Mpmc,
        }
    };
    (channel_of_shared_senders $module:ident $function:ident) => {
        runs!{ $module $function:
            heist: heist::Mpsc,
            tokio: tokio::Mpsc,
            smol: smol::Mpmc,
            flume: flume::Mpmc,
            kanal: kanal::Mpmc,
        }
    };
    ($module:ident $function:ident: $($column:ident: $type:ty,)+) => {
        &[$((stringify!($column), $module::$function::<$type>)),+]
    };
}

macro_rules! rows {
    ($($kind:ident $name:literal $what:literal, $count:literal $module:ident::$function:ident $group:ident;)+) => {
        /// All rows, in the order of the table.
        pub(crate) const ROWS: &[Row] = &[$(Row {
            name: $name,
            what: $what,
            kind: Kind::$kind,
            count: $count,
            runs: runs!($group $module $function),
        }),+];
    };
}

rows! {
    Alone "lock" "mutex: locked and unlocked", 1_000_000 alone::mutex mutex;
    Alone "read" "rwlock: locked to read and unlocked", 1_000_000 alone::read rwlock;
    Alone "write" "rwlock: locked to write and unlocked", 1_000_000 alone::write rwlock;
    Alone "permit" "semaphore: a permit taken and given back", 1_000_000 alone::semaphore semaphore;
    Alone "notify" "a wait begun, notified, ended", 1_000_000 alone::notify notify;
    Alone "once" "a value made once, looked at again", 1_000_000 alone::once once;
    Alone "oneshot" "oneshot: made, sent, received", 1_000_000 alone::oneshot oneshot;
    Alone "message" "bounded channel: a message sent and received", 1_000_000 alone::channel channel;
    Alone "try" "bounded channel: the same by `try_send` and `try_recv`", 1_000_000 alone::try_channel try_channel;
    Alone "unbounded" "unbounded channel: a message sent and received", 1_000_000 alone::channel unbounded;
    Alone "mpmc-message" "channel of several receivers: a message sent and received", 1_000_000 alone::channel mpmc;
    Alone "broadcast" "broadcast: a value sent and received", 1_000_000 alone::fan broadcast;
    Alone "watch" "watch: a value sent and seen", 1_000_000 alone::fan watch;
    Alone "made" "bounded channel: made, a sender cloned, all dropped", 300_000 alone::made channel;

    Together "lock-2" "mutex, 2 tasks", 1_000_000 tasks::mutex_2 mutex;
    Together "lock-64" "mutex, 64 tasks", 640_000 tasks::mutex_64 mutex;
    Together "lock-yield" "mutex, 64 tasks, held for one round through the scheduler", 192_000 tasks::mutex_yield mutex;
    Together "read-64" "rwlock, 64 tasks that read", 640_000 tasks::reads rwlock;
    Together "rwlock-64" "rwlock, 64 tasks, one write in 10", 640_000 tasks::some_writes rwlock;
    Together "rwlock-yield" "rwlock, 64 tasks, one write in 10, held for one round through the scheduler", 192_000 tasks::some_writes_yield rwlock;
    Together "permit-64" "semaphore of 4, 64 tasks", 640_000 tasks::semaphore semaphore;
    Together "permit-yield" "semaphore of 4, 64 tasks, held for one round through the scheduler", 192_000 tasks::semaphore_yield semaphore;
    Together "notify-2" "2 tasks that notify each other, there and back", 300_000 tasks::notify notify_kept;
    Together "barrier-8" "barrier of 8 tasks, each time that all have come", 60_000 tasks::barrier barrier;
    Together "oneshot-2" "oneshots there and back between new tasks", 100_000 tasks::oneshot oneshot;
    Together "round-trip" "2 tasks that send a message there and back", 300_000 tasks::round_trip channel;
    Together "mpsc-1" "bounded channel of 128, 1 sender", 2_000_000 tasks::one_to_one channel;
    Together "mpsc-8" "bounded channel of 128, 8 senders", 2_000_000 tasks::eight_to_one channel;
    Together "mpsc-100" "bounded channel of 128, 100 senders", 2_000_000 tasks::hundred_to_one channel;
    Together "mpsc-narrow" "bounded channel of 1, 1 sender", 500_000 tasks::narrow channel;
    Together "unbounded-1" "unbounded channel, 1 sender", 2_000_000 tasks::one_to_one unbounded;
    Together "unbounded-8" "unbounded channel, 8 senders", 2_000_000 tasks::eight_to_one unbounded;
    Together "mpmc-1" "bounded channel of several receivers, 1 sender, 1 receiver", 1_000_000 tasks::one_to_one mpmc;
    Together "mpmc-unbounded" "unbounded channel of several receivers, 1 sender, 1 receiver", 1_000_000 tasks::one_to_one mpmc_unbounded;
    Together "mpmc-4" "bounded channel of 128, 4 senders, 4 receivers", 1_000_000 tasks::four_to_four mpmc;
    Together "rendezvous" "channel of 0, 1 sender", 300_000 tasks::rendezvous rendezvous;
    Together "broadcast-1" "broadcast to 1 receiver, a value", 640_000 tasks::fan_1 broadcast;
    Together "broadcast-8" "broadcast to 8 receivers, a value", 192_000 tasks::fan_8 broadcast;
    Together "broadcast-64" "broadcast to 64 receivers, a value", 32_000 tasks::fan_64 broadcast;
    Together "watch-1" "watch with 1 receiver, a value seen by all", 200_000 tasks::fan_1 watch;
    Together "watch-8" "watch with 8 receivers, a value seen by all", 64_000 tasks::fan_8 watch;
    Together "watch-64" "watch with 64 receivers, a value seen by all", 10_000 tasks::fan_64 watch;
    Together "threads-1" "2 threads, bounded channel of 128", 1_000_000 threads::one_to_one blocking;
    Together "threads-4" "5 threads, bounded channel of 128, 4 senders", 1_000_000 threads::four_to_one blocking;
    Together "threads-mpmc" "5 threads, bounded channel of several receivers, 4 senders", 1_000_000 threads::four_to_one mpmc_blocking;
    Together "threads-8" "9 threads, bounded channel of 1, 8 senders", 20_000 threads::eight_to_one_place blocking;
    Together "threads-8-burners" "the same beside a thread that spins on each core", 20_000 threads::eight_to_one_place_beside_burners blocking;

    Bytes "size-mutex" "a mutex round 8 bytes", 1 memory::size mutex;
    Bytes "size-rwlock" "an rwlock round 8 bytes", 1 memory::size rwlock;
    Bytes "size-semaphore" "a semaphore", 1 memory::size semaphore;
    Bytes "size-notify" "a notify, or event", 1 memory::size notify;
    Bytes "empty-oneshot" "an empty oneshot", 1 memory::empty_oneshot oneshot;
    Bytes "empty" "an empty bounded channel of 128", 128 memory::empty channel;
    Bytes "empty-unbounded" "an empty unbounded channel", 1 memory::empty unbounded;
    Bytes "empty-mpmc" "an empty bounded channel of several receivers, of 128", 128 memory::empty mpmc;
    Bytes "empty-broadcast" "an empty broadcast channel of 128", 1 memory::empty_fan broadcast;
    Bytes "empty-watch" "a watch channel of 8 bytes", 1 memory::empty_fan watch;
    Bytes "queued" "a message of 8 bytes in an unbounded channel", 10_000 memory::message unbounded;
    Bytes "waits-lock" "a task that waits for a lock: its future", 100 memory::waiting_lock mutex;
    Bytes "waits-permit" "one that waits for a permit", 100 memory::waiting_permit semaphore;
    Bytes "waits-notify" "one that waits to be notified", 100 memory::waiting_notified notify;
    Bytes "waits-recv" "one that waits for a message", 100 memory::waiting_recv channel;
    Bytes "waits-broadcast" "one that waits for a broadcast", 100 memory::waiting_fan broadcast;
    Bytes "waits-watch" "one that waits for a watch to change", 100 memory::waiting_fan watch;
    Bytes "waits-send" "one that waits for room", 100 memory::waiting_send channel_of_shared_senders;
}
