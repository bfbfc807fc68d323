//! What hypervisors say, as proof that a host executes nothing.
//!
//! An inventory proves something if nothing could arrive any more when it was begun. Clocks of several
//! machines do not tell that. So the row is read first and the host asked then, and the store takes
//! what it says only if the row still says that nothing came in between.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::host::maintenance::{Event, Inventory};
use godwit_store::{MaintenanceError, MaintenanceRecord, Sighted};
use tracing::info;

use super::{apply, fresh, note, wake};
use crate::context::Context;
use crate::reconcile;

/// How long a host may take to answer. One without power swallows every packet, and all others that
/// are looked at together would wait for it.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks a host that is held what it executes. What does not answer proves nothing, from now on.
pub(super) async fn take(
    ctx: &Arc<Context>,
    record: &MaintenanceRecord,
) -> Result<(), MaintenanceError> {
    let host = ctx.store.host_find(&record.host).await?;
    let began_at = ctx.now();
    let host = host.filter(|host| ctx.is_up(host, began_at));
    let answer = match &host {
        Some(host) => tokio::time::timeout(ANSWER, reconcile::ask(ctx, host)).await,
        None => Ok(None),
    };
    let Ok(Some(answer)) = answer else {
        return silent(ctx, record).await;
    };
    let sightings = answer.domains.iter().map(|it| (it.server, it.sighting));
    let Some(inventory) = Inventory::of(began_at, sightings) else {
        return silent(ctx, record).await;
    };
    let seen = Sighted {
        host: record.host.clone(),
        counts_after: record.maintenance.evidence.counts_after,
        inventory,
    };
    let taken = ctx.store.maintenance_see(seen, fresh(ctx), note(ctx)).await;
    let Some(after) = taken? else {
        return Ok(());
    };
    if after.maintenance.state != record.maintenance.state {
        let (from, to) = (record.maintenance.state, after.maintenance.state);
        info!(host = %record.host, %from, %to, "the maintenance of a host went on");
    }
    wake(ctx, record.maintenance.run(), &after);
    Ok(())
}

async fn silent(ctx: &Context, record: &MaintenanceRecord) -> Result<(), MaintenanceError> {
    if !record.maintenance.evidence.counts() {
        return Ok(());
    }
    info!(host = %record.host, "a host that is held does not say what it executes, and may be anything");
    apply(ctx, &record.host, Event::AgentDied).await
}
