//! Registers, sends signs of life, and shows the host's inventory.
//!
//! ```text
//!   register ─► leftovers ─► heartbeat … (with the inventory when something changed, and now
//!      ▲                         │        and then)
//!      └──── "who are you?" ─────┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use godwit_rpc::enrolment::{Heard, Heartbeat, Registered, Registration};
use godwit_rpc::facts::Inventory;
use godwit_rpc::transport::Address;
use godwit_rpc::version::RPC_VERSION;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::conductors::Conductors;
use super::shared::Shared;
use super::{leftovers, shared};

/// However short an interval a conductor asks for.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// Runs until it is dropped.
pub(super) async fn enrol(shared: &Arc<Shared>, conductors: &Conductors, address: &Address) {
    // Before the first look, so that no change falls between the two.
    let mut changes = shared.driver.changes();
    loop {
        changes.mark_unchanged();
        let began = shared.now();
        let registered = register(shared, conductors, address).await;
        info!(unfinished = registered.unfinished.len(), "registered");
        let gauge = shared::Raised::new(&shared.metrics.registered);
        leftovers::clean(shared, &registered, began).await;
        beat(
            shared,
            conductors,
            registered.heartbeat_interval,
            &mut changes,
        )
        .await;
        drop(gauge);
        info!("the conductors do not know this agent any more");
    }
}

async fn register(shared: &Shared, conductors: &Conductors, address: &Address) -> Registered {
    let mut attempts = 0;
    loop {
        if let Some(inventory) = look(shared).await {
            let registration = Registration {
                agent_address: address.to_string(),
                boot_id: shared.boot_id,
                inventory,
                rpc_version: RPC_VERSION,
                capabilities: vec![],
                unsettled: leftovers::unsettled(shared),
            };
            let asked = conductors.ask(|conductor| {
                let registration = registration.clone();
                async move { conductor.register(registration).await }
            });
            match asked.await {
                Some(Ok(registered)) => return registered,
                Some(Err(error)) => warn!(%error, "registration was refused"),
                None => info!("no conductor answers"),
            }
            shared.metrics.conductor_failed("register");
        }
        tokio::time::sleep(conductors.pause(attempts)).await;
        attempts = attempts.saturating_add(1);
    }
}

/// Returns when no conductor knows this run of the agent.
async fn beat(
    shared: &Shared,
    conductors: &Conductors,
    interval: Duration,
    changes: &mut watch::Receiver<u64>,
) {
    let interval = interval.max(SHORTEST_INTERVAL);
    let mut shown = Instant::now();
    let mut attempts = 0;
    let mut pause = interval;
    let mut owed = false;
    loop {
        let changed = wait(shared, pause, changes).await;
        owed |= changed || shown.elapsed() >= shared.pace.inventory_interval;
        let inventory = if owed { look(shared).await } else { None };
        let showing = inventory.is_some();
        let heartbeat = Heartbeat {
            host: shared.host.clone(),
            boot_id: shared.boot_id,
            inventory,
        };
        let sent = conductors.ask(|conductor| {
            let heartbeat = heartbeat.clone();
            async move { conductor.heartbeat(heartbeat).await }
        });
        match sent.await {
            Some(Ok(Heard { registered: false })) => return,
            Some(Ok(Heard { registered: true })) => {
                if showing {
                    (shown, owed) = (Instant::now(), false);
                }
                (attempts, pause) = (0, interval);
                continue;
            }
            Some(Err(error)) => warn!(%error, "a heartbeat was refused"),
            None => info!("no conductor hears"),
        }
        shared.metrics.conductor_failed("heartbeat");
        pause = conductors.pause(attempts).min(interval);
        attempts = attempts.saturating_add(1);
    }
}

/// Waits for the next beat; shorter when domains changed, which it says.
async fn wait(shared: &Shared, pause: Duration, changes: &mut watch::Receiver<u64>) -> bool {
    let changed = async {
        if changes.changed().await.is_err() {
            // The driver tells of no changes; there is still the interval.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(shared.pace.change_delay).await;
        changes.mark_unchanged();
    };
    tokio::time::timeout(pause, changed).await.is_ok()
}

async fn look(shared: &Shared) -> Option<Inventory> {
    let limit = shared.pace.step_timeout;
    match tokio::time::timeout(limit, shared.inventory()).await {
        Ok(Ok(inventory)) => return Some(inventory),
        Ok(Err(error)) => warn!(%error, "the inventory cannot be taken"),
        Err(_) => warn!("the hypervisor is silent for {limit:?}"),
    }
    None
}
