//! Migrations: one row each, changed by [`Store::migration_step`] alone.

mod begin;
mod commit;
mod list;
mod progress;
mod record;
mod row;
mod step;

use diesel::prelude::*;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

pub use self::begin::{BeginError, NewLiveMigration};
pub use self::commit::{Claim, CommitError, CommitNote, SlotLimits};
pub use self::list::{MigrationFilter, MigrationListError, Paging};
pub use self::progress::ProgressSample;
pub use self::record::{Amounts, MigrationRecord, Progress};
use self::row::MigrationRow;
pub use self::step::{StepError, Stepped};
use crate::columns::{instant, text};
use crate::schema::{migrations, servers};
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
        self.read(move |connection| Ok(row::load(connection, uuid)?.map(MigrationRecord::from)))
            .await
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
        self.read(move |connection| {
            let row: Option<MigrationRow> = migrations::table
                .filter(migrations::id.eq(id))
                .filter(migrations::instance_uuid.eq(text(server)))
                .filter(migrations::deleted_at.is_null())
                .select(MigrationRow::as_select())
                .first(connection)
                .optional()?;
            Ok(row.map(MigrationRecord::from))
        })
        .await
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
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            // Few at most, so what remains to be asked is asked below: this statement then
            // never varies, and stays prepared.
            let unfinished = migrations::instance_uuid
                .eq(servers::uuid)
                .and(migrations::ended_at.is_null())
                .and(migrations::deleted_at.is_null());
            let rows: Vec<(String, String, Option<MigrationRow>)> = servers::table
                .left_join(migrations::table.on(unfinished))
                .filter(servers::uuid.eq(text(server)))
                .filter(servers::deleted_at.is_null())
                .order(migrations::id)
                .select((
                    servers::project_id,
                    servers::user_id,
                    Option::<MigrationRow>::as_select(),
                ))
                .load(connection)?;
            let Some((project_id, user_id, _)) = rows.first() else {
                return Ok(None);
            };
            if project
                .as_ref()
                .is_some_and(|project| project != project_id)
            {
                return Ok(None);
            }
            Ok(Some(ServerMigrations {
                project_id: project_id.clone(),
                user_id: user_id.clone(),
                migrations: rows
                    .into_iter()
                    .filter_map(|(_, _, row)| row.map(MigrationRecord::from))
                    .filter(|record| {
                        record.migration.kind == MigrationKind::LiveMigration
                            && record.migration.status.is_in_progress()
                    })
                    .collect(),
            }))
        })
        .await
    }

    /// Migrations that have not ended, oldest first; imported ones included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_unfinished(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(|connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .order((migrations::created_at, migrations::id))
                .select(MigrationRow::as_select())
                .load(connection)?;
            Ok(row::records(rows))
        })
        .await
    }

    /// Migrations that have not ended and have `host` as source or destination, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
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
            Ok(row::records(rows))
        })
        .await
    }

    /// The admission queue: `queued` live migrations, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_queued(&self) -> Result<Vec<MigrationRecord>, StoreError> {
        self.read(|connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .filter(migrations::status.eq(MigrationStatus::Queued.as_str()))
                .filter(migrations::migration_type.eq(MigrationKind::LiveMigration.as_str()))
                .order((migrations::created_at, migrations::id))
                .select(MigrationRow::as_select())
                .load(connection)?;
            Ok(row::records(rows))
        })
        .await
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
        self.read(move |connection| {
            let rows = migrations::table
                .filter(migrations::ended_at.is_null())
                .filter(migrations::deadline.le(instant(now)))
                .order((migrations::deadline, migrations::id))
                .limit(limit)
                .select(MigrationRow::as_select())
                .load(connection)?;
            Ok(row::records(rows))
        })
        .await
    }
}
