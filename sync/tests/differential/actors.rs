//! Actors that end while clients ask them: a client sends a `oneshot` sender for the answer, so it waits for ever if its
//! request is kept where nobody will ever look. Run by an executor that polls those who are woken in random order.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::sync::{mpsc, oneshot};
use crate::support::Wakes;

/// How a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Send,
    TrySend,
    Reserve,
    ReserveOwned,
    ReserveMany,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::Send,
        Self::TrySend,
        Self::Reserve,
        Self::ReserveOwned,
        Self::ReserveMany,
    ];
}

/// How it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) answers: usize,
    /// Clients that heard that there will be no answer.
    pub(crate) refused: usize,
    /// Clients that wait, though nobody will wake them.
    pub(crate) stuck: usize,
}

const REQUESTS: usize = 6;

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Request = oneshot::Sender<()>;

/// Random numbers: splitmix64.
#[derive(Clone)]
struct Random(Rc<Cell<u64>>);

impl Random {
    fn below(&self, bound: usize) -> usize {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Lets others run in between, perhaps.
    async fn pause(&self) {
        for _ in 0..self.below(3) {
            yield_now().await;
        }
    }
}

async fn yield_now() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls whoever is woken, one at a time, until nobody is; how many are not done then.
fn execute(tasks: Vec<Task>, random: &Random) -> usize {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (task, Wakes::new())).collect();
    let mut ready: Vec<Arc<Wakes>> = tasks.iter().map(|(_, wakes)| wakes.clone()).collect();
    loop {
        let woken = tasks.iter().map(|(_, wakes)| wakes);
        let woken = woken.filter(|wakes| wakes.take() > 0).cloned();
        ready.extend(woken.collect::<Vec<_>>());
        if ready.is_empty() {
            return tasks.len();
        }
        let next = ready.swap_remove(random.below(ready.len()));
        ready.retain(|wakes| !Arc::ptr_eq(wakes, &next));
        let at = tasks
            .iter()
            .position(|(_, wakes)| Arc::ptr_eq(wakes, &next));
        let Some(at) = at else { continue };
        let waker = next.waker();
        if tasks[at]
            .0
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            drop(tasks.remove(at));
        }
    }
}

/// Answers six requests, and ends.
async fn actor(mut requests: mpsc::Receiver<Request>, random: Random) {
    for _ in 0..REQUESTS {
        let Some(request) = requests.recv().await else {
            return;
        };
        random.pause().await;
        let _ = request.send(());
    }
}

/// Sends; whether it could.
async fn send(sender: &mpsc::Sender<Request>, way: Way, request: Request, random: &Random) -> bool {
    match way {
        Way::Send => sender.send(request).await.is_ok(),
        Way::TrySend => {
            let mut request = request;
            loop {
                match sender.try_send(request) {
                    Ok(()) => return true,
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                    Err(mpsc::error::TrySendError::Full(back)) => request = back,
                }
                yield_now().await;
            }
        }
        Way::Reserve => {
            let Ok(permit) = sender.reserve().await else {
                return false;
            };
            random.pause().await;
            permit.send(request);
            true
        }
        Way::ReserveOwned => {
            let Ok(permit) = sender.clone().reserve_owned().await else {
                return false;
            };
            random.pause().await;
            permit.send(request);
            true
        }
        Way::ReserveMany => {
            let Ok(mut permits) = sender.reserve_many(1).await else {
                return false;
            };
            random.pause().await;
            let permit = permits.next().expect("it is for one");
            permit.send(request);
            true
        }
    }
}

/// Asks until there is no answer any more; keeps its sender all the time.
async fn client(
    sender: mpsc::Sender<Request>,
    way: Way,
    random: Random,
    ends: Rc<Cell<[usize; 2]>>,
) {
    loop {
        let (request, answer) = oneshot::channel();
        let sent = send(&sender, way, request, &random).await;
        let answered = sent && answer.await.is_ok();
        let [answers, refused] = ends.get();
        if !answered {
            return ends.set([answers, refused + 1]);
        }
        ends.set([answers + 1, refused]);
        random.pause().await;
    }
}

/// One actor and its clients, in an order made from `seed`.
pub(crate) fn run(way: Way, seed: u64, clients: usize) -> Ends {
    let random = Random(Rc::new(Cell::new(seed)));
    let ends = Rc::new(Cell::new([0, 0]));
    let (sender, requests) = mpsc::channel(1 + random.below(3));
    let mut tasks: Vec<Task> = vec![Box::pin(actor(requests, random.clone()))];
    for _ in 0..clients {
        let client = client(sender.clone(), way, random.clone(), ends.clone());
        tasks.push(Box::pin(client));
    }
    drop(sender);
    let stuck = execute(tasks, &random);
    let [answers, refused] = ends.get();
    Ends {
        answers,
        refused,
        stuck,
    }
}

/// As it should go.
pub(crate) fn good(clients: usize) -> Ends {
    Ends {
        answers: REQUESTS,
        refused: clients,
        stuck: 0,
    }
}
