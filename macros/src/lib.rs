//! The procedural macros of heist: [`macro@main`], [`macro@test`], and what stands behind `heist::select!`.
//!
//! Thin: each turns its input into calls of heist's public API and holds no logic of the runtime. Use them through
//! the crate `heist`, which re-exports them.

mod entry;
mod select;

use proc_macro::TokenStream;

/// Runs an async function on a runtime of its own, usually `main`.
///
/// The function becomes a plain one that builds a runtime and blocks on its body. `return`, `?`, attributes, and
/// any return type work as in the async function.
///
/// # Options
///
/// - `flavor = "multi_thread"` (the default) or `"current_thread"`.
/// - `worker_threads = N`: how many workers a multi-thread runtime has; by default as many as the machine has
///   processors. At least 1.
/// - `crate = "path"`: where to find heist, if it is not under the name `heist`.
///
/// # Panics
///
/// The function that it makes panics if the runtime can't be built, for instance because the system starts no
/// more threads.
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
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, options.into(), item.into()).into()
}

/// Makes an async function a test that runs on a runtime of its own.
///
/// As [`macro@main`], with the same options, but the default `flavor` is `"current_thread"`, and the function is
/// marked `#[test]`. It takes no arguments.
///
/// # Examples
///
/// ```
/// #[heist::test]
/// async fn adds() {
///     assert_eq!(heist::spawn(async { 1 + 1 }).await.unwrap(), 2);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, options.into(), item.into()).into()
}

/// What `heist::select!` expands to; its first token is the path of the crate.
#[doc(hidden)]
#[proc_macro]
pub fn select_branches(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}
