//! Below 2.34 the answer waits for the pre-checks: until the row says how they came out.
//!
//! The row is all there is to look at, as the API never asks a conductor. Whoever drives the
//! migration may live in another process, or be down; so the wait has an end, and then the
//! answer is that the request is durable, which is true.

use godwit_core::failure::FailureCode;
use godwit_core::status::MigrationStatus;
use godwit_store::MigrationRecord;
use tokio::time::{Instant, sleep_until};

use super::ACTION;
use crate::nova::handlers::{ApiError, Call};

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
            Ok(Some(record)) if record.migration.status() == MigrationStatus::Accepted => {}
            Ok(Some(record)) => return outcome(call, &record).await,
            Ok(None) => return Ok(()),
            // The request is durable, so a database that is busy now changes nothing about it.
            Err(error) => tracing::warn!(%error, "cannot see how the pre-checks came out"),
        }
    }
}

async fn outcome(call: &Call, record: &MigrationRecord) -> Result<(), ApiError> {
    let migration = &record.migration;
    let failure = match &migration.failure {
        Some(failure) if migration.status() == MigrationStatus::Error => failure,
        _ => return Ok(()),
    };
    if failure.code == FailureCode::PowerState {
        // The conductor's text is for the instance action; the caller gets that of every other
        // state that does not allow it.
        let server = call.state.store.server_find(migration.server).await?;
        let power = server.map(|server| server.power_state.word());
        let (server, attribute) = (migration.server, "power_state");
        return Err(ApiError::wrong_state(server, ACTION, attribute, power));
    }
    if failure.code.is_precheck() {
        return Err(ApiError::BadRequest(failure.message.clone()));
    }
    Ok(())
}
