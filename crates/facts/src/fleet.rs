//! Hosts as the planner sees them, and what a server needs of one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use godwit_core::host::agent::is_too_old;
use godwit_core::host::scope::Topology;
use godwit_core::ids::HostName;
use godwit_core::migration::Request;
use godwit_core::resources::{AllocationRatios, Resources};
use godwit_core::server::PowerState;
use godwit_core::slots::SlotRole;
use godwit_core::time::Timestamp;
use godwit_planner::admission::SlotsTaken;
use godwit_planner::fleet::Link;
use godwit_planner::inventory::{Host, Need, Stream};
use godwit_store::{BY_FEATURES, Disk, Hardware, HeldClaim, HostLoad, Server, Store, StoreError};
use serde_json::Value;

/// What rows are read by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Basis {
    pub now: Timestamp,
    /// After how long without a sign of life an agent is down.
    pub down_time: Duration,
    /// How much more than it has a host may be given.
    pub ratios: AllocationRatios,
}

/// Hosts, with what is taken of them.
#[derive(Debug)]
pub struct Fleet {
    loads: Vec<HostLoad>,
    /// The same, as the planner sees them.
    hosts: Vec<Host>,
    basis: Basis,
}

impl Fleet {
    /// All hosts.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: &Store, basis: Basis) -> Result<Self, StoreError> {
        let loads = store.host_loads().await?;
        let slots = slots_taken(store).await?;
        Ok(Self::new(loads, &slots, basis))
    }

    /// Only two hosts, and not how many moves are on their way there: that makes no host unfit.
    ///
    /// # Errors
    /// The store's.
    pub async fn load_two(
        store: &Store,
        hosts: [HostName; 2],
        basis: Basis,
    ) -> Result<Self, StoreError> {
        let loads = store.host_loads_of(hosts).await?;
        Ok(Self::new(loads, &SlotsTaken::default(), basis))
    }

    pub fn new(loads: Vec<HostLoad>, slots: &SlotsTaken, basis: Basis) -> Self {
        let host = |load: &HostLoad| {
            let facts = &load.host.facts;
            let pools = facts.storage_pools.iter().filter(|pool| !pool.local);
            Host {
                name: facts.name.clone(),
                node: facts.node.clone(),
                topology: load.topology.clone(),
                because: load.because.clone(),
                holders: load.holders.iter().map(|it| it.holder.clone()).collect(),
                unmanaged: load.unmanaged.clone(),
                up: load.host.service.is_up(basis.now, basis.down_time),
                agent_too_old: Some(&load.host.agent.rpc_version)
                    .filter(|version| is_too_old(version))
                    .cloned(),
                hypervisor_type: facts.hypervisor_type.clone(),
                hypervisor_version: facts.hypervisor_version,
                arch: facts.arch.clone(),
                cpu_features: Arc::new(features(&facts.cpu_info)),
                pools: pools.map(|pool| pool.id.clone()).collect(),
                capacity: basis.ratios.capacity(facts.resources()),
                used: load.servers.plus(load.claims),
                stream_bytes_per_second: Link::of_moves(&facts.links)
                    .with_stream_seen(load.host.stream_bytes_per_second)
                    .of_one_stream(),
                arriving: slots.taken(SlotRole::Destination, &facts.name),
            }
        };
        Self {
            hosts: loads.iter().map(host).collect(),
            loads,
            basis,
        }
    }

    /// The hosts as a migration finds them that holds `own`, which is free to it.
    pub fn hosts(&self, own: Option<&HeldClaim>) -> Cow<'_, [Host]> {
        let Some(held) = own else {
            return Cow::Borrowed(&self.hosts);
        };
        let mut hosts = self.hosts.clone();
        if let Some(host) = hosts.iter_mut().find(|host| host.name == held.host) {
            host.used = host.used.less(held.room);
        }
        Cow::Owned(hosts)
    }

    /// A host, if there is such a one.
    pub fn host(&self, name: &HostName) -> Option<&HostLoad> {
        self.loads.iter().find(|load| load.host.facts.name == *name)
    }

    /// What `host` may give in all, overcommitment included.
    pub fn capacity_of(&self, host: &HostName) -> Resources {
        let host = self.hosts.iter().find(|it| it.name == *host);
        host.map_or_else(Resources::default, |host| host.capacity)
    }

    /// Does a host's agent answer, as far as is known?
    pub(crate) fn is_up(&self, load: &HostLoad) -> bool {
        let Basis { now, down_time, .. } = self.basis;
        load.host.service.is_up(now, down_time)
    }

    /// Is there a host that would be up if only its agent had reported lately?
    pub fn somebody_is_missing(&self) -> bool {
        let missing = |load: &HostLoad| !load.host.service.forced_down && !self.is_up(load);
        self.loads.iter().any(missing)
    }

    /// What a server sends that moves while it runs; `None`: it stands still, nobody knows its host, or
    /// nobody has measured yet how much it changes, and what is assumed is no reason to refuse it.
    fn stream<'a>(
        &self,
        server: &Server,
        disks: impl Iterator<Item = &'a Disk>,
        source: &HostName,
    ) -> Option<Stream> {
        let source = self.hosts.iter().find(|it| it.name == *source)?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
        let measured = server.dirty_bytes_per_second.map(unsigned)?;
        let disks = disks.map(|disk| unsigned(disk.allocated_bytes));
        (server.power_state == PowerState::Running).then(|| Stream {
            memory_bytes: unsigned(server.room.memory_mb) << 20,
            disk_bytes: disks.fold(0, u64::saturating_add),
            dirty_bytes_per_second: measured,
            bytes_per_second: source.stream_bytes_per_second,
        })
    }

    /// What `server`, made of `hardware`, needs of a destination, coming from `source`; but for its
    /// group, of which hosts know nothing.
    pub fn need(
        &self,
        server: &Server,
        hardware: &Hardware,
        source: &HostName,
        request: &Request,
    ) -> Need {
        let load = self.host(source);
        let facts = load.map(|load| &load.host.facts);
        // What the guest cannot write to is never copied, and has to be there already.
        let disks = hardware.disks.iter().filter(|disk| !disk.read_only);
        let is_local = |pool: &String| {
            let pools = facts.map_or(&[][..], |facts| &facts.storage_pools);
            pools.iter().any(|known| known.local && known.id == *pool)
        };
        let shared = |disk: &Disk| disk.pool.clone().filter(|pool| !is_local(pool));
        Need {
            server: server.uuid,
            source: source.clone(),
            topology: load.map_or_else(nowhere, |load| load.topology.clone()),
            hypervisor_type: facts.map_or_else(String::new, |facts| facts.hypervisor_type.clone()),
            hypervisor_version: facts.map_or(0, |facts| facts.hypervisor_version),
            arch: facts.map_or_else(String::new, |facts| facts.arch.clone()),
            cpu_features: match request {
                Request::Live(_) | Request::Cold(_) => needed_features(&hardware.cpu),
                // Nobody asks where it can only be started anew.
                Request::Evacuation(_) => BTreeSet::new(),
            },
            room: Resources {
                disk_gb: gib_ceil(
                    disks
                        .clone()
                        .map(|disk| u64::try_from(disk.allocated_bytes).unwrap_or_default())
                        .sum(),
                ),
                ..server.room
            },
            pools: disks.clone().filter_map(shared).collect(),
            pool_gib: gib_in_pools(disks.clone().filter_map(|it| Some((shared(it)?, it)))),
            local_disks: disks.clone().any(|disk| shared(disk).is_none()),
            block_migration: request.block_migration(),
            unmanaged: load.and_then(|it| it.unmanaged.clone()),
            live: matches!(request, Request::Live(_)),
            stream: match request {
                Request::Live(live) if live.must_converge => self.stream(server, disks, source),
                Request::Live(_) | Request::Cold(_) | Request::Evacuation(_) => None,
            },
            source_is_dead: matches!(request, Request::Evacuation(_)),
            group: None,
        }
    }
}

fn features(cpu: &Value) -> BTreeSet<String> {
    let features = cpu["features"].as_array().into_iter().flatten();
    let features = features.filter_map(Value::as_str);
    features.map(str::to_owned).collect()
}

/// The features that a destination is asked for by name; those of a guest whose driver compares
/// processors by a description of its own are known to that driver alone.
fn needed_features(cpu: &Value) -> BTreeSet<String> {
    match cpu[BY_FEATURES] == Value::Bool(true) {
        true => features(cpu),
        false => BTreeSet::new(),
    }
}

/// Of a host that nobody knows.
fn nowhere() -> Topology {
    Topology {
        zone: String::new(),
        pod: None,
        cluster: None,
    }
}

/// What disks take of each pool, in whole GiB, rounded down: what is over counts as to be copied.
fn gib_in_pools<'a>(disks: impl Iterator<Item = (String, &'a Disk)>) -> BTreeMap<String, i64> {
    let mut pools = BTreeMap::new();
    for (pool, disk) in disks {
        let bytes: &mut i64 = pools.entry(pool).or_default();
        *bytes = bytes.saturating_add(disk.allocated_bytes.max(0));
    }
    let gib = |(pool, bytes): (String, i64)| (pool, bytes >> 30);
    pools.into_iter().map(gib).collect()
}

/// Bytes in whole GiB, rounded up: what is begun is taken.
pub fn gib_ceil(bytes: u64) -> i64 {
    i64::try_from(bytes.div_ceil(1 << 30)).unwrap_or(i64::MAX)
}

/// How many slots are in use.
///
/// # Errors
/// The store's.
async fn slots_taken(store: &Store) -> Result<SlotsTaken, StoreError> {
    let mut slots = SlotsTaken::default();
    for (host, role, taken) in store.slots_taken().await? {
        slots.take(role, &host, u32::try_from(taken).unwrap_or(u32::MAX));
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::gib_ceil;

    #[test]
    fn gib_begun_count_whole() {
        const GIB: u64 = 1 << 30;
        assert_eq!(
            [0, 1, GIB, GIB + 1, u64::MAX].map(gib_ceil),
            [0, 1, 1, 2, 1 << 34]
        );
    }
}
