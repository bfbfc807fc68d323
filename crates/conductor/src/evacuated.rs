//! Dead hosts that return: what was evacuated from them is theirs to give up.

use std::sync::Arc;

use godwit_core::evacuation::Phase;
use godwit_core::event::Event;
use godwit_core::ids::HostName;
use godwit_store::{CommitError, MigrationRecord};
use serde_json::json;
use tracing::info;

use crate::context::Context;

/// `host` has registered: every evacuation from it that is done is told.
pub(crate) async fn returned(ctx: &Arc<Context>, host: &HostName) -> Result<(), CommitError> {
    for record in ctx.store.evacuations_done_from(host).await? {
        tell(ctx, host, &record).await?;
    }
    Ok(())
}

/// `host` answers, whether or not it registered: those are told that have not been, such as an
/// evacuation that was still being done when its source came back.
pub(crate) async fn answers(ctx: &Arc<Context>, host: &HostName) -> Result<(), CommitError> {
    let done = ctx.store.evacuations_done_from(host).await?;
    let untold = Phase::Done.into();
    for record in done.iter().filter(|it| it.migration.phase == untold) {
        tell(ctx, host, record).await?;
    }
    Ok(())
}

async fn tell(
    ctx: &Arc<Context>,
    host: &HostName,
    record: &MigrationRecord,
) -> Result<(), CommitError> {
    info!(migration = %record.migration.uuid, %host, "an evacuated host is back");
    let note = ctx.note(record, json!({ "host": host }));
    ctx.apply_to(record, Event::SourceReturned, note)
        .await
        .map(drop)
}
