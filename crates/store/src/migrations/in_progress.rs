//! What is going on with a server: the one lookup that clients repeat while they wait.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;
use godwit_core::status::MigrationKind;

use super::MigrationRecord;
use super::row::MigrationRow;
use crate::among::among;
use crate::columns::text;
use crate::connection::Database;
use crate::gather::Gather;
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

/// The lookup, for all who ask at one time.
pub(crate) type InProgress = Gather<ServerUuid, ServerMigrations>;

/// What is going on with each of these servers; deleted ones are left out.
pub(crate) fn in_progress(
    connection: &mut Database,
    servers: &[ServerUuid],
) -> Result<HashMap<ServerUuid, ServerMigrations>, StoreError> {
    // Unfinished are few at most, so what remains to be asked of them is asked below.
    let unfinished = migrations::instance_uuid
        .eq(servers::uuid)
        .and(migrations::ended_at.is_null())
        .and(migrations::deleted_at.is_null());
    let uuids = servers.iter().map(text).collect();
    let rows: Vec<(ServerUuid, String, String, Option<MigrationRow>)> = servers::table
        .left_join(migrations::table.on(unfinished))
        .filter(among(servers::uuid, uuids))
        .filter(servers::deleted_at.is_null())
        .order(migrations::id)
        .select((
            servers::uuid,
            servers::project_id,
            servers::user_id,
            Option::<MigrationRow>::as_select(),
        ))
        .load(connection)?;
    let mut found = HashMap::with_capacity(servers.len());
    for (server, project_id, user_id, row) in rows {
        let of_server = found.entry(server).or_insert_with(|| ServerMigrations {
            project_id,
            user_id,
            migrations: Vec::new(),
        });
        let record = row.map(MigrationRecord::from);
        of_server.migrations.extend(record.filter(is_shown));
    }
    Ok(found)
}

/// Does Nova's API call it a live migration in progress?
fn is_shown(record: &MigrationRecord) -> bool {
    let migration = &record.migration;
    migration.kind == MigrationKind::LiveMigration && migration.status.is_in_progress()
}

impl Store {
    /// The live migrations in progress of a server, together with whether it is visible: `None`
    /// if there is no such server, it is deleted, or it belongs to another project than
    /// `project` (where given).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_in_progress_for_server(
        &self,
        server: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<ServerMigrations>, StoreError> {
        let found = self.in_progress.get(server).await?;
        Ok(found.filter(|found| project.is_none_or(|project| project == found.project_id)))
    }
}
