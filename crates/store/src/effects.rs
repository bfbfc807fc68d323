//! The outbox: effects that a transition asked for, performed at least once by whoever holds
//! their lease.

use std::time::Duration;

use diesel::prelude::*;
use godwit_core::effect::{Effect, SubjectKind};
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::power::PowerAction;
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::schema::{effects, migrations, servers};
use crate::{Store, StoreError, dialect};

/// The right to perform an effect, for a while. A later holder has a greater epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// Which effect.
    pub effect: i64,
    /// The lease's number for this effect: it goes with every command, so that an agent can
    /// refuse a holder who was replaced.
    pub epoch: i64,
}

/// An effect to perform, by its subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// Of a migration.
    Migration(ClaimedEffect),
    /// Of a server.
    Server(ClaimedPower),
}

impl Claimed {
    /// The right to perform it.
    pub const fn lease(&self) -> Lease {
        match self {
            Self::Migration(claimed) => claimed.lease,
            Self::Server(claimed) => claimed.lease,
        }
    }

    /// Its number for its subject.
    pub const fn sequence(&self) -> i64 {
        match self {
            Self::Migration(claimed) => claimed.sequence,
            Self::Server(claimed) => claimed.sequence,
        }
    }

    /// How often it was tried and given back by [`Store::effect_retry`].
    pub const fn attempts(&self) -> i64 {
        match self {
            Self::Migration(claimed) => claimed.attempts,
            Self::Server(claimed) => claimed.attempts,
        }
    }

    /// What to do, for logs and metrics.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Migration(claimed) => claimed.effect.as_str(),
            Self::Server(claimed) => claimed.action.as_str(),
        }
    }
}

/// An effect of a migration to perform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedEffect {
    /// The right to perform it.
    pub lease: Lease,
    /// For which migration.
    pub migration: MigrationUuid,
    /// Of which server.
    pub server: ServerUuid,
    /// The effect's number for its migration; agents refuse older ones.
    pub sequence: i64,
    /// What to do.
    pub effect: Effect,
    /// How often it was tried and given back by [`Store::effect_retry`].
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// An effect of a server to perform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedPower {
    /// The right to perform it.
    pub lease: Lease,
    /// For which server.
    pub server: ServerUuid,
    /// The effect's number for its server; agents refuse older ones.
    pub sequence: i64,
    /// What to do.
    pub action: PowerAction,
    /// How often it was tried and given back by [`Store::effect_retry`].
    pub attempts: i64,
    /// When it was asked for, and so the instance action of the request.
    pub created_at: Timestamp,
}

/// How an effect left the outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EffectOutcome {
    /// It was performed.
    Done,
    /// The migration went on without it.
    Superseded,
}

impl EffectOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Superseded => "superseded",
        }
    }
}

/// An effect's row, with its migration.
#[derive(Queryable)]
struct EffectRow {
    id: i64,
    epoch: i64,
    migration: MigrationUuid,
    server: ServerUuid,
    sequence: i64,
    effect: Effect,
    attempts: i64,
    created_at: Timestamp,
}

impl From<EffectRow> for ClaimedEffect {
    fn from(row: EffectRow) -> Self {
        Self {
            lease: Lease {
                effect: row.id,
                epoch: row.epoch,
            },
            migration: row.migration,
            server: row.server,
            sequence: row.sequence,
            effect: row.effect,
            attempts: row.attempts,
            created_at: row.created_at,
        }
    }
}

/// An effect's row, with its server.
#[derive(Queryable)]
struct PowerRow {
    id: i64,
    epoch: i64,
    server: ServerUuid,
    sequence: i64,
    action: PowerAction,
    attempts: i64,
    created_at: Timestamp,
}

impl From<PowerRow> for ClaimedPower {
    fn from(row: PowerRow) -> Self {
        Self {
            lease: Lease {
                effect: row.id,
                epoch: row.epoch,
            },
            server: row.server,
            sequence: row.sequence,
            action: row.action,
            attempts: row.attempts,
            created_at: row.created_at,
        }
    }
}

/// Puts an effect of a migration into the outbox.
pub(crate) fn insert(
    connection: &mut Database,
    migration: i64,
    (sequence, effect): (i64, Effect),
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(effects::table)
        .values((
            effects::migration_id.eq(migration),
            effects::subject_kind.eq(SubjectKind::Migration.as_str()),
            effects::subject_id.eq(migration),
            effects::sequence.eq(sequence),
            effects::effect.eq(effect.as_str()),
            effects::created_at.eq(instant(at)),
            effects::not_before.eq(instant(at)),
        ))
        .execute(connection)?;
    Ok(())
}

/// Puts an effect of a server, whose row is locked, into the outbox.
///
/// Its number is the present in microseconds, or one more than the last: an agent remembers the
/// greatest it saw, and a database that was restored must not have to count up to it again.
pub(crate) fn insert_of_server(
    connection: &mut Database,
    server: i64,
    action: PowerAction,
    at: Timestamp,
) -> Result<(), StoreError> {
    let last: Option<i64> = effects::table
        .filter(effects::subject_kind.eq(SubjectKind::Server.as_str()))
        .filter(effects::subject_id.eq(server))
        .select(diesel::dsl::max(effects::sequence))
        .first(connection)?;
    let next = last.map_or(1, |last| last.saturating_add(1));
    diesel::insert_into(effects::table)
        .values((
            effects::subject_kind.eq(SubjectKind::Server.as_str()),
            effects::subject_id.eq(server),
            effects::sequence.eq(next.max(at.as_micros())),
            effects::effect.eq(action.as_str()),
            effects::created_at.eq(instant(at)),
            effects::not_before.eq(instant(at)),
        ))
        .execute(connection)?;
    Ok(())
}

/// Ends all effects of a migration that are not done.
pub(crate) fn supersede(
    connection: &mut Database,
    migration: i64,
    at: Timestamp,
) -> Result<(), StoreError> {
    supersede_of(connection, (SubjectKind::Migration, migration), at)
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
        supersede_of(connection, (SubjectKind::Server, server), at)?;
    }
    Ok(undone)
}

fn supersede_of(
    connection: &mut Database,
    (kind, id): (SubjectKind, i64),
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(effects::table)
        .filter(effects::subject_kind.eq(kind.as_str()))
        .filter(effects::subject_id.eq(id))
        .filter(effects::done_at.is_null())
        .set((
            effects::done_at.eq(instant(at)),
            effects::outcome.eq(EffectOutcome::Superseded.as_str()),
        ))
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
        .execute(connection)?;
    Ok(updated == 1)
}

/// Effects in the order in which they were asked for.
fn load(connection: &mut Database, ids: &[i64]) -> Result<Vec<Claimed>, StoreError> {
    let of_migrations: Vec<EffectRow> = effects::table
        .inner_join(migrations::table.on(effects::subject_id.eq(migrations::id)))
        .filter(effects::subject_kind.eq(SubjectKind::Migration.as_str()))
        .filter(effects::id.eq_any(ids))
        .select((
            effects::id,
            effects::lease_epoch,
            migrations::uuid,
            migrations::instance_uuid,
            effects::sequence,
            effects::effect,
            effects::attempts,
            effects::created_at,
        ))
        .load(connection)?;
    let of_servers: Vec<PowerRow> = effects::table
        .inner_join(servers::table.on(effects::subject_id.eq(servers::id)))
        .filter(effects::subject_kind.eq(SubjectKind::Server.as_str()))
        .filter(effects::id.eq_any(ids))
        .select((
            effects::id,
            effects::lease_epoch,
            servers::uuid,
            effects::sequence,
            effects::effect,
            effects::attempts,
            effects::created_at,
        ))
        .load(connection)?;
    let of_migrations = of_migrations
        .into_iter()
        .map(|row| Claimed::Migration(row.into()));
    let of_servers = of_servers
        .into_iter()
        .map(|row| Claimed::Server(row.into()));
    let mut claimed: Vec<Claimed> = of_migrations.chain(of_servers).collect();
    claimed.sort_unstable_by_key(|claimed| claimed.lease().effect);
    Ok(claimed)
}

impl Store {
    /// Leases up to `limit` effects to `owner` until `now + lease`: those whose time has come,
    /// that nobody holds, and whose order allows it ([`Effect::overtakes`],
    /// [`Effect::blocks_later`]). No effect is ever leased to two owners at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effects_claim(
        &self,
        owner: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        // Most of the time there is nothing to do, and then nobody needs the writer.
        if limit <= 0 || !self.effects_waiting(now).await? {
            return Ok(Vec::new());
        }
        let owner = owner.to_owned();
        self.write(move |connection| {
            let until = instant(now.plus(lease));
            let ids = dialect::claim_effects(connection, &owner, instant(now), until, limit)?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            load(connection, &ids)
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
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_renew(&self, lease: Lease, until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.effects_renew(vec![lease], until).await? == [lease])
    }

    /// Prolongs many leases in one transaction; returns those that are not lost.
    ///
    /// # Errors
    /// [`StoreError`].
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
                    .execute(connection)?;
                held.extend((updated == 1).then_some(*lease));
            }
            Ok(held)
        })
        .await
    }

    /// The effect was performed. `false` if the lease is lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_done(&self, lease: Lease, at: Timestamp) -> Result<bool, StoreError> {
        self.write(move |connection| done(connection, lease, at))
            .await
    }

    /// The effect failed in a way that may pass: it is given back, to be tried again at
    /// `not_before`. `false` if the lease is lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_retry(
        &self,
        lease: Lease,
        not_before: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        let error = error.to_owned();
        self.write(move |connection| {
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
                .execute(connection)?;
            Ok(updated == 1)
        })
        .await
    }

    /// Gives back all that `owner` holds, so that others need not wait for the leases to end:
    /// for a clean stop. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
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
                .execute(connection)?;
            Ok(released)
        })
        .await
    }
}
