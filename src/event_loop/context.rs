//! Values that follow the flow of a program: contextvars.
//!
//! A [`ContextVar`] has a value in each [`Context`]. Code that runs in a context sees its values and may change them:
//!
//! - A task of [`EventLoop::create_task`](crate::event_loop::EventLoop::create_task) and each callback of the loop has a context of
//!   its own.
//! - [`scope`] gives any other future a context, and [`Context::run`] gives one to a function.
//! - A thread outside of tasks has a context too.
//! - Each connection, datagram socket and child process has one, for the callbacks of its protocol. The connections of a server
//!   inherit from where the server was asked for.
//!
//! A task or callback begins with the values of those variables that are [inherited](ContextVar::inherited), as they are
//! where it is scheduled. Values of other variables stay where they were set. `heist::spawn` takes no context along and
//! pays for none: in such a task there are no values, until `scope` brings some.
//!
//! # Examples
//!
//! ```
//! use heist::event_loop::{EventLoop, context::ContextVar};
//!
//! static REQUEST: ContextVar<u32> = ContextVar::new("request").inherited();
//!
//! #[heist::main]
//! async fn main() {
//!     let event_loop = EventLoop::current();
//!     let handle = event_loop.create_task(async {
//!         REQUEST.set(7);
//!         // The inner task has what is set here, and what it sets stays with it.
//!         let inner = EventLoop::current().create_task(async { REQUEST.set(REQUEST.get().unwrap() + 1); REQUEST.get() });
//!         (inner.await.unwrap(), REQUEST.get())
//!     });
//!     assert_eq!(handle.await.unwrap(), (Some(8), Some(7)));
//! }
//! ```

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use heist_sync::sys::hints::AtomicU64;
use pin_project_lite::pin_project;

use crate::task;

type Value = Arc<dyn Any + Send + Sync>;
/// `None` is the same as an empty map. Maps are shared until one of the owners changes its own.
type Values = Option<Arc<BTreeMap<u64, Value>>>;

/// The values of variables. A clone is cheap, and changes on its own.
///
/// # Examples
///
/// ```
/// use heist::event_loop::context::{Context, ContextVar};
///
/// static USER: ContextVar<u32> = ContextVar::new("user");
///
/// let mut context = Context::new();
/// assert!(context.is_empty());
/// context.run(|| USER.set(7));
/// assert_eq!((context.len(), context.get(&USER)), (1, Some(7)));
/// assert_eq!(USER.get(), None);
/// ```
#[derive(Clone, Default)]
pub struct Context {
    /// The values of variables that are inherited.
    inherited: Values,
    /// The values of all others.
    own: Values,
}

/// The context of a thread, and the task that has brought it.
struct Current {
    context: Context,
    /// A context counts only for the task that brought it; `None` for a thread outside of tasks. Other tasks may be
    /// polled on this thread meanwhile, in a `block_on` for instance.
    brought_by: Option<task::Id>,
}

thread_local! {
    static CURRENT: RefCell<Current> = const {
        RefCell::new(Current {
            context: Context { inherited: None, own: None },
            brought_by: None,
        })
    };
}

/// Calls `f` with the context that this code runs in. `None` if it runs in none.
fn with_current<R>(f: impl FnOnce(&mut Context) -> R) -> Option<R> {
    let with = |current: &RefCell<Current>| {
        let mut current = current.borrow_mut();
        (current.brought_by == task::try_id()).then(|| f(&mut current.context))
    };
    CURRENT.try_with(with).ok().flatten()
}

impl Context {
    /// A context without any value.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::{Context, ContextVar};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// USER.set(7);
    /// assert_eq!(Context::new().run(|| USER.get()), None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// What a task or a callback that is scheduled here begins with: the values of the variables that are
    /// [inherited](ContextVar::inherited).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::{Context, ContextVar};
    ///
    /// static REQUEST: ContextVar<u32> = ContextVar::new("request").inherited();
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// REQUEST.set(1);
    /// USER.set(7);
    /// let begins_with = Context::inherited();
    /// assert_eq!((begins_with.get(&REQUEST), begins_with.get(&USER)), (Some(1), None));
    /// ```
    pub fn inherited() -> Self {
        let inherited = with_current(|context| context.inherited.clone()).flatten();
        Self {
            inherited,
            own: None,
        }
    }

    /// Runs `f` in this context. What `f` sets stays in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::{Context, ContextVar};
    ///
    /// static NAME: ContextVar<&str> = ContextVar::new("name");
    ///
    /// let mut context = Context::new();
    /// context.run(|| drop(NAME.set("inside")));
    /// assert_eq!(NAME.get(), None);
    /// assert_eq!(context.get(&NAME), Some("inside"));
    /// ```
    pub fn run<R>(&mut self, f: impl FnOnce() -> R) -> R {
        /// Brings back what was there, and keeps what `f` has set.
        struct Back<'a> {
            context: &'a mut Context,
            brought_by: Option<task::Id>,
        }
        impl Back<'_> {
            fn swap(&mut self) {
                let _ = CURRENT.try_with(|current| {
                    let mut current = current.borrow_mut();
                    std::mem::swap(&mut current.context, self.context);
                    std::mem::swap(&mut current.brought_by, &mut self.brought_by);
                });
            }
        }
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.swap();
            }
        }
        let mut back = Back {
            context: self,
            brought_by: task::try_id(),
        };
        back.swap();
        f()
    }

    /// The value of a variable in this context.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::{ContextVar, copy_context};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// USER.set(7);
    /// assert_eq!(copy_context().get(&USER), Some(7));
    /// ```
    pub fn get<T: Clone + Send + Sync + 'static>(&self, var: &ContextVar<T>) -> Option<T> {
        let values = if var.inherited {
            &self.inherited
        } else {
            &self.own
        };
        let value = values.as_ref()?.get(&var.id())?;
        value.downcast_ref().cloned()
    }

    /// How many variables have a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::{Context, ContextVar};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// let mut context = Context::new();
    /// context.run(|| USER.set(7));
    /// assert_eq!(context.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        let count = |values: &Values| values.as_ref().map_or(0, |values| values.len());
        count(&self.inherited) + count(&self.own)
    }

    /// Whether no variable has a value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(heist::event_loop::context::Context::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value that was there.
    fn replace(&mut self, inherited: bool, id: u64, value: Option<Value>) -> Option<Value> {
        let values = if inherited {
            &mut self.inherited
        } else {
            &mut self.own
        };
        match value {
            Some(value) => Arc::make_mut(values.get_or_insert_default()).insert(id, value),
            None => Arc::make_mut(values.as_mut()?).remove(&id),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A copy of the context that this code runs in, with all of its values.
///
/// # Examples
///
/// ```
/// use heist::event_loop::context::{ContextVar, copy_context};
///
/// static LEVEL: ContextVar<u8> = ContextVar::new("level");
///
/// LEVEL.set(1);
/// let copy = copy_context();
/// LEVEL.set(2);
/// assert_eq!((copy.get(&LEVEL), LEVEL.get()), (Some(1), Some(2)));
/// ```
pub fn copy_context() -> Context {
    with_current(|context| context.clone()).unwrap_or_default()
}

/// A variable that has a value in each context. It is meant for a `static`.
///
/// # Examples
///
/// ```
/// use heist::event_loop::context::ContextVar;
///
/// static USER: ContextVar<u32> = ContextVar::new("user");
///
/// let token = USER.set(7);
/// assert_eq!((USER.name(), USER.get(), token.old_value()), ("user", Some(7), None));
/// USER.reset(token);
/// assert_eq!(USER.get(), None);
/// ```
pub struct ContextVar<T> {
    name: &'static str,
    id: OnceLock<u64>,
    inherited: bool,
    value: PhantomData<fn() -> T>,
}

impl<T> ContextVar<T> {
    /// A variable whose values stay where they are set.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, context::ContextVar};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let outer = event_loop.create_task(async {
    ///     USER.set(7);
    ///     EventLoop::current().create_task(async { USER.get() }).await.unwrap()
    /// });
    /// assert_eq!(outer.await.unwrap(), None);
    /// # }
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            id: OnceLock::new(),
            inherited: false,
            value: PhantomData,
        }
    }

    /// Makes tasks and callbacks inherit the values, from where they are scheduled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, context::ContextVar};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user").inherited();
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let outer = event_loop.create_task(async {
    ///     USER.set(7);
    ///     EventLoop::current().create_task(async { USER.get() }).await.unwrap()
    /// });
    /// assert_eq!(outer.await.unwrap(), Some(7));
    /// # }
    /// ```
    pub const fn inherited(mut self) -> Self {
        self.inherited = true;
        self
    }

    /// The name, for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::ContextVar;
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// assert_eq!(USER.name(), "user");
    /// ```
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn id(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Ordering: Relaxed: ids only have to be distinct.
        *self
            .id
            .get_or_init(|| LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// The value here, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::ContextVar;
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// assert_eq!(USER.get(), None);
    /// USER.set(7);
    /// assert_eq!(USER.get(), Some(7));
    /// ```
    pub fn get(&self) -> Option<T> {
        let value = with_current(|context| {
            let values = if self.inherited {
                &context.inherited
            } else {
                &context.own
            };
            values.as_ref()?.get(&self.id()).cloned()
        });
        // Cloned outside of the access, as a clone may do anything.
        value.flatten()?.downcast_ref().cloned()
    }

    /// Sets the value here. The token brings back the value that was there before.
    ///
    /// # Panics
    ///
    /// Panics in a task that has no context: one that was not made by
    /// [`EventLoop::create_task`](crate::event_loop::EventLoop::create_task), outside of any [`scope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::ContextVar;
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// USER.set(7);
    /// let token = USER.set(8);
    /// assert_eq!((token.old_value(), USER.get()), (Some(7), Some(8)));
    /// ```
    #[track_caller]
    pub fn set(&self, value: T) -> Token<T> {
        let id = self.id();
        let old =
            with_current(|context| context.replace(self.inherited, id, Some(Arc::new(value))));
        let Some(old) = old else {
            panic!(
                "no context for {self:?}: this task was spawned without one, see heist::event_loop::context::scope"
            );
        };
        Token {
            id,
            old,
            value: PhantomData,
        }
    }

    /// Brings back what was there before a [`set`](Self::set). Where there is no context, this does nothing.
    ///
    /// # Panics
    ///
    /// Panics if the token is another variable's.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::ContextVar;
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// USER.set(7);
    /// let token = USER.set(8);
    /// USER.reset(token);
    /// assert_eq!(USER.get(), Some(7));
    /// ```
    #[track_caller]
    pub fn reset(&self, token: Token<T>) {
        assert_eq!(token.id, self.id(), "the token of another variable");
        let replaced = with_current(|context| context.replace(self.inherited, token.id, token.old));
        drop(replaced);
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVar")
            .field("name", &self.name)
            .field("inherited", &self.inherited)
            .finish_non_exhaustive()
    }
}

/// What [`ContextVar::reset`] takes. Dropping it changes nothing.
pub struct Token<T> {
    id: u64,
    old: Option<Value>,
    value: PhantomData<fn() -> T>,
}

impl<T: Clone + 'static> Token<T> {
    /// The value that was there before.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::context::ContextVar;
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// assert_eq!(USER.set(7).old_value(), None);
    /// assert_eq!(USER.set(8).old_value(), Some(7));
    /// ```
    pub fn old_value(&self) -> Option<T> {
        self.old.as_ref()?.downcast_ref().cloned()
    }
}

impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// Runs a future in a context, wherever it is polled and dropped.
///
/// # Examples
///
/// ```
/// use heist::event_loop::context::{Context, ContextVar, scope};
///
/// static USER: ContextVar<String> = ContextVar::new("user");
///
/// #[heist::main]
/// async fn main() {
///     let task = heist::spawn(scope(Context::new(), async {
///         USER.set("ann".to_owned());
///         heist::task::yield_now().await;
///         USER.get()
///     }));
///     assert_eq!(task.await.unwrap().as_deref(), Some("ann"));
/// }
/// ```
pub fn scope<F: Future>(context: Context, future: F) -> Scope<F> {
    Scope {
        context,
        future: Some(future),
    }
}

pin_project! {
    /// The future of [`scope`].
    pub struct Scope<F> {
        context: Context,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                this.context.run(|| this.future.set(None));
            }
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("it lasts as long as this");
        this.context.run(|| future.poll(cx))
    }
}

impl<F> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
