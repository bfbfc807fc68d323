//! The driver's page of the journal.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::ids::MigrationUuid;
use godwit_core::time::Clock;

use crate::driver::{DriverError, Notes};
use crate::journal::Journal;

pub(super) struct Notebook {
    pub(super) journal: Journal,
    pub(super) migration: MigrationUuid,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Notes for Notebook {
    fn read(&self) -> Option<serde_json::Value> {
        self.journal.find(self.migration)?.notes
    }

    async fn write(&self, page: serde_json::Value) -> Result<(), DriverError> {
        let now = self.clock.now();
        let written = self
            .journal
            .amend(self.migration, now, |entry| entry.notes = Some(page));
        written
            .await
            .map_err(|error| DriverError::Unavailable(error.explain()))
    }
}
