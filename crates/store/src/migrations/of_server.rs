//! What is shown of one server's migrations: the lookups that clients repeat while they wait.
//! Whether the caller may know of the server comes with each.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;

use super::MigrationSummary;
use super::summary::{SummaryRow, summaries};
use crate::among::{among, load_among};
use crate::columns::{Parsed, text};
use crate::connection::{Database, on_backend};
use crate::gather::Gather;
use crate::schema::{migrations, servers};
use crate::{Store, StoreError};

/// Something of a server's migrations, and whose server it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfServer<T> {
    /// The server's project.
    pub project_id: String,
    /// What was asked for.
    pub found: T,
}

/// The lookup of live migrations in progress.
pub(crate) type InProgress = Gather<ServerUuid, OfServer<Vec<MigrationSummary>>>;

/// The lookup of a migration by its integer id.
pub(crate) type ById = Gather<(ServerUuid, i64), OfServer<Option<MigrationSummary>>>;

/// For [`InProgress`]. Two statements, as a join of them is planned worse.
pub(crate) fn in_progress(
    connection: &mut Database,
    servers: &[ServerUuid],
) -> Result<HashMap<ServerUuid, OfServer<Vec<MigrationSummary>>>, StoreError> {
    let uuids: Vec<String> = servers.iter().map(text).collect();
    let mut all = owners(connection, &uuids)?
        .into_iter()
        .map(|(Parsed(server), project_id)| {
            let found = Vec::new();
            (server, OfServer { project_id, found })
        })
        .collect::<HashMap<_, _>>();
    // Unfinished are few at most, so what remains to be asked of them is asked below.
    let mut unfinished = summaries(unfinished(connection, &uuids)?);
    unfinished.sort_unstable_by_key(|it| it.id);
    for summary in unfinished {
        if let Some(of_server) = all.get_mut(&summary.server) {
            of_server
                .found
                .extend(Some(summary).filter(MigrationSummary::is_live_in_progress));
        }
    }
    Ok(all)
}

/// What was asked for by a server and the id of one of its migrations.
type FoundById = HashMap<(ServerUuid, i64), OfServer<Option<MigrationSummary>>>;

pub(crate) fn by_id(
    connection: &mut Database,
    keys: &[(ServerUuid, i64)],
) -> Result<FoundById, StoreError> {
    let uuids: Vec<String> = keys.iter().map(|(server, _)| text(server)).collect();
    let owners: HashMap<_, _> = owners(connection, &uuids)?
        .into_iter()
        .map(|(Parsed(server), project_id)| (server, project_id))
        .collect();
    let ids: Vec<i64> = keys.iter().map(|(_, id)| *id).collect();
    let summaries = summaries(with_ids(connection, &ids)?)
        .into_iter()
        .map(|it| ((it.server, it.id), it));
    let summaries: HashMap<_, _> = summaries.collect();
    let answer = |key: &(ServerUuid, i64)| {
        let of_server = OfServer {
            project_id: owners.get(&key.0)?.clone(),
            found: summaries.get(key).cloned(),
        };
        Some((*key, of_server))
    };
    Ok(keys.iter().filter_map(answer).collect())
}

/// Whose servers these are; deleted ones are left out.
fn owners(
    connection: &mut Database,
    of: &[String],
) -> QueryResult<Vec<(Parsed<ServerUuid>, String)>> {
    on_backend!(connection, |backend| load_among!(backend, of, |of| {
        servers::table
            .filter(among(servers::uuid, of))
            .filter(servers::deleted_at.is_null())
            .select((servers::uuid, servers::project_id))
    }))
}

fn unfinished(connection: &mut Database, of: &[String]) -> QueryResult<Vec<SummaryRow>> {
    on_backend!(connection, |backend| load_among!(backend, of, |of| {
        migrations::table
            .filter(among(migrations::instance_uuid, of))
            .filter(migrations::ended_at.is_null())
            .filter(migrations::deleted_at.is_null())
            .select(SummaryRow::as_select())
    }))
}

fn with_ids(connection: &mut Database, ids: &[i64]) -> QueryResult<Vec<SummaryRow>> {
    on_backend!(connection, |backend| load_among!(backend, ids, |ids| {
        migrations::table
            .filter(among(migrations::id, ids))
            .filter(migrations::deleted_at.is_null())
            .select(SummaryRow::as_select())
    }))
}

impl Store {
    /// A server's live migrations that Nova's API calls in progress, oldest first. `None` if
    /// there is no such server, it is deleted, or it belongs to another project than `project`
    /// (where given).
    pub async fn migrations_in_progress_for_server(
        &self,
        server: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<OfServer<Vec<MigrationSummary>>>, StoreError> {
        let found = self.lookups.in_progress.get(server).await?;
        Ok(found.filter(|it| it.is_visible_to(project)))
    }

    /// A server's migration by its integer id, unless deleted; whatever its type and status.
    /// `None` as in [`Self::migrations_in_progress_for_server`].
    pub async fn migration_shown_for_server(
        &self,
        server: ServerUuid,
        id: i64,
        project: Option<&str>,
    ) -> Result<Option<OfServer<Option<MigrationSummary>>>, StoreError> {
        let found = self.lookups.by_id.get((server, id)).await?;
        Ok(found.filter(|it| it.is_visible_to(project)))
    }
}

impl<T> OfServer<T> {
    fn is_visible_to(&self, project: Option<&str>) -> bool {
        project.is_none_or(|project| project == self.project_id)
    }
}
