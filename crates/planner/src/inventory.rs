//! What the planner knows of hosts, and what a server needs of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level, Switch, Topology};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::{BlockMigration, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::resources::Resources;
use godwit_core::server_group::{Membership, Violation};

use crate::precopy::Guest;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    pub name: HostName,
    pub node: String,
    pub topology: Topology,
    /// Why nothing new is put here, the widest scope first; none: it may be.
    pub because: Vec<Because>,
    /// Who holds it for maintenance, so that nothing is put here; nobody: it may be.
    pub holders: Vec<String>,
    /// Its cluster, where that takes no part in moves.
    pub unmanaged: Option<Unmanaged>,
    /// Does its agent answer?
    pub up: bool,
    /// The version of the protocol that it speaks, where that is too old to be understood.
    pub agent_too_old: Option<String>,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// libvirt's way of counting: major × 1,000,000 + minor × 1,000 + release.
    pub hypervisor_version: i64,
    /// Its processors' architecture, such as `x86_64`.
    pub arch: String,
    /// What they can, by the hypervisor's names.
    pub cpu_features: Arc<BTreeSet<String>>,
    /// Ids of the storage pools that it reaches and shares with others.
    pub pools: BTreeSet<String>,
    /// What it has, allocation ratios applied.
    pub capacity: Resources,
    /// What its servers and the claims of moves towards it take.
    pub used: Resources,
    /// What one stream of a move to it or from it achieves at most. More than 0.
    pub stream_bytes_per_second: u64,
    pub arriving: u32,
}

impl Host {
    pub fn free(&self) -> Resources {
        self.capacity.less(self.used)
    }

    /// May anything be put there, as far as scopes, its own switch and its maintenance go?
    pub fn is_enabled(&self) -> bool {
        self.because.is_empty() && self.holders.is_empty()
    }

    /// Nothing is put there from now on, and nobody says why.
    pub fn disable(&mut self) {
        self.because.push(Because {
            level: Level::Host,
            name: self.name.to_string(),
            switch: Switch {
                disabled: true,
                ..Switch::default()
            },
        });
    }
}

/// What a server needs of a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    pub server: ServerUuid,
    /// The host it is on.
    pub source: HostName,
    /// Where that is.
    pub topology: Topology,
    pub hypervisor_type: String,
    /// The source's hypervisor version; a destination must not be older.
    pub hypervisor_version: i64,
    pub arch: String,
    /// What its processors must be able to do, where that is known by name. A driver may know more,
    /// which its pre-check compares.
    pub cpu_features: BTreeSet<String>,
    /// Its flavor's processors and memory, and the room its disks take where they are copied.
    pub room: Resources,
    /// The shared pools that its disks lie on.
    pub pools: BTreeSet<String>,
    /// What of the room for its disks lies on each of these, in whole GiB: it is not needed where the
    /// pool is reached.
    pub pool_gib: BTreeMap<String, i64>,
    /// Does it have disks that lie on no shared pool?
    pub local_disks: bool,
    /// Whether disks may, must or must not be copied.
    pub block_migration: BlockMigration,
    pub source_is_dead: bool,
    /// Is it to be moved while it runs, and in no other way?
    pub live: bool,
    /// What has to end by itself; `None`: nothing has to, or nobody knows how much the guest changes.
    pub stream: Option<Stream>,
    /// The source's cluster, where that takes no part in moves.
    pub unmanaged: Option<Unmanaged>,
    pub group: Option<Membership>,
}

/// What a live move sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    pub memory_bytes: u64,
    /// What disks add to that where they are copied.
    pub disk_bytes: u64,
    pub dirty_bytes_per_second: u64,
    /// What the source sends over one stream at most.
    pub bytes_per_second: u64,
}

impl Stream {
    /// What is sent to a host that disks are copied to, or are not.
    pub fn guest(&self, copied: bool) -> Guest {
        let disks = if copied { self.disk_bytes } else { 0 };
        Guest {
            bytes: self.memory_bytes.saturating_add(disks) as f64,
            memory: self.memory_bytes as f64,
            dirty: self.dirty_bytes_per_second as f64,
        }
    }
}

impl Need {
    /// Keeps to the rules of its group only as far as this says.
    pub fn bind_by(&mut self, affinity: Affinity) {
        if let Some(group) = &mut self.group {
            group.policy = group.policy.bound_by(affinity);
        }
    }

    /// Can the disks stay where they are when the server goes to a host that reaches `pools`?
    pub fn shares_with(&self, pools: &BTreeSet<String>) -> bool {
        !self.local_disks && self.pools.is_subset(pools)
    }

    /// The cluster that it is in, and the other one that `host` is in.
    pub(crate) fn clusters_apart<'a>(&'a self, host: &'a Host) -> Option<(&'a str, &'a str)> {
        let (own, there) = (&self.topology.cluster, &host.topology.cluster);
        let both = own.as_deref().zip(there.as_deref());
        both.filter(|(own, there)| own != there)
    }

    /// The bytes per second that a stream to `host` carries, where it never ends.
    pub fn never_ends(&self, host: &Host) -> Option<(Stream, u64)> {
        let stream = self.stream?;
        let rate = stream.bytes_per_second.min(host.stream_bytes_per_second);
        let guest = stream.guest(self.room_at(&host.pools).disk_gb > 0);
        (!guest.ends(rate as f64)).then_some((stream, rate))
    }

    /// What of its disks lies on no shared pool, in GiB, rounded up.
    pub(crate) fn local_gib(&self) -> i64 {
        let shared = self.pool_gib.values().copied();
        let shared = shared.fold(0, i64::saturating_add);
        self.room.disk_gb.saturating_sub(shared).max(0)
    }

    /// The clusters of its ends that take no part in moves, each once.
    pub(crate) fn clusters_unmanaged<'a>(
        &'a self,
        host: &'a Host,
    ) -> impl Iterator<Item = &'a Unmanaged> {
        let own = self.unmanaged.as_ref();
        let is_another = move |it: &&Unmanaged| own.is_none_or(|own| own.cluster != it.cluster);
        let there = host.unmanaged.as_ref().filter(is_another);
        own.into_iter().chain(there)
    }

    /// Must the disks stay where they are?
    pub(crate) fn keeps_storage(&self) -> bool {
        self.block_migration == BlockMigration::No
    }

    /// What its group has against `host`.
    pub fn group_violation(&self, host: &HostName) -> Option<Violation> {
        let dead = Some(&self.source).filter(|_| self.source_is_dead);
        self.group.as_ref()?.violation(host, dead)
    }

    /// The room it takes on a host that reaches `pools`: disks count only where they are copied.
    pub fn room_at(&self, pools: &BTreeSet<String>) -> Resources {
        let copied = match self.block_migration {
            BlockMigration::Auto => !self.shares_with(pools),
            BlockMigration::Yes => true,
            BlockMigration::No => false,
        };
        let stays = self
            .pool_gib
            .iter()
            .filter(|(pool, _)| pools.contains(*pool));
        let stays = stays.fold(0_i64, |sum, (_, gib)| sum.saturating_add(*gib));
        Resources {
            disk_gb: if copied {
                self.room.disk_gb.saturating_sub(stays).max(0)
            } else {
                0
            },
            ..self.room
        }
    }
}

/// Which hosts are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Any,
    /// This one, if it fits.
    Named(HostName),
    /// This one, with Nova's minimal checks only (`contract: state-machine.md §4`).
    Forced(HostName),
}

impl Target {
    pub fn of(request: &Request) -> Self {
        match request.host() {
            None => Self::Any,
            Some(host) if request.is_forced() => Self::Forced(host.clone()),
            Some(host) => Self::Named(host.clone()),
        }
    }
}
