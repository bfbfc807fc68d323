//! Requests that carry a key, so that they can be sent again: a key is written in the transaction
//! that makes what was asked for, so one key makes one thing, whatever dies when.
//!
//! ```text
//!   find ─► none ─► store.keyed(…) ─► BEGIN  key  work  COMMIT ─► answered
//!                                       └── there already: nothing is done
//! ```
//!
//! What is answered may be known only later. So with the key stands what was promised, and until
//! when the answer may still become another one.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::columns::{Json, instant, instants, json};
use crate::connection::Database;
use crate::dialect::pruning;
use crate::prepared::Prepare as _;
use crate::schema::idempotency_keys;
use crate::work::{Answer, Done, End, Work};
use crate::{Store, StoreError};

/// A key, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// The user; empty where the token names none.
    pub user_id: String,
    /// The project; empty where the token names none.
    pub project_id: String,
    /// Method and path of the route, with ids as `{name}`.
    pub route: String,
    /// The key itself.
    pub key: String,
}

/// An answer that can be given again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its header `Location`.
    pub location: Option<String>,
    /// Its header `ETag`.
    #[serde(default)]
    pub etag: Option<String>,
    /// Its body.
    pub body: String,
}

/// A request with a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyedRequest {
    /// Its key.
    pub key: IdempotencyKey,
    /// What tells it from others with the same key.
    pub fingerprint: String,
    /// What it is answered if the process dies before it is known.
    pub promise: KeptAnswer,
    /// By when it is known at the latest.
    pub open_until: Timestamp,
    /// Keys from before, and from then, are forgotten.
    pub forgotten: Timestamp,
    /// The present.
    pub at: Timestamp,
}

/// A request whose key is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptRequest {
    /// What tells it from others with the same key.
    pub fingerprint: String,
    /// What it was answered, or promised.
    pub answer: KeptAnswer,
    /// Until then the answer may become another one.
    pub open_until: Option<Timestamp>,
}

/// The first transaction of a request with a key, which writes the key as well.
#[derive(Debug)]
pub struct KeyedWrite {
    request: Mutex<KeyedRequest>,
    /// One of [`OPEN`], [`MADE`], [`WRITTEN`], [`LOST`].
    outcome: AtomicU8,
}

const OPEN: u8 = 0;
/// Something was made, and is yet to be committed.
const MADE: u8 = 1;
const WRITTEN: u8 = 2;
const LOST: u8 = 3;

impl KeyedWrite {
    /// Says, before the transaction, what will be answered.
    pub fn promise(&self, answer: KeptAnswer) {
        self.lock().promise = answer;
    }

    /// Was something made, and the key written with it?
    pub fn is_written(&self) -> bool {
        self.outcome.load(Ordering::Acquire) == WRITTEN
    }

    /// Was another request with the same key first? Then nothing was made.
    pub fn is_lost(&self) -> bool {
        self.outcome.load(Ordering::Acquire) == LOST
    }

    /// Is it to be written with the next transaction? Not if it was with an earlier one.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome.load(Ordering::Acquire) == OPEN
    }

    /// `work`, and the key before it.
    pub(crate) fn before(self: &Arc<Self>, mut work: Work) -> Work {
        let keyed = Arc::clone(self);
        Box::new(move |connection: &mut Database| {
            let request = keyed.lock().clone();
            let done = match insert(connection, &request) {
                Ok(true) => work(connection),
                Ok(false) => Done::failed(StoreError::KeyTaken),
                Err(error) => Done::failed(error),
            };
            let made = done.end == End::Good;
            let outcome = if made { MADE } else { OPEN };
            keyed.outcome.store(outcome, Ordering::Release);
            done
        })
    }

    /// Notes how the transaction ended. One that failed for another reason wrote nothing.
    pub(crate) fn ended(&self, answer: &Result<Answer, StoreError>) {
        let made = self.outcome.load(Ordering::Acquire) == MADE;
        let outcome = match answer {
            Ok(_) if made => WRITTEN,
            Err(StoreError::KeyTaken) => LOST,
            Ok(_) | Err(_) => OPEN,
        };
        self.outcome.store(outcome, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, KeyedRequest> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a key; `false` if another request has it. On PostgreSQL one that is being written at
/// the same time is waited for, which is why it comes before every other lock.
pub(crate) fn insert(
    connection: &mut Database,
    request: &KeyedRequest,
) -> Result<bool, StoreError> {
    let IdempotencyKey {
        user_id,
        project_id,
        route,
        key,
    } = &request.key;
    let written = sql_query(
        "INSERT INTO idempotency_keys (user_id, project_id, route, \"key\", fingerprint, answer,
                                       open_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (user_id, project_id, route, \"key\") DO UPDATE SET
             fingerprint = excluded.fingerprint, answer = excluded.answer,
             open_until = excluded.open_until, created_at = excluded.created_at
         WHERE idempotency_keys.created_at <= $9",
    )
    .bind::<Text, _>(user_id)
    .bind::<Text, _>(project_id)
    .bind::<Text, _>(route)
    .bind::<Text, _>(key)
    .bind::<Text, _>(&request.fingerprint)
    .bind::<Text, _>(json(&request.promise))
    .bind::<Nullable<SqlTimestamp>, _>(instants(Some(request.open_until)))
    .bind::<SqlTimestamp, _>(instant(request.at))
    .bind::<SqlTimestamp, _>(instant(request.forgotten))
    .prepared()
    .execute(connection)?;
    Ok(written == 1)
}

/// Writes what a request with a key was answered, which stays so.
fn close(connection: &mut Database, key: &IdempotencyKey, answer: &str) -> Result<(), StoreError> {
    diesel::update(idempotency_keys::table)
        .filter(idempotency_keys::user_id.eq(&key.user_id))
        .filter(idempotency_keys::project_id.eq(&key.project_id))
        .filter(idempotency_keys::route.eq(&key.route))
        .filter(idempotency_keys::key.eq(&key.key))
        .set((
            idempotency_keys::answer.eq(answer),
            idempotency_keys::open_until.eq(None::<NaiveDateTime>),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// A handle whose next transaction also writes the request's key, or does nothing where
    /// another request has it ([`StoreError::KeyTaken`]); and what tells which.
    #[must_use]
    pub fn keyed(&self, request: KeyedRequest) -> (Self, Arc<KeyedWrite>) {
        let write = Arc::new(KeyedWrite {
            request: Mutex::new(request),
            outcome: AtomicU8::new(OPEN),
        });
        (self.with_key(Arc::clone(&write)), write)
    }

    /// The request that has a key, unless that was so long ago that it is forgotten.
    pub async fn idempotency_find(
        &self,
        key: &IdempotencyKey,
        forgotten: Timestamp,
    ) -> Result<Option<KeptRequest>, StoreError> {
        let key = key.clone();
        self.read(move |connection| {
            let found: Option<(String, Json<KeptAnswer>, Option<Timestamp>)> =
                idempotency_keys::table
                    .filter(idempotency_keys::user_id.eq(&key.user_id))
                    .filter(idempotency_keys::project_id.eq(&key.project_id))
                    .filter(idempotency_keys::route.eq(&key.route))
                    .filter(idempotency_keys::key.eq(&key.key))
                    .filter(idempotency_keys::created_at.gt(instant(forgotten)))
                    .select((
                        idempotency_keys::fingerprint,
                        idempotency_keys::answer,
                        idempotency_keys::open_until,
                    ))
                    .first(connection)
                    .optional()?;
            Ok(found.map(|(fingerprint, answer, open_until)| KeptRequest {
                fingerprint,
                answer: answer.0,
                open_until,
            }))
        })
        .await
    }

    /// Keeps what the request that has a key was answered.
    pub async fn idempotency_answer(
        &self,
        key: &IdempotencyKey,
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        let (key, answer) = (key.clone(), json(answer));
        self.write(move |connection| close(connection, &key, &answer))
            .await
    }

    /// Keeps what a request with a key was answered that had nothing to change, which no transaction
    /// says; `false` if another request has the key.
    pub async fn idempotency_keep(
        &self,
        request: KeyedRequest,
        answer: &KeptAnswer,
    ) -> Result<bool, StoreError> {
        let request = KeyedRequest {
            promise: answer.clone(),
            ..request
        };
        self.write(move |connection| {
            let is_first = insert(connection, &request)?;
            if is_first {
                close(connection, &request.key, &json(&request.promise))?;
            }
            Ok(is_first)
        })
        .await
    }

    /// Removes keys that are forgotten, the oldest first, `limit` at most; returns how many.
    pub async fn idempotency_prune(
        &self,
        forgotten: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let statement = "DELETE FROM idempotency_keys WHERE id IN
                                 (SELECT id FROM idempotency_keys WHERE created_at <= $1
                                  ORDER BY created_at LIMIT $2)";
            Ok(pruning::remove(
                connection,
                statement,
                instant(forgotten),
                limit,
            )?)
        })
        .await
    }
}
