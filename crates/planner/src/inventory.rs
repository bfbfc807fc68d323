//! What the planner knows of hosts, and what a server needs of one.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level, Switch};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::{BlockMigration, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::resources::Resources;
use godwit_core::server_group::{Membership, Violation};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    pub name: HostName,
    pub node: String,
    /// Why nothing new is put here, the widest scope first; none: it may be.
    pub because: Vec<Because>,
    /// Who holds it for maintenance, so that nothing is put here; nobody: it may be.
    pub holders: Vec<String>,
    /// Its cluster, where that takes no part in moves.
    pub unmanaged: Option<Unmanaged>,
    /// Does its agent answer?
    pub up: bool,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// libvirt's way of counting: major × 1,000,000 + minor × 1,000 + release.
    pub hypervisor_version: i64,
    /// Its processors' architecture, such as `x86_64`. The guest's exact processor is compared
    /// by the agents' pre-check.
    pub arch: String,
    /// Ids of the storage pools that it reaches and shares with others.
    pub pools: BTreeSet<String>,
    /// What it has, allocation ratios applied.
    pub capacity: Resources,
    /// What its servers and the claims of moves towards it take.
    pub used: Resources,
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
    pub hypervisor_type: String,
    /// The source's hypervisor version; a destination must not be older.
    pub hypervisor_version: i64,
    pub arch: String,
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
    /// The source's cluster, where that takes no part in moves.
    pub unmanaged: Option<Unmanaged>,
    pub group: Option<Membership>,
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
