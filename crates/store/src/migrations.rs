//! Migrations: one row each, changed by [`Store::migration_step`] alone.

mod begin;
mod commit;
mod confirm;
mod detail;
mod imported;
mod list;
mod listed;
mod of_server;
mod progress;
mod prune;
mod queue;
mod record;
mod row;
mod step;
mod summary;
mod write;

use diesel::prelude::*;
use godwit_core::failure::FailureCode;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

pub(crate) use self::begin::begin_any;
pub use self::begin::{
    BeginError, NewColdMigration, NewEvacuation, NewLiveMigration, NewMigration,
};
pub(crate) use self::commit::Locked;
pub use self::commit::{Claim, CommitError, CommitNote};
pub use self::confirm::ResizeError;
pub(crate) use self::detail::load_unfinished;
pub use self::detail::{MigrationDetail, MigrationKey, MigrationPage};
pub(crate) use self::imported::{disown, source_returned};
pub use self::list::{MigrationFilter, MigrationListError, Paging};
pub use self::listed::ListedMigration;
pub use self::of_server::OfServer;
pub(crate) use self::of_server::{ById, InProgress, by_id, in_progress};
pub use self::progress::ProgressSample;
pub use self::queue::{FullHosts, Queued};
pub use self::record::{Amounts, MigrationRecord, Progress};
use self::row::MigrationRow;
pub(crate) use self::row::by_uuid;
pub use self::step::{StepError, Stepped};
pub use self::summary::MigrationSummary;
use crate::columns::{instant, text};
use crate::schema::migrations;
use crate::{Store, StoreError};

impl Store {
    /// One migration, whatever its state; deleted ones are found too.
    pub async fn migration_find(
        &self,
        uuid: MigrationUuid,
    ) -> Result<Option<MigrationRecord>, StoreError> {
        self.lookups.by_uuid.get(uuid).await
    }

    /// A server's migration by its integer id, unless deleted; whatever its type and status.
    pub async fn migration_find_for_server(
        &self,
        server: ServerUuid,
        id: i64,
    ) -> Result<Option<MigrationRecord>, StoreError> {
        self.read(move |connection| {
            let row: Option<MigrationRow> = migrations::table
                .filter(migrations::id.eq(id))
                .filter(migrations::instance_uuid.eq(text(server)))
                .filter(migrations::deleted_at.is_null())
                .select(MigrationRow::as_select())
                .first(connection)
                .optional()?;
            row::record(row)
        })
        .await
    }

    /// Migrations that have not ended, oldest first; imported ones included.
    pub async fn migrations_unfinished(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(|connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .order((migrations::created_at, migrations::id))
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }

    /// Migrations that have not ended and have `host` as source or destination, oldest first.
    pub async fn migrations_unfinished_on(
        &self,
        host: &HostName,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        let host = host.clone();
        self.read(move |connection| {
            let destination = migrations::dest_compute.assume_not_null();
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .filter(
                    migrations::source_compute
                        .eq(host.as_str())
                        .or(migrations::dest_compute
                            .is_not_null()
                            .and(destination.eq(host.as_str()))),
                )
                .order((migrations::created_at, migrations::id))
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }

    /// Evacuations from `host` that are done, and whose leftovers it has not cleaned yet, oldest
    /// first. Imported ones are none of ours to clean up after: nobody knows what the host did
    /// since.
    pub async fn evacuations_done_from(
        &self,
        host: &HostName,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        let host = host.clone();
        self.read(move |connection| {
            let rows = migrations::table
                .filter(migrations::source_compute.eq(host.as_str()))
                .filter(migrations::status.eq(MigrationStatus::Done.as_str()))
                .filter(migrations::migration_type.eq(MigrationKind::Evacuation.as_str()))
                .filter(migrations::imported.eq(false))
                .order(migrations::id)
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }

    /// Evacuations that wait for a proof that their source is dead, oldest first.
    pub async fn evacuations_waiting(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(|connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .filter(migrations::status.eq(MigrationStatus::Accepted.as_str()))
                .filter(migrations::migration_type.eq(MigrationKind::Evacuation.as_str()))
                .filter(migrations::failure_code.is_not_null())
                .filter(migrations::imported.eq(false))
                .order(migrations::id)
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }

    /// The server's migrations that ended because another one took over, newest first: where one
    /// of them led, the guest may be.
    pub async fn migrations_superseded_of(
        &self,
        server: ServerUuid,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(move |connection| {
            let rows = migrations::table
                .filter(migrations::instance_uuid.eq(text(server)))
                .filter(migrations::failure_code.eq(FailureCode::Superseded.as_str()))
                .order(migrations::id.desc())
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }

    /// Migrations whose deadline is at or before `now`, the most overdue first.
    pub async fn migrations_overdue(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(move |connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .filter(migrations::deadline.le(instant(now)))
                .order((migrations::deadline, migrations::id))
                .limit(limit)
                .select(MigrationRow::as_select())
                .load(connection)?;
            row::records(rows)
        })
        .await
    }
}
