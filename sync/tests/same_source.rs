//! One source, compiled with tokio and with heist: every name that both have, and a program that has to come to the same
//! results. `heist::differences` has the list of what isn't here.
//!
//! It lies here because this is the crate whose tests have tokio at hand.
#![cfg(not(any(heist_loom, heist_shuttle)))]

mod with_tokio {
    use tokio as rt;
    include!("same_source/names.rs");
    #[cfg(target_os = "linux")]
    include!("same_source/names_of_io.rs");
    include!("same_source/program.rs");
}

mod with_heist {
    use heist as rt;
    include!("same_source/names.rs");
    #[cfg(target_os = "linux")]
    include!("same_source/names_of_io.rs");
    include!("same_source/program.rs");
}

#[test]
fn the_same_source_has_the_same_results_with_tokio_and_with_heist() {
    let limit = std::time::Duration::from_secs(300);
    let (done, results) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = done.send((with_tokio::results(), with_heist::results()));
    });
    let (tokio, heist) = results
        .recv_timeout(limit)
        .expect("it neither hangs nor panics");
    assert_eq!(tokio, heist);
    assert!(tokio.len() > 60, "{}", tokio.len());
}
