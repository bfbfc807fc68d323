//! What projects use, over all hosts: now, and over a time.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::ServerUuid;
use godwit_core::server::VmState;
use godwit_core::time::Timestamp;

use crate::columns::{instant, storable, text};
use crate::connection::Database;
use crate::schema::servers;
use crate::{Store, StoreError};

/// What the servers of a project take together, wherever they are, and what else it has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, QueryableByName)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ProjectUsage {
    #[diesel(sql_type = BigInt)]
    pub servers: i64,
    #[diesel(sql_type = BigInt)]
    pub vcpus: i64,
    #[diesel(sql_type = BigInt)]
    pub memory_mb: i64,
    #[diesel(sql_type = BigInt)]
    pub server_groups: i64,
}

/// Which servers were used over a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsagePeriod {
    /// Those that had not ended by then.
    pub from: Timestamp,
    /// Those that had begun before.
    pub until: Timestamp,
    /// Only this project's.
    pub project_id: Option<String>,
    /// At most so many, by project and uuid.
    pub limit: i64,
    /// Only what follows this server, which may be deleted.
    pub marker: Option<ServerUuid>,
}

/// A server as it was used, whatever became of it.
#[derive(Clone, PartialEq, Eq, Debug, QueryableByName)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ServerUsage {
    #[diesel(sql_type = Text)]
    pub uuid: ServerUuid,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub project_id: String,
    #[diesel(sql_type = Text)]
    pub vm_state: VmState,
    #[diesel(sql_type = SqlTimestamp)]
    pub launched_at: Timestamp,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    pub ended_at: Option<Timestamp>,
    #[diesel(sql_type = Text)]
    pub flavor: String,
    #[diesel(sql_type = BigInt)]
    pub vcpus: i64,
    /// Memory of that in MiB.
    #[diesel(sql_type = BigInt)]
    pub memory_mb: i64,
    /// Disks of that in GiB.
    #[diesel(sql_type = BigInt)]
    pub local_gb: i64,
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum UsageListError {
    /// There is no server to continue after.
    #[error("there is no such server to continue after")]
    MarkerNotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(
    connection: &mut Database,
    period: &UsagePeriod,
) -> Result<Vec<ServerUsage>, UsageListError> {
    let after: Option<(String, String)> = match period.marker {
        None => None,
        Some(marker) => servers::table
            .filter(servers::uuid.eq(text(marker)))
            .select((servers::project_id, servers::uuid))
            .first(connection)
            .optional()
            .map_err(StoreError::from)?
            .map_or(Err(UsageListError::MarkerNotFound), |found| Ok(Some(found)))?,
    };
    let (project, uuid) = after.unzip();
    let rows = sql_query(
        "SELECT s.uuid, s.name, s.project_id, s.vm_state, s.launched_at,
                COALESCE(s.terminated_at, s.deleted_at) AS ended_at, f.name AS flavor, f.vcpus,
                f.memory_mb, f.root_gb + f.ephemeral_gb AS local_gb
         FROM servers s JOIN flavors f ON f.id = s.flavor_id
         WHERE (COALESCE(s.terminated_at, s.deleted_at) IS NULL
                OR COALESCE(s.terminated_at, s.deleted_at) > $1)
           AND s.launched_at < $2
           AND ($3 IS NULL OR s.project_id = $3)
           AND ($4 IS NULL OR s.project_id > $4 OR (s.project_id = $4 AND s.uuid > $5))
         ORDER BY s.project_id, s.uuid LIMIT $6",
    )
    .bind::<SqlTimestamp, _>(instant(period.from))
    .bind::<SqlTimestamp, _>(instant(period.until))
    .bind::<Nullable<Text>, _>(&period.project_id)
    .bind::<Nullable<Text>, _>(&project)
    .bind::<Nullable<Text>, _>(&uuid)
    .bind::<BigInt, _>(period.limit)
    .load(connection)
    .map_err(StoreError::from)?;
    Ok(rows)
}

impl Store {
    /// The servers that were used over a time, by project and uuid. Those that never began are
    /// not among them.
    pub async fn server_usage_list(
        &self,
        period: UsagePeriod,
    ) -> Result<Vec<ServerUsage>, UsageListError> {
        if period.project_id.as_deref().is_some_and(|it| !storable(it)) {
            return Ok(Vec::new());
        }
        self.read(move |connection| list(connection, &period)).await
    }

    /// What a project uses.
    pub async fn project_usage(&self, project: &str) -> Result<ProjectUsage, StoreError> {
        let project = project.to_owned();
        self.read(move |connection| {
            let usage = sql_query(
                "SELECT COUNT(*) AS servers,
                        CAST(COALESCE(SUM(vcpus), 0) AS BIGINT) AS vcpus,
                        CAST(COALESCE(SUM(memory_mb), 0) AS BIGINT) AS memory_mb,
                        (SELECT COUNT(*) FROM server_groups
                         WHERE project_id = $1 AND deleted_at IS NULL) AS server_groups
                 FROM servers WHERE project_id = $1 AND deleted_at IS NULL",
            );
            Ok(usage.bind::<Text, _>(&project).get_result(connection)?)
        })
        .await
    }
}
