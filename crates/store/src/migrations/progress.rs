//! Progress ticks: columns of their own, many migrations per write, and never the generation.

use godwit_core::ids::MigrationUuid;
use godwit_core::time::Timestamp;

use super::Progress;
use crate::{Store, StoreError};

/// One look at one migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgressSample {
    /// Which migration.
    pub migration: MigrationUuid,
    /// What was seen.
    pub progress: Progress,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Writes samples: the migrations' columns and `updated_at`, and their servers' `progress`.
    /// Migrations that have ended, or do not exist, are left alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrations_progress(
        &self,
        samples: Vec<ProgressSample>,
    ) -> Result<(), StoreError> {
        unimplemented!("{samples:?}")
    }
}
