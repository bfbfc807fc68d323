//! Many rows in one statement: they travel as a JSON document that the database takes apart.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::rows_of;
use crate::StoreError;
use crate::connection::Database;

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    key: String,
}

/// Inserts `rows`, a JSON array of objects with these columns, but none that is in the way of
/// another. Returns the ids of those that were inserted.
pub(crate) fn insert(
    connection: &mut Database,
    table: &str,
    columns: &[(&str, &str)],
    rows: &str,
) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Inserted {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let names = names.join(", ");
    let source = rows_of(connection, columns);
    // SQLite would read ON after a FROM as a join's condition.
    let statement = format!(
        "INSERT INTO {table} ({names}) SELECT {names} FROM {source} WHERE TRUE
         ON CONFLICT DO NOTHING RETURNING id"
    );
    let inserted: Vec<Inserted> = sql_query(statement)
        .bind::<Text, _>(rows)
        .load(connection)?;
    Ok(inserted.into_iter().map(|row| row.id).collect())
}

/// Which of `wanted`, a JSON array of objects with `id` and `key`, are in `table` by id or by
/// `column`: their ids, and what stands in that column.
fn known(
    connection: &mut Database,
    table: &str,
    column: &str,
    condition: &str,
    wanted: &str,
) -> Result<Vec<(i64, String)>, StoreError> {
    let source = rows_of(connection, &[("id", "bigint"), ("key", "text")]);
    let statement = format!(
        "SELECT here.id AS id, COALESCE(here.{column}, '') AS key
         FROM {source} JOIN {table} AS here ON {condition}"
    );
    let known: Vec<Known> = sql_query(statement)
        .bind::<Text, _>(wanted)
        .load(connection)?;
    Ok(known.into_iter().map(|row| (row.id, row.key)).collect())
}

/// Which of `wanted` are here by their ids.
pub(crate) fn known_by_id(
    connection: &mut Database,
    table: &str,
    column: &str,
    wanted: &str,
) -> Result<Vec<(i64, String)>, StoreError> {
    known(connection, table, column, "here.id = sample.id", wanted)
}

/// Which of `wanted` are here by their keys.
pub(crate) fn known_by_key(
    connection: &mut Database,
    table: &str,
    column: &str,
    wanted: &str,
) -> Result<Vec<(i64, String)>, StoreError> {
    let condition = format!("here.{column} = sample.key");
    known(connection, table, column, &condition, wanted)
}

/// Makes a table's next number follow the highest that is in it. SQLite does so by itself.
pub(crate) fn move_sequence_on(connection: &mut Database, table: &str) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => {
            let statement = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) AS id, '' AS key
         FROM {table} HAVING MAX(id) > COALESCE(
             pg_sequence_last_value(pg_get_serial_sequence('{table}', 'id')::regclass), 0)"
            );
            let _moved: Vec<Known> = sql_query(statement).load(postgres)?;
            Ok(())
        }
    }
}
