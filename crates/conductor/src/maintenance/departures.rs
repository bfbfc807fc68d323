//! Servers that have left a host in another way than by the run that empties it, or that were started
//! by others than the run that brings them back.

use godwit_store::{MaintenanceError, MaintenanceRecord};

use super::apply;
use crate::context::Context;

/// Says which of the servers that a maintenance still knows are elsewhere, gone, or run again.
pub(super) async fn tell(
    ctx: &Context,
    record: &MaintenanceRecord,
) -> Result<(), MaintenanceError> {
    let (host, it) = (&record.host, &record.maintenance);
    for (server, standing) in ctx.store.maintenance_standings(record).await? {
        if let Some(event) = it.departure(host, server, &standing) {
            apply(ctx, host, event).await?;
        }
    }
    Ok(())
}
