//! The outbox: effects that a transition asked for, performed at least once by whoever holds
//! their lease.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::effect::{Effect, PlanEffect, RunEffect, Subject, SubjectKind};
use godwit_core::ids::{MigrationUuid, PlanUuid, RunUuid, ServerUuid};
use godwit_core::power::PowerAction;
use godwit_core::status::UnknownWord;
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;
use godwit_core::words;

use crate::columns::instant;
use crate::connection::Database;
use crate::dialect::claim::{Claimable, claim_effects};
use crate::prepared::Prepare as _;
use crate::schema::effects;
use crate::{Store, StoreError};

/// The right to perform an effect, for a while. A later holder has a greater epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// Which effect.
    pub effect: i64,
    /// The lease's number for this effect: it goes with every command, so that an agent can
    /// refuse a holder who was replaced.
    pub epoch: i64,
}

/// An effect to perform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed<S = Subject> {
    /// The right to perform it.
    pub lease: Lease,
    /// What it is about, and what is to be done.
    pub subject: S,
    /// The effect's number for its subject; agents refuse older ones.
    pub sequence: i64,
    /// How often it was tried and given back by [`Store::effect_retry`].
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The request that asked for it, or for its migration, where that is traced.
    pub trace: Option<TraceContext>,
}

impl Claimed {
    /// The same for whoever knows of which kind the subject is.
    pub const fn about<S: Copy>(&self, subject: S) -> Claimed<S> {
        Claimed {
            lease: self.lease,
            subject,
            sequence: self.sequence,
            attempts: self.attempts,
            created_at: self.created_at,
            trace: self.trace,
        }
    }
}

/// A claimed effect of a migration.
pub type ClaimedOfMigration = Claimed<(MigrationUuid, Effect)>;

/// A claimed effect of a server.
pub type ClaimedOfServer = Claimed<(ServerUuid, PowerAction)>;

/// A claimed effect of a plan.
pub type ClaimedOfPlan = Claimed<(PlanUuid, PlanEffect)>;

/// A claimed effect of a run.
pub type ClaimedOfRun = Claimed<(RunUuid, RunEffect)>;

words!(
    /// How an effect left the outbox.
    EffectOutcome, "outcome of an effect", {
        /// It was performed.
        Done = "done",
        /// The migration went on without it.
        Superseded = "superseded",
    }
);

/// An effect's row, with the uuid of its subject: in the column of the subject's kind.
#[derive(QueryableByName)]
struct EffectRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    migration: Option<MigrationUuid>,
    #[diesel(sql_type = Nullable<Text>)]
    server: Option<ServerUuid>,
    #[diesel(sql_type = Nullable<Text>)]
    plan: Option<PlanUuid>,
    #[diesel(sql_type = Nullable<Text>)]
    run: Option<RunUuid>,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = Text)]
    verb: String,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = SqlTimestamp)]
    created_at: Timestamp,
    #[diesel(sql_type = Nullable<Text>)]
    trace_parent: Option<String>,
}

impl EffectRow {
    /// `None` when the subject's row is gone: then there is nothing to do.
    fn claimed(&self) -> Result<Option<Claimed>, UnknownWord> {
        let subject = match self.kind.parse::<SubjectKind>()? {
            SubjectKind::Migration => {
                let effect: Effect = self.verb.parse()?;
                self.migration.map(|uuid| Subject::Migration(uuid, effect))
            }
            SubjectKind::Server => {
                let action: PowerAction = self.verb.parse()?;
                self.server.map(|uuid| Subject::Server(uuid, action))
            }
            SubjectKind::Plan => {
                let effect: PlanEffect = self.verb.parse()?;
                self.plan.map(|uuid| Subject::Plan(uuid, effect))
            }
            SubjectKind::Run => {
                let effect: RunEffect = self.verb.parse()?;
                self.run.map(|uuid| Subject::Run(uuid, effect))
            }
        };
        Ok(subject.map(|subject| Claimed {
            lease: Lease {
                effect: self.id,
                epoch: self.epoch,
            },
            subject,
            sequence: self.sequence,
            attempts: self.attempts,
            created_at: self.created_at,
            // No effect is left undone because a trace cannot be gone on with.
            trace: self.trace_parent.as_ref().and_then(|it| it.parse().ok()),
        }))
    }
}

/// Puts an effect of a migration into the outbox. `trace` is the request that asks for it, if one
/// does.
pub(crate) fn insert(
    connection: &mut Database,
    migration: i64,
    (sequence, effect): (i64, Effect),
    trace: Option<TraceContext>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let numbered = (sequence, effect.as_str());
    let subject = (SubjectKind::Migration, migration);
    insert_of(connection, subject, numbered, trace, at)
}

/// Puts an effect of a server, whose row is locked, into the outbox.
///
/// Its number is the time in microseconds, or one more than the last: an agent remembers the
/// greatest it saw, and a database that was restored must not have to count up to it again.
pub(crate) fn insert_of_server(
    connection: &mut Database,
    server: i64,
    action: PowerAction,
    trace: Option<TraceContext>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let last: Option<i64> = effects::table
        .filter(effects::subject_kind.eq(SubjectKind::Server.as_str()))
        .filter(effects::subject_id.eq(server))
        .select(diesel::dsl::max(effects::sequence))
        .first(connection)?;
    let next = last.map_or(1, |last| last.saturating_add(1));
    let numbered = (next.max(at.as_micros()), action.as_str());
    let subject = (SubjectKind::Server, server);
    insert_of(connection, subject, numbered, trace, at)
}

/// Puts an effect of a plan into the outbox.
pub(crate) fn insert_of_plan(
    connection: &mut Database,
    plan: i64,
    (sequence, effect): (i64, PlanEffect),
    trace: Option<TraceContext>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let numbered = (sequence, effect.as_str());
    insert_of(connection, (SubjectKind::Plan, plan), numbered, trace, at)
}

/// Puts an effect of a run into the outbox.
pub(crate) fn insert_of_run(
    connection: &mut Database,
    run: i64,
    (sequence, effect): (i64, RunEffect),
    trace: Option<TraceContext>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let numbered = (sequence, effect.as_str());
    insert_of(connection, (SubjectKind::Run, run), numbered, trace, at)
}

/// Ends all effects of a plan that are not done; the one that was `performed` is, if its lease is
/// held.
pub(crate) fn supersede_of_plan(
    connection: &mut Database,
    plan: i64,
    performed: Option<Lease>,
    at: Timestamp,
) -> Result<(), StoreError> {
    supersede_of(connection, (SubjectKind::Plan, plan), performed, at)
}

fn insert_of(
    connection: &mut Database,
    (kind, id): (SubjectKind, i64),
    (sequence, verb): (i64, &str),
    trace: Option<TraceContext>,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(effects::table)
        .values((
            effects::subject_kind.eq(kind.as_str()),
            effects::subject_id.eq(id),
            effects::sequence.eq(sequence),
            effects::effect.eq(verb),
            effects::created_at.eq(instant(at)),
            effects::not_before.eq(instant(at)),
            effects::trace_parent.eq(trace.map(|it| it.to_string())),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Ends all effects of a migration that are not done; the one that was `performed` is, if its lease
/// is held.
pub(crate) fn supersede(
    connection: &mut Database,
    migration: i64,
    performed: Option<Lease>,
    at: Timestamp,
) -> Result<(), StoreError> {
    supersede_of(
        connection,
        (SubjectKind::Migration, migration),
        performed,
        at,
    )
}

/// Ends all effects of a server that are not done, and says what they were, and when each was
/// asked for.
pub(crate) fn supersede_of_server(
    connection: &mut Database,
    server: i64,
    at: Timestamp,
) -> Result<Vec<(PowerAction, Timestamp)>, StoreError> {
    let undone: Vec<(PowerAction, Timestamp)> = effects::table
        .filter(effects::subject_kind.eq(SubjectKind::Server.as_str()))
        .filter(effects::subject_id.eq(server))
        .filter(effects::done_at.is_null())
        .order(effects::sequence)
        .select((effects::effect, effects::created_at))
        .load(connection)?;
    if !undone.is_empty() {
        supersede_of(connection, (SubjectKind::Server, server), None, at)?;
    }
    Ok(undone)
}

fn supersede_of(
    connection: &mut Database,
    (kind, id): (SubjectKind, i64),
    performed: Option<Lease>,
    at: Timestamp,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE effects
         SET done_at = $1,
             outcome = CASE WHEN id = $2 AND lease_epoch = $3 THEN $4 ELSE $5 END
         WHERE subject_kind = $6 AND subject_id = $7 AND done_at IS NULL",
    )
    .bind::<SqlTimestamp, _>(instant(at))
    .bind::<Nullable<BigInt>, _>(performed.map(|lease| lease.effect))
    .bind::<Nullable<BigInt>, _>(performed.map(|lease| lease.epoch))
    .bind::<Text, _>(EffectOutcome::Done.as_str())
    .bind::<Text, _>(EffectOutcome::Superseded.as_str())
    .bind::<Text, _>(kind.as_str())
    .bind::<BigInt, _>(id)
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// Is the effect still to be performed, and nobody else's by now?
pub(crate) fn is_held(connection: &mut Database, lease: Lease) -> Result<bool, StoreError> {
    let held = effects::table
        .filter(effects::id.eq(lease.effect))
        .filter(effects::lease_epoch.eq(lease.epoch))
        .filter(effects::done_at.is_null())
        .select(effects::id)
        .first::<i64>(connection);
    Ok(held.optional()?.is_some())
}

/// Ends an effect as performed, if the lease is held.
pub(crate) fn done(
    connection: &mut Database,
    lease: Lease,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let updated = diesel::update(effects::table)
        .filter(effects::id.eq(lease.effect))
        .filter(effects::lease_epoch.eq(lease.epoch))
        .filter(effects::done_at.is_null())
        .set((
            effects::done_at.eq(instant(at)),
            effects::outcome.eq(EffectOutcome::Done.as_str()),
        ))
        .prepared()
        .execute(connection)?;
    Ok(updated == 1)
}

/// Leases effects to `owner`; those that were had, in the order in which they were asked for.
fn claim(
    connection: &mut Database,
    of: Claimable,
    owner: &str,
    (now, until): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Claimed>, StoreError> {
    let mut rows: Vec<EffectRow> = sql_query(claim_effects(connection, of))
        .bind::<Text, _>(owner)
        .bind::<SqlTimestamp, _>(instant(until))
        .bind::<SqlTimestamp, _>(instant(now))
        .bind::<BigInt, _>(limit)
        .prepared()
        .load(connection)?;
    rows.sort_unstable_by_key(|row| row.id);
    rows.iter()
        .filter_map(|row| row.claimed().transpose())
        .collect::<Result<_, UnknownWord>>()
        .map_err(|unknown| StoreError::Corrupt(Box::new(unknown)))
}

impl Store {
    /// Leases up to `limit` effects to `owner` until `now + lease`: those whose time has come,
    /// that nobody holds, and whose order allows it ([`Effect::overtakes`],
    /// [`Effect::blocks_later`]), what goes on before what begins. No effect is ever leased to two
    /// owners at a time.
    pub async fn effects_claim(
        &self,
        owner: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.claim_of(Claimable::All, owner, (now, lease), limit)
            .await
    }

    /// [`Self::effects_claim`] of those with which a migration begins.
    pub async fn effects_claim_beginnings(
        &self,
        owner: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.claim_of(Claimable::Beginnings, owner, (now, lease), limit)
            .await
    }

    async fn claim_of(
        &self,
        of: Claimable,
        owner: &str,
        (now, lease): (Timestamp, Duration),
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        // Most of the time there is nothing to do, and then nobody needs the writer.
        if limit <= 0 || self.has_one_writer() && !self.effects_waiting(now).await? {
            return Ok(Vec::new());
        }
        let owner = owner.to_owned();
        self.write_statement(move |connection| {
            claim(connection, of, &owner, (now, now.plus(lease)), limit)
        })
        .await
    }

    async fn effects_waiting(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.read(move |connection| {
            let now = instant(now);
            let free = effects::lease_until
                .is_null()
                .or(effects::lease_until.assume_not_null().le(now));
            let found: Option<i64> = effects::table
                .filter(effects::done_at.is_null())
                .filter(effects::not_before.le(now))
                .filter(free.assume_not_null())
                .select(effects::id)
                .first(connection)
                .optional()?;
            Ok(found.is_some())
        })
        .await
    }

    /// Prolongs a lease. `false` if it is lost: the effect is done, superseded, or somebody
    /// else's. Then performing it must stop.
    pub async fn effect_renew(&self, lease: Lease, until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.effects_renew(vec![lease], until).await? == [lease])
    }

    /// Prolongs many leases in one transaction; returns those that are not lost.
    pub async fn effects_renew(
        &self,
        leases: Vec<Lease>,
        until: Timestamp,
    ) -> Result<Vec<Lease>, StoreError> {
        self.write(move |connection| {
            let mut held = Vec::with_capacity(leases.len());
            for lease in &leases {
                let updated = diesel::update(effects::table)
                    .filter(effects::id.eq(lease.effect))
                    .filter(effects::lease_epoch.eq(lease.epoch))
                    .filter(effects::lease_owner.is_not_null())
                    .filter(effects::done_at.is_null())
                    .set(effects::lease_until.eq(instant(until)))
                    .prepared()
                    .execute(connection)?;
                held.extend((updated == 1).then_some(*lease));
            }
            Ok(held)
        })
        .await
    }

    /// The effect was performed. `false` if the lease is lost.
    pub async fn effect_done(&self, lease: Lease, at: Timestamp) -> Result<bool, StoreError> {
        self.write_statement(move |connection| done(connection, lease, at))
            .await
    }

    /// The effect failed in a way that may pass: it is given back, to be tried again at
    /// `not_before`. `false` if the lease is lost.
    pub async fn effect_retry(
        &self,
        lease: Lease,
        not_before: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        let error = error.to_owned();
        self.write_statement(move |connection| {
            let updated = diesel::update(effects::table)
                .filter(effects::id.eq(lease.effect))
                .filter(effects::lease_epoch.eq(lease.epoch))
                .filter(effects::lease_owner.is_not_null())
                .filter(effects::done_at.is_null())
                .set((
                    effects::lease_owner.eq(None::<String>),
                    effects::lease_until.eq(None::<chrono::NaiveDateTime>),
                    effects::not_before.eq(instant(not_before)),
                    effects::attempts.eq(effects::attempts + 1),
                    effects::last_error.eq(&error),
                ))
                .prepared()
                .execute(connection)?;
            Ok(updated == 1)
        })
        .await
    }

    /// Gives back all that `owner` holds, so that others need not wait for the leases to end:
    /// for a clean stop. Returns how many.
    pub async fn effects_release(&self, owner: &str) -> Result<usize, StoreError> {
        let owner = owner.to_owned();
        self.write(move |connection| {
            let released = diesel::update(effects::table)
                .filter(effects::lease_owner.eq(&owner))
                .filter(effects::done_at.is_null())
                .set((
                    effects::lease_owner.eq(None::<String>),
                    effects::lease_until.eq(None::<chrono::NaiveDateTime>),
                ))
                .prepared()
                .execute(connection)?;
            Ok(released)
        })
        .await
    }
}
