//! What differs between the two databases, but for opening them ([`crate::pool`]), beginning a
//! transaction ([`crate::connection`]), reading a value ([`crate::columns`]) and upgrading
//! ([`crate::schema_version`]).
//!
//! Everything else is written in diesel's language, or in SQL that both understand.

#![cfg_attr(
    not(feature = "postgres"),
    expect(
        unused_imports,
        unused_variables,
        reason = "what is locked says nothing to SQLite, whose writer is alone"
    )
)]

pub(crate) mod bulk;
pub(crate) mod claim;
pub(crate) mod host_order;
pub(crate) mod locks;
pub(crate) mod pruning;
#[cfg(test)]
pub(crate) mod query_plan;
pub(crate) mod upgrade;

use diesel::connection::SimpleConnection;
#[cfg(feature = "postgres")]
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Timestamp};
use diesel::sqlite::Sqlite;
use godwit_core::ids::HostName;

use crate::connection::Database;
use crate::pool::Access;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, migrations, server_groups, servers, services};

/// The state that a fresh connection is put into.
///
/// Durable: a commit is on disk when it returns. Bounded: no statement and no lock waits for
/// ever, not even for a client that fell asleep in a transaction.
pub(crate) fn session(connection: &Database, access: Access) -> &'static str {
    match (connection, access) {
        (Database::Sqlite(_), Access::Read) => {
            "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;"
        }
        (Database::Sqlite(_), Access::Write) => {
            // Its pages lie in memory, 8 MiB of them, so that it reads none again that it wrote.
            "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -8192;"
        }
        (Database::Sqlite(_), Access::Upgrade) => {
            // A table that is made anew goes away for a moment, and others refer to it.
            "PRAGMA busy_timeout = 60000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
        }
        // What is asked for often is in memory, where an index costs no more than a table; by
        // default it counts as lying on a disk that has to turn.
        #[cfg(feature = "postgres")]
        (Database::Postgres(_), Access::Read | Access::Write) => {
            "SET random_page_cost = 1.1; \
             SET statement_timeout = '30s'; \
             SET lock_timeout = '5s'; \
             SET idle_in_transaction_session_timeout = '60s'; \
             SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'"
        }
        #[cfg(feature = "postgres")]
        (Database::Postgres(_), Access::Upgrade) => {
            "SET lock_timeout = '60s'; SET application_name = 'godwit db upgrade'"
        }
    }
}

pub(crate) fn has_table(connection: &mut Database, name: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let query = match connection {
        Database::Sqlite(_) => {
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1) \
             AS found"
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => "SELECT to_regclass($1) IS NOT NULL AS found",
    };
    let found: Found = sql_query(query)
        .bind::<Text, _>(name)
        .prepared()
        .get_result(connection)?;
    Ok(found.found)
}

/// What time the database has, in whole seconds since 1970.
pub(crate) fn clock(connection: &mut Database) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Clock {
        #[diesel(sql_type = BigInt)]
        seconds: i64,
    }
    let query = match connection {
        Database::Sqlite(_) => "SELECT unixepoch() AS seconds",
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => {
            "SELECT CAST(floor(EXTRACT(EPOCH FROM clock_timestamp())) AS BIGINT) AS seconds"
        }
    };
    let clock: Clock = sql_query(query).prepared().get_result(connection)?;
    Ok(clock.seconds)
}

/// Makes all queries of the transaction see one state. On SQLite they always do.
pub(crate) fn snapshot(connection: &mut Database) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => postgres.batch_execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
             SET LOCAL statement_timeout = 0",
        ),
    }
}

// Row locks are taken in one order, so that nobody waits for somebody who waits for him:
// a migration, then servers by uuid, then a server group, then hosts by name. A writer on SQLite
// is alone anyway.

/// A query of which nobody else changes the rows of one table until the transaction ends: always
/// the same table for queries of one type.
pub(crate) struct Locking<Q>(
    pub(crate) Q,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "nothing is locked")
    )]
    pub(crate) &'static str,
);

impl<Q: QueryId> QueryId for Locking<Q> {
    type QueryId = Locking<Q::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Locking<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> RunQueryDsl<C> for Locking<Q> {}

impl<Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Locking<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

#[cfg(feature = "postgres")]
impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Locking<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" FOR UPDATE OF ");
        out.push_identifier(self.1)
    }
}

/// Keeps a migration's row as it is until the transaction ends. `false`: there is none. `true` on
/// SQLite, where whoever loads it sees.
pub(crate) fn lock_migration(connection: &mut Database, uuid: &str) -> QueryResult<bool> {
    match connection {
        Database::Sqlite(_) => Ok(true),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => migrations::table
            .filter(migrations::uuid.eq(uuid))
            .select(migrations::id)
            .for_update()
            .first::<i64>(postgres)
            .optional()
            .map(|found| found.is_some()),
    }
}

/// Keeps servers' rows as they are until the transaction ends.
pub(crate) fn lock_servers(connection: &mut Database, uuids: &[String]) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => servers::table
            .filter(servers::uuid.eq_any(uuids))
            .order(servers::uuid)
            .select(servers::id)
            .for_update()
            .execute(postgres)
            .map(drop),
    }
}

/// Lets nobody else place a server of this group until the transaction ends.
pub(crate) fn lock_server_group(connection: &mut Database, id: i64) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => server_groups::table
            .filter(server_groups::id.eq(id))
            .select(server_groups::id)
            .for_update()
            .execute(postgres)
            .map(drop),
    }
}

/// Lets nobody else take slots or room of these hosts until the transaction ends. A transaction that
/// locks some more than once has to do it in the order of their names.
pub(crate) fn lock_hosts(connection: &mut Database, names: &[&str]) -> QueryResult<()> {
    host_order::lock(names);
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => hosts::table
            .filter(hosts::name.eq_any(names))
            .order(hosts::name)
            .select(hosts::id)
            .for_update()
            .execute(postgres)
            .map(drop),
    }
}

/// Keeps a service's row as it is until the transaction ends.
pub(crate) fn lock_service(connection: &mut Database, uuid: &str) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => services::table
            .filter(services::uuid.eq(uuid))
            .select(services::id)
            .for_update()
            .execute(postgres)
            .map(drop),
    }
}

/// What a transaction wants of the zones of hosts, and of what operators say of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ZoneLock {
    /// That they stay as they are.
    Read,
    /// To change them.
    Write,
}

/// Keeps the zones, pods and clusters of hosts, and whether anything is put there, as they are until
/// the transaction ends, for itself alone to change or for several to rely on. May be taken behind row locks: who changes zones waits for no row
/// but those of services. The number is arbitrary, and only has to be the same everywhere.
pub(crate) fn lock_zones(connection: &mut Database, lock: ZoneLock) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => postgres.batch_execute(match lock {
            ZoneLock::Read => "SELECT pg_advisory_xact_lock_shared(7451936022)",
            ZoneLock::Write => "SELECT pg_advisory_xact_lock(7451936022)",
        }),
    }
}

/// Lets nobody else give positions to events until the transaction ends. Who appends events does
/// not wait. The number is arbitrary, and only has to be the same everywhere.
pub(crate) fn lock_positions(connection: &mut Database) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => {
            postgres.batch_execute("SELECT pg_advisory_xact_lock(7451936023)")
        }
    }
}

/// Lets nobody else make a webhook until the transaction ends, so that they can be counted. The
/// number is arbitrary, and only has to be the same everywhere.
pub(crate) fn lock_webhooks(connection: &mut Database) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => {
            postgres.batch_execute("SELECT pg_advisory_xact_lock(7451936024)")
        }
    }
}

/// Words as a list in SQL. They are ours, so nothing needs escaping.
pub(crate) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    quoted.join(", ")
}

/// What stands behind the name of a table to have it read by an index that SQLite would not choose.
pub(crate) fn indexed_by(connection: &Database, index: &str) -> String {
    match connection {
        Database::Sqlite(_) => format!("INDEXED BY {index}"),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => String::new(),
    }
}

/// A JSON array of objects as rows with the given columns, in either database's way.
pub(crate) fn rows_of(connection: &Database, columns: &[(&str, &str)]) -> String {
    let list: Vec<String> = columns
        .iter()
        .map(|(name, kind)| match connection {
            Database::Sqlite(_) => format!("value ->> '{name}' AS \"{name}\""),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => format!("\"{name}\" {kind}"),
        })
        .collect();
    let list = list.join(", ");
    match connection {
        Database::Sqlite(_) => format!("(SELECT {list} FROM json_each($1)) AS sample"),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => {
            format!("jsonb_to_recordset(CAST($1 AS jsonb)) AS sample({list})")
        }
    }
}

/// The texts of the JSON array that is bound as `$number`, as the right side of `IN`.
pub(crate) fn texts_of(connection: &Database, number: u32) -> String {
    match connection {
        Database::Sqlite(_) => format!("(SELECT value FROM json_each(${number}))"),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => {
            format!("(SELECT jsonb_array_elements_text(CAST(${number} AS jsonb)))")
        }
    }
}

const AMOUNTS: [&str; 9] = [
    "memory_total",
    "memory_processed",
    "memory_remaining",
    "disk_total",
    "disk_processed",
    "disk_remaining",
    "dirty_rate",
    "throughput",
    "downtime_ms",
];

/// Writes many samples of progress with one statement. `samples` is a JSON array of objects
/// with `uuid`, `at` and [`AMOUNTS`]. Migrations that have ended keep their last figures.
pub(crate) fn update_progress(connection: &mut Database, samples: &str) -> QueryResult<usize> {
    let mut columns = vec![("uuid", "text"), ("at", "timestamp")];
    columns.extend(AMOUNTS.map(|name| (name, "bigint")));
    let rows = rows_of(connection, &columns);
    let sets = AMOUNTS
        .map(|name| format!("{name} = sample.{name}"))
        .join(", ");
    let statement = format!(
        "UPDATE migrations SET {sets}, updated_at = sample.at FROM {rows}
         WHERE migrations.uuid = sample.uuid AND migrations.ended_at IS NULL"
    );
    sql_query(statement)
        .bind::<Text, _>(samples)
        .prepared()
        .execute(connection)
}

/// Writes the servers' share of [`update_progress`]: `percent`, `at`, and `measured_dirty_rate`, where
/// null leaves what was measured before.
pub(crate) fn update_server_progress(
    connection: &mut Database,
    samples: &str,
) -> QueryResult<usize> {
    let columns = [
        ("uuid", "text"),
        ("at", "timestamp"),
        ("percent", "bigint"),
        ("measured_dirty_rate", "bigint"),
    ];
    let rows = rows_of(connection, &columns);
    let statement = format!(
        "UPDATE servers SET progress = sample.percent, updated_at = sample.at,
             dirty_bytes_per_second =
                 COALESCE(sample.measured_dirty_rate, servers.dirty_bytes_per_second)
         FROM {rows} JOIN migrations ON migrations.uuid = sample.uuid
         WHERE servers.uuid = migrations.instance_uuid AND migrations.ended_at IS NULL"
    );
    sql_query(statement)
        .bind::<Text, _>(samples)
        .prepared()
        .execute(connection)
}

/// Writes what `host` says of servers with one statement. `said` is a JSON array of objects with
/// `server`, `sighting` and `power`. What is newer stays.
pub(crate) fn put_sightings(
    connection: &mut Database,
    host: &HostName,
    said: &str,
    at: chrono::NaiveDateTime,
) -> QueryResult<()> {
    let columns = [
        ("server", "text"),
        ("sighting", "text"),
        ("power", "bigint"),
    ];
    let rows = rows_of(connection, &columns);
    // Parameters are bound in the order of their first mention on SQLite, which would read ON after
    // a FROM as a join's condition.
    let statement = format!(
        "WITH said AS (SELECT * FROM {rows})
         INSERT INTO sightings (server_uuid, host, sighting, power_state, observed_at)
         SELECT said.server, $2, said.sighting, said.power, $3 FROM said WHERE TRUE
         ON CONFLICT (server_uuid, host) DO UPDATE SET
             sighting = excluded.sighting, power_state = excluded.power_state,
             observed_at = excluded.observed_at
         WHERE sightings.observed_at <= excluded.observed_at"
    );
    sql_query(statement)
        .bind::<Text, _>(said)
        .bind::<Text, _>(host.as_str())
        .bind::<Timestamp, _>(at)
        .prepared()
        .execute(connection)?;
    Ok(())
}
