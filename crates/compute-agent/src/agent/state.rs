//! What the driver saves, in the journal.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::ids::MigrationUuid;

use super::{Clock, Journal};
use crate::driver::{DriverError, DriverStateStore};

pub(super) struct JournalStateStore {
    pub(super) journal: Journal,
    pub(super) migration: MigrationUuid,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl DriverStateStore for JournalStateStore {
    fn read(&self) -> Option<serde_json::Value> {
        self.journal.find(self.migration)?.driver_state
    }

    async fn write(&self, value: serde_json::Value) -> Result<(), DriverError> {
        let now = self.clock.now();
        let written = self.journal.amend(self.migration, now, |entry| {
            entry.driver_state = Some(value)
        });
        written
            .await
            .map_err(|error| DriverError::Unavailable(error.explain()))
    }
}
