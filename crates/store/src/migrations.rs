//! Migrations: one row each, changed by [`Store::migration_step`] alone.

mod begin;
mod commit;
mod list;
mod progress;
mod record;
mod step;

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

pub use self::begin::{BeginError, NewLiveMigration};
pub use self::commit::{Claim, CommitError, CommitNote, Room, SlotLimits};
pub use self::list::{MigrationFilter, MigrationListError, Paging};
pub use self::progress::ProgressSample;
pub use self::record::{Amounts, MigrationRecord, Progress};
pub use self::step::{StepError, Stepped};
use crate::{Store, StoreError};

/// The answer to "what is going on with this server".
#[derive(Clone, PartialEq, Debug)]
pub struct ServerMigrations {
    /// The server's owner.
    pub project_id: String,
    /// The user who made the server.
    pub user_id: String,
    /// Its live migrations that Nova's API calls in progress, oldest first.
    pub migrations: Vec<MigrationRecord>,
}

impl Store {
    /// One migration, whatever its state; deleted ones are found too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migration_find(
        &self,
        uuid: MigrationUuid,
    ) -> Result<Option<MigrationRecord>, StoreError> {
        unimplemented!("{uuid}")
    }

    /// A server's migration by its integer id, unless deleted; whatever its type and status.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migration_find_for_server(
        &self,
        server: ServerUuid,
        id: i64,
    ) -> Result<Option<MigrationRecord>, StoreError> {
        unimplemented!("{server} {id}")
    }

    /// The live migrations in progress of a server, in one query together with whether it is
    /// visible: `None` if there is no such server, it is deleted, or it belongs to another
    /// project than `project` (where given).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_in_progress_for_server(
        &self,
        server: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<ServerMigrations>, StoreError> {
        unimplemented!("{server} {project:?}")
    }

    /// Migrations that have not ended, oldest first; imported ones included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_unfinished(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        unimplemented!()
    }

    /// Migrations that have not ended and have `host` as source or destination, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_unfinished_on(
        &self,
        host: &HostName,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        unimplemented!("{host}")
    }

    /// The admission queue: `queued` live migrations, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_queued(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        unimplemented!()
    }

    /// Migrations whose deadline is at or before `now`, the most overdue first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_overdue(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        unimplemented!("{now} {limit}")
    }
}
