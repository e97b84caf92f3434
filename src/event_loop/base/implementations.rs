//! The implementations of event loops: which there are, and which one is taken.

use std::env;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::thread;

use heist_sync::sys::Mutex;

use crate::runtime::{self, Backend, Runtime};

/// The variable of the environment that chooses where the program doesn't.
const VARIABLE: &str = "HEIST_EVENT_LOOP";

/// What is taken where nobody chooses.
const DEFAULT: &str = "multi_thread";

type Factory = dyn Fn() -> io::Result<Runtime> + Send + Sync;

/// An implementation of event loops. [`implementations`] lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Implementation {
    name: String,
    description: String,
    taken: bool,
    reason: String,
}

impl Implementation {
    /// The name, for [`Builder::implementation`](crate::event_loop::Builder::implementation) and `HEIST_EVENT_LOOP`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::implementations;
    ///
    /// assert!(implementations().iter().any(|implementation| implementation.name() == "current_thread"));
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, in a sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::implementations;
    ///
    /// let all = implementations();
    /// let one = all.iter().find(|implementation| implementation.name() == "current_thread").unwrap();
    /// assert_eq!(one.description(), "everything runs on the thread that runs the loop");
    /// ```
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it is the one that a builder takes if it is told nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::implementations;
    ///
    /// let all = implementations();
    /// assert_eq!(all.iter().filter(|implementation| implementation.is_default()).count(), 1);
    /// ```
    pub fn is_default(&self) -> bool {
        self.taken
    }

    /// Why it is taken, or why not.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::implementations;
    ///
    /// for implementation in implementations() {
    ///     let taken = implementation.reason().starts_with("taken ");
    ///     assert_eq!(taken, implementation.is_default());
    /// }
    /// ```
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.taken { "*" } else { " " };
        let Self {
            name,
            description,
            reason,
            ..
        } = self;
        write!(f, "{mark} {name}: {description} ({reason})")
    }
}

/// How a runtime is made.
#[derive(Clone)]
pub(crate) enum Choice {
    Builtin {
        multi_thread: bool,
        backend: Backend,
    },
    Registered(Arc<Factory>),
}

struct Entry {
    name: String,
    description: String,
    choice: Choice,
}

static REGISTERED: OnceLock<Mutex<Vec<Entry>>> = OnceLock::new();

fn registered() -> &'static Mutex<Vec<Entry>> {
    REGISTERED.get_or_init(Mutex::default)
}

/// The implementations that are part of heist.
fn builtins() -> Vec<Entry> {
    let flavors = [
        (
            "multi_thread",
            true,
            "tasks and connections run in parallel, on all processors",
        ),
        (
            "current_thread",
            false,
            "everything runs on the thread that runs the loop",
        ),
    ];
    let backends = [
        ("", Backend::Auto, ""),
        ("/mio", Backend::Mio, "; waits by epoll, kqueue or IOCP"),
        #[cfg(unix)]
        ("/poll", Backend::Poll, "; waits by poll(2)"),
    ];
    let entry = |(flavor, multi_thread, does): (&str, bool, &str)| {
        let entry = move |(suffix, backend, waits): &(&str, Backend, &str)| Entry {
            name: format!("{flavor}{suffix}"),
            description: format!("{does}{waits}"),
            choice: Choice::Builtin {
                multi_thread,
                backend: backend.clone(),
            },
        };
        backends.iter().map(entry).collect::<Vec<_>>()
    };
    flavors.into_iter().flat_map(entry).collect()
}

/// Calls `f` with all implementations, in the order of the list.
fn with_all<R>(f: impl FnOnce(&[&Entry]) -> R) -> R {
    let (builtins, registered) = (builtins(), registered().lock());
    f(&builtins.iter().chain(registered.iter()).collect::<Vec<_>>())
}

/// What the environment chooses.
fn by_environment() -> Option<String> {
    let value = env::var_os(VARIABLE)?.to_string_lossy().into_owned();
    (!value.is_empty() && value != "auto").then_some(value)
}

/// The implementation with this name; without a name, the one that the environment names, or else the default.
pub(crate) fn choose(name: Option<&str>) -> io::Result<Choice> {
    let (name, source) = match (name, by_environment()) {
        (Some(name), _) if name != "auto" => (name.to_owned(), ""),
        (_, Some(name)) => (name, " (from HEIST_EVENT_LOOP)"),
        (_, None) => (DEFAULT.to_owned(), ""),
    };
    with_all(|all| {
        let mut known = Vec::new();
        for entry in all {
            if entry.name == name {
                return Ok(entry.choice.clone());
            }
            known.push(entry.name.clone());
        }
        let known = known.join(", ");
        let message = format!("there is no event loop {name:?}{source}; there are: auto, {known}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    })
}

impl Choice {
    /// Makes the runtime. `configure` is called for those that are part of heist.
    pub(crate) fn build(
        self,
        configure: impl FnOnce(&mut runtime::Builder),
    ) -> io::Result<Runtime> {
        match self {
            Self::Builtin {
                multi_thread,
                backend,
            } => {
                let mut builder = match multi_thread {
                    true => runtime::Builder::new_multi_thread(),
                    false => runtime::Builder::new_current_thread(),
                };
                configure(builder.reactor(backend));
                builder.build()
            }
            Self::Registered(factory) => factory(),
        }
    }
}

/// All implementations: multi-thread and current-thread, each with each backend of the [reactor](crate::runtime::backend),
/// and those that the program has [registered](register_implementation). Names without a backend leave that choice to
/// `HEIST_REACTOR`.
///
/// A builder takes the one that it is given by [`Builder::implementation`](crate::event_loop::Builder::implementation), or else the
/// one that the environment variable `HEIST_EVENT_LOOP` names, or else `multi_thread`.
///
/// # Examples
///
/// ```
/// for implementation in heist::event_loop::implementations() {
///     println!("{implementation}");
/// }
/// ```
pub fn implementations() -> Vec<Implementation> {
    let chosen = by_environment();
    let taken = chosen.as_deref().unwrap_or(DEFAULT);
    let is_known = with_all(|all| all.iter().any(|entry| entry.name == taken));
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let implementation = |entry: &Entry| {
        let is_taken = entry.name == taken;
        let reason = match &chosen {
            Some(_) if is_taken => format!("taken because {VARIABLE} names it"),
            Some(name) if is_known => format!("not taken because {VARIABLE} names {name}"),
            Some(name) => format!("not taken because {VARIABLE} names {name}, which doesn't exist"),
            None if is_taken => format!(
                "taken by default: it uses as many processors as there are, {processors}, and a callback that blocks holds up only what comes after it"
            ),
            None if entry.name.starts_with(DEFAULT) => {
                "not taken because HEIST_REACTOR decides how to wait, unless a name does".to_owned()
            }
            None => "not taken by default, only by its name".to_owned(),
        };
        Implementation {
            name: entry.name.clone(),
            description: entry.description.clone(),
            taken: is_taken,
            reason,
        }
    };
    with_all(|all| all.iter().copied().map(implementation).collect())
}

/// Adds an implementation of the program's own: `factory` builds its runtime.
///
/// # Errors
///
/// Fails if the name is taken or empty.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, register_implementation};
/// use heist::runtime::Builder;
///
/// register_implementation("small", "two workers, for tests", || {
///     Builder::new_multi_thread().worker_threads(2).build()
/// })?;
/// let event_loop = EventLoop::builder().implementation("small").build()?;
/// assert_eq!(event_loop.handle().metrics().num_workers(), 2);
/// # std::io::Result::Ok(())
/// ```
pub fn register_implementation(
    name: impl Into<String>,
    description: impl Into<String>,
    factory: impl Fn() -> io::Result<Runtime> + Send + Sync + 'static,
) -> io::Result<()> {
    let name = name.into();
    let mut registered = registered().lock();
    let mut others = builtins().into_iter().map(|entry| entry.name);
    let is_taken =
        others.any(|other| other == name) || registered.iter().any(|entry| entry.name == name);
    if is_taken || name.is_empty() || name == "auto" {
        let message = format!("the name {name:?} of an event loop is taken");
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    registered.push(Entry {
        name,
        description: description.into(),
        choice: Choice::Registered(Arc::new(factory)),
    });
    Ok(())
}
