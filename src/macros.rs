//! `select!`, `join!`, `try_join!`, `pin!` and `task_local!`.
//!
//! Those that need no parser are plain macros. None of them contains unsafe code: each future has a variable of its
//! own, pinned by `std::pin::pin!`. Every step of [`join!`](crate::join!)'s recursion opens a block with a variable of
//! the same name, which hygiene keeps apart.

#[doc(hidden)]
pub mod support;

/// Waits on several futures at once, and runs the handler of the first one whose value matches its pattern. The other
/// futures are dropped.
///
/// ```text
/// select! {
///     biased;                                     // optional
///     pattern = future, if condition => handler,  // any number; `, if condition` is optional
///     else => handler,                            // optional
/// }
/// ```
///
/// 1. The conditions are evaluated. A branch whose condition is false is disabled. All futures are evaluated, but those
///    of disabled branches are never polled.
/// 2. All enabled branches are polled, in one task, until a future is ready. If its value doesn't match the pattern,
///    the branch is disabled and the wait goes on.
/// 3. The handler of the branch runs, and its value is the value of the `select!`. All futures have been dropped by
///    then, so handlers may use what the futures borrowed. `?`, `return`, `break`, `continue` and `.await` in a handler
///    mean the same as outside the `select!`.
/// 4. If all branches are disabled, the `else` handler runs.
///
/// # Fairness
///
/// Each poll starts at a random branch and goes round from there, so a branch that is always ready doesn't starve the
/// others. With `biased;` the branches are always polled from the first to the last. That costs less, but you have to
/// see to fairness: put a branch that is always ready last.
///
/// # Cancel safety
///
/// The futures of the branches that lose are dropped. In a loop, use futures that are cancel safe, or pin a future
/// outside the loop and pass `&mut future`.
///
/// # Panics
///
/// Panics if all branches are disabled and there is no `else` branch.
///
/// # Examples
///
/// ```
/// use heist::sync::mpsc;
/// use std::time::Duration;
///
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     let (sender, mut receiver) = mpsc::channel(4);
///     heist::spawn(async move { sender.send(7).await });
///     let mut sum = 0;
///     loop {
///         heist::select! {
///             Some(number) = receiver.recv() => sum += number,
///             _ = heist::time::sleep(Duration::from_secs(60)), if sum == 0 => panic!("nothing came"),
///             else => break,
///         }
///     }
///     assert_eq!(sum, 7);
/// }
/// ```
#[cfg(feature = "macros")]
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::macros::support::select_branches! { $crate $($branches)* }
    };
}

/// Waits for several futures to complete, in one task, and returns their outputs as a tuple.
///
/// Each poll starts with another future, so that a future that uses up the whole budget of the task doesn't starve the
/// others. With `biased;` in front they are always polled in the order in which they are written. A future that has
/// completed is dropped at once.
///
/// The futures run one at a time, on one worker. To run them in parallel, [`spawn`](crate::spawn) them and await their
/// handles.
///
/// # Cancel safety
///
/// Dropping the `join!` drops all its futures, and the outputs of those that have completed.
///
/// # Examples
///
/// ```
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     let (number, word) = heist::join!(async { 1 }, async { "two" });
///     assert_eq!((number, word), (1, "two"));
/// }
/// ```
#[macro_export]
macro_rules! join {
    (biased; $($future:expr),* $(,)?) => { $crate::join_pinned!(join, 0, [] $($future,)*) };
    ($($future:expr),* $(,)?) => { $crate::join_pinned!(join, 1, [] $($future,)*) };
}

/// Waits for several futures of `Result`s to complete, in one task, or for the first one to fail.
///
/// If all are `Ok`, returns `Ok` with their values as a tuple. As soon as one is `Err`, returns that error and drops
/// the other futures. All errors must be of one type. Everything else, `biased;` included, is as in
/// [`join!`](crate::join!).
///
/// # Cancel safety
///
/// Dropping the `try_join!` drops all its futures, and the values of those that have completed.
///
/// # Examples
///
/// ```
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     let both = heist::try_join!(async { Ok::<_, String>(1) }, async { Ok("two") });
///     assert_eq!(both, Ok((1, "two")));
///
///     let failed = heist::try_join!(async { Ok(1) }, async { Err::<(), _>("no") }, std::future::pending());
///     assert_eq!(failed, Err::<(i32, (), ()), _>("no"));
/// }
/// ```
#[macro_export]
macro_rules! try_join {
    (biased; $($future:expr),* $(,)?) => { $crate::join_pinned!(try_join, 0, [] $($future,)*) };
    ($($future:expr),* $(,)?) => { $crate::join_pinned!(try_join, 1, [] $($future,)*) };
}

/// The body of `join!` and `try_join!`: pins the futures one by one, then waits. The number says by how many places the
/// first future to be polled moves from one poll to the next.
#[doc(hidden)]
#[macro_export]
macro_rules! join_pinned {
    ($kind:ident, $turn:literal, [$($pinned:tt)*] $future:expr, $($rest:expr,)*) => {{
        // What was around it in the caller's line isn't here, so its parentheses would seem to be too much.
        #[allow(unused_parens, unused_braces)]
        let future = $future;
        let future = $crate::macros::support::IntoFuture::into_future(future);
        let mut future = $crate::macros::support::pin!($crate::macros::support::Some(future));
        let mut output = $crate::macros::support::None;
        $crate::join_pinned!($kind, $turn, [$($pinned)* (future output)] $($rest,)*)
    }};
    (join, $turn:literal, [$(($future:ident $output:ident))*]) => {{
        #[allow(unused_mut)]
        let mut turns = $crate::macros::support::Turns::new(0 $(+ { _ = &$output; 1 })*, $turn);
        $crate::macros::support::poll_fn(move |_context| {
            #[allow(unused_mut)]
            let mut done = true;
            for _lap in turns.laps() {
                let mut _index = 0usize;
                $(
                    if _lap.contains(&_index) {
                        done &= $crate::macros::support::poll_join(&mut $future, &mut $output, _context);
                    }
                    _index += 1;
                )*
            }
            if !done {
                return $crate::macros::support::Poll::Pending;
            }
            $crate::macros::support::Poll::Ready(($($crate::macros::support::take(&mut $output),)*))
        })
        .await
    }};
    (try_join, $turn:literal, [$(($future:ident $output:ident))*]) => {{
        #[allow(unused_mut)]
        let mut turns = $crate::macros::support::Turns::new(0 $(+ { _ = &$output; 1 })*, $turn);
        $crate::macros::support::poll_fn(move |_context| {
            #[allow(unused_mut)]
            let mut done = true;
            for _lap in turns.laps() {
                let mut _index = 0usize;
                $(
                    if _lap.contains(&_index) {
                        match $crate::macros::support::poll_try_join(&mut $future, &mut $output, _context) {
                            $crate::macros::support::Ok(ready) => done &= ready,
                            $crate::macros::support::Err(error) => {
                                return $crate::macros::support::Poll::Ready($crate::macros::support::Err(error));
                            }
                        }
                    }
                    _index += 1;
                )*
            }
            if !done {
                return $crate::macros::support::Poll::Pending;
            }
            $crate::macros::support::Poll::Ready($crate::macros::support::Ok((
                $($crate::macros::support::take(&mut $output),)*
            )))
        })
        .await
    }};
}

/// Pins futures on the stack.
///
/// `pin!(name, …)` takes variables, and shadows each with a `Pin<&mut _>` of the same name.
/// `pin! { let name = future; … }` makes the variables too. [`std::pin::pin!`] does the same for one expression.
///
/// # Examples
///
/// ```
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     let answer = async { 42 };
///     heist::pin!(answer);
///     assert_eq!(answer.await, 42);
///
///     heist::pin! {
///         let one = async { 1 };
///         let two = async { 2 };
///     }
///     assert_eq!(one.await + two.await, 3);
/// }
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => {
        $(
            #[allow(unused_mut)]
            let mut $name = $crate::macros::support::pin!($name);
        )*
    };
    ($(let $name:ident = $future:expr;)*) => {
        $(
            let $name = $future;
            #[allow(unused_mut)]
            let mut $name = $crate::macros::support::pin!($name);
        )*
    };
}

/// Declares keys of type [`LocalKey`](crate::task::LocalKey). Each gives a future a value of its own, which goes with the
/// future from thread to thread.
///
/// Attributes and visibility are kept. A key has no value until a [`scope`](crate::task::LocalKey::scope) gives it one.
///
/// # Examples
///
/// ```
/// heist::task_local! {
///     pub static REQUEST: u32;
///
///     /// Who asked.
///     static USER: String;
/// }
///
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     let answer = REQUEST.scope(7, USER.scope("Ada".to_owned(), async {
///         heist::task::yield_now().await;
///         format!("{} for {}", REQUEST.get(), USER.get())
///     }));
///     assert_eq!(answer.await, "7 for Ada");
/// }
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::task_local! { $(#[$attribute])* $visibility static $name: $type }
        $crate::task_local! { $($rest)* }
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static __HEIST_SLOT: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey { inner: __HEIST_SLOT }
        };
    };
}
