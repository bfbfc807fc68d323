//! The guests, found by their uuids and by the hosts that have a definition of them.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::{HostName, ServerUuid};

use super::fleet::GuestSpec;

#[derive(Debug, Default)]
pub(super) struct Guests {
    all: BTreeMap<ServerUuid, GuestSpec>,
    /// Follows from `all`.
    on: BTreeMap<HostName, Here>,
    /// What disks take of each pool; follows from `all`.
    in_pools: BTreeMap<String, u64>,
    /// Those that changed since [`Guests::take_changed`].
    changed: BTreeSet<ServerUuid>,
}

/// What a host has a definition of.
#[derive(Debug, Default)]
struct Here {
    guests: BTreeSet<ServerUuid>,
    /// What their disks take of each pool, and outside of all.
    taken: BTreeMap<Option<String>, u64>,
}

impl Guests {
    pub(super) fn new(guests: Vec<GuestSpec>) -> Self {
        let mut new = Self::default();
        for guest in guests {
            new.put(guest);
        }
        new
    }

    pub(super) fn get(&self, server: ServerUuid) -> Option<&GuestSpec> {
        self.all.get(&server)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &GuestSpec> {
        self.all.values()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What the disks take of such pools of the guests that `host` has a definition of.
    pub(super) fn bytes_on(&self, host: &HostName, pools: impl Fn(Option<&str>) -> bool) -> u64 {
        let here = self.on.get(host).into_iter();
        let taken = here.flat_map(|here| &here.taken);
        let taken = taken.filter(|(pool, _)| pools(pool.as_deref()));
        taken.map(|(_, bytes)| bytes).sum()
    }

    /// What the disks of all guests take of a pool.
    pub(super) fn bytes_in(&self, pool: &str) -> u64 {
        self.in_pools.get(pool).copied().unwrap_or_default()
    }

    /// Those that `host` has a definition of, whether they execute there or not.
    pub(super) fn on(&self, host: &HostName) -> impl Iterator<Item = &GuestSpec> {
        let here = self.on.get(host).into_iter();
        here.flat_map(|here| &here.guests)
            .filter_map(|server| self.all.get(server))
    }

    /// Changes one; `None` if it is not there. Returns the hosts that see it otherwise.
    pub(super) fn change(
        &mut self,
        server: ServerUuid,
        change: impl FnOnce(&mut GuestSpec),
    ) -> Option<BTreeSet<HostName>> {
        let mut guest = self.remove(server)?;
        let mut see = definitions(&guest);
        change(&mut guest);
        see.extend(definitions(&guest));
        self.put(guest);
        Some(see)
    }

    pub(super) fn remove(&mut self, server: ServerUuid) -> Option<GuestSpec> {
        let guest = self.all.remove(&server)?;
        for host in definitions(&guest) {
            if let Some(here) = self.on.get_mut(&host) {
                here.guests.remove(&server);
                for disk in &guest.disks {
                    let taken = here.taken.entry(disk.pool.clone()).or_default();
                    *taken = taken.saturating_sub(disk.allocated_bytes);
                }
            }
        }
        for disk in &guest.disks {
            if let Some(taken) = disk.pool.as_ref().and_then(|it| self.in_pools.get_mut(it)) {
                *taken = taken.saturating_sub(disk.allocated_bytes);
            }
        }
        self.changed.insert(server);
        Some(guest)
    }

    pub(super) fn put(&mut self, guest: GuestSpec) {
        self.remove(guest.uuid);
        for host in definitions(&guest) {
            let here = self.on.entry(host).or_default();
            here.guests.insert(guest.uuid);
            for disk in &guest.disks {
                let taken = here.taken.entry(disk.pool.clone()).or_default();
                *taken = taken.saturating_add(disk.allocated_bytes);
            }
        }
        for disk in &guest.disks {
            if let Some(pool) = &disk.pool {
                let taken = self.in_pools.entry(pool.clone()).or_default();
                *taken = taken.saturating_add(disk.allocated_bytes);
            }
        }
        self.changed.insert(guest.uuid);
        self.all.insert(guest.uuid, guest);
    }

    /// Those that changed since this was called before; some may be gone.
    pub(super) fn take_changed(&mut self) -> BTreeSet<ServerUuid> {
        std::mem::take(&mut self.changed)
    }

    /// Gives back what was taken, and could not be kept.
    pub(super) fn give_back(&mut self, changed: BTreeSet<ServerUuid>) {
        self.changed.extend(changed);
    }
}

/// The hosts that have a definition of it.
fn definitions(guest: &GuestSpec) -> BTreeSet<HostName> {
    let left = guest.left_on.iter().cloned();
    left.chain([guest.host.clone()]).collect()
}
