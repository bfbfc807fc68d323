//! The promises that a query can decide.

mod rules;

use std::fmt;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use self::rules::{RULES, Rule};
use crate::{Store, StoreError};

/// A promise that the rows break.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Violation {
    /// Which promise, such as `P10`.
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
            let mut violations = Vec::new();
            for Rule { promise, query } in RULES {
                let broken: Vec<Broken> = sql_query(*query).load(connection)?;
                violations.extend(broken.into_iter().map(|row| Violation {
                    promise,
                    text: row.what,
                }));
            }
            Ok(violations)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct Broken {
    #[diesel(sql_type = Text)]
    what: String,
}
