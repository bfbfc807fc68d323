//! The row of a migration.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{
    Intent, Limits, Migration, Placement, Request, Settling, StorageMode,
};
use godwit_core::phase::{Phase, Stored};
use godwit_core::status::{MigrationKind, MigrationStatus};

use super::record::amounts;
use super::{MigrationRecord, Progress};
use crate::StoreError;
use crate::among::{among, load_all};
use crate::columns::{Instant, Json, Parsed, text};
use crate::connection::{Database, on_backend};
use crate::dialect::Locking;
use crate::schema::migrations;

/// All that is read of a migration.
#[derive(Queryable, Selectable)]
#[diesel(table_name = migrations)]
pub(super) struct MigrationRow {
    id: i64,
    uuid: Parsed<MigrationUuid>,
    instance_uuid: Parsed<ServerUuid>,
    migration_type: Parsed<MigrationKind>,
    status: Parsed<MigrationStatus>,
    intent: Option<Parsed<Intent>>,
    settling: Option<Parsed<Settling>>,
    storage: Option<Parsed<StorageMode>>,
    request: Json<Request>,
    limits: Json<Limits>,
    source_compute: Parsed<HostName>,
    source_node: Option<String>,
    dest_compute: Option<Parsed<HostName>>,
    dest_node: Option<String>,
    dest_host: Option<String>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    #[diesel(embed)]
    asker: AskerRow,
    deadline: Option<Instant>,
    failure_code: Option<Parsed<FailureCode>>,
    failure_message: Option<String>,
    generation: i64,
    effect_sequence: i64,
    pub(super) event_sequence: i64,
    #[diesel(embed)]
    progress: ProgressRow,
    created_at: Instant,
    updated_at: Option<Instant>,
    status_since: Instant,
    started_at: Option<Instant>,
    ended_at: Option<Instant>,
    hidden: bool,
    imported: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = migrations)]
pub(super) struct AskerRow {
    user_id: Option<String>,
    project_id: Option<String>,
    request_id: Option<String>,
}

#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = migrations, treat_none_as_null = true)]
pub(super) struct ProgressRow {
    memory_total: Option<i64>,
    memory_processed: Option<i64>,
    memory_remaining: Option<i64>,
    disk_total: Option<i64>,
    disk_processed: Option<i64>,
    disk_remaining: Option<i64>,
    dirty_rate: Option<i64>,
    throughput: Option<i64>,
    downtime_ms: Option<i64>,
}

impl From<ProgressRow> for Progress {
    fn from(row: ProgressRow) -> Self {
        Self {
            memory: amounts(row.memory_total, row.memory_processed, row.memory_remaining),
            disk: amounts(row.disk_total, row.disk_processed, row.disk_remaining),
            dirty_rate: row.dirty_rate,
            throughput: row.throughput,
            downtime_ms: row.downtime_ms,
        }
    }
}

/// What is in a column, if something is.
fn read<T: Clone>(column: Option<&Parsed<T>>) -> Option<T> {
    column.map(|parsed| parsed.0.clone())
}

impl From<Progress> for ProgressRow {
    fn from(progress: Progress) -> Self {
        let (memory, disk) = (progress.memory, progress.disk);
        Self {
            memory_total: memory.map(|it| it.total),
            memory_processed: memory.map(|it| it.processed),
            memory_remaining: memory.map(|it| it.remaining),
            disk_total: disk.map(|it| it.total),
            disk_processed: disk.map(|it| it.processed),
            disk_remaining: disk.map(|it| it.remaining),
            dirty_rate: progress.dirty_rate,
            throughput: progress.throughput,
            downtime_ms: progress.downtime_ms,
        }
    }
}

impl MigrationRow {
    /// Where the migration is. An imported row may have any of Nova's words.
    fn phase(&self) -> Result<Phase, StoreError> {
        let stored = Stored {
            status: self.status.0,
            settling: read(self.settling.as_ref()),
            placed: self.storage.is_some() || self.imported,
            reason: self.failure_code.is_some(),
        };
        match Phase::read(self.migration_type.0, stored) {
            Ok(phase) => Ok(phase),
            Err(_) if self.imported => Ok(Phase::Ended(self.status.0)),
            Err(error) => {
                let text = format!("migration {}: {error}", self.uuid.0);
                Err(StoreError::Corrupt(text.into()))
            }
        }
    }

    /// A forced host stands in its column from the beginning, as Nova shows it, but the migration
    /// is placed only when it is known how its disks get there. Of an imported one nobody knows.
    fn placement(&self) -> Option<Placement> {
        Some(Placement {
            host: read(self.dest_compute.as_ref())?,
            node: self.dest_node.clone()?,
            storage: read(self.storage.as_ref())?,
        })
    }
}

impl TryFrom<MigrationRow> for MigrationRecord {
    type Error = StoreError;

    fn try_from(row: MigrationRow) -> Result<Self, StoreError> {
        let migration = Migration {
            uuid: row.uuid.0,
            server: row.instance_uuid.0,
            kind: row.migration_type.0,
            phase: row.phase()?,
            placement: row.placement(),
            intent: row.intent.map(|it| it.0),
            request: row.request.0,
            source_compute: row.source_compute.0,
            limits: row.limits.0,
            deadline: row.deadline.map(|it| it.0),
            failure: row
                .failure_code
                .zip(row.failure_message)
                .map(|(code, message)| Failure {
                    code: code.0,
                    message,
                }),
            generation: row.generation,
            effect_sequence: row.effect_sequence,
        };
        Ok(Self {
            id: row.id,
            migration,
            source_node: row.source_node,
            dest_compute: row.dest_compute.map(|it| it.0),
            dest_node: row.dest_node,
            dest_host: row.dest_host,
            old_flavor_id: row.old_instance_type_id,
            new_flavor_id: row.new_instance_type_id,
            user_id: row.asker.user_id,
            project_id: row.asker.project_id,
            request_id: row.asker.request_id,
            progress: row.progress.into(),
            created_at: row.created_at.0,
            updated_at: row.updated_at.map(|it| it.0),
            status_since: row.status_since.0,
            started_at: row.started_at.map(|it| it.0),
            ended_at: row.ended_at.map(|it| it.0),
            hidden: row.hidden,
            imported: row.imported,
        })
    }
}

/// What there is of some migrations, whatever their state.
pub(crate) fn by_uuid(
    connection: &mut Database,
    uuids: &[MigrationUuid],
) -> Result<HashMap<MigrationUuid, MigrationRecord>, StoreError> {
    let uuids: Vec<String> = uuids.iter().map(text).collect();
    let rows: Vec<MigrationRow> = on_backend!(connection, |backend| {
        load_all!(backend, uuids, |uuids| {
            migrations::table
                .filter(among(migrations::uuid, uuids))
                .select(MigrationRow::as_select())
        })
    });
    let found = records(rows)?.into_iter();
    Ok(found.map(|it| (it.migration.uuid, it)).collect())
}

/// One row, which nobody else changes until the transaction ends.
pub(super) fn load_locked(
    connection: &mut Database,
    uuid: MigrationUuid,
) -> Result<Option<MigrationRow>, StoreError> {
    let found: QueryResult<MigrationRow> = on_backend!(connection, |backend| {
        let row = migrations::table
            .filter(migrations::uuid.eq(text(uuid)))
            .select(MigrationRow::as_select());
        Locking(row, "migrations").get_result(backend)
    });
    Ok(found.optional()?)
}

/// The record of a row, if there is one.
pub(super) fn record(row: Option<MigrationRow>) -> Result<Option<MigrationRecord>, StoreError> {
    row.map(MigrationRecord::try_from).transpose()
}

pub(super) fn records(rows: Vec<MigrationRow>) -> Result<Vec<MigrationRecord>, StoreError> {
    rows.into_iter().map(MigrationRecord::try_from).collect()
}
