//! The records against the hypervisors.
//!
//! Agents send what they see when they register, when it changes, and now and then; one that has
//! not for a while is asked. What follows from an inventory, the
//! store decides in one transaction. Moves under way are no concern here: whoever follows them
//! knows more.

use std::sync::Arc;

use futures::StreamExt;
use godwit_core::time::Timestamp;
use godwit_rpc::facts::Inventory;
use godwit_store::{Host, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::evacuated;
use crate::testimony::explain;
use crate::ticks::Ticks;
use crate::translate;

/// Hosts asked at one time.
const AT_ONCE: usize = 8;

/// Records an inventory that was begun at `seen`, by the store's clocks.
pub(crate) async fn take(
    ctx: &Arc<Context>,
    inventory: &Inventory,
    seen: Timestamp,
) -> Result<(), StoreError> {
    let host = &inventory.facts.host;
    let recorded = ctx
        .store
        .inventory_record(translate::inventory(inventory, seen));
    let observation = recorded.await?;
    for server in observation.adopted {
        info!(%server, %host, "a server was adopted");
    }
    for moved in observation.moved_by_hand {
        let from = moved.from.as_ref().map(tracing::field::display);
        warn!(server = %moved.server, from, to = %moved.to, "a server was moved by hand");
    }
    for odd in observation.opened {
        let server = odd.subject.server.map(tracing::field::display);
        warn!(kind = %odd.subject.kind, server, %host, detail = odd.detail, "a discrepancy opened");
    }
    for resolved in observation.closed {
        let server = resolved.subject.server.map(tracing::field::display);
        info!(kind = %resolved.subject.kind, server, %host, "a discrepancy closed");
    }
    Ok(())
}

/// Asks every host that is up and has shown no inventory for an interval, at each interval.
pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.reconcile_interval);
    while ticks.next(stop).await {
        tokio::select! {
            () = stop.cancelled() => return,
            () = ask_all(ctx) => {}
        }
    }
}

async fn ask_all(ctx: &Arc<Context>) {
    let hosts = match ctx.store.host_list().await {
        Ok(hosts) => hosts,
        Err(error) => {
            warn!(%error, "the hosts could not be listed");
            return;
        }
    };
    let now = ctx.now();
    let is_due = |host: &&Host| {
        let shown = host.last_inventory_at;
        shown.is_none_or(|at| now.since(at) > ctx.config.reconcile_interval)
    };
    let due = hosts.iter().filter(|host| ctx.is_up(host, now));
    futures::stream::iter(due.filter(is_due))
        .for_each_concurrent(AT_ONCE, async |host| drop(ask(ctx, host).await))
        .await;
}

/// Asks a host for its inventory, and records that; `None`: it did not answer.
pub(crate) async fn ask(ctx: &Arc<Context>, host: &Host) -> Option<Inventory> {
    let name = &host.facts.name;
    let seen = ctx.now();
    let asked = async {
        ctx.agents
            .agent(name, &host.agent.address)?
            .inventory()
            .await
    };
    match asked.await {
        Ok(inventory) if inventory.facts.host == *name => {
            if let Err(error) = take(ctx, &inventory, seen).await {
                warn!(%error, host = %name, "an inventory could not be recorded");
            }
            if let Err(error) = evacuated::answers(ctx, name).await {
                warn!(%error, host = %name, "an evacuated host could not be told");
            }
            Some(inventory)
        }
        Ok(inventory) => {
            let claimed = &inventory.facts.host;
            warn!(host = %name, %claimed, "an agent says it is another host");
            None
        }
        Err(error) => {
            info!(host = %name, error = explain(&error), "a host did not answer");
            None
        }
    }
}
