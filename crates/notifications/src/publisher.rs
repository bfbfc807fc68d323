//! The loop that tells events. Every conductor has one; whoever holds the lease does something.
//!
//! ```text
//!   lease ──► events behind the cursor ──► messages ──► confirmed ──► cursor
//!     │                                       │
//!     └──────── given up, and paused ◄────────┘ not confirmed
//! ```
//!
//! Messages are sent in the order of the events, on one channel, so a queue has those of a migration in
//! theirs. The cursor follows what the broker has confirmed: what it may have, but has not confirmed,
//! is sent again, under the same name. Who cannot reach the broker gives the lease up before it pauses,
//! as another one may.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::{Clock, Timestamp};
use godwit_store::{
    EventPage, EventQuery, EventReadError, LoggedEvent, MigrationEvent, PositionedEvent, Store,
    StoreError,
};
use prometheus::{Gauge, Registry};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::address::SetupError;
use crate::broker::{Broker, BrokerError, Link, Message};
use crate::config::{Config, Retries};
use crate::envelope::{self, Notification};
use crate::metrics::Metrics;
use crate::payload::Subject;
use crate::service;
use crate::table::{Happening, notices};

/// What this kind of reader is called: by the row of its cursor, and in the metrics of readers.
pub const READER: &str = "notifications";

/// How often one looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Events told at a time.
const EVENTS: i64 = 100;

/// How much longer than what is done with it a lease is.
const GRACE: Duration = Duration::from_secs(10);

/// How long whoever stops tries to let another one go on at once.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a publisher is made of.
pub struct Parts {
    /// What this process is called: in place of Nova's API and conductors.
    pub name: String,
    /// One that nobody has had: there may be two processes of one name.
    pub id: Uuid,
    /// The events.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Numbers from 0 to 1, for pauses.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Where to tell them.
    pub config: Config,
    /// Shows for how many seconds the oldest event has been waiting that is to be told.
    pub oldest: Gauge,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Tells events, until it is to stop.
pub struct Publisher {
    store: Store,
    broker: Broker,
    name: String,
    holder: String,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    timeout: Duration,
    retries: Retries,
    metrics: Metrics,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// There will be no publisher.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// As it is configured.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Its metrics have names that others have.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// Nothing more is told for now.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What lasts from one look to the next.
#[derive(Default)]
struct Course {
    link: Option<Link>,
    /// The last attempts that failed, one after the other.
    failures: u32,
    /// When the next one is due.
    again_at: Option<Instant>,
    /// The oldest event that is known to wait, and when it happened.
    waiting: Option<(i64, Timestamp)>,
}

/// A message, and the event that it tells.
struct Telling {
    position: i64,
    at: Timestamp,
    message: Message,
}

impl Publisher {
    /// One for this broker. Nothing is connected yet.
    ///
    /// # Errors
    /// [`PublisherError`]
    pub fn new(parts: Parts, registry: &Registry) -> Result<Self, PublisherError> {
        Ok(Self {
            broker: Broker::new(&parts.config)?,
            holder: format!("{}/{}", parts.name, parts.id),
            name: parts.name,
            store: parts.store,
            clock: parts.clock,
            jitter: parts.jitter,
            timeout: parts.config.timeout,
            retries: parts.config.retries,
            metrics: Metrics::register(parts.oldest, registry)?,
        })
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut course = Course::default();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // What is cut off has moved no cursor, and is told again.
            if stop
                .run_until_cancelled(self.look(&mut course))
                .await
                .is_none()
            {
                break;
            }
        }
        let released = self.store.notification_release(READER, &self.holder);
        // Else the lease ends by itself.
        let _ = tokio::time::timeout(FAREWELL, released).await;
        if let Some(link) = course.link {
            link.close().await;
        }
    }

    /// Tells what there is to tell.
    async fn look(&self, course: &mut Course) {
        if course.again_at.is_some_and(|at| Instant::now() < at) {
            return self.show_waiting(course).await;
        }
        course.again_at = None;
        loop {
            match self.pass(course).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => return self.pause(course, failure).await,
            }
        }
    }

    async fn pause(&self, course: &mut Course, failure: Failure) {
        self.metrics.failed();
        course.link = None;
        course.failures = course.failures.saturating_add(1);
        let pause = self.retries.pause(course.failures, (self.jitter)());
        course.again_at = Some(Instant::now() + pause);
        tracing::warn!(
            error = %failure,
            attempts = course.failures,
            pause_seconds = pause.as_secs_f64(),
            "notifications could not be sent"
        );
        // Without a database there is nothing to give up.
        let released = self.store.notification_release(READER, &self.holder);
        let _ = tokio::time::timeout(FAREWELL, released).await;
        self.show_waiting(course).await;
    }

    /// Shows how long an event has been waiting that could not be told, unless another one told it.
    async fn show_waiting(&self, course: &mut Course) {
        let Some((position, at)) = course.waiting else {
            return;
        };
        if let Ok(Some(cursor)) = self.store.notification_cursor(READER).await
            && cursor.position >= position
        {
            course.waiting = None;
            return self.metrics.waiting(Duration::ZERO);
        }
        self.metrics.waiting(self.clock.now().since(at));
    }

    /// Tells some events; `true`: there are more.
    async fn pass(&self, course: &mut Course) -> Result<bool, Failure> {
        let Some(from) = self.lease().await? else {
            *course = Course::default();
            self.metrics.waiting(Duration::ZERO);
            return Ok(false);
        };
        let page = match self
            .store
            .events_page(&EventQuery::after(from, EVENTS))
            .await
        {
            Ok(page) => page,
            Err(EventReadError::Expired(_)) => return self.skip(from).await,
            Err(EventReadError::Store(error)) => return Err(error.into()),
        };
        let tellings = self.tellings(&page).await?;
        course.waiting = tellings.first().map(|it| (it.position, it.at));
        self.show_waiting(course).await;
        let (to, sent) = self.send(course, &tellings, &page).await;
        let to = to.max(from);
        if to != from {
            let moved = self
                .store
                .notification_advance(READER, &self.holder, from, to);
            if !moved.await? {
                // Another one goes on from where it is.
                return Ok(false);
            }
        }
        sent?;
        course.failures = 0;
        course.waiting = None;
        self.metrics.waiting(Duration::ZERO);
        Ok(page.more)
    }

    /// The position behind which to go on; `None`: another one does.
    async fn lease(&self) -> Result<Option<i64>, StoreError> {
        let now = self.clock.now();
        // To connect, and to send.
        let work = self.timeout.saturating_mul(2).saturating_add(GRACE);
        let renew_at = now.plus(work);
        let until = renew_at.plus(work);
        self.store
            .notification_lease(READER, &self.holder, now, (renew_at, until))
            .await
    }

    /// Goes on behind what is not kept any more, or was never given after a database was restored.
    async fn skip(&self, from: i64) -> Result<bool, Failure> {
        let end = self.store.events_end().await?;
        tracing::warn!(from, to = end, "events were not told, as they are not kept");
        let moved = self
            .store
            .notification_advance(READER, &self.holder, from, end);
        Ok(moved.await?)
    }

    /// The messages of a page, in order.
    async fn tellings(&self, page: &EventPage) -> Result<Vec<Telling>, Failure> {
        let mut tellings = Vec::new();
        for event in &page.events {
            self.tell(event, &mut tellings).await?;
        }
        Ok(tellings)
    }

    async fn tell(
        &self,
        positioned: &PositionedEvent,
        tellings: &mut Vec<Telling>,
    ) -> Result<(), Failure> {
        let position = positioned.position;
        match &positioned.event {
            LoggedEvent::Migration {
                migration,
                server,
                line,
                ..
            } => {
                let told = self.tell_of_migration((*migration, *server), line).await?;
                tellings.extend(told.into_iter().map(|message| Telling {
                    position,
                    at: line.at,
                    message,
                }));
            }
            LoggedEvent::Host { host, line } => {
                if let Some(told) = service::notification(host, line)? {
                    tellings.push(Telling {
                        position,
                        at: line.at,
                        message: message(&told)?,
                    });
                }
            }
            // Nova knows none.
            LoggedEvent::Scope { .. }
            | LoggedEvent::Discrepancy { .. }
            | LoggedEvent::Plan { .. }
            | LoggedEvent::Run { .. }
            | LoggedEvent::Maintenance { .. } => {}
        }
        Ok(())
    }

    async fn tell_of_migration(
        &self,
        (migration, server): (MigrationUuid, ServerUuid),
        event: &MigrationEvent,
    ) -> Result<Vec<Message>, Failure> {
        let Some(record) = self.store.migration_find(migration).await? else {
            return Ok(Vec::new());
        };
        let told = notices(Happening {
            kind: record.migration.kind,
            name: &event.name,
            from: event.from_status,
            to: event.to_status,
            has_reason: event.detail.get("failure").is_some(),
        });
        if told.is_empty() {
            return Ok(Vec::new());
        }
        let Some(server) = self.store.server_find_deleted_too(server, None).await? else {
            return Ok(Vec::new());
        };
        let subject = Subject {
            record: &record,
            server: &server,
            event,
        };
        let mut messages = Vec::new();
        for (index, notice) in told.iter().enumerate() {
            messages.push(message(&subject.notification(notice, index, &self.name))?);
        }
        Ok(messages)
    }

    /// Sends them; returns up to which position everything is told now.
    async fn send(
        &self,
        course: &mut Course,
        tellings: &[Telling],
        page: &EventPage,
    ) -> (i64, Result<(), BrokerError>) {
        let Some(first) = tellings.first() else {
            return (page.last_position, Ok(()));
        };
        let link = match self.link(course).await {
            Ok(link) => link,
            Err(error) => return (first.position - 1, Err(error)),
        };
        let messages: Vec<Message> = tellings.iter().map(|it| it.message.clone()).collect();
        let deadline = Instant::now() + self.timeout;
        let (confirmed, sent) = link.publish(&messages, deadline).await;
        for message in messages.iter().take(confirmed) {
            self.metrics.published(message.priority);
        }
        match tellings.get(confirmed) {
            Some(unconfirmed) => (unconfirmed.position - 1, sent),
            None => (page.last_position, sent),
        }
    }

    async fn link<'a>(&self, course: &'a mut Course) -> Result<&'a Link, BrokerError> {
        let open = course.link.take().filter(Link::is_open);
        let link = match open {
            Some(link) => link,
            None => self.broker.connect().await?,
        };
        Ok(course.link.insert(link))
    }
}

fn message(told: &Notification<'_>) -> Result<Message, serde_json::Error> {
    Ok(Message {
        priority: told.priority,
        body: envelope::body(told)?,
    })
}
