//! Below 2.34 the answer waits for the pre-checks: until the row says how they came out.
//!
//! The row is all there is to look at, as the API never asks a conductor. Whoever drives the
//! migration may live in another process, or be down; so the wait has an end, and then the
//! answer is that the request is durable, which is true.

use godwit_core::status::MigrationStatus;
use godwit_store::MigrationRecord;
use tokio::time::{Instant, sleep_until};

use crate::call::Call;
use crate::error::ApiError;

/// Waits until the migration leaves `accepted`, but not for ever.
pub(super) async fn wait(call: &Call, begun: &MigrationRecord) -> Result<(), ApiError> {
    let deadline = Instant::now() + call.state.config.precheck_wait;
    loop {
        let next = Instant::now() + call.state.config.precheck_poll;
        if next > deadline {
            return Ok(());
        }
        sleep_until(next).await;
        let found = call.state.store.migration_find(begun.migration.uuid).await;
        match found {
            Ok(Some(record)) if record.migration.status == MigrationStatus::Accepted => {}
            Ok(Some(record)) => return outcome(&record),
            Ok(None) => return Ok(()),
            // The request is durable, so a database that is busy now changes nothing about it.
            Err(error) => tracing::warn!(%error, "cannot see how the pre-checks came out"),
        }
    }
}

fn outcome(record: &MigrationRecord) -> Result<(), ApiError> {
    match &record.migration.failure {
        Some(failure)
            if record.migration.status == MigrationStatus::Error && failure.code.is_precheck() =>
        {
            Err(ApiError::BadRequest(failure.message.clone()))
        }
        _ => Ok(()),
    }
}
