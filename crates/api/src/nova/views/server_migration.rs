//! A live migration in progress, as `/servers/{id}/migrations` shows it
//! (`contract: migrations.md §2.1`).

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::MigrationStatus;
use godwit_store::MigrationSummary;
use serde::Serialize;

use super::{Gated, Micros, Microversion, milestone};

#[derive(Debug, Serialize)]
pub struct ServerMigrationView<'a> {
    created_at: Micros,
    dest_compute: Option<&'a HostName>,
    dest_host: Option<&'a str>,
    dest_node: Option<&'a str>,
    disk_processed_bytes: Option<i64>,
    disk_remaining_bytes: Option<i64>,
    disk_total_bytes: Option<i64>,
    id: i64,
    memory_processed_bytes: Option<i64>,
    memory_remaining_bytes: Option<i64>,
    memory_total_bytes: Option<i64>,
    server_uuid: ServerUuid,
    source_compute: Option<&'a HostName>,
    source_node: Option<&'a str>,
    status: MigrationStatus,
    updated_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Gated<MigrationUuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Gated<Option<&'a str>>,
}

impl<'a> ServerMigrationView<'a> {
    /// The document of `migration`; without its hosts unless `hosts`.
    pub fn new(migration: &'a MigrationSummary, version: Microversion, hosts: bool) -> Self {
        let (memory, disk) = (migration.memory, migration.disk);
        let owners = version >= milestone::OWNER_FIELDS;
        Self {
            created_at: Micros(migration.created_at),
            dest_compute: migration.dest_compute.as_ref().filter(|_| hosts),
            dest_host: migration.dest_host.as_deref().filter(|_| hosts),
            dest_node: migration.dest_node.as_deref().filter(|_| hosts),
            disk_processed_bytes: disk.map(|disk| disk.processed),
            disk_remaining_bytes: disk.map(|disk| disk.remaining),
            disk_total_bytes: disk.map(|disk| disk.total),
            id: migration.id,
            memory_processed_bytes: memory.map(|memory| memory.processed),
            memory_remaining_bytes: memory.map(|memory| memory.remaining),
            memory_total_bytes: memory.map(|memory| memory.total),
            server_uuid: migration.server,
            source_compute: Some(&migration.source_compute).filter(|_| hosts),
            source_node: migration.source_node.as_deref().filter(|_| hosts),
            status: migration.status,
            updated_at: migration.updated_at.map(Micros),
            uuid: (version >= milestone::MIGRATION_PAGES).then_some(migration.uuid),
            user_id: owners.then_some(migration.user_id.as_deref()),
            project_id: owners.then_some(migration.project_id.as_deref()),
        }
    }
}
