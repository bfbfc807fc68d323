//! The store's hosts and servers, as the planner sees them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use godwit_core::ids::HostName;
use godwit_core::migration::Request;
use godwit_core::resources::Resources;
use godwit_core::slots::SlotRole;
use godwit_core::time::Timestamp;
use godwit_planner::admission::SlotsTaken;
use godwit_planner::inventory::{Host, Need};
use godwit_store::{Disk, HeldClaim, HostLoad, Server, StoreError};

use crate::config::AllocationRatios;
use crate::context::Context;
use crate::translate::gib_ceil;

/// Hosts, with what is taken of them.
pub(crate) struct Fleet {
    loads: Vec<HostLoad>,
    /// The same, as the planner sees them.
    hosts: Vec<Host>,
    ratios: AllocationRatios,
    at: Timestamp,
}

impl Fleet {
    async fn load_all(ctx: &Context) -> Result<Self, StoreError> {
        let loads = ctx.store.host_loads().await?;
        let slots = slots_taken(ctx).await?;
        Ok(Self::with(ctx, loads, &slots))
    }

    /// Only two hosts, and not how many moves are on their way there: that makes no host unfit.
    pub(crate) async fn load_two(ctx: &Context, hosts: [HostName; 2]) -> Result<Self, StoreError> {
        let loads = ctx.store.host_loads_of(hosts).await?;
        Ok(Self::with(ctx, loads, &SlotsTaken::default()))
    }

    fn with(ctx: &Context, loads: Vec<HostLoad>, slots: &SlotsTaken) -> Self {
        let (ratios, at) = (ctx.config.allocation_ratios, ctx.now());
        let host = |load: &HostLoad| {
            let facts = &load.host.facts;
            Host {
                name: facts.name.clone(),
                node: facts.node.clone(),
                enabled: !load.host.service.disabled,
                up: ctx.is_up(&load.host, at),
                hypervisor_type: facts.hypervisor_type.clone(),
                hypervisor_version: facts.hypervisor_version,
                arch: facts.arch.clone(),
                pools: facts
                    .storage_pools
                    .iter()
                    .map(|pool| pool.id.clone())
                    .collect(),
                capacity: capacity(load, ratios),
                used: load.servers.plus(load.claims),
                arriving: slots.taken(SlotRole::Destination, &facts.name),
            }
        };
        Self {
            hosts: loads.iter().map(host).collect(),
            loads,
            ratios,
            at,
        }
    }

    /// The hosts as a migration finds them that holds `own`, which is free to it.
    pub(crate) fn hosts(&self, own: Option<&HeldClaim>) -> Cow<'_, [Host]> {
        let Some(held) = own else {
            return Cow::Borrowed(&self.hosts);
        };
        let mut hosts = self.hosts.clone();
        if let Some(host) = hosts.iter_mut().find(|host| host.name == held.host) {
            host.used = host.used.less(held.room);
        }
        Cow::Owned(hosts)
    }

    /// What `host` may give in all, overcommitment included.
    pub(crate) fn capacity_of(&self, host: &HostName) -> Resources {
        let load = self.loads.iter().find(|load| load.host.facts.name == *host);
        load.map_or_else(Resources::default, |load| capacity(load, self.ratios))
    }

    /// Is there a host that would be up if only its agent had reported lately?
    pub(crate) fn somebody_is_missing(&self, ctx: &Context) -> bool {
        self.loads
            .iter()
            .any(|load| !load.host.service.forced_down && !ctx.is_up(&load.host, self.at))
    }

    /// What `server` with its `disks` needs of a destination, coming from `source`; but for its
    /// group, of which hosts know nothing.
    pub(crate) fn need(
        &self,
        server: &Server,
        disks: &[Disk],
        source: &HostName,
        request: &Request,
    ) -> Need {
        let facts = self
            .loads
            .iter()
            .map(|load| &load.host.facts)
            .find(|facts| facts.name == *source);
        // What the guest cannot write to is never copied, and has to be there already.
        let disks = disks.iter().filter(|disk| !disk.read_only);
        Need {
            server: server.uuid,
            source: source.clone(),
            hypervisor_type: facts.map_or_else(String::new, |facts| facts.hypervisor_type.clone()),
            hypervisor_version: facts.map_or(0, |facts| facts.hypervisor_version),
            arch: facts.map_or_else(String::new, |facts| facts.arch.clone()),
            room: Resources {
                disk_gb: gib_ceil(
                    disks
                        .clone()
                        .map(|disk| u64::try_from(disk.allocated_bytes).unwrap_or_default())
                        .sum(),
                ),
                ..server.room
            },
            pools: disks.clone().filter_map(|disk| disk.pool.clone()).collect(),
            local_disks: disks.clone().any(|disk| disk.pool.is_none()),
            block_migration: request.block_migration(),
            source_is_dead: matches!(request, Request::Evacuation(_)),
            group: None,
        }
    }
}

fn capacity(load: &HostLoad, ratios: AllocationRatios) -> Resources {
    let facts = &load.host.facts;
    Resources {
        vcpus: times(facts.vcpus, ratios.cpu),
        memory_mb: times(facts.memory_mb, ratios.memory),
        disk_gb: times(facts.local_gb, ratios.disk),
    }
}

/// How many slots are in use.
pub(crate) async fn slots_taken(ctx: &Context) -> Result<SlotsTaken, StoreError> {
    let mut slots = SlotsTaken::default();
    for (host, role, taken) in ctx.store.slots_taken().await? {
        slots.take(role, &host, u32::try_from(taken).unwrap_or(u32::MAX));
    }
    Ok(slots)
}

/// A whole fleet for as many as ask at one time. It takes as long to load as it is large, and those
/// who want to place a server come in crowds; so who asks while one is being loaded waits for the
/// next one, together with all others who do. What anybody is given was loaded after they asked.
#[derive(Default)]
pub(crate) struct Fleets {
    next: Mutex<Option<Loading>>,
    /// Held by the one load under way.
    turn: Arc<tokio::sync::Mutex<()>>,
}

type Loading = Shared<BoxFuture<'static, Result<Arc<Fleet>, Arc<StoreError>>>>;

impl Fleets {
    pub(crate) async fn load(ctx: &Arc<Context>) -> Result<Arc<Fleet>, Arc<StoreError>> {
        let loading = {
            let mut next = ctx
                .fleets
                .next
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            next.get_or_insert_with(|| Self::next(Arc::downgrade(ctx)).boxed().shared())
                .clone()
        };
        loading.await
    }

    /// What is kept in the context must not keep the context.
    async fn next(ctx: Weak<Context>) -> Result<Arc<Fleet>, Arc<StoreError>> {
        let ctx = ctx.upgrade().ok_or_else(|| Arc::new(StoreError::Stopped))?;
        let turn = Arc::clone(&ctx.fleets.turn).lock_owned().await;
        // From here on it would be too old for whoever asks.
        ctx.fleets
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let loaded = Fleet::load_all(&ctx).await;
        drop(turn);
        loaded.map(Arc::new).map_err(Arc::new)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "float to integer saturates, and nobody has 2^53 of anything here"
)]
fn times(amount: i64, ratio: f64) -> i64 {
    (amount as f64 * ratio) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_cut_and_never_wrap() {
        assert_eq!(times(7, 1.5), 10);
        assert_eq!(times(i64::MAX, 16.0), i64::MAX);
        assert_eq!(times(5, f64::NAN), 0);
    }
}
