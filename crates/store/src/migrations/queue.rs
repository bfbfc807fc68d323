//! The queue: live migrations that wait for their slots.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use crate::columns::{instant, json};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::{Store, StoreError, dialect};

/// A live migration that waits for its slots.
#[derive(Clone, PartialEq, Eq, Debug, QueryableByName)]
pub struct Queued {
    /// Its uuid.
    #[diesel(sql_type = Text)]
    pub uuid: MigrationUuid,
    /// Its server.
    #[diesel(sql_type = Text, column_name = instance_uuid)]
    pub server: ServerUuid,
    /// The host that it leaves.
    #[diesel(sql_type = Text, column_name = source_compute)]
    pub source: HostName,
    /// The host that it goes to.
    #[diesel(sql_type = Text, column_name = dest_compute)]
    pub destination: HostName,
    /// When it was asked for. The queue is in this order, those of one moment by their ids.
    #[diesel(sql_type = SqlTimestamp)]
    pub created_at: Timestamp,
    /// Its integer id.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
}

/// Hosts to or from which nothing can begin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FullHosts {
    /// From which.
    pub sources: Vec<HostName>,
    /// To which.
    pub destinations: Vec<HostName>,
}

/// Hosts that are full are left out before anything else of a row is read: nearly all of a
/// long queue waits, and it is looked at each time a slot becomes free. Only who was placed has a
/// storage mode: what was imported has none, and is not begun.
///
/// The index is named because only it holds all that says who has to wait. SQLite would choose
/// another, and read every row of the queue.
fn admissible(connection: &Database) -> String {
    let by = dialect::indexed_by(connection, "migrations_queued");
    let [sources, destinations] = [3, 4].map(|number| dialect::texts_of(connection, number));
    format!(
        "SELECT uuid, instance_uuid, source_compute, dest_compute, created_at, id FROM migrations {by}
         WHERE status = 'queued' AND ended_at IS NULL
           AND (created_at > $1 OR created_at = $1 AND id > $2)
           AND source_compute NOT IN {sources}
           AND dest_compute NOT IN {destinations}
           AND migration_type = 'live-migration'
           AND (intent IS NULL OR intent <> 'abort')
           AND storage IS NOT NULL
         ORDER BY created_at, id
         LIMIT $5"
    )
}

impl Store {
    /// Queued live migrations, the oldest first, which nobody wants ended, and whose hosts are not
    /// `full`: those that come after `after`, `limit` of them at most.
    pub async fn migrations_admissible(
        &self,
        full: &FullHosts,
        after: Option<&Queued>,
        limit: i64,
    ) -> Result<Vec<Queued>, StoreError> {
        let [sources, destinations] = [&full.sources, &full.destinations].map(json);
        let beginning = (Timestamp::from(DateTime::<Utc>::UNIX_EPOCH), 0);
        let (created_at, id) = after.map_or(beginning, |last| (last.created_at, last.id));
        self.read(move |connection| {
            Ok(sql_query(admissible(connection))
                .bind::<SqlTimestamp, _>(instant(created_at))
                .bind::<BigInt, _>(id)
                .bind::<Text, _>(&sources)
                .bind::<Text, _>(&destinations)
                .bind::<BigInt, _>(limit)
                .prepared()
                .load(connection)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::query_plan;

    #[tokio::test]
    async fn the_queue_is_read_without_a_look_at_those_that_are_over() {
        let (_directory, mut connection) = query_plan::empty().await;
        let statement = admissible(&connection);
        let plan = query_plan::explain(&mut connection, &statement);
        assert!(plan[0].contains("INDEX migrations_queued"), "{plan:?}");
        assert!(!plan.iter().any(|line| line.contains("B-TREE")), "{plan:?}");
    }
}
