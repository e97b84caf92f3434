//! The macros of `tokio`, as a crate uses them that does not know of heist.
#![cfg(test)]

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

mod entry {
    use std::rc::Rc;

    #[tokio::main]
    async fn with_defaults(number: u32) -> u32 {
        tokio::spawn(async move { number + 1 }).await.unwrap()
    }

    #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
    async fn with_two_workers() -> usize {
        tokio::runtime::Handle::current().metrics().num_workers()
    }

    #[tokio::main(flavor = "current_thread", start_paused = true, name = "clock")]
    async fn with_paused_time() -> Option<String> {
        tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
        tokio::runtime::Handle::current().name().map(str::to_owned)
    }

    #[tokio::main(flavor = "local")]
    async fn locally(kept: Rc<u32>) -> u32 {
        tokio::task::spawn_local(async move { *kept })
            .await
            .unwrap()
    }

    #[tokio::main(shutdown_grace = "1m")]
    async fn with_a_grace() {
        tokio::spawn(async { tokio::task::yield_now().await });
    }

    #[tokio::main(flavor = "current_thread", unhandled_panic = "shutdown_runtime")]
    async fn with_a_task_that_panics() {
        tokio::spawn(async { panic!("the runtime ends") });
        std::future::pending().await
    }

    #[test]
    #[should_panic = "unhandled panic"]
    fn a_panic_of_a_task_may_end_the_runtime() {
        with_a_task_that_panics();
    }

    #[test]
    fn main_takes_all_its_options() {
        assert_eq!(with_defaults(1), 2);
        assert_eq!(with_two_workers(), 2);
        assert_eq!(with_paused_time().as_deref(), Some("clock"));
        assert_eq!(locally(Rc::new(3)), 3);
        with_a_grace();
    }

    mod renamed {
        pub(super) use tokio as rt;
    }

    #[tokio::test(crate = "renamed::rt")]
    async fn a_path_of_the_crate_may_be_given() {}

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_test_may_return_a_result() -> Result<(), std::io::Error> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_of_an_hour_ends_at_once() {
    let start = Instant::now();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(3_600));
}

#[tokio::test(start_paused = true)]
async fn select_takes_the_first_branch_that_is_ready() {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move { sender.send(7).await });
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(number) = receiver.recv() => heard.push(number),
            () = sleep(Duration::from_secs(60)), if heard.is_empty() => unreachable!("a number comes"),
            else => break,
        }
    }
    assert_eq!(heard, [7]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_branch_of_select() {
    let (_sender, receiver) = oneshot::channel::<()>();
    tokio::select! {
        elapsed = timeout(Duration::from_secs(1), receiver) => assert!(elapsed.is_err()),
        () = sleep(Duration::from_secs(2)) => unreachable!("the timeout is first"),
    }
}

#[tokio::test]
async fn joins_wait_for_all_their_futures() {
    assert_eq!(tokio::join!(async { 1 }, async { "two" }), (1, "two"));
    assert_eq!(tokio::join!(biased; async { 1 }), (1,));
    let failed = tokio::try_join!(async { Ok::<_, &str>(1) }, async { Err::<(), _>("no") });
    assert_eq!(failed, Err("no"));
}

#[tokio::test]
async fn pin_pins_on_the_stack() {
    let one = async { 1 };
    tokio::pin!(one);
    tokio::pin! {
        let two = async { 2 };
    }
    assert_eq!((&mut one).await + (&mut two).await, 3);
}

#[tokio::test]
async fn a_socket_has_tokios_traits_and_not_those_of_futures() {
    #[allow(unused_imports, reason = "what is imported may not be ambiguous")]
    use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (here, there) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut here, mut there) = (here.unwrap(), there.unwrap().0);
    here.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    let read = timeout(Duration::from_secs(240), there.read_exact(&mut bytes)).await;
    assert_eq!(read.unwrap().unwrap(), 4);

    let (mut sender, mut receiver) = mpsc::channel(1);
    let (sender, receiver) = (&mut sender, &mut receiver);
    sender.send(1).await.unwrap();
    assert_eq!(receiver.recv().await, Some(1));
}

tokio::task_local! {
    static REQUEST: u32;
    /// It has an attribute and a visibility.
    pub(crate) static USER: String;
}

#[tokio::test]
async fn a_task_local_has_the_value_of_its_scope() {
    let inside = REQUEST.scope(7, async {
        tokio::task::yield_now().await;
        REQUEST.get()
    });
    assert_eq!(inside.await, 7);
    assert!(REQUEST.try_with(|_| ()).is_err());
    assert_eq!(
        USER.sync_scope("Ada".to_owned(), || USER.with(String::len)),
        3
    );
}
