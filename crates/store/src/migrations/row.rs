//! The row of a migration.

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{
    Intent, Limits, Migration, Placement, Request, Settling, StorageMode,
};
use godwit_core::phase::{Phase, Stored};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use super::record::amounts;
use super::{MigrationRecord, Progress};
use crate::StoreError;
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::schema::migrations;

/// All that is read of a migration.
#[derive(Queryable, Selectable)]
#[diesel(table_name = migrations)]
pub(super) struct MigrationRow {
    id: i64,
    uuid: MigrationUuid,
    instance_uuid: ServerUuid,
    migration_type: MigrationKind,
    status: MigrationStatus,
    intent: Option<Intent>,
    settling: Option<Settling>,
    storage: Option<StorageMode>,
    request: Json<Request>,
    limits: Json<Limits>,
    source_compute: HostName,
    source_node: Option<String>,
    dest_compute: Option<HostName>,
    dest_node: Option<String>,
    dest_host: Option<String>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    #[diesel(embed)]
    asker: AskerRow,
    deadline: Option<Timestamp>,
    failure_code: Option<FailureCode>,
    failure_message: Option<String>,
    generation: i64,
    effect_sequence: i64,
    pub(super) event_sequence: i64,
    #[diesel(embed)]
    progress: ProgressRow,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    status_since: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
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

#[derive(Queryable, Selectable)]
#[diesel(table_name = migrations)]
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

impl MigrationRow {
    /// Where the migration is. An imported row may have any of Nova's words.
    fn phase(&self) -> Result<Phase, StoreError> {
        let stored = Stored {
            status: self.status,
            settling: self.settling,
            placed: self.storage.is_some() || self.imported,
            reason: self.failure_code.is_some(),
        };
        match Phase::read(self.migration_type, stored) {
            Ok(phase) => Ok(phase),
            Err(_) if self.imported => Ok(Phase::Ended(self.status)),
            Err(error) => {
                let text = format!("migration {}: {error}", self.uuid);
                Err(StoreError::Corrupt(text.into()))
            }
        }
    }

    /// A forced host stands in its column from the beginning, as Nova shows it, but the migration
    /// is placed only when it is known how its disks get there. Of an imported one nobody knows.
    fn placement(&self) -> Option<Placement> {
        Some(Placement {
            host: self.dest_compute.clone()?,
            node: self.dest_node.clone()?,
            storage: self.storage?,
        })
    }
}

impl TryFrom<MigrationRow> for MigrationRecord {
    type Error = StoreError;

    fn try_from(row: MigrationRow) -> Result<Self, StoreError> {
        let migration = Migration {
            uuid: row.uuid,
            server: row.instance_uuid,
            kind: row.migration_type,
            phase: row.phase()?,
            placement: row.placement(),
            intent: row.intent,
            request: row.request.0,
            source_compute: row.source_compute,
            limits: row.limits.0,
            deadline: row.deadline,
            failure: row
                .failure_code
                .zip(row.failure_message)
                .map(|(code, message)| Failure { code, message }),
            generation: row.generation,
            effect_sequence: row.effect_sequence,
        };
        Ok(Self {
            id: row.id,
            migration,
            source_node: row.source_node,
            dest_compute: row.dest_compute,
            dest_host: row.dest_host,
            old_flavor_id: row.old_instance_type_id,
            new_flavor_id: row.new_instance_type_id,
            user_id: row.asker.user_id,
            project_id: row.asker.project_id,
            request_id: row.asker.request_id,
            progress: row.progress.into(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            status_since: row.status_since,
            started_at: row.started_at,
            ended_at: row.ended_at,
            hidden: row.hidden,
            imported: row.imported,
        })
    }
}

pub(super) fn load(
    connection: &mut Database,
    uuid: MigrationUuid,
) -> Result<Option<MigrationRow>, StoreError> {
    Ok(migrations::table
        .filter(migrations::uuid.eq(text(uuid)))
        .select(MigrationRow::as_select())
        .first(connection)
        .optional()?)
}

/// The record of a row, if there is one.
pub(super) fn record(row: Option<MigrationRow>) -> Result<Option<MigrationRecord>, StoreError> {
    row.map(MigrationRecord::try_from).transpose()
}

pub(super) fn records(rows: Vec<MigrationRow>) -> Result<Vec<MigrationRecord>, StoreError> {
    rows.into_iter().map(MigrationRecord::try_from).collect()
}
