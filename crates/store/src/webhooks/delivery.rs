//! What a webhook is told: an event each, tried until it arrives or nobody tries any more.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Timestamp as SqlTimestamp};
use godwit_core::time::Timestamp;
use godwit_core::webhook::{DeliveryState, TRIED};
use uuid::Uuid;

use crate::columns::{PlainUuid, instant, instants, text};
use crate::connection::Database;
use crate::dialect::pruning;
use crate::prepared::Prepare as _;
use crate::schema::{webhook_deliveries as deliveries, webhooks};
use crate::{Store, StoreError};

/// An event on its way to a webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its integer id: unique in this database only.
    pub id: i64,
    /// Its uuid.
    pub uuid: Uuid,
    /// The position of the event.
    pub position: i64,
    /// The type of the event.
    pub event_type: String,
    /// What the event is about.
    pub subject: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, as long as it is pending.
    pub not_before: Timestamp,
    /// When nobody tries any more.
    pub give_up_at: Timestamp,
    /// What the last attempt was answered.
    pub status: Option<i64>,
    /// What was wrong with it.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it arrived, or was given up.
    pub ended_at: Option<Timestamp>,
}

/// A delivery to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDelivery {
    /// Its uuid.
    pub uuid: Uuid,
    /// The position of the event.
    pub position: i64,
    /// The type of the event.
    pub event_type: String,
    /// What the event is about.
    pub subject: String,
    /// What is sent.
    pub body: String,
}

/// A delivery that is being tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedDelivery {
    /// Its integer id.
    pub id: i64,
    /// The position of the event.
    pub position: i64,
    /// What is sent.
    pub body: String,
    /// The number of this attempt, which no other one has.
    pub attempt: i64,
    /// When nobody tries any more.
    pub give_up_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = deliveries)]
struct DeliveryRow {
    id: i64,
    uuid: PlainUuid,
    position: i64,
    event_type: String,
    subject: String,
    state: DeliveryState,
    attempts: i64,
    not_before: Timestamp,
    give_up_at: Timestamp,
    status: Option<i64>,
    error: Option<String>,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            uuid: row.uuid.0,
            position: row.position,
            event_type: row.event_type,
            subject: row.subject,
            state: row.state,
            attempts: row.attempts,
            not_before: row.not_before,
            give_up_at: row.give_up_at,
            status: row.status,
            error: row.error,
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

/// Moves a webhook's position on, and makes what it is told of what lay in between.
fn fan_out(
    connection: &mut Database,
    webhook: i64,
    (from, to): (i64, i64),
    new: &[NewDelivery],
    at: Timestamp,
) -> Result<bool, StoreError> {
    let moved = diesel::update(webhooks::table.find(webhook))
        .filter(webhooks::position.eq(from))
        .set(webhooks::position.eq(to))
        .prepared()
        .execute(connection)?;
    if moved == 0 {
        return Ok(false);
    }
    for delivery in new {
        diesel::insert_into(deliveries::table)
            .values((
                deliveries::uuid.eq(text(delivery.uuid)),
                deliveries::webhook_id.eq(webhook),
                deliveries::position.eq(delivery.position),
                deliveries::event_type.eq(&delivery.event_type),
                deliveries::subject.eq(&delivery.subject),
                deliveries::body.eq(&delivery.body),
                deliveries::state.eq(DeliveryState::Pending.as_str()),
                deliveries::attempts.eq(0_i64),
                deliveries::not_before.eq(instant(at)),
                deliveries::give_up_at.eq(instant(at.plus(TRIED))),
                deliveries::created_at.eq(instant(at)),
            ))
            .prepared()
            .execute(connection)?;
    }
    Ok(true)
}

/// Leases what is due of a webhook's, of each subject the first. Who claims at the same time waits
/// for the row, and then finds it leased.
fn claim(
    connection: &mut Database,
    webhook: i64,
    (now, until): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<ClaimedDelivery>, StoreError> {
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let claimed: Vec<Claimed> = sql_query(
        "UPDATE webhook_deliveries SET lease_until = $1, attempts = attempts + 1
         WHERE state = 'pending' AND (lease_until IS NULL OR lease_until <= $2) AND id IN (
             SELECT mine.id FROM webhook_deliveries AS mine
             WHERE mine.webhook_id = $3
               AND mine.state = 'pending'
               AND mine.not_before <= $2
               AND (mine.lease_until IS NULL OR mine.lease_until <= $2)
               AND NOT EXISTS (
                   SELECT 1 FROM webhook_deliveries AS earlier
                   WHERE earlier.webhook_id = mine.webhook_id
                     AND earlier.subject = mine.subject
                     AND earlier.state = 'pending'
                     AND earlier.position < mine.position)
             ORDER BY mine.position
             LIMIT $4)
         RETURNING id",
    )
    .bind::<SqlTimestamp, _>(instant(until))
    .bind::<SqlTimestamp, _>(instant(now))
    .bind::<BigInt, _>(webhook)
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(connection)?;
    let ids: Vec<i64> = claimed.into_iter().map(|row| row.id).collect();
    let rows: Vec<(i64, i64, String, i64, Timestamp)> = deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .order(deliveries::position)
        .select((
            deliveries::id,
            deliveries::position,
            deliveries::body,
            deliveries::attempts,
            deliveries::give_up_at,
        ))
        .load(connection)?;
    let claimed = |(id, position, body, attempt, give_up_at)| ClaimedDelivery {
        id,
        position,
        body,
        attempt,
        give_up_at,
    };
    Ok(rows.into_iter().map(claimed).collect())
}

/// Since when the oldest event has been waiting that some webhook has not been told: as a delivery
/// that is pending, or as an event that nobody made one of yet.
pub(crate) fn waiting_since(connection: &mut Database) -> Result<Option<Timestamp>, StoreError> {
    #[derive(QueryableByName)]
    struct Oldest {
        #[diesel(sql_type = Nullable<SqlTimestamp>)]
        give_up_at: Option<Timestamp>,
        #[diesel(sql_type = Nullable<SqlTimestamp>)]
        not_looked_at: Option<Timestamp>,
        #[diesel(sql_type = Nullable<SqlTimestamp>)]
        without_position: Option<Timestamp>,
    }
    // Words and conditions stand in the text, or SQLite would not use the indexes of what is pending.
    let oldest: Oldest = sql_query(
        "SELECT (SELECT MIN(give_up_at) FROM webhook_deliveries WHERE state = 'pending')
                    AS give_up_at,
                (SELECT at FROM events WHERE position > (SELECT MIN(position) FROM webhooks)
                 ORDER BY position LIMIT 1) AS not_looked_at,
                (SELECT at FROM events WHERE position IS NULL AND EXISTS (SELECT 1 FROM webhooks)
                 ORDER BY id LIMIT 1) AS without_position",
    )
    .prepared()
    .get_result(connection)?;
    // Of one that is sent again, when somebody wanted that.
    let pending = oldest.give_up_at.map(|end| end.minus(TRIED));
    let all = [pending, oldest.not_looked_at, oldest.without_position];
    Ok(all.into_iter().flatten().min())
}

/// What became of an attempt.
struct Outcome {
    state: DeliveryState,
    status: Option<i64>,
    error: Option<String>,
    /// When it is tried again, if it is.
    not_before: Option<Timestamp>,
    at: Timestamp,
}

/// Writes what became of an attempt; `false` if it is not the last one any more.
fn conclude(
    connection: &mut Database,
    (id, attempt): (i64, i64),
    outcome: &Outcome,
) -> Result<bool, StoreError> {
    let ended = (outcome.state != DeliveryState::Pending).then_some(outcome.at);
    let written = diesel::update(deliveries::table.find(id))
        .filter(deliveries::attempts.eq(attempt))
        .filter(deliveries::state.eq(DeliveryState::Pending.as_str()))
        .set((
            deliveries::state.eq(outcome.state.as_str()),
            deliveries::status.eq(outcome.status),
            deliveries::error.eq(&outcome.error),
            deliveries::not_before.eq(instant(outcome.not_before.unwrap_or(outcome.at))),
            deliveries::lease_until.eq(None::<chrono::NaiveDateTime>),
            deliveries::ended_at.eq(instants(ended)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(written == 1)
}

/// Makes a delivery pending anew.
fn again(
    connection: &mut Database,
    (webhook, delivery): (i64, Uuid),
    at: Timestamp,
) -> Result<Option<Delivery>, StoreError> {
    let uuid = text(delivery);
    diesel::update(deliveries::table)
        .filter(deliveries::webhook_id.eq(webhook))
        .filter(deliveries::uuid.eq(&uuid))
        .set((
            deliveries::state.eq(DeliveryState::Pending.as_str()),
            deliveries::not_before.eq(instant(at)),
            deliveries::give_up_at.eq(instant(at.plus(TRIED))),
            deliveries::ended_at.eq(None::<chrono::NaiveDateTime>),
        ))
        .prepared()
        .execute(connection)?;
    let found: Option<DeliveryRow> = deliveries::table
        .filter(deliveries::webhook_id.eq(webhook))
        .filter(deliveries::uuid.eq(&uuid))
        .select(DeliveryRow::as_select())
        .first(connection)
        .optional()?;
    Ok(found.map(Delivery::from))
}

impl Store {
    /// Moves a webhook's position from `from` on to `to`, and makes what it is told of what lay in
    /// between. `false`, and nothing is changed: its position is another one, or it is gone.
    pub async fn webhook_fan_out(
        &self,
        webhook: i64,
        from: i64,
        to: i64,
        new: Vec<NewDelivery>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| fan_out(connection, webhook, (from, to), &new, at))
            .await
    }

    /// Takes what is due of a webhook's until `until`, at most `limit`: in the order of the events,
    /// and of each subject only the first that has not ended.
    pub async fn webhook_claim(
        &self,
        webhook: i64,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        self.write(move |connection| claim(connection, webhook, (now, until), limit))
            .await
    }

    /// Notes that an attempt arrived. `false`: another one was begun meanwhile.
    pub async fn webhook_delivered(
        &self,
        claimed: &ClaimedDelivery,
        status: u16,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let attempt = (claimed.id, claimed.attempt);
        let outcome = Outcome {
            state: DeliveryState::Delivered,
            status: Some(status.into()),
            error: None,
            not_before: None,
            at,
        };
        self.write(move |connection| conclude(connection, attempt, &outcome))
            .await
    }

    /// Notes that an attempt failed, and when the next one is; `None`: nobody tries any more.
    /// `false`: another one was begun meanwhile.
    pub async fn webhook_failed(
        &self,
        claimed: &ClaimedDelivery,
        status: Option<u16>,
        error: String,
        not_before: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let attempt = (claimed.id, claimed.attempt);
        let outcome = Outcome {
            state: match not_before {
                Some(_) => DeliveryState::Pending,
                None => DeliveryState::Dead,
            },
            status: status.map(i64::from),
            error: Some(error),
            not_before,
            at,
        };
        self.write(move |connection| conclude(connection, attempt, &outcome))
            .await
    }

    /// What a webhook was or is to be told, the newest first: only what comes before the position
    /// `before`, at most `limit`.
    pub async fn webhook_deliveries(
        &self,
        webhook: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |connection| {
            let rows: Vec<DeliveryRow> = deliveries::table
                .filter(deliveries::webhook_id.eq(webhook))
                .filter(deliveries::position.lt(before.unwrap_or(i64::MAX)))
                .order(deliveries::position.desc())
                .select(DeliveryRow::as_select())
                .limit(limit)
                .load(connection)?;
            Ok(rows.into_iter().map(Delivery::from).collect())
        })
        .await
    }

    /// How many deliveries a webhook has.
    pub async fn webhook_delivery_count(&self, webhook: i64) -> Result<i64, StoreError> {
        self.read(move |connection| {
            Ok(deliveries::table
                .filter(deliveries::webhook_id.eq(webhook))
                .count()
                .get_result(connection)?)
        })
        .await
    }

    /// Has a delivery tried once more, whatever became of it, for as long as a new one. `None`:
    /// there is none.
    pub async fn webhook_redeliver(
        &self,
        webhook: i64,
        delivery: Uuid,
        at: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        self.write_some(move |connection| again(connection, (webhook, delivery), at))
            .await
    }

    /// Forgets deliveries that ended before, `limit` at most; returns how many.
    pub async fn webhook_deliveries_prune(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let statement = "DELETE FROM webhook_deliveries WHERE id IN
                                 (SELECT id FROM webhook_deliveries WHERE ended_at <= $1
                                  ORDER BY ended_at LIMIT $2)";
            Ok(pruning::remove(
                connection,
                statement,
                instant(before),
                limit,
            )?)
        })
        .await
    }
}
