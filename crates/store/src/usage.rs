//! What a project uses, over all hosts.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::{Store, StoreError};

/// What the servers of a project take together, wherever they are, and what else it has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, QueryableByName)]
pub struct ProjectUsage {
    /// How many there are.
    #[diesel(sql_type = BigInt)]
    pub servers: i64,
    /// Their virtual CPUs.
    #[diesel(sql_type = BigInt)]
    pub vcpus: i64,
    /// Their memory in MiB.
    #[diesel(sql_type = BigInt)]
    pub memory_mb: i64,
    /// How many server groups it has.
    #[diesel(sql_type = BigInt)]
    pub server_groups: i64,
}

impl Store {
    /// What a project uses.
    ///
    /// # Errors
    /// [`StoreError`].
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
