//! What heist does otherwise than tokio, each with its reason.

use crate::driver::Value::{self, List, Number, Word};

/// A difference that is let pass.
pub(crate) struct Difference {
    /// The primitives that have it; all, if none is named.
    pub(crate) primitives: &'static [&'static str],
    /// The states of the primitive in which it is, as the world calls them; all, if none is named.
    pub(crate) when: &'static [&'static str],
    /// The names of the notes that differ; all, if none is named.
    pub(crate) what: &'static [&'static str],
    /// Whether it is this difference: what heist has, what tokio has.
    pub(crate) is: fn(&Value, &Value) -> bool,
    pub(crate) then: Then,
    /// The reason.
    #[allow(dead_code, reason = "it is there to be read")]
    pub(crate) why: &'static str,
}

/// How to go on after a difference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Both are in the same state all the same.
    GoOn,
    /// They are not, so there is nothing left to compare.
    Stop,
    /// This is demanded of heist, even where tokio has the same.
    Demand,
}

const RECEIVE: &[&str] = &[
    "recv",
    "recv_many",
    "poll_recv",
    "poll_recv_many",
    "try_recv",
];

/// Those that are meant.
pub(crate) const MEANT: &[Difference] = &[
    Difference {
        primitives: &[],
        when: &[],
        what: &["needless wakes"],
        is: |heist, tokio| less(heist, tokio) || *heist == Number(1),
        then: Then::GoOn,
        why: "the waker of one that was woken, or got its answer, may be left there or not: what it is for is done",
    },
    Difference {
        primitives: &["semaphore"],
        when: &["closed", "over"],
        what: &["available_permits", "permits in the end"],
        is: more,
        then: Then::GoOn,
        why: "a close takes back at once what those who wait for several had put by; tokio's keep it until their polls",
    },
    Difference {
        primitives: &["semaphore"],
        when: &["closed"],
        what: &["forget_permits"],
        is: more,
        then: Then::Stop,
        why: "so there is more to forget",
    },
    Difference {
        primitives: &["mutex", "rwlock"],
        when: &["overtaking"],
        what: &[],
        is: |_, _| true,
        then: Then::Stop,
        why: "whoever runs may take what is free, ahead of those who are on their way; tokio hands it over",
    },
    Difference {
        primitives: &["mutex", "rwlock"],
        when: &["forgotten"],
        what: &[],
        is: |_, _| true,
        then: Then::Stop,
        why: "so one that was woken and isn't polled keeps out those behind it, but not those who come; tokio's holds the lock",
    },
    Difference {
        primitives: &["barrier"],
        when: &["given up"],
        what: &["wait"],
        is: |heist, tokio| *heist == Word("pending") && matches!(tokio, Word("yes" | "no")),
        then: Then::Stop,
        why: "who gives up hasn't come; with tokio the others go on without it",
    },
    Difference {
        primitives: &["mpsc"],
        when: &["closed", "closed, permits out", "gone"],
        what: &["try_reserve_many"],
        is: |heist, tokio| (heist, tokio) == (&Word("closed"), &Word("full")),
        then: Then::GoOn,
        why: "a closed channel says so, even to one who asks for more than it could ever hold",
    },
    Difference {
        primitives: &["mpsc"],
        when: &["closed", "closed, permits out", "gone"],
        what: &["capacity"],
        is: more,
        then: Then::GoOn,
        why: "a close takes back at once what those who wait for several places had put by; tokio's keep it until their polls",
    },
    Difference {
        primitives: &["mpsc"],
        when: &["closed"],
        what: RECEIVE,
        is: |heist, tokio| ended(heist) && matches!(tokio, Word("pending" | "empty")),
        then: Then::Stop,
        why: "so the receiver need not wait for their polls to hear that there will be nothing more",
    },
    Difference {
        primitives: &["mpsc"],
        when: &["closed", "closed, permits out"],
        what: &["wakes", "wake of what is polled"],
        is: more,
        then: Then::Stop,
        why: "a permit given back after the close wakes the receiver, which looks whether it was the last; tokio's looks \
              for it, and forgets to where it is released",
    },
    Difference {
        primitives: &["mpsc"],
        when: &[],
        what: &["capacity", "max_capacity", "try_reserve_many"],
        is: |heist, tokio| less(&Number((1 << 28) - 1_000), heist) && less(heist, tokio),
        then: Then::GoOn,
        why: "a buffer of more than 2^28 - 1 is one of 2^28 - 1, as its room is counted in one word with the positions",
    },
    Difference {
        primitives: &["mpsc"],
        when: &["gone"],
        what: &["messages"],
        is: |heist, _| *heist == Number(0),
        then: Then::Demand,
        why: "what lies in a channel without a receiver is dropped at once: whom its sender waits for may be in there",
    },
];

/// heist has less than tokio: a smaller number, a part of a list, a no for a yes.
fn less(heist: &Value, tokio: &Value) -> bool {
    match (heist, tokio) {
        (Number(heist), Number(tokio)) => heist < tokio,
        (List(heist), List(tokio)) => heist.iter().all(|one| tokio.contains(one)),
        (heist, tokio) => (heist, tokio) == (&Word("no"), &Word("yes")),
    }
}

fn more(heist: &Value, tokio: &Value) -> bool {
    less(tokio, heist)
}

/// There will be nothing more to receive.
fn ended(received: &Value) -> bool {
    matches!(received, Word("none" | "disconnected")) || *received == List(vec![0])
}

impl Difference {
    fn fits(&self, primitive: &str, state: &'static str, what: &'static str) -> bool {
        (self.primitives.is_empty() || self.primitives.contains(&primitive))
            && (self.when.is_empty() || self.when.contains(&state))
            && (self.what.is_empty() || self.what.contains(&what))
    }
}

/// What to do about `what` of `primitive` in `state`; nothing is known where it differs in a way that is not listed.
pub(crate) fn judge(
    primitive: &str,
    state: &'static str,
    what: &'static str,
    heist: &Value,
    tokio: &Value,
) -> Option<Then> {
    let mut listed = MEANT
        .iter()
        .filter(|difference| difference.fits(primitive, state, what));
    if heist == tokio
        && !listed
            .clone()
            .any(|difference| difference.then == Then::Demand)
    {
        return Some(Then::GoOn);
    }
    listed
        .find(|difference| (difference.is)(heist, tokio))
        .map(|difference| difference.then)
}
