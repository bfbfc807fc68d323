//! Registers, sends signs of life, and shows the host's inventory.
//!
//! ```text
//!   register ─► leftovers ─► heartbeat … (with the inventory when something changed, and now
//!      ▲                         │        and then)
//!      └──── "who are you?" ─────┘
//! ```

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::ServerUuid;
use godwit_core::recovery::Sighting;
use godwit_core::time::Timestamp;
use godwit_rpc::domain::Domain;
use godwit_rpc::enrolment::{Heard, Heartbeat, Registered, Registration};
use godwit_rpc::facts::Inventory;
use godwit_rpc::version::RPC_VERSION;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::conductors::Conductors;
use super::shared::Shared;
use super::{Address, leftovers, shared};
use crate::journal::Entry;

/// However short an interval a conductor asks for.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// Runs until it is dropped.
pub(super) async fn enrol(shared: &Arc<Shared>, conductors: &Conductors, address: &Address) {
    // Before the first look, so that no change falls between the two.
    let mut changes = shared.driver.changes();
    loop {
        changes.mark_unchanged();
        let began = shared.now();
        let (registered, inventory) = register(shared, conductors, address).await;
        info!(unfinished = registered.unfinished.len(), "registered");
        let gauge = shared::Raised::new(&shared.metrics.registered);
        leftovers::clean(shared, &registered, began).await;
        beat(
            shared,
            conductors,
            registered.heartbeat_interval,
            &mut changes,
            Shown::new(&inventory),
        )
        .await;
        drop(gauge);
        info!("the conductors do not know this agent any more");
    }
}

async fn register(
    shared: &Shared,
    conductors: &Conductors,
    address: &Address,
) -> (Registered, Inventory) {
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
                Some(Ok(registered)) => return (registered, registration.inventory),
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
    mut shown: Shown,
) {
    let interval = interval.max(SHORTEST_INTERVAL);
    let mut attempts = 0;
    let mut due = Instant::now() + interval;
    let mut owed = false;
    let mut delay = shared.pace.change_delay;
    loop {
        let changed = wait(due, delay, changes).await;
        owed |= shown.when.elapsed() >= shared.pace.inventory_interval;
        let inventory = if owed || changed {
            look(shared).await
        } else {
            None
        };
        if changed && !owed {
            if inventory
                .as_ref()
                .is_some_and(|now| !shown.differs(shared, now))
            {
                // Many moves come and go here: the next one need not be looked for so soon.
                delay = (delay * 2).min(shared.pace.inventory_interval / 30);
                continue;
            }
            owed = true;
        }
        delay = shared.pace.change_delay;
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
                if let Some(inventory) = &heartbeat.inventory {
                    (shown, owed) = (Shown::new(inventory), false);
                }
                attempts = 0;
                due = Instant::now() + interval;
                continue;
            }
            Some(Err(error)) => warn!(%error, "a heartbeat was refused"),
            None => info!("no conductor hears"),
        }
        shared.metrics.conductor_failed("heartbeat");
        due = Instant::now() + conductors.pause(attempts).min(interval);
        attempts = attempts.saturating_add(1);
    }
}

/// Waits for the next beat; shorter when domains changed, which it says.
async fn wait(due: Instant, delay: Duration, changes: &mut watch::Receiver<u64>) -> bool {
    let changed = async {
        if changes.changed().await.is_err() {
            // The driver tells of no changes; there is still the interval.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(delay).await;
        changes.mark_unchanged();
    };
    tokio::time::timeout_at(due, changed).await.is_ok()
}

/// The inventory that conductors have.
struct Shown {
    when: Instant,
    /// When it was taken, by the clock of the journal.
    at: Timestamp,
    domains: HashMap<ServerUuid, Seen>,
}

/// A domain as it was seen, in as few words as tell whether it changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    sighting: Sighting,
    hash: u64,
}

impl Seen {
    fn new(domain: &Domain) -> Self {
        let mut hasher = DefaultHasher::new();
        domain.hash(&mut hasher);
        Self {
            sighting: domain.sighting,
            hash: hasher.finish(),
        }
    }
}

fn seen(inventory: &Inventory) -> HashMap<ServerUuid, Seen> {
    let domains = inventory.domains.iter();
    domains.map(|it| (it.server, Seen::new(it))).collect()
}

impl Shown {
    fn new(inventory: &Inventory) -> Self {
        Self {
            when: Instant::now(),
            at: inventory.observed_at,
            domains: seen(inventory),
        }
    }

    /// Is there something in `now` that conductors do not know? What a move does to its guest they
    /// know better; and when it has come to rest, they wrote down themselves where. But what they
    /// were shown of it on its way is not theirs to forget.
    fn differs(&self, shared: &Shared, now: &Inventory) -> bool {
        let since = |entry: &Entry| !entry.is_settled() || entry.updated_at >= self.at;
        let moves = shared.journal.select(since).into_iter();
        let settled: HashMap<ServerUuid, bool> = moves
            .map(|entry| (entry.what.server, entry.is_settled()))
            .collect();
        let here = seen(now);
        let at_rest =
            |seen: Option<&Seen>| seen.is_none_or(|seen| seen.sighting == Sighting::Executing);
        let mut all = self.domains.keys().chain(here.keys());
        all.any(|server| {
            let (was, is) = (self.domains.get(server), here.get(server));
            let explained = match settled.get(server) {
                None => false,
                Some(false) => true,
                Some(true) => at_rest(was) && at_rest(is),
            };
            was != is && !explained
        })
    }
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
