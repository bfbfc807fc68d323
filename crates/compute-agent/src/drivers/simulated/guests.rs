//! The guests, found by their uuids and by the hosts that have a definition of them.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::{HostName, ServerUuid};

use super::fleet::GuestSpec;

#[derive(Debug, Default)]
pub(super) struct Guests {
    all: BTreeMap<ServerUuid, GuestSpec>,
    /// Follows from `all`.
    on: BTreeMap<HostName, Here>,
    /// Those that changed since [`Guests::take_changed`].
    changed: BTreeSet<ServerUuid>,
}

/// What a host has a definition of.
#[derive(Debug, Default)]
struct Here {
    guests: BTreeSet<ServerUuid>,
    local_bytes: u64,
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

    /// What the disks take on `host` of those that it has a definition of.
    pub(super) fn local_bytes(&self, host: &HostName) -> u64 {
        self.on.get(host).map_or(0, |here| here.local_bytes)
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
                here.local_bytes -= guest.local_bytes();
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
            here.local_bytes += guest.local_bytes();
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
