//! A panic that is the caller's fault points at the caller's line.

use std::panic::catch_unwind;
use std::sync::Mutex;

use heist_reactor::io::{ReadBuf, duplex, simplex};

/// What panics, and a call of it.
const CASES: &[(&str, fn())] = &[
    ("duplex", || _ = duplex(0)),
    ("simplex", || _ = simplex(0)),
    ("ReadBuf::initialize_unfilled_to", || {
        _ = ReadBuf::new(&mut [0; 4]).initialize_unfilled_to(5);
    }),
    ("ReadBuf::advance", || ReadBuf::new(&mut [0; 4]).advance(5)),
    ("ReadBuf::set_filled", || {
        ReadBuf::new(&mut [0; 4]).set_filled(5);
    }),
    ("ReadBuf::put_slice", || {
        ReadBuf::new(&mut [0; 4]).put_slice(&[0; 5]);
    }),
];

#[test]
fn a_panic_that_is_the_callers_fault_points_at_the_caller() {
    static PLACE: Mutex<Option<String>> = Mutex::new(None);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().expect("it is always known");
        *PLACE.lock().unwrap() = Some(place.file().to_string());
    }));
    let mut wrong = Vec::new();
    for (name, call) in CASES {
        if catch_unwind(call).is_ok() {
            wrong.push(format!("{name} did not panic"));
        }
        let file = PLACE.lock().unwrap().take().expect("the hook was called");
        if file != file!() {
            wrong.push(format!("{name} points at {file}"));
        }
    }
    let _ = std::panic::take_hook();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
