//! Paused time: one source, compiled with tokio and with heist, that has to see the same things happen in the same order at the
//! same times.
//!
//! It lies here because this is the crate whose tests have tokio at hand.
#![cfg(not(any(heist_loom, heist_shuttle)))]

mod with_tokio {
    use tokio as rt;
    include!("paused_like_tokio/program.rs");
}

mod with_heist {
    use heist as rt;
    include!("paused_like_tokio/program.rs");
}

#[test]
fn in_paused_time_the_same_happens_in_the_same_order_with_tokio_and_with_heist() {
    let limit = std::time::Duration::from_secs(300);
    let (done, results) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = done.send((with_tokio::results(), with_heist::results()));
    });
    let (tokio, heist) = results
        .recv_timeout(limit)
        .expect("it neither hangs nor panics");
    for (nth, (tokio, heist)) in tokio.iter().zip(&heist).enumerate() {
        assert_eq!(tokio, heist, "line {nth} of what was seen");
    }
    assert_eq!(tokio.len(), heist.len());
    assert!(tokio.len() > 3_000, "{}", tokio.len());
}
