//! The event log of each migration: append-only, without gaps, numbered from 1.

use std::fmt;

use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

use crate::{Store, StoreError};

/// Who made something happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A user, through the API.
    Api,
    /// A conductor: its loops and its decisions.
    Conductor,
    /// A host's agent.
    Agent(HostName),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("api"),
            Self::Conductor => f.write_str("conductor"),
            Self::Agent(host) => write!(f, "agent:{host}"),
        }
    }
}

/// One line of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct MigrationEvent {
    /// 1, 2, 3 and so on, for each migration.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What happened; [`godwit_core::event::Event::name`], or `requested` for the first.
    pub name: String,
    /// The status before; `None` for the first.
    pub from_status: Option<MigrationStatus>,
    /// The status after.
    pub to_status: MigrationStatus,
    /// Who made it happen; the [`Actor`] as text.
    pub actor: String,
    /// The HTTP request behind it.
    pub request_id: Option<String>,
    /// More about it; `Null` for nothing.
    pub detail: serde_json::Value,
}

impl Store {
    /// A migration's log from `after` (exclusive; 0 for all of it), in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migration_events(
        &self,
        migration: MigrationUuid,
        after: i64,
    ) -> Result<Vec<MigrationEvent>, StoreError> {
        unimplemented!("{migration} {after}")
    }

    /// Appends to a migration's log what is worth knowing and changes nothing.
    /// `false` if there is no such migration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migration_event_append(
        &self,
        migration: MigrationUuid,
        name: &'static str,
        actor: Actor,
        detail: serde_json::Value,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!("{migration} {name} {actor} {detail} {at}")
    }
}
