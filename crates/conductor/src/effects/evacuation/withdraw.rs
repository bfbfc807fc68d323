//! An evacuation's source, back again, gives the guest up: it runs elsewhere since.
//!
//! Where the server is not recorded elsewhere, somebody took it back, and what the source has is
//! no leftover.

use crate::effects::performer::{Performed, Performer};
use crate::effects::withdraw::send;
use godwit_core::discrepancy::DiscrepancyKind;

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let server = performer
        .ctx
        .store
        .server_find(performer.record.migration.server)
        .await?;
    let recorded = server.and_then(|server| server.host);
    if recorded.as_ref() == Some(performer.source()) {
        let why = format!("the server is recorded on {} again", performer.source());
        let source = Some(performer.source());
        let kind = DiscrepancyKind::Overdue;
        return Err(performer.held_up(kind, source, why).await);
    }
    send(performer, performer.source_agent().await?).await
}
