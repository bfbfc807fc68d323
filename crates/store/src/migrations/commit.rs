//! The transaction that writes a transition.

use diesel::prelude::*;
use godwit_core::event::Event;
use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::Because;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::Migration;
use godwit_core::resources::Resources;
use godwit_core::server_group::Violation;
use godwit_core::slots::{LinkShare, SlotLimits, SlotRole};
use godwit_core::time::Timestamp;
use godwit_core::transition::Transition;

use super::write::write;
use super::{MigrationRecord, Progress, row};
use crate::columns::text;
use crate::connection::Database;
use crate::effects::Lease;
use crate::schema::migrations;
use crate::{ActionNote, Actor, Server, Store, StoreError, servers};

/// What is written down beside a transition, and what else is taken with it.
#[derive(Clone, PartialEq, Debug)]
pub struct CommitNote {
    /// Who made it happen.
    pub actor: Actor,
    /// The HTTP request behind it, if one is.
    pub request_id: Option<String>,
    /// Who asked for it, where what happens is a request: it becomes an instance action.
    pub action: Option<ActionNote>,
    /// More about it for the event log, such as the hosts that were rejected and why; `Null`
    /// for nothing.
    pub detail: serde_json::Value,
    /// The present.
    pub at: Timestamp,
    /// Room to claim at the destination, where the transition places the migration. The server's
    /// group has to allow the destination as well.
    pub claim: Option<Claim>,
    /// The limits that its slots have to keep, where the transition takes some.
    pub slots: Option<SlotLimits>,
    /// What it takes with them of the links whose speed is known; `None`: slots alone count.
    pub share: Option<LinkShare>,
    /// The last figures of the move, which the row and its server take with it.
    pub progress: Option<Progress>,
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
            action: None,
            detail: serde_json::Value::Null,
            at,
            claim: None,
            slots: None,
            share: None,
            progress: None,
            performed: None,
        }
    }

    /// A note of a request through the API.
    pub fn requested(action: ActionNote) -> Self {
        Self {
            request_id: Some(action.request_id.clone()),
            action: Some(action.clone()),
            ..Self::new(Actor::Api, action.at)
        }
    }
}

/// Room at a destination, held for a migration until it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// How much.
    pub room: Resources,
    /// What the host may give in all, overcommitment included: servers on it and claims on it
    /// must stay within.
    pub capacity: Resources,
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CommitError {
    /// The row is no longer what the transition began from. Load it and step again.
    #[error("the migration has changed meanwhile")]
    Lost,
    /// The host has as many migrations in this role as it may, or as its link carries.
    #[error("no {role} slot is free on {host}")]
    NoSlot { host: HostName, role: SlotRole },
    /// Somebody else took the room meanwhile.
    #[error("{host} has no room for it: {used:?} of {capacity:?} are taken")]
    NoRoom {
        host: HostName,
        /// By the servers on it and claims for it, without this one.
        used: Resources,
        capacity: Resources,
    },
    /// Nothing is put on the host any more.
    #[error("{host} is disabled")]
    Disabled {
        host: HostName,
        /// What was disabled, the widest first.
        because: Vec<Because>,
    },
    /// The cluster of one of its hosts takes no part in moves.
    #[error("{host} takes no part in moves, as its cluster {} is not managed", cluster.cluster)]
    Unmanaged { host: HostName, cluster: Unmanaged },
    /// The server's group does not allow the host, or does not any more.
    #[error("the server's group does not allow {host}")]
    GroupPolicy {
        host: HostName,
        /// What is wrong with it.
        violation: Violation,
    },
    /// The host is in maintenance, or on its way there.
    #[error("{host} is held for maintenance, and nothing is sent there")]
    InMaintenance {
        host: HostName,
        /// By whom, the earliest first.
        holders: Vec<String>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A migration and its server, which nobody else can change until the transaction ends.
pub(crate) struct Locked {
    pub(super) record: MigrationRecord,
    pub(super) server: Server,
    pub(super) event_sequence: i64,
}

impl Locked {
    /// A server's unfinished migration, with the server. Imported ones are history, and stand in
    /// nobody's way.
    pub(crate) fn unfinished_of(
        connection: &mut Database,
        server: ServerUuid,
    ) -> Result<Option<Self>, StoreError> {
        let found: Option<MigrationUuid> = migrations::table
            .filter(migrations::instance_uuid.eq(text(server)))
            .filter(migrations::ended_at.is_null())
            .filter(migrations::imported.eq(false))
            .select(migrations::uuid)
            .first(connection)
            .optional()?;
        match found {
            Some(uuid) => Self::load(connection, uuid),
            None => Ok(None),
        }
    }

    /// The migration is locked before its server, as everybody locks: nobody then waits for a
    /// migration while he holds its server.
    pub(super) fn load(
        connection: &mut Database,
        uuid: MigrationUuid,
    ) -> Result<Option<Self>, StoreError> {
        let Some(row) = row::load_locked(connection, uuid)? else {
            return Ok(None);
        };
        let event_sequence = row.event_sequence;
        let record = MigrationRecord::try_from(row)?;
        let server = servers::load_any_locked(connection, record.migration.server)?;
        Ok(server.map(|server| Self {
            record,
            server,
            event_sequence,
        }))
    }
}

impl Store {
    /// Writes a transition that the caller made from `before`: the migration's row by
    /// compare-and-swap on its generation, its event, its effects, its claim and slots, and
    /// the change to its server, all or nothing.
    ///
    /// Most callers want [`Store::migration_step`], which cannot lose.
    pub async fn migration_commit(
        &self,
        before: &Migration,
        event: Event,
        transition: Transition,
        note: CommitNote,
    ) -> Result<MigrationRecord, CommitError> {
        let (uuid, generation) = (before.uuid, before.generation);
        self.write(move |connection| {
            let locked = Locked::load(connection, uuid)?.ok_or(CommitError::Lost)?;
            if locked.record.migration.generation != generation {
                return Err(CommitError::Lost);
            }
            write(connection, &locked, &event, &transition, &note)
        })
        .await
    }
}
