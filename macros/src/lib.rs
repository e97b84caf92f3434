//! The procedural macros of heist: [`macro@main`], [`macro@test`], and what `heist::select!` expands to.
//!
//! They only turn their input into calls of heist's public API. Use them through the crate `heist`, which re-exports
//! them.

mod entry;
mod select;

use proc_macro::TokenStream;

/// Runs an async function on a runtime of its own. It is usually put on `main`.
///
/// The function becomes an ordinary one that builds a runtime and blocks on its body. `return`, `?`, attributes and any
/// return type work as in the async function. When the body is done, the runtime is dropped, which cancels all tasks
/// that are left.
///
/// # Options
///
/// - `flavor = "multi_thread"` (the default), `"current_thread"` or `"local"`: a `LocalRuntime`, into which
///   `task::spawn_local` spawns tasks that need not be `Send`.
/// - `worker_threads = N`: how many workers a multi-thread runtime has. At least 1. By default the value of
///   the environment variable `TOKIO_WORKER_THREADS`, or else as many as the machine has processors.
/// - `name = "NAME"`: the name of the runtime.
/// - `shutdown_grace = "5s"`: when the body is done, gives the tasks and blocking jobs that are left this much time to
///   end by themselves, and only then cancels them, as `Runtime::shutdown` does; threads that are held up may take one
///   second more. It does so too when the body returns an error. To tell tasks to end, use a
///   `heist::sync::CancellationToken`. If some have to be cancelled, a report that names them goes to standard error; the
///   exit code stays. The time is a whole number with the unit `ms`, `s` or `m`.
/// - `start_paused = true`: time is paused from the start, as by `heist::time::pause`. This is for tests.
/// - `unhandled_panic = "shutdown_runtime"`: a task that panics ends the runtime, and the function panics. With `"ignore"`
///   (the default) only the one that joins the task hears of it.
/// - `crate = "path"`: where to find heist, if it is not under the name `heist`.
///
/// # Panics
///
/// The function panics if the runtime can't be built, for instance because the system starts no more threads. If the
/// body panics, the runtime is dropped, without a grace.
///
/// # Examples
///
/// ```
/// #[heist::main(flavor = "multi_thread", worker_threads = 2)]
/// async fn main() -> std::io::Result<()> {
///     heist::spawn(async { println!("hello") }).await?;
///     Ok(())
/// }
/// ```
///
/// With a grace, a task that nobody waits for still ends:
///
/// ```
/// #[heist::main(shutdown_grace = "5s")]
/// async fn main() {
///     heist::spawn(async {
///         heist::task::yield_now().await;
///         println!("saved");
///     });
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, "heist", options.into(), item.into()).into()
}

/// Makes an async function a test that runs on a runtime of its own.
///
/// The options are those of [`macro@main`], but the default `flavor` is `"current_thread"`. The function becomes a
/// `#[test]`. It takes no arguments.
///
/// # Examples
///
/// ```
/// #[heist::test]
/// async fn adds() {
///     assert_eq!(heist::spawn(async { 1 + 1 }).await.unwrap(), 2);
/// }
/// ```
///
/// With paused time, a test of something that takes an hour ends at once:
///
/// ```
/// use heist::time::{Duration, Instant, sleep};
///
/// #[heist::test(start_paused = true)]
/// async fn takes_an_hour() {
///     let start = Instant::now();
///     sleep(Duration::from_secs(3_600)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(3_600));
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, "heist", options.into(), item.into()).into()
}

/// Runs an async function on a runtime of its own. It is usually put on `main`.
///
/// This is heist's [`macro@main`] for programs that name the crate `tokio`. It has the same options.
#[proc_macro_attribute]
pub fn tokio_main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, "tokio", options.into(), item.into()).into()
}

/// Makes an async function a test that runs on a runtime of its own.
///
/// This is heist's [`macro@test`] for programs that name the crate `tokio`. It has the same options.
#[proc_macro_attribute]
pub fn tokio_test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, "tokio", options.into(), item.into()).into()
}

/// What `heist::select!` expands to. Its first token is the path of the crate.
#[doc(hidden)]
#[proc_macro]
pub fn select_branches(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}
