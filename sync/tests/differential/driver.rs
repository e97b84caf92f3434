//! Makes up sequences of operations, lets two worlds do them, and compares what is seen of each.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::differences::{self, Then};
use crate::parts::Futures;

/// A primitive with all that uses it: heist's or tokio's.
pub(crate) trait World {
    type Op: Copy + Debug + 'static;
    /// Which operations there are; those listed twice come twice as often.
    const OPS: &'static [Self::Op];
    /// Who was woken is polled after each step, and who is woken is not compared, but who completes.
    const SETTLES: bool = false;

    /// One of capacity, number of permits, or the like, `size`.
    fn new(size: usize) -> Self;

    /// Does `op`, with a number for whatever it needs one for; nothing where that isn't possible.
    fn act(&mut self, op: Self::Op, n: usize, seen: &mut Seen);

    /// Notes all that can be asked of it.
    fn look(&mut self, seen: &mut Seen);

    /// What state it is in, in the words of the list of differences.
    fn state(&mut self) -> &'static str;

    /// The futures that its operations have left.
    fn futures(&mut self) -> &mut Futures;

    /// Drops all of it, and notes what that leaves.
    fn end(self, seen: &mut Seen);
}

/// What is seen of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Word(&'static str),
    Number(usize),
    List(Vec<usize>),
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Word(if yes { "yes" } else { "no" })
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<usize>> for Value {
    fn from(list: Vec<usize>) -> Self {
        Self::List(list)
    }
}

impl From<Option<usize>> for Value {
    fn from(number: Option<usize>) -> Self {
        number.map_or(Self::Word("none"), Self::Number)
    }
}

/// Notes of what is seen, in order, each with a name. Clones add to the same notes.
#[derive(Clone, Default)]
pub(crate) struct Seen(Rc<RefCell<Vec<(&'static str, Value)>>>);

impl Seen {
    pub(crate) fn note(&self, what: &'static str, value: impl Into<Value>) {
        self.0.borrow_mut().push((what, value.into()));
    }

    fn take(&self) -> Vec<(&'static str, Value)> {
        self.0.take()
    }
}

/// One step: of heist's world, then of tokio's.
#[derive(Clone, Copy)]
struct Step<H, T> {
    todo: Todo<H, T>,
    /// For whatever needs one: which future, how many.
    n: usize,
}

#[derive(Clone, Copy)]
enum Todo<H, T> {
    /// Polls some future, with the waker that it had last.
    Poll,
    /// Polls some future with a new waker.
    PollFresh,
    Drop,
    /// Keeps some future from being polled or dropped from now on.
    Forget,
    Act(H, T),
}

impl<H: Debug, T> Debug for Todo<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll => f.write_str("Poll"),
            Self::PollFresh => f.write_str("PollFresh"),
            Self::Drop => f.write_str("Drop"),
            Self::Forget => f.write_str("Forget"),
            Self::Act(op, _) => write!(f, "{op:?}"),
        }
    }
}

impl<H: Debug, T> Debug for Step<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.todo, self.n)
    }
}

/// Any step; the number means one of up to twelve.
fn steps<H: World, T: World>() -> impl Strategy<Value = Step<H::Op, T::Op>> {
    assert_eq!(H::OPS.len(), T::OPS.len());
    let todo = prop_oneof![
        20 => (0..H::OPS.len()).prop_map(|i| Todo::Act(H::OPS[i], T::OPS[i])),
        10 => Just(Todo::Poll),
        2 => Just(Todo::PollFresh),
        3 => Just(Todo::Drop),
        1 => Just(Todo::Forget),
    ];
    (todo, 0..12usize).prop_map(|(todo, n)| Step { todo, n })
}

/// Has `world` do a step, of which `op` is its part.
fn take<W: World, H, T>(world: &mut W, step: Step<H, T>, op: Option<W::Op>, seen: &mut Seen) {
    let n = step.n;
    match (step.todo, op) {
        (Todo::Poll, _) => world.futures().poll(n, false, seen),
        (Todo::PollFresh, _) => world.futures().poll(n, true, seen),
        (Todo::Drop, _) => world.futures().drop(n),
        (Todo::Forget, _) => world.futures().forget(n),
        (Todo::Act(..), Some(op)) => world.act(op, n, seen),
        (Todo::Act(..), None) => unreachable!("it comes with one"),
    }
    match W::SETTLES {
        true => world.futures().settle(seen),
        false => world.futures().note_wakes(seen),
    }
    world.look(seen);
}

/// How to go on, after a look at what both have seen since the last call.
fn compare(
    primitive: &str,
    state: &'static str,
    heist: &Seen,
    tokio: &Seen,
) -> Result<Then, TestCaseError> {
    let (heist, tokio) = (heist.take(), tokio.take());
    for ((what, of_heist), (same, of_tokio)) in heist.iter().zip(&tokio) {
        assert_eq!(what, same, "the worlds note other things");
        match differences::judge(primitive, state, what, of_heist, of_tokio) {
            Some(Then::GoOn | Then::Demand) => {}
            Some(Then::Stop) => return Ok(Then::Stop),
            None => {
                let text = format!("{what}, {state}: heist has {of_heist:?}, tokio {of_tokio:?}");
                return Err(TestCaseError::fail(text));
            }
        }
    }
    assert_eq!(heist.len(), tokio.len(), "one world notes more");
    Ok(Then::GoOn)
}

fn run<H: World, T: World>(
    primitive: &str,
    size: usize,
    steps: &[Step<H::Op, T::Op>],
) -> Result<(), TestCaseError> {
    let (mut heist, mut tokio) = (H::new(size), T::new(size));
    let (mut by_heist, mut by_tokio) = (Seen::default(), Seen::default());
    for step in steps {
        let ops = match step.todo {
            Todo::Act(heist, tokio) => Some((heist, tokio)),
            _ => None,
        };
        let (heist_op, tokio_op) = ops.unzip();
        take(&mut heist, *step, heist_op, &mut by_heist);
        take(&mut tokio, *step, tokio_op, &mut by_tokio);
        // Where theirs is another, an answer was too.
        let (state, _) = (heist.state(), tokio.state());
        if compare(primitive, state, &by_heist, &by_tokio)? == Then::Stop {
            return Ok(());
        }
    }
    heist.end(&mut by_heist);
    tokio.end(&mut by_tokio);
    compare(primitive, "over", &by_heist, &by_tokio).map(drop)
}

/// Lets both worlds do the same, again and again.
pub(crate) fn check<H: World, T: World>(primitive: &str, size: usize) {
    const MOST_STEPS: usize = 60;
    // Nobody needs to hear of futures that are given something and forgotten.
    heist_sync::futurelock::report_after(Duration::from_secs(3600));
    let cases = std::env::var("HEIST_PROPTEST_CASES")
        .map_or(500, |text| text.parse().expect("a number of cases"));
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&vec(steps::<H, T>(), 1..=MOST_STEPS), |steps| {
        run::<H, T>(primitive, size, &steps)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("{primitive} of size {size}: {why}"),
        Err(TestError::Fail(_, steps)) => {
            let (steps, why) = shortest(steps, |steps| run::<H, T>(primitive, size, steps).err());
            panic!("{primitive} of size {size}: {why}\n{steps:#?}");
        }
    }
}

/// Leaves out steps, alone and in pairs, and lowers numbers, as long as it fails all the same. (proptest does so once from
/// the front, which often leaves a lot.)
fn shortest<H: Copy, T: Copy, E>(
    mut steps: Vec<Step<H, T>>,
    fails: impl Fn(&[Step<H, T>]) -> Option<E>,
) -> (Vec<Step<H, T>>, E) {
    let mut why = fails(&steps).expect("it has failed before");
    'again: loop {
        for simpler in simpler(&steps) {
            if let Some(reason) = fails(&simpler) {
                (steps, why) = (simpler, reason);
                continue 'again;
            }
        }
        return (steps, why);
    }
}

/// The ways to make `steps` a little simpler.
fn simpler<H: Copy, T: Copy>(
    steps: &[Step<H, T>],
) -> impl Iterator<Item = Vec<Step<H, T>>> + use<H, T> {
    let (all, count) = (steps.to_vec(), steps.len());
    let pairs = (0..count).flat_map(move |first| (first..count).map(move |second| (first, second)));
    let fewer = pairs.map({
        let all = all.clone();
        move |(first, second)| {
            let kept = all.iter().enumerate();
            let kept = kept.filter(|(at, _)| *at != first && *at != second);
            kept.map(|(_, step)| *step).collect()
        }
    });
    let lower = (0..count).flat_map(move |at| {
        let all = all.clone();
        (0..all[at].n).map(move |n| {
            let mut lower = all.clone();
            lower[at].n = n;
            lower
        })
    });
    fewer.chain(lower)
}
