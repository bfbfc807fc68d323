//! The promises that a query can decide.

mod rules;
mod words;

use std::fmt;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use self::rules::{RULES, Rule};
use crate::connection::Database;
use crate::{Store, StoreError};

/// A promise that the rows break.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Violation {
    /// Which promise, such as `P10`; `words` for a word that is none.
    pub promise: &'static str,
    /// What is wrong, naming the row.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.text)
    }
}

impl Store {
    /// Checks every promise that a query can decide, on one snapshot; empty when all hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check_invariants(&self) -> Result<Vec<Violation>, StoreError> {
        self.read_snapshot(|connection| {
            let mut violations = broken(connection, "words", &words::query())?;
            violations.extend(broken(connection, "P2", &words::end_and_status())?);
            for Rule { promise, query } in RULES {
                violations.extend(broken(connection, promise, query)?);
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

#[derive(QueryableByName)]
struct Broken {
    #[diesel(sql_type = Text)]
    what: String,
}
