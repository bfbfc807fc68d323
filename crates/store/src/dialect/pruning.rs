//! What is old enough to be removed: of migrations in either database's way.

use std::sync::LazyLock;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Timestamp};
use godwit_core::effect::SubjectKind;
use godwit_core::status::MigrationStatus;

use crate::connection::Database;
use crate::prepared::Prepare as _;

/// Migrations that nobody needs any more: they ended by then, and so did all that was told of them.
/// Not what another database brought along, which has no end that we know of. What is going on with
/// a server may ask where earlier moves led: one under way, an evacuation whose dead host is not
/// clean yet (would it withdraw a guest that came back since?), a discrepancy that is open.
fn prunable_statement(skip_locked: &str) -> String {
    let (done, migration) = (MigrationStatus::Done, SubjectKind::Migration);
    format!(
        "SELECT m.id FROM migrations AS m
         WHERE NOT m.imported AND m.ended_at IS NOT NULL
           AND m.ended_at <= $1 AND m.status_since <= $1 AND m.status <> '{done}'
           AND NOT EXISTS (SELECT 1 FROM migrations AS other
                           WHERE other.instance_uuid = m.instance_uuid
                             AND other.ended_at IS NULL AND other.deleted_at IS NULL)
           AND NOT EXISTS (SELECT 1 FROM migrations AS other
                           WHERE other.instance_uuid = m.instance_uuid AND other.status = '{done}')
           AND NOT EXISTS (SELECT 1 FROM discrepancies AS d
                           WHERE d.server_uuid = m.instance_uuid AND d.closed_at IS NULL)
           AND EXISTS (SELECT 1 FROM events AS e
                       WHERE e.subject_kind = '{migration}' AND e.subject_id = m.id
                         AND e.sequence = m.event_sequence
                         AND e.position <= (SELECT MAX(position) FROM events_expired))
         ORDER BY m.ended_at, m.id
         LIMIT $2
         {skip_locked}"
    )
}

/// The ids of migrations that can be removed, the longest ended first. Their rows are locked, so
/// that nothing is added to their logs.
pub(crate) fn prunable_migrations(
    connection: &mut Database,
    before: chrono::NaiveDateTime,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    static SQLITE: LazyLock<String> = LazyLock::new(|| prunable_statement(""));
    #[cfg(feature = "postgres")]
    static POSTGRES: LazyLock<String> =
        LazyLock::new(|| prunable_statement("FOR UPDATE OF m SKIP LOCKED"));
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let statement = match connection {
        Database::Sqlite(_) => SQLITE.as_str(),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => POSTGRES.as_str(),
    };
    let found: Vec<Found> = sql_query(statement)
        .bind::<Timestamp, _>(before)
        .bind::<BigInt, _>(limit)
        .prepared()
        .load(connection)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// The ids that a statement finds to which `$1` is the age and `$2` how many at most. Their rows, for
/// which `alias` stands in it, are locked; those that somebody else has locked are left out.
pub(crate) fn prunable(
    connection: &mut Database,
    (statement, alias): (&'static str, &'static str),
    before: chrono::NaiveDateTime,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let statement = match connection {
        Database::Sqlite(_) => statement.to_owned(),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => format!("{statement} FOR UPDATE OF {alias} SKIP LOCKED"),
    };
    let found: Vec<Found> = sql_query(statement)
        .bind::<Timestamp, _>(before)
        .bind::<BigInt, _>(limit)
        .prepared()
        .load(connection)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// Removes rows by a statement to which `$1` is the age and `$2` how many at most; returns how many.
pub(crate) fn remove(
    connection: &mut Database,
    statement: &'static str,
    before: chrono::NaiveDateTime,
    limit: i64,
) -> QueryResult<usize> {
    sql_query(statement)
        .bind::<Timestamp, _>(before)
        .bind::<BigInt, _>(limit)
        .prepared()
        .execute(connection)
}
