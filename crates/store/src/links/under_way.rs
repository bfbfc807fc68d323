//! Moves that hold their part of links, and moves of runs that wait for theirs.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{HostName, MigrationUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::Priority;
use godwit_core::time::Timestamp;

use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::servers;
use crate::{Store, StoreError, dialect};

/// A move that holds its slots.
#[derive(Clone, PartialEq, Eq, Debug, QueryableByName)]
pub struct UnderWay {
    /// Its uuid.
    #[diesel(sql_type = Text)]
    pub uuid: MigrationUuid,
    /// The host that it leaves.
    #[diesel(sql_type = Text)]
    pub source: HostName,
    /// The host that it goes to.
    #[diesel(sql_type = Text)]
    pub destination: HostName,
    /// What it takes of both links, in bytes a second; `None`: only a slot.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub taken: Option<i64>,
    /// Of the guest's memory, as the hypervisor counts; `None` before the first sample.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub memory_total: Option<i64>,
    /// What was sent of it, what was sent again included.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub memory_processed: Option<i64>,
    /// What is left.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub memory_remaining: Option<i64>,
    /// The guest's memory in MiB, as it is recorded.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub memory_mb: Option<i64>,
    /// What the guest was seen to write to its memory, in bytes a second.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub dirty_bytes_per_second: Option<i64>,
    /// Of the run that has begun it, if one has.
    #[diesel(sql_type = Nullable<Text>)]
    pub priority: Option<Priority>,
}

/// A live migration that a run has begun, and that holds no slots yet.
#[derive(Clone, PartialEq, Eq, Debug, QueryableByName)]
pub struct BegunByRun {
    /// Its uuid.
    #[diesel(sql_type = Text)]
    pub uuid: MigrationUuid,
    /// Its server.
    #[diesel(sql_type = Text)]
    pub server: ServerUuid,
    /// The host that it leaves.
    #[diesel(sql_type = Text)]
    pub source: HostName,
    /// The host that it goes to.
    #[diesel(sql_type = Text)]
    pub destination: HostName,
    /// When it was begun.
    #[diesel(sql_type = SqlTimestamp)]
    pub created_at: Timestamp,
    /// Its integer id.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The run.
    #[diesel(sql_type = Text)]
    pub run: RunUuid,
    /// Of the run.
    #[diesel(sql_type = Text)]
    pub priority: Priority,
    /// Does it only lack its slots?
    #[diesel(sql_type = Bool)]
    pub is_queued: bool,
}

/// What is known of a guest that matters to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guest {
    /// Its memory in MiB.
    pub memory_mb: i64,
    /// What it was seen to write to its memory, in bytes a second.
    pub dirty_bytes_per_second: Option<i64>,
}

/// A migration is found by the slot that it holds, never the other way round.
const UNDER_WAY: &str = "
    SELECT m.uuid, s.host AS source, d.host AS destination, s.bytes_per_second AS taken,
           m.memory_total, m.memory_processed, m.memory_remaining, v.memory_mb,
           v.dirty_bytes_per_second, r.priority
    FROM slots s
    JOIN slots d ON d.migration_id = s.migration_id AND d.role = 'destination'
    JOIN migrations m ON m.id = s.migration_id
    LEFT JOIN servers v ON v.uuid = m.instance_uuid
    LEFT JOIN operations o ON o.migration_uuid = m.uuid
    LEFT JOIN runs r ON r.plan_id = o.plan_id
    WHERE s.role = 'source'
    ORDER BY s.migration_id";

/// As few operations run as there are slots, and little more; the queue may be long.
fn begun(connection: &Database) -> String {
    let by = dialect::indexed_by(connection, "operations_running");
    format!(
        "SELECT m.uuid, m.instance_uuid AS server, m.source_compute AS source,
                COALESCE(m.dest_compute, o.destination, o.planned_destination) AS destination,
                m.created_at, m.id, r.uuid AS run, r.priority,
                (m.status = 'queued' AND m.storage IS NOT NULL
                 AND (m.intent IS NULL OR m.intent <> 'abort')) AS is_queued
         FROM operations o {by}
         JOIN migrations m ON m.uuid = o.migration_uuid
         JOIN runs r ON r.plan_id = o.plan_id
         WHERE o.state = 'running' AND m.ended_at IS NULL
           AND m.migration_type = 'live-migration' AND m.status IN ('accepted', 'queued')
         ORDER BY m.created_at, m.id"
    )
}

impl Store {
    /// Moves that hold their slots.
    pub async fn moves_under_way(&self) -> Result<Vec<UnderWay>, StoreError> {
        self.read(|connection| Ok(sql_query(UNDER_WAY).load(connection)?))
            .await
    }

    /// Live migrations that runs have begun and that hold no slots yet, the oldest first.
    pub async fn moves_begun_by_runs(&self) -> Result<Vec<BegunByRun>, StoreError> {
        self.read(|connection| Ok(sql_query(begun(connection)).load(connection)?))
            .await
    }

    /// What is known of those of some servers that there are.
    pub async fn guests_of(
        &self,
        servers: Vec<ServerUuid>,
    ) -> Result<Vec<(ServerUuid, Guest)>, StoreError> {
        self.read(move |connection| {
            let uuids: Vec<String> = servers.iter().map(text).collect();
            let rows: Vec<(ServerUuid, i64, Option<i64>)> =
                load_all!(connection, uuids, |uuids| servers::table
                    .filter(among(servers::uuid, uuids))
                    .select((
                        servers::uuid,
                        servers::memory_mb,
                        servers::dirty_bytes_per_second,
                    )));
            let guest = |(server, memory_mb, dirty_bytes_per_second)| {
                let guest = Guest {
                    memory_mb,
                    dirty_bytes_per_second,
                };
                (server, guest)
            };
            Ok(rows.into_iter().map(guest).collect())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::query_plan;

    #[tokio::test]
    async fn what_moves_is_found_without_a_look_at_what_waits_or_is_over() {
        let (_directory, mut connection) = query_plan::empty().await;
        let plan = query_plan::explain(&mut connection, UNDER_WAY);
        assert!(plan.iter().all(|line| !line.contains("SCAN m")), "{plan:?}");
        let statement = begun(&connection);
        let plan = query_plan::explain(&mut connection, &statement);
        assert!(plan[0].contains("operations_running"), "{plan:?}");
    }
}
