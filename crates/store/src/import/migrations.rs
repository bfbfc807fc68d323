//! Migrations: the history, and what of it never ended.

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{ColdRequest, EvacuationRequest, Limits, LiveRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::server::VmState;
use godwit_core::status::{MigrationKind, MigrationStatus};
use serde::Deserialize;

use super::ImportError;
use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::{Flag, Life};
use super::dump::Dump;
use super::report::{Reason, TableReport, because};
use crate::columns::json;
use crate::connection::Database;

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    life: Life,
    id: i64,
    uuid: Option<MigrationUuid>,
    instance_uuid: Option<ServerUuid>,
    migration_type: Option<String>,
    status: Option<String>,
    source_compute: Option<String>,
    source_node: Option<String>,
    dest_compute: Option<String>,
    dest_node: Option<String>,
    dest_host: Option<String>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    user_id: Option<String>,
    project_id: Option<String>,
    #[serde(default)]
    hidden: Flag,
    memory_total: Option<i64>,
    memory_processed: Option<i64>,
    memory_remaining: Option<i64>,
    disk_total: Option<i64>,
    disk_processed: Option<i64>,
    disk_remaining: Option<i64>,
}

const TARGET: Target = Target {
    table: "migrations",
    source: "migrations",
    key: Key::Unique("uuid"),
};

impl Row {
    /// Rows from before Nova recorded the type show it by their flavors.
    fn kind(&self) -> Result<MigrationKind, Reason> {
        match self.migration_type.as_deref() {
            Some(kind) => kind
                .parse()
                .map_err(|_| because("its type is not Nova's", kind)),
            None if self.old_instance_type_id == self.new_instance_type_id => {
                Ok(MigrationKind::Migration)
            }
            None => Ok(MigrationKind::Resize),
        }
    }
}

/// What might have been asked for: nobody recorded it.
fn request(kind: MigrationKind) -> Request {
    match kind {
        MigrationKind::LiveMigration => Request::Live(LiveRequest::anywhere()),
        MigrationKind::Migration | MigrationKind::Resize => Request::Cold(ColdRequest {
            host: None,
            was: VmState::Active,
            affinity: Affinity::Strict,
        }),
        MigrationKind::Evacuation => Request::Evacuation(EvacuationRequest {
            host: None,
            forced: false,
            was: VmState::Active,
            end_stopped: false,
            affinity: Affinity::Strict,
        }),
    }
}

fn host(text: Option<String>) -> Result<Option<HostName>, Reason> {
    text.map(HostName::new)
        .transpose()
        .map_err(|error| because("it names a host that cannot be one", error.0))
}

fn make(row: Row) -> Result<Incoming, Reason> {
    let kind = row.kind()?;
    let (Some(uuid), Some(created_at)) = (row.uuid, row.life.created_at) else {
        return Err(because("it has no uuid, or no date", row.id));
    };
    let Some(server) = row.instance_uuid else {
        return Err(because("it is of no server", uuid));
    };
    let status = row.status.unwrap_or_default();
    let status: MigrationStatus = status
        .parse()
        .map_err(|_| because("its status is not Nova's", status))?;
    let Some(source_compute) = host(row.source_compute)? else {
        return Err(because("it has no source", uuid));
    };
    let changed = row.life.updated_at.unwrap_or(created_at);
    let new = new_row! {
        id: row.id,
        uuid: uuid,
        instance_uuid: server,
        migration_type: kind,
        status: status,
        request: json(&request(kind)),
        limits: json(&Limits::default()),
        source_compute: source_compute,
        source_node: row.source_node,
        dest_compute: host(row.dest_compute)?,
        dest_node: row.dest_node,
        dest_host: row.dest_host,
        old_instance_type_id: row.old_instance_type_id,
        new_instance_type_id: row.new_instance_type_id,
        user_id: row.user_id,
        project_id: row.project_id,
        generation: 1,
        effect_sequence: 0,
        event_sequence: 0,
        memory_total: row.memory_total,
        memory_processed: row.memory_processed,
        memory_remaining: row.memory_remaining,
        disk_total: row.disk_total,
        disk_processed: row.disk_processed,
        disk_remaining: row.disk_remaining,
        created_at: created_at,
        updated_at: row.life.updated_at,
        status_since: changed,
        ended_at: status.has_ended().then_some(changed),
        hidden: row.hidden.0,
        imported: true,
        deleted_at: row.life.deleted_at(),
    };
    Ok(Incoming::new(row.id, uuid, new))
}

pub(super) fn import(connection: &mut Database, dump: &Dump) -> Result<TableReport, ImportError> {
    transfer(connection, dump, &TARGET, |_, row| Ok(make(row)))
}
