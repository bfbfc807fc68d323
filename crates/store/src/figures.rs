//! Figures for metrics: all of them cheap, however many migrations have ended.

use godwit_core::effect::Effect;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use crate::{DiscrepancyKind, Store, StoreError};

/// A look at the whole.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// Migrations that have not ended, by type and status.
    pub unfinished: Vec<(MigrationKind, MigrationStatus, i64)>,
    /// Since when the oldest `queued` migration is queued.
    pub oldest_queued: Option<Timestamp>,
    /// Effects not done yet, by kind, with when the oldest was asked for.
    pub effects: Vec<(Effect, i64, Timestamp)>,
    /// Open discrepancies, by kind.
    pub discrepancies: Vec<(DiscrepancyKind, i64)>,
}

impl Store {
    /// A look at the whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        unimplemented!()
    }
}
