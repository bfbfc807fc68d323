//! A migration as its server shows it.
//!
//! It is asked for often, and most of a row only decides the migration's course. So what is shown
//! is read alone.

use diesel::prelude::*;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use super::{Amounts, record};
use crate::columns::{Instant, Parsed};
use crate::schema::migrations;

/// What the API shows of a migration.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MigrationSummary {
    /// Nova's integer id: unique in this database only.
    pub id: i64,
    pub uuid: MigrationUuid,
    pub server: ServerUuid,
    pub kind: MigrationKind,
    pub status: MigrationStatus,
    /// Where the guest comes from.
    pub source_compute: HostName,
    /// The source's hypervisor hostname; `None` of a live one until a destination was accepted.
    pub source_node: Option<String>,
    /// The destination; also a forced host that was never accepted.
    pub dest_compute: Option<HostName>,
    pub dest_node: Option<String>,
    /// The destination's address; Nova leaves it null for live migrations.
    pub dest_host: Option<String>,
    /// The flavor before, by its database id; null for evacuations.
    pub old_flavor_id: Option<i64>,
    /// The flavor after, by its database id.
    pub new_flavor_id: Option<i64>,
    pub user_id: Option<String>,
    /// The project of who asked for it, which need not be the server's.
    pub project_id: Option<String>,
    /// Memory; `None` before the first sample.
    pub memory: Option<Amounts>,
    /// Disks being copied; `None` before the first sample.
    pub disk: Option<Amounts>,
    pub created_at: Timestamp,
    /// When anything in the row last changed; `None` before the first change.
    pub updated_at: Option<Timestamp>,
}

impl MigrationSummary {
    /// Is it what Nova's API calls a live migration in progress?
    pub fn is_live_in_progress(&self) -> bool {
        self.kind == MigrationKind::LiveMigration && self.status.is_in_progress()
    }
}

/// The columns of a summary, as either database gives them.
#[derive(Queryable, Selectable)]
#[diesel(table_name = migrations)]
pub(super) struct SummaryRow {
    id: i64,
    uuid: Parsed<MigrationUuid>,
    instance_uuid: Parsed<ServerUuid>,
    migration_type: Parsed<MigrationKind>,
    status: Parsed<MigrationStatus>,
    source_compute: Parsed<HostName>,
    source_node: Option<String>,
    dest_compute: Option<Parsed<HostName>>,
    dest_node: Option<String>,
    dest_host: Option<String>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    user_id: Option<String>,
    project_id: Option<String>,
    memory_total: Option<i64>,
    memory_processed: Option<i64>,
    memory_remaining: Option<i64>,
    disk_total: Option<i64>,
    disk_processed: Option<i64>,
    disk_remaining: Option<i64>,
    created_at: Instant,
    updated_at: Option<Instant>,
}

impl From<SummaryRow> for MigrationSummary {
    fn from(row: SummaryRow) -> Self {
        let amounts = record::amounts;
        Self {
            id: row.id,
            uuid: row.uuid.0,
            server: row.instance_uuid.0,
            kind: row.migration_type.0,
            status: row.status.0,
            source_compute: row.source_compute.0,
            source_node: row.source_node,
            dest_compute: row.dest_compute.map(|name| name.0),
            dest_node: row.dest_node,
            dest_host: row.dest_host,
            old_flavor_id: row.old_instance_type_id,
            new_flavor_id: row.new_instance_type_id,
            user_id: row.user_id,
            project_id: row.project_id,
            memory: amounts(row.memory_total, row.memory_processed, row.memory_remaining),
            disk: amounts(row.disk_total, row.disk_processed, row.disk_remaining),
            created_at: row.created_at.0,
            updated_at: row.updated_at.map(|at| at.0),
        }
    }
}

pub(super) fn summaries(rows: Vec<SummaryRow>) -> Vec<MigrationSummary> {
    rows.into_iter().map(MigrationSummary::from).collect()
}
