//! tracing: a task is in its span whenever it is polled, on whichever thread.

use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tracing::field::{Field, Visit};
use tracing::instrument::{Instrument, WithSubscriber};
use tracing::{Dispatch, Event, Subscriber, dispatcher, info, info_span, instrument};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::on_heist;

/// For each event its number and the spans around it, the outermost first.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(u64, Vec<u64>)>>>);

struct Number(u64);

impl Visit for Number {
    fn record_u64(&mut self, _: &Field, value: u64) {
        self.0 = value;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: Context<'_, S>,
    ) {
        let mut number = Number(u64::MAX);
        attributes.record(&mut number);
        context
            .span(id)
            .expect("it is new")
            .extensions_mut()
            .insert(number);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut number = Number(u64::MAX);
        event.record(&mut number);
        let spans = context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root());
        let spans = spans
            .map(|span| span.extensions().get::<Number>().expect("inserted").0)
            .collect();
        self.0.lock().expect("no panic").push((number.0, spans));
    }
}

#[instrument]
async fn inner(number: u64) {
    for _ in 0..10 {
        tokio::task::yield_now().await;
        info!(number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_in_the_spans_of_its_task() {
    on_heist(async {
        let seen = Seen::default();
        let subscriber = Dispatch::new(Registry::default().with(seen.clone()));
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let task = async move {
                inner(number).await;
                let child = tokio::spawn(inner(number).in_current_span().with_current_subscriber());
                child.await.expect("no panic");
            };
            let span = dispatcher::with_default(&subscriber, || info_span!("outer", number));
            tasks.spawn(task.instrument(span).with_subscriber(subscriber.clone()));
        }
        tasks.join_all().await;
        let seen = seen.0.lock().expect("no panic");
        assert_eq!(seen.len(), 50 * 20);
        for (number, spans) in seen.iter() {
            assert_eq!(spans, &[*number, *number]);
        }
    })
    .await;
}
