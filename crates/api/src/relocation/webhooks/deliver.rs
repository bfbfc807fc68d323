//! The loop that makes deliveries of events, and calls. Every process that serves the API has one;
//! what one of them has taken is left alone by the others until its lease is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use godwit_core::time::Timestamp;
use godwit_core::webhook::next_attempt;
use godwit_store::{
    ClaimedDelivery, EventQuery, EventReadError, NewDelivery, PositionedEvent, Webhook,
};
use serde_json::json;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::receiver::{Caller, Message};
use super::secret::Secret;
use crate::http::debug::debug_partly;
use crate::http::outgoing::OutgoingError;
use crate::http::sealing::random;
use crate::http::state::ApiState;
use crate::relocation::events;
use crate::relocation::problem::Problem;
use crate::relocation::views::event::EventView;
use crate::relocation::visibility::Visibility;

/// How often one looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often, as long as there is something: a receiver does not wait for it.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Webhooks read at a time.
const WEBHOOKS: i64 = 1_000;

/// Events made into deliveries in one transaction.
const EVENTS: i64 = 100;

/// Calls to one receiver at one time: one that is slow keeps nobody else waiting.
const CALLS: usize = 8;

/// How much longer than a call its lease is.
const GRACE: Duration = Duration::from_secs(15);

/// Tells webhooks what happens, until `stop`.
pub struct Deliverer {
    state: Data<ApiState>,
    caller: Caller,
}

debug_partly!(Deliverer {});

impl Deliverer {
    /// One that calls as the API's configuration says; `None` where there is no key that opens
    /// secrets, and so nobody to be called.
    ///
    /// # Errors
    /// [`OutgoingError`] when nobody could ever be called.
    pub fn new(state: ApiState) -> Result<Option<Self>, OutgoingError> {
        if state.sealing.is_none() {
            return Ok(None);
        }
        let caller = Caller::new(&state.config.webhooks, Arc::clone(&state.callable))?;
        let state = Data::new(state);
        Ok(Some(Self { state, caller }))
    }

    /// Works until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut calls = Calls::default();
        let mut look_at = Instant::now();
        loop {
            let ended = tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep_until(look_at) => None,
                Some(ended) = calls.under_way.join_next() => Some(ended),
            };
            tokio::select! {
                () = &mut stop => return,
                () = self.go_on(ended, &mut calls, &mut look_at) => {}
            }
        }
    }

    /// Begins calls in place of those that have ended, or else looks at everybody.
    async fn go_on(&self, ended: Option<Ended>, calls: &mut Calls, look_at: &mut Instant) {
        let Some(ended) = ended else {
            let is_busy = self.look_at_all(calls).await;
            *look_at = Instant::now() + if is_busy { LOOK_AGAIN } else { LOOK_EVERY };
            return;
        };
        for webhook in calls.ended(ended) {
            if let Err(error) = self.call(&webhook, calls).await {
                complain(&error);
            }
        }
    }

    /// Looks once at everybody; says whether somebody was to be told something.
    async fn look_at_all(&self, calls: &mut Calls) -> bool {
        let (mut after, mut is_busy) = (0, false);
        loop {
            let some = self.state.store.webhook_list(None, after, WEBHOOKS).await;
            let some = match some {
                Ok(some) => some,
                Err(error) => {
                    tracing::warn!(%error, "webhooks cannot be read");
                    return false;
                }
            };
            let Some(last) = some.last() else {
                return is_busy;
            };
            after = last.id;
            for webhook in some {
                match self.look(Arc::new(webhook), calls).await {
                    Ok(has_new) => is_busy |= has_new,
                    Err(error) => complain(&error),
                }
            }
        }
    }

    /// Makes deliveries for one, and begins calls; says whether there was something new.
    async fn look(&self, webhook: Arc<Webhook>, calls: &mut Calls) -> Result<bool, Problem> {
        let has_new = self.fan_out(&webhook).await?;
        self.call(&webhook, calls).await?;
        Ok(has_new)
    }

    /// Begins as many calls of what is due as may be under way.
    async fn call(&self, webhook: &Arc<Webhook>, calls: &mut Calls) -> Result<(), Problem> {
        let free = CALLS.saturating_sub(calls.of(webhook.id));
        if free == 0 {
            return Ok(());
        }
        let (store, now) = (&self.state.store, self.state.clock.now());
        let until = now.plus(self.state.config.webhooks.timeout).plus(GRACE);
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        let claimed = store.webhook_claim(webhook.id, now, until, limit).await?;
        for delivery in claimed {
            calls.begin(Attempt {
                state: self.state.clone(),
                caller: self.caller.clone(),
                webhook: Arc::clone(webhook),
                delivery,
            });
        }
        Ok(())
    }

    /// Makes deliveries of the events that follow what was looked at; says whether there were any.
    async fn fan_out(&self, webhook: &Webhook) -> Result<bool, Problem> {
        let (store, now) = (&self.state.store, self.state.clock.now());
        let named: Vec<&str> = webhook.types.iter().map(String::as_str).collect();
        let query = EventQuery {
            // What was a type when the webhook was made is one.
            types: Some(events::types(&named).unwrap_or_default()),
            project: webhook.sees_project.clone(),
            hosts: webhook.sees_hosts,
            ..EventQuery::after(webhook.position, EVENTS)
        };
        let (to, new) = match store.events_page(&query).await {
            Ok(page) => {
                let told = page.events.iter().map(|it| self.delivery(webhook, it));
                (page.last_position, told.collect::<Result<Vec<_>, _>>()?)
            }
            Err(EventReadError::Expired(_)) => {
                let end = store.events_end().await?;
                (end, vec![self.reset(end)])
            }
            Err(EventReadError::Store(error)) => return Err(error.into()),
        };
        let from = webhook.position;
        if to != from {
            // Another process may have been quicker.
            store
                .webhook_fan_out(webhook.id, from, to, new, now)
                .await?;
        }
        Ok(to != from)
    }

    fn delivery(&self, webhook: &Webhook, event: &PositionedEvent) -> Result<NewDelivery, Problem> {
        let sees = Visibility {
            hosts: webhook.sees_hosts,
            project: webhook.sees_project.as_deref(),
        };
        let view = EventView::new(event, sees);
        Ok(NewDelivery {
            uuid: self.state.ids.uuid(),
            position: event.position,
            event_type: view.kind().to_owned(),
            subject: view.subject().to_owned(),
            body: serde_json::to_string(&view).map_err(Problem::internal)?,
        })
    }

    /// What is told where something was missed.
    fn reset(&self, position: i64) -> NewDelivery {
        let body = json!({
            "type": "reset",
            "snapshot": format!("{}/snapshot", crate::relocation::ROOT),
            "position": position.to_string(),
        });
        NewDelivery {
            uuid: self.state.ids.uuid(),
            position,
            event_type: "reset".to_owned(),
            subject: String::new(),
            body: body.to_string(),
        }
    }
}

fn complain(error: &Problem) {
    tracing::warn!(code = %error.code(), "a webhook could not be told");
}

/// Whose call has ended; an error: by a panic, and then nobody knows.
type Ended = Result<Arc<Webhook>, JoinError>;

/// The calls that are under way.
#[derive(Default)]
struct Calls {
    under_way: JoinSet<Arc<Webhook>>,
    by_webhook: HashMap<i64, usize>,
}

impl Calls {
    fn of(&self, webhook: i64) -> usize {
        self.by_webhook.get(&webhook).copied().unwrap_or(0)
    }

    fn begin(&mut self, attempt: Attempt) {
        let webhook = Arc::clone(&attempt.webhook);
        *self.by_webhook.entry(webhook.id).or_default() += 1;
        self.under_way.spawn(async move {
            attempt.make().await;
            webhook
        });
    }

    /// This one has ended, and others may have by now; whose they were.
    fn ended(&mut self, first: Ended) -> Vec<Arc<Webhook>> {
        let mut webhooks = HashMap::new();
        let mut next = Some(first);
        while let Some(ended) = next {
            if let Ok(webhook) = ended {
                self.leave(webhook.id);
                webhooks.insert(webhook.id, webhook);
            }
            next = self.under_way.try_join_next();
        }
        webhooks.into_values().collect()
    }

    fn leave(&mut self, webhook: i64) {
        if let Some(count) = self.by_webhook.get_mut(&webhook) {
            *count -= 1;
            if *count == 0 {
                self.by_webhook.remove(&webhook);
            }
        }
    }
}

/// A delivery that is to be tried.
struct Attempt {
    state: Data<ApiState>,
    caller: Caller,
    webhook: Arc<Webhook>,
    delivery: ClaimedDelivery,
}

impl Attempt {
    async fn make(self) {
        let (store, now) = (&self.state.store, self.state.clock.now());
        let written = match self.call(now).await {
            Ok(status) => {
                let at = self.state.clock.now();
                store.webhook_delivered(&self.delivery, status, at).await
            }
            Err((status, error)) => {
                let at = self.state.clock.now();
                let attempts = u32::try_from(self.delivery.attempt).unwrap_or(u32::MAX);
                let again = next_attempt(attempts, jitter(), self.delivery.give_up_at, at);
                store
                    .webhook_failed(&self.delivery, status, error, again, at)
                    .await
            }
        };
        // Its lease ends, and it is tried again.
        if let Err(error) = written {
            tracing::warn!(%error, "what became of a webhook's call could not be written down");
        }
    }

    async fn call(&self, now: Timestamp) -> Result<u16, (Option<u16>, String)> {
        let sealed = (&self.webhook.secret, self.webhook.uuid);
        let sealing = self.state.sealing.as_ref();
        let opened = sealing.and_then(|it| it.open(sealed.0, sealed.1));
        let Some(secret) = opened.as_deref().and_then(Secret::read) else {
            let text = "Its secret cannot be opened: it was sealed with another key.";
            return Err((None, text.to_owned()));
        };
        let id = format!("evt_{}", self.delivery.position);
        let timestamp = now.as_micros().div_euclid(1_000_000);
        let body = self.delivery.body.clone();
        let signature = secret.sign(&id, timestamp, &body);
        let message = Message {
            url: &self.webhook.url,
            id: &id,
            timestamp,
            signature: &signature,
            body,
        };
        let called = self.caller.call(message).await;
        called.map_err(|failure| (failure.status(), failure.text()))
    }
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let bytes: [u8; 2] = random().unwrap_or_default();
    f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX)
}
