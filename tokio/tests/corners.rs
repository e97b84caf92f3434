//! Corners of tokio's contract that crates rely upon.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, copy_bidirectional, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{self, JoinSet, LocalSet, coop};
use tokio::time::{MissedTickBehavior, interval, timeout};

const LONG: Duration = Duration::from_secs(240);

/// Fails rather than hangs.
async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(LONG, future).await.expect("the test hangs")
}

/// Runs `f` on a thread of its own. Fails rather than hangs.
fn on_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(f()));
    receiver
        .recv_timeout(LONG)
        .expect("it neither hangs nor panics")
}

mod runtime {
    use super::*;

    #[test]
    fn a_thread_that_has_entered_a_runtime_spawns_there() {
        let runtime = Runtime::new().unwrap();
        assert!(Handle::try_current().is_err());
        let task = {
            let _entered = runtime.handle().enter();
            assert_eq!(Handle::current().id(), runtime.handle().id());
            tokio::spawn(async { Handle::current().id() })
        };
        assert!(Handle::try_current().is_err());
        assert_eq!(
            runtime.block_on(bounded(task)).unwrap(),
            runtime.handle().id()
        );
    }

    #[test]
    fn spawning_outside_of_a_runtime_panics() {
        let panic = catch_unwind(|| drop(tokio::spawn(async {}))).unwrap_err();
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        assert!(message.unwrap().contains("no runtime"));
        assert!(Handle::try_current().unwrap_err().is_missing_context());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_blocking_job_may_block_on_futures() {
        let job = task::spawn_blocking(|| {
            Handle::current().block_on(async { tokio::spawn(async { 7 }).await.unwrap() })
        });
        assert_eq!(bounded(job).await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_task_may_block_in_place_on_futures() {
        let task = tokio::spawn(async {
            task::block_in_place(|| Handle::current().block_on(tokio::spawn(async { 7 })))
        });
        assert_eq!(bounded(task).await.unwrap().unwrap(), 7);
    }

    #[tokio::test]
    async fn a_runtime_that_is_dropped_in_a_task_ends() {
        let (sender, mut ended) = mpsc::channel::<()>(1);
        let runtime = Runtime::new().unwrap();
        runtime.spawn(async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        drop(runtime);
        assert_eq!(bounded(ended.recv()).await, None);
    }

    #[test]
    fn shutdown_drops_what_is_left() {
        on_a_thread(|| {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .unwrap();
            let task = runtime.spawn(std::future::pending::<()>());
            runtime.shutdown_timeout(LONG);
            let error = Runtime::new().unwrap().block_on(task).unwrap_err();
            assert!(error.is_cancelled());
        });
    }

    #[test]
    fn a_handle_knows_the_flavor_of_its_runtime() {
        let one = Builder::new_current_thread().build().unwrap();
        let many = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        assert_eq!(one.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
        assert_eq!(many.handle().runtime_flavor(), RuntimeFlavor::MultiThread);
    }

    #[test]
    fn hooks_see_the_threads() {
        on_a_thread(|| {
            let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (on_start, on_stop) = (started.clone(), stopped.clone());
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("hooked")
                .on_thread_start(move || _ = on_start.fetch_add(1, SeqCst))
                .on_thread_stop(move || _ = on_stop.fetch_add(1, SeqCst))
                .build()
                .unwrap();
            let name = runtime.spawn(async { thread::current().name().map(str::to_owned) });
            let name = runtime.block_on(name).unwrap().unwrap();
            assert!(name.starts_with("hooked"), "{name}");
            drop(runtime);
            assert!(started.load(SeqCst) >= 2);
            assert_eq!(started.load(SeqCst), stopped.load(SeqCst));
        });
    }
}

mod tasks {
    use super::*;

    #[tokio::test]
    async fn a_join_error_tells_a_panic_from_a_cancellation() {
        let panics = tokio::spawn(async { std::panic::panic_any(7u32) });
        let id = panics.id();
        let error = bounded(panics).await.map(|(): ()| ()).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.id(), id);
        assert_eq!(*error.into_panic().downcast::<u32>().unwrap(), 7);

        let waits = tokio::spawn(std::future::pending::<()>());
        let abort = waits.abort_handle();
        abort.abort();
        let error = bounded(waits).await.unwrap_err();
        assert!(error.is_cancelled() && abort.is_finished());
        assert!(error.try_into_panic().is_err());
    }

    #[test]
    fn a_local_set_polls_what_is_not_send() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let local = LocalSet::new();
        let kept = Rc::new(1);
        let inner = kept.clone();
        let sum = local.block_on(
            &runtime,
            bounded(async move {
                let one = task::spawn_local(async move { *inner });
                let two = task::spawn_local(async { 2 });
                one.await.unwrap() + two.await.unwrap()
            }),
        );
        assert_eq!(sum + *kept, 4);

        let waits = local.spawn_local(std::future::pending::<()>());
        runtime.block_on(local.run_until(task::yield_now()));
        drop(local);
        assert!(runtime.block_on(waits).unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn a_join_set_aborts_what_is_left_in_it() {
        let mut tasks = JoinSet::new();
        for number in 0..3 {
            tasks.spawn(async move { number });
        }
        let abort = tasks.spawn(std::future::pending());
        let mut numbers = Vec::new();
        while numbers.len() < 3 {
            numbers.push(bounded(tasks.join_next()).await.unwrap().unwrap());
        }
        numbers.sort();
        assert_eq!(numbers, [0, 1, 2]);
        bounded(tasks.shutdown()).await;
        assert!(abort.is_finished() && tasks.is_empty());
    }

    #[tokio::test]
    async fn a_task_that_is_always_ready_lets_others_run() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicUsize::new(0));
        let seen = stop.clone();
        sender.send(()).unwrap();
        let endless = tokio::spawn(async move {
            while stop.load(SeqCst) == 0 {
                receiver.recv().await.unwrap();
                sender.send(()).unwrap();
            }
        });
        task::yield_now().await;
        seen.store(1, SeqCst);
        bounded(endless).await.unwrap();
    }

    #[tokio::test]
    async fn the_budget_can_be_used_up_and_lifted() {
        let used = tokio::spawn(async {
            let used = Cell::new(0);
            let mut waits = pin!(async {
                loop {
                    coop::consume_budget().await;
                    used.set(used.get() + 1);
                }
            });
            let poll: Poll<()> = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let exhausted = !coop::has_budget_remaining();
            (poll.is_pending() && exhausted, used.get())
        });
        let (exhausted, used) = bounded(used).await.unwrap();
        assert!(exhausted);
        assert_eq!(used, 128);

        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..1_000 {
            sender.send(number).unwrap();
        }
        let all = coop::unconstrained(async {
            for _ in 0..1_000 {
                receiver.recv().await;
            }
        });
        let poll = pin!(all).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_ready());
    }

    #[test]
    fn a_panic_in_block_on_comes_out() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let panics = || runtime.block_on(async { panic!("out") });
        let panic = catch_unwind(AssertUnwindSafe(panics))
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"out"));
        assert_eq!(runtime.block_on(async { 1 }), 1);
    }
}

mod sync {
    use super::*;

    #[tokio::test]
    async fn a_permit_may_own_its_sender() {
        let (sender, mut receiver) = mpsc::channel(1);
        let permit = bounded(sender.reserve_owned()).await.unwrap();
        let sender = permit.send(1);
        assert!(sender.try_reserve().is_err());
        assert_eq!(bounded(receiver.recv()).await, Some(1));
        let sender = sender.try_reserve_owned().unwrap().release();
        drop(receiver);
        assert!(bounded(sender.reserve_owned()).await.is_err());
    }

    #[tokio::test]
    async fn a_notified_may_own_its_notify() {
        let notify = Arc::new(Notify::new());
        let mut owned = Box::pin(notify.clone().notified_owned());
        owned.as_mut().enable();
        notify.notify_waiters();
        bounded(owned).await;
        let waits = tokio::spawn(notify.clone().notified_owned());
        notify.notify_one();
        bounded(waits).await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_semaphore_refuses() {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.clone().try_acquire_owned().unwrap();
        let waits = tokio::spawn(semaphore.clone().acquire_owned());
        task::yield_now().await;
        semaphore.close();
        assert!(bounded(waits).await.unwrap().is_err());
        drop(permit);
    }
}

mod io {
    use super::*;

    #[tokio::test]
    async fn read_buf_appends_to_a_buffer() {
        let (mut one, mut other) = duplex(64);
        one.write_all(b"hello").await.unwrap();
        let mut buffer = Vec::with_capacity(16);
        buffer.push(b'>');
        assert_eq!(bounded(other.read_buf(&mut buffer)).await.unwrap(), 5);
        assert_eq!(buffer, b">hello");
    }

    #[tokio::test]
    async fn a_line_that_is_not_utf8_has_the_error_of_std() {
        let read = async |bytes: &[u8]| {
            let mut line = "kept".to_owned();
            let error = (&mut &*bytes).read_line(&mut line).await.unwrap_err();
            assert_eq!(line, "kept");
            error
        };
        let in_a_line = read(b"a\xff\n").await;
        assert_eq!(in_a_line.kind(), std::io::ErrorKind::InvalidData);
        assert!(in_a_line.into_inner().unwrap().is::<std::str::Utf8Error>());
        let in_lines = (&b"a\xff\n"[..]).lines().next_line().await.unwrap_err();
        assert_eq!(in_lines.kind(), std::io::ErrorKind::InvalidData);
        assert!(
            in_lines
                .into_inner()
                .unwrap()
                .is::<std::string::FromUtf8Error>()
        );
    }

    #[tokio::test]
    async fn copy_bidirectional_ends_when_both_sides_have() {
        let (mut client, mut proxied) = duplex(8);
        let (mut server, mut upstream) = duplex(8);
        let proxy =
            tokio::spawn(async move { copy_bidirectional(&mut proxied, &mut upstream).await });
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        bounded(server.read_to_string(&mut heard)).await.unwrap();
        server.write_all(b"the answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        bounded(client.read_to_string(&mut answer)).await.unwrap();
        assert_eq!((&*heard, &*answer), ("question", "the answer"));
        assert_eq!(bounded(proxy).await.unwrap().unwrap(), (8, 10));
    }

    /// A reader that fills the buffer as a TLS library does it: what isn't initialized yet is written through pointers.
    struct Raw;

    impl AsyncRead for Raw {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            // SAFETY: Nothing is made uninitialized.
            let free = unsafe { buf.unfilled_mut() };
            let length = free.len().min(4);
            free[..length].fill(MaybeUninit::new(b'x'));
            // SAFETY: So many bytes have just been written.
            unsafe { buf.assume_init(length) };
            buf.advance(length);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_reader_may_fill_what_is_not_initialized() {
        let mut text = String::new();
        Raw.take(10).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "xxxxxxxxxx");

        let mut bytes = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut bytes);
        buf.put_slice(b"ab");
        assert_eq!((buf.filled(), buf.remaining()), (&b"ab"[..], 6));
        buf.initialize_unfilled_to(2).copy_from_slice(b"cd");
        buf.set_filled(4);
        assert_eq!((buf.filled(), buf.initialized().len()), (&b"abcd"[..], 4));
    }

    #[tokio::test]
    async fn halves_of_a_socket_come_together_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) =
            bounded(async { tokio::join!(TcpStream::connect(address), listener.accept()) }).await;
        let (mut reader, mut writer) = stream.unwrap().into_split();
        let mut there = accepted.unwrap().0;
        writer.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        bounded(there.read_exact(&mut bytes)).await.unwrap();
        there.write_all(&bytes).await.unwrap();
        assert_eq!(bounded(reader.peek(&mut bytes)).await.unwrap(), 4);
        let mut stream = reader.reunite(writer).unwrap();
        bounded(stream.read_exact(&mut bytes)).await.unwrap();
        assert_eq!(&bytes, b"ping");
        let error = stream.try_read(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_skips_what_it_has_missed() {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let first = ticks.tick().await;
    tokio::time::advance(Duration::from_millis(2_500)).await;
    ticks.tick().await;
    assert_eq!(ticks.tick().await - first, Duration::from_secs(3));
}
