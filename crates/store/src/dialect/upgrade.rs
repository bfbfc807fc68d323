//! What an upgrade asks of each database beside its changes.
//!
//! Some changes need a database on which nobody else works. What counts is who is connected, not
//! who was heard: an API has no heartbeat, and a heartbeat outlives its process.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel::sql_types::BigInt;
#[cfg(feature = "postgres")]
use diesel::sql_types::Text;

use crate::connection::Database;

/// Lets everybody in. With a write-ahead log readers and the writer do not wait for each other;
/// the file remembers that it has one.
pub(crate) fn share(sqlite: &mut SqliteConnection) -> QueryResult<()> {
    sqlite.batch_execute("PRAGMA journal_mode = WAL")
}

/// Keeps everybody else out of the file for as long as the connection lives. `false`: somebody is
/// in.
///
/// Whoever has a file with a write-ahead log open holds a lock on it, even when idle, so only who
/// is alone can give the log up.
pub(crate) fn occupy(sqlite: &mut SqliteConnection) -> QueryResult<bool> {
    match sqlite.batch_execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE") {
        Ok(()) => Ok(true),
        Err(DieselError::DatabaseError(_, cause))
            if cause.message().contains("database is locked") =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Are there rows that refer to rows which an upgrade lost? On PostgreSQL there cannot be.
pub(crate) fn check_references(connection: &mut Database) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Broken {
        #[diesel(sql_type = BigInt)]
        broken: i64,
    }
    match connection {
        Database::Sqlite(sqlite) => {
            let query = sql_query("SELECT COUNT(*) AS broken FROM pragma_foreign_key_check");
            let found: Broken = query.get_result(sqlite)?;
            Ok(found.broken == 0)
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => Ok(true),
    }
}

/// Makes upgrades wait for each other until the transaction ends. The number is arbitrary, and
/// only has to be the same everywhere.
#[cfg(feature = "postgres")]
pub(crate) const LOCK: &str = "SELECT pg_advisory_xact_lock(7451936021)";

/// What an upgrade's connection calls itself, by [`super::session`]: upgrades wait for each other
/// anyway.
#[cfg(feature = "postgres")]
pub(crate) const APPLICATION: &str = "godwit db upgrade";

/// Who else is connected to the database. Whoever comes later waits until the transaction ends, as
/// the first thing that a store looks at is which changes there are.
#[cfg(feature = "postgres")]
pub(crate) fn others(postgres: &mut diesel::PgConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Session {
        #[diesel(sql_type = Text)]
        session: String,
    }
    postgres.batch_execute("LOCK TABLE __diesel_schema_migrations IN ACCESS EXCLUSIVE MODE")?;
    let sessions: Vec<Session> = sql_query(
        "SELECT 'session ' || CAST(pid AS TEXT) || ' of ' || CAST(usename AS TEXT)
                || COALESCE(' from ' || host(client_addr), '')
                || COALESCE(' (' || NULLIF(application_name, '') || ')', '') AS session
         FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           -- The database's own workers are nobody.
           AND usename IS NOT NULL AND application_name <> $1
         ORDER BY pid",
    )
    .bind::<Text, _>(APPLICATION)
    .load(postgres)?;
    Ok(sessions.into_iter().map(|row| row.session).collect())
}
