//! The promises that a query can decide.

use std::fmt;

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
        unimplemented!()
    }
}
