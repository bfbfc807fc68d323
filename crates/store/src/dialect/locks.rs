//! Locks of plans, runs and maintenance.
//!
//! They come before all others, in this order: the room of runs, a maintenance, a plan, a run. What
//! one of their rows is locked for may go on to a migration, and so to servers, groups and hosts.

#![cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "a writer on SQLite is alone")
)]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::connection::Database;

/// A table whose rows are locked by what names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lockable {
    Maintenance,
    Plan,
    Run,
}

/// Keeps a row as it is until the transaction ends.
pub(crate) fn lock(connection: &mut Database, of: Lockable, name: &str) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => sql_query(match of {
            Lockable::Maintenance => "SELECT id FROM maintenances WHERE host = $1 FOR UPDATE",
            Lockable::Plan => "SELECT id FROM plans WHERE uuid = $1 FOR UPDATE",
            Lockable::Run => "SELECT id FROM runs WHERE uuid = $1 FOR UPDATE",
        })
        .bind::<Text, _>(name)
        .execute(postgres)
        .map(drop),
    }
}

/// What only one transaction does at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alone {
    /// To count plans and make one.
    MakesPlan,
    /// To decide whether a run gets its room.
    ClaimsRoom,
}

/// Lets nobody else do this until the transaction ends. The numbers are arbitrary, and only have to
/// be the same everywhere.
pub(crate) fn alone(connection: &mut Database, what: Alone) -> QueryResult<()> {
    match connection {
        Database::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => postgres.batch_execute(match what {
            Alone::MakesPlan => "SELECT pg_advisory_xact_lock(7451936031)",
            Alone::ClaimsRoom => "SELECT pg_advisory_xact_lock(7451936032)",
        }),
    }
}
