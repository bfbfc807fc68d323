//! The promises that a query can decide.

mod rules;
mod words;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::Settling;
use godwit_core::phase::{Phase, Stored};
use godwit_core::status::{MigrationKind, MigrationStatus};

use self::rules::{RULES, RULES_OF_RUNS, Rule};
use crate::connection::Database;
use crate::{Store, StoreError};

/// A promise that the rows break.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
#[error("{promise}: {text}")]
pub struct Violation {
    /// Which promise, such as `P10`; `words` for a word that is none, `topology` for a scope in two
    /// places.
    pub promise: &'static str,
    /// What is wrong, naming the row.
    pub text: String,
}

impl Store {
    /// Checks every promise that a query can decide, on one snapshot; empty when all hold.
    pub async fn check_invariants(&self) -> Result<Vec<Violation>, StoreError> {
        self.read_snapshot(|connection| {
            let mut violations = broken(connection, "words", &words::query())?;
            let decodes = violations.is_empty();
            violations.extend(broken(connection, "P2", &words::end_and_status())?);
            for Rule { promise, query } in RULES.iter().chain(RULES_OF_RUNS) {
                violations.extend(broken(connection, promise, query)?);
            }
            if decodes {
                violations.extend(in_no_phase(connection)?);
            }
            Ok(violations)
        })
        .await
    }
}

/// What a query finds that breaks a promise.
fn broken(
    connection: &mut Database,
    promise: &'static str,
    query: &str,
) -> Result<Vec<Violation>, StoreError> {
    let rows: Vec<Broken> = sql_query(query).load(connection)?;
    let violations = rows.into_iter().map(|row| Violation {
        promise,
        text: row.what,
    });
    Ok(violations.collect())
}

/// The kinds of rows that there are, with one of each.
#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    migration_type: MigrationKind,
    #[diesel(sql_type = Text)]
    status: MigrationStatus,
    #[diesel(sql_type = Nullable<Text>)]
    settling: Option<Settling>,
    #[diesel(sql_type = Text)]
    uuid: MigrationUuid,
}

/// P2 again: what no table drives is carried on to no end. Only core knows which columns belong
/// together, so this is no query.
fn in_no_phase(connection: &mut Database) -> Result<Vec<Violation>, StoreError> {
    let shown: Vec<Shown> = sql_query(
        "SELECT migration_type, status, settling, MIN(uuid) AS uuid
         FROM migrations WHERE NOT imported GROUP BY migration_type, status, settling",
    )
    .load(connection)?;
    let broken = shown.into_iter().filter_map(|row| {
        let stored = Stored {
            status: row.status,
            settling: row.settling,
            placed: true,
            reason: false,
        };
        let error = Phase::read(row.migration_type, stored).err()?;
        Some(Violation {
            promise: "P2",
            text: format!("migration {}: {error}", row.uuid),
        })
    });
    Ok(broken.collect())
}

#[derive(QueryableByName)]
struct Broken {
    #[diesel(sql_type = Text)]
    what: String,
}
