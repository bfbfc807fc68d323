//! A migration of any type and status, as `/os-migrations` shows it
//! (`contract: migrations.md §3.4`).

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_store::MigrationSummary;
use serde::Serialize;

use super::Gated;
use crate::http::timestamps::Micros;
use crate::nova::links::{Link, Links, To};
use crate::nova::microversion::{Microversion, milestone};

#[derive(Debug, Serialize)]
pub struct MigrationView<'a> {
    id: i64,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    uuid: Gated<MigrationUuid>,
    source_compute: Option<&'a HostName>,
    dest_compute: Option<&'a HostName>,
    source_node: Option<&'a str>,
    dest_node: Option<&'a str>,
    dest_host: Option<&'a str>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    instance_uuid: ServerUuid,
    status: MigrationStatus,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    migration_type: Gated<MigrationKind>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    user_id: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    project_id: Gated<Option<&'a str>>,
    created_at: Micros,
    updated_at: Option<Micros>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    links: Gated<[Link<'a>; 2]>,
}

impl<'a> MigrationView<'a> {
    /// The document of `migration`; without its hosts unless `hosts`.
    pub fn new(
        migration: &'a MigrationSummary,
        version: Microversion,
        hosts: bool,
        links: &'a Links,
    ) -> Self {
        let owners = version >= milestone::OWNER_FIELDS;
        let typed = version >= milestone::SERVER_MIGRATIONS;
        // Only what can be shown there has a link to there.
        let linked = typed && migration.is_live_in_progress();
        Self {
            id: migration.id,
            uuid: Gated::when(version >= milestone::MIGRATION_PAGES, migration.uuid),
            source_compute: Some(&migration.source_compute).filter(|_| hosts),
            dest_compute: migration.dest_compute.as_ref().filter(|_| hosts),
            source_node: migration.source_node.as_deref().filter(|_| hosts),
            dest_node: migration.dest_node.as_deref().filter(|_| hosts),
            dest_host: migration.dest_host.as_deref().filter(|_| hosts),
            old_instance_type_id: migration.old_flavor_id,
            new_instance_type_id: migration.new_flavor_id,
            instance_uuid: migration.server,
            status: migration.status,
            migration_type: Gated::when(typed, migration.kind),
            user_id: Gated::when(owners, migration.user_id.as_deref()),
            project_id: Gated::when(owners, migration.project_id.as_deref()),
            created_at: Micros(migration.created_at),
            updated_at: migration.updated_at.map(Micros),
            links: Gated::when_with(linked, || {
                links.pair(To::ServerMigration(migration.server, migration.id))
            }),
        }
    }
}
