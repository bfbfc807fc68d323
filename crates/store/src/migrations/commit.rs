//! The transaction that writes a transition.

use diesel::prelude::*;
use godwit_core::failure::Failure;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::migration::{Intent, Migration, Settling, StorageMode};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;
use godwit_core::transition::{Doubt, ServerChange, Transition};

use super::{MigrationRecord, row};
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::effects::Lease;
use crate::error::TransactionError;
use crate::schema::migrations;
use crate::{
    Actor, DiscrepancySubject, MigrationEvent, Room, Server, SlotRole, Store, StoreError, dialect,
    discrepancies, effects, events, reservations, servers,
};

/// What is written down beside a transition, and what else is taken with it.
#[derive(Clone, PartialEq, Debug)]
pub struct CommitNote {
    /// Who made it happen.
    pub actor: Actor,
    /// The HTTP request behind it, if one is.
    pub request_id: Option<String>,
    /// More about it for the event log, such as the hosts that were rejected and why; `Null`
    /// for nothing.
    pub detail: serde_json::Value,
    /// The present.
    pub at: Timestamp,
    /// Room to claim at the destination; replaces an earlier claim of the migration. Ignored
    /// when the transition did not place it there.
    pub claim: Option<Claim>,
    /// Take a slot at the source and one at the destination, if that keeps these limits.
    /// Ignored when the transition did not begin to prepare.
    pub slots: Option<SlotLimits>,
    /// The effect whose outcome this is; it becomes done in the same transaction, if the lease
    /// is still held.
    pub performed: Option<Lease>,
}

impl CommitNote {
    /// A note that takes nothing.
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            request_id: None,
            detail: serde_json::Value::Null,
            at,
            claim: None,
            slots: None,
            performed: None,
        }
    }
}

/// Room at a destination, held for a migration until it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Where.
    pub host: HostName,
    /// How much.
    pub room: Room,
    /// What the host may give in all, overcommitment included: servers on it and claims on it
    /// must stay within.
    pub capacity: Room,
}

/// How many migrations may be under way at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotLimits {
    /// From one source.
    pub source: i64,
    /// To one destination.
    pub destination: i64,
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The row is no longer what the transition began from. Load it and step again.
    #[error("the migration has changed meanwhile")]
    Lost,
    /// The host has as many migrations in this role as it may.
    #[error("no {role} slot is free on {host}")]
    NoSlot {
        /// Which host.
        host: HostName,
        /// As what.
        role: SlotRole,
    },
    /// Somebody else took the room meanwhile.
    #[error("{host} has no room for it: {used:?} of {capacity:?} are taken")]
    NoRoom {
        /// Which host.
        host: HostName,
        /// By the servers on it and claims for it, without this one.
        used: Room,
        /// Of how much.
        capacity: Room,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TransactionError for CommitError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Lost | Self::NoSlot { .. } | Self::NoRoom { .. } => None,
        }
    }
}

/// A migration and its server, which nobody else can change until the transaction ends.
pub(super) struct Locked {
    pub(super) record: MigrationRecord,
    pub(super) server: Server,
    event_sequence: i64,
}

impl Locked {
    pub(super) fn load(
        connection: &mut Database,
        uuid: MigrationUuid,
    ) -> Result<Option<Self>, StoreError> {
        if !dialect::lock_migration(connection, &text(uuid))? {
            return Ok(None);
        }
        let Some(row) = row::load(connection, uuid)? else {
            return Ok(None);
        };
        let event_sequence = row.event_sequence;
        let record = MigrationRecord::from(row);
        let server = record.migration.server;
        dialect::lock_servers(connection, &[text(server)])?;
        Ok(servers::load_any(connection, server)?.map(|server| Self {
            record,
            server,
            event_sequence,
        }))
    }
}

/// The line with the reason that is new with it, so that the log says why, whoever wrote it.
fn with_reason(
    detail: &serde_json::Value,
    before: Option<&Failure>,
    next: &Migration,
) -> serde_json::Value {
    let new = next
        .failure
        .as_ref()
        .filter(|failure| before != Some(*failure));
    let Some(failure) = new else {
        return detail.clone();
    };
    let mut fields = match detail {
        serde_json::Value::Object(fields) => fields.clone(),
        serde_json::Value::Null => serde_json::Map::new(),
        other => serde_json::Map::from_iter([("detail".to_owned(), other.clone())]),
    };
    let failure = serde_json::json!({"code": failure.code, "message": failure.message});
    fields.insert("failure".to_owned(), failure);
    serde_json::Value::Object(fields)
}

/// Writes all that follows from a transition.
pub(super) fn write(
    connection: &mut Database,
    locked: &Locked,
    event: &'static str,
    transition: &Transition,
    note: &CommitNote,
) -> Result<MigrationRecord, CommitError> {
    let id = locked.record.id;
    let next = &transition.next;
    write_row(connection, locked, next, note.at)?;
    let line = MigrationEvent {
        sequence: locked.event_sequence.saturating_add(1),
        at: note.at,
        name: event.to_owned(),
        from_status: Some(locked.record.migration.status),
        to_status: next.status,
        actor: note.actor.to_string(),
        request_id: note.request_id.clone(),
        detail: with_reason(&note.detail, locked.record.migration.failure.as_ref(), next),
    };
    events::append(connection, id, &line)?;

    if let Some(lease) = note.performed {
        effects::done(connection, lease, note.at)?;
    }
    if transition.supersedes {
        effects::supersede(connection, id, note.at)?;
    }
    for numbered in transition.numbered_effects() {
        effects::insert(connection, id, numbered, note.at)?;
    }

    reserve(connection, locked, next, note)?;
    settle(connection, locked, transition, note.at)?;
    let row = row::load(connection, next.uuid)?;
    Ok(row.ok_or(CommitError::Lost)?.into())
}

/// The row itself, by compare-and-swap.
fn write_row(
    connection: &mut Database,
    locked: &Locked,
    next: &Migration,
    at: Timestamp,
) -> Result<(), CommitError> {
    let record = &locked.record;
    let at = instant(at);
    let since = if next.status == record.migration.status {
        instant(record.status_since)
    } else {
        at
    };
    let runs = matches!(
        next.status,
        MigrationStatus::Running | MigrationStatus::RunningPostCopy
    );
    let started = instants(record.started_at).or(runs.then_some(at));
    let destination = next.dest_compute.as_ref().or(record.dest_compute.as_ref());
    let placed_from = next.dest_compute.as_ref().and(locked.server.node.as_ref());
    let source_node = record.source_node.as_ref().or(placed_from);
    let failure = next.failure.as_ref();
    let written = diesel::update(migrations::table.find(record.id))
        .filter(migrations::generation.eq(record.migration.generation))
        .set((
            migrations::status.eq(next.status.as_str()),
            migrations::intent.eq(next.intent.map(Intent::as_str)),
            migrations::settling.eq(next.settling.map(Settling::as_str)),
            migrations::storage.eq(next.storage.map(StorageMode::as_str)),
            migrations::limits.eq(json(&next.limits)),
            migrations::source_node.eq(source_node),
            migrations::dest_compute.eq(destination.map(HostName::as_str)),
            migrations::dest_node.eq(&next.dest_node),
            migrations::deadline.eq(instants(next.deadline)),
            migrations::failure_code.eq(failure.map(|failure| failure.code.as_str())),
            migrations::failure_message.eq(failure.map(|failure| &failure.message)),
            migrations::generation.eq(next.generation),
            migrations::effect_sequence.eq(next.effect_sequence),
            migrations::event_sequence.eq(locked.event_sequence.saturating_add(1)),
            migrations::updated_at.eq(at),
            migrations::status_since.eq(since),
            migrations::started_at.eq(started),
            migrations::ended_at.eq(next.status.is_terminal().then_some(at)),
        ))
        .execute(connection)
        .map_err(StoreError::from)?;
    if written == 1 {
        Ok(())
    } else {
        Err(CommitError::Lost)
    }
}

/// Takes what the transition needs of its hosts, or gives all of it back at the end.
fn reserve(
    connection: &mut Database,
    locked: &Locked,
    next: &Migration,
    note: &CommitNote,
) -> Result<(), CommitError> {
    let id = locked.record.id;
    if next.status.is_terminal() {
        return Ok(reservations::release(connection, id)?);
    }
    let Some(destination) = &next.dest_compute else {
        return Ok(());
    };
    let claim = note.claim.as_ref().filter(|it| it.host == *destination);
    let admitted = locked.record.migration.status == MigrationStatus::Queued
        && next.status == MigrationStatus::Preparing;
    let slots = note.slots.filter(|_| admitted);
    if claim.is_none() && slots.is_none() {
        return Ok(());
    }
    let hosts = [next.source_compute.as_str(), destination.as_str()];
    dialect::lock_hosts(connection, &hosts).map_err(StoreError::from)?;
    if let Some(claim) = claim {
        reservations::claim(connection, id, claim, note.at)?;
    }
    if let Some(limits) = slots {
        let ends = [
            (SlotRole::Source, &next.source_compute, limits.source),
            (SlotRole::Destination, destination, limits.destination),
        ];
        reservations::take_slots(connection, id, ends, note.at)?;
    }
    Ok(())
}

/// What the transition means for the server, and for open questions about it.
fn settle(
    connection: &mut Database,
    locked: &Locked,
    transition: &Transition,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (before, next) = (&locked.record.migration, &transition.next);
    if let Some(change) = transition.server {
        servers::settle(connection, &locked.server, next, change, at)?;
    }
    // The leftovers that a clean destination can no longer have.
    let clean = transition.doubt.is_none();
    if transition.server == Some(ServerChange::StaysAtSource)
        && clean
        && let Some(destination) = &next.dest_compute
    {
        servers::forget_sighting(connection, next.server, destination)?;
    }
    if (before.status, before.settling) != (next.status, next.settling) {
        let because = format!("the migration went on: {}", next.status);
        discrepancies::close_of_migration(connection, next.server, next.uuid, &because, at)?;
    }
    if let Some(doubt) = transition.doubt {
        let subject = DiscrepancySubject {
            kind: doubt.into(),
            server: Some(next.server),
            migration: Some(next.uuid),
            host: match doubt {
                Doubt::DestinationNotClean => next.dest_compute.clone(),
                Doubt::Overdue | Doubt::GuestNowhere => None,
            },
        };
        let detail = format!("migration {} is {}", next.uuid, next.status);
        discrepancies::open(connection, &subject, &detail, at)?;
    }
    Ok(())
}

impl Store {
    /// Writes a transition that the caller made from `before`: the migration's row by
    /// compare-and-swap on its generation, its event, its effects, its claim and slots, and
    /// the change to its server, all or nothing.
    ///
    /// Most callers want [`Store::migration_step`], which cannot lose.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn migration_commit(
        &self,
        before: &Migration,
        event: &'static str,
        transition: Transition,
        note: CommitNote,
    ) -> Result<MigrationRecord, CommitError> {
        let (uuid, generation) = (before.uuid, before.generation);
        self.write(move |connection| {
            let locked = Locked::load(connection, uuid)?.ok_or(CommitError::Lost)?;
            if locked.record.migration.generation != generation {
                return Err(CommitError::Lost);
            }
            write(connection, &locked, event, &transition, &note)
        })
        .await
    }
}
