//! A migration of any type and status, as `/os-migrations` shows it
//! (`contract: migrations.md §3.4`).

use godwit_store::ListedMigration;
use serde::Serialize;

use super::{Gated, Microversion, milestone};
use crate::nova::links::{Link, Links, To};

#[derive(Debug, Serialize)]
pub struct MigrationView<'a> {
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Gated<Option<&'a str>>,
    source_compute: Option<&'a str>,
    dest_compute: Option<&'a str>,
    source_node: Option<&'a str>,
    dest_node: Option<&'a str>,
    dest_host: Option<&'a str>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    instance_uuid: Option<&'a str>,
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_type: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Gated<Option<&'a str>>,
    created_at: Option<&'a str>,
    updated_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Gated<[Link<'a>; 2]>,
}

impl<'a> MigrationView<'a> {
    /// The document of `migration`; without its hosts unless `hosts`.
    pub fn new(
        migration: &'a ListedMigration,
        version: Microversion,
        hosts: bool,
        links: &'a Links,
    ) -> Self {
        let owners = version >= milestone::OWNER_FIELDS;
        let typed = version >= milestone::SERVER_MIGRATIONS;
        // Only what can be shown there has a link to there.
        let linked = migration.live_in_progress_of().filter(|_| typed);
        Self {
            id: migration.id,
            uuid: (version >= milestone::MIGRATION_PAGES).then_some(migration.uuid()),
            source_compute: migration.source_compute().filter(|_| hosts),
            dest_compute: migration.dest_compute().filter(|_| hosts),
            source_node: migration.source_node().filter(|_| hosts),
            dest_node: migration.dest_node().filter(|_| hosts),
            dest_host: migration.dest_host().filter(|_| hosts),
            old_instance_type_id: migration.old_flavor_id,
            new_instance_type_id: migration.new_flavor_id,
            instance_uuid: migration.instance_uuid(),
            status: migration.status(),
            migration_type: typed.then_some(migration.migration_type()),
            user_id: owners.then_some(migration.user_id()),
            project_id: owners.then_some(migration.project_id()),
            created_at: migration.created_at(),
            updated_at: migration.updated_at(),
            links: linked.map(|server| links.pair(To::ServerMigration(server, migration.id))),
        }
    }
}
