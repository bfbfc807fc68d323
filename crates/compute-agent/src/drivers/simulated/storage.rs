//! Where disks lie, and what they take there.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_rpc::domain::Disk;
use godwit_rpc::facts::Pool;

use super::fleet::{GuestSpec, HostSpec, PoolSpec};
use super::world::World;

/// The size of a pool of which nothing is known: large.
const POOL_BYTES: u64 = 100 << 40;

impl World {
    /// A pool as `host` reports it.
    pub(super) fn pool(&self, host: &HostSpec, name: &str) -> Pool {
        let spec = self.pools.get(name);
        let capacity_bytes = match spec {
            Some(spec) if !spec.shared => spec.capacity_bytes.unwrap_or(host.disk_bytes),
            Some(_) | None => spec.and_then(|it| it.capacity_bytes).unwrap_or(POOL_BYTES),
        };
        let taken = match spec {
            None => 0,
            Some(spec) if spec.shared => spec.taken_bytes + self.guests.bytes_in(name),
            Some(spec) => {
                let here = self.guests.bytes_on(&host.name, |pool| pool == Some(name));
                spec.taken_bytes + here
            }
        };
        Pool {
            id: name.to_owned(),
            capacity_bytes,
            free_bytes: capacity_bytes.saturating_sub(taken),
            kind: spec.and_then(|spec| spec.kind.clone()),
            local: self.is_local(Some(name)),
        }
    }

    /// What guests take of the host's own disks, and those that come to it will.
    pub(super) fn local_bytes(&self, host: &HostName) -> u64 {
        let coming = self.incoming.iter().filter(|((at, _), _)| at == host);
        let coming: u64 = coming.map(|(_, incoming)| incoming.copied_bytes).sum();
        self.guests.bytes_on(host, |pool| self.is_local(pool)) + coming
    }

    /// What has to be copied of a guest that goes to `destination`.
    pub(super) fn bytes_to_copy(&self, guest: &GuestSpec, destination: &HostName) -> u64 {
        let disks = guest.disks.iter().filter(|disk| !disk.read_only);
        disks
            .filter(|disk| !self.stays(disk, destination))
            .map(|disk| disk.allocated_bytes)
            .sum()
    }

    /// Writes down where the disks of a guest lie now that they were copied to `destination`.
    pub(super) fn rehouse(&mut self, server: ServerUuid, destination: &HostName) {
        let Some(guest) = self.guests.get(server) else {
            return;
        };
        let own = self.hosts.get(destination).and_then(|host| {
            let pools = host.spec.pools.iter();
            pools
                .clone()
                .find(|pool| self.is_local(Some(pool)))
                .cloned()
        });
        let mut disks = guest.disks.clone();
        for disk in disks.iter_mut().filter(|disk| !disk.read_only) {
            if !self.stays(disk, destination) {
                disk.pool.clone_from(&own);
            }
        }
        self.change(server, |guest| guest.disks = disks);
    }

    /// Is it the same disk when it is looked at from `host`?
    fn stays(&self, disk: &Disk, host: &HostName) -> bool {
        let spec = self.hosts.get(host).map(|host| &host.spec);
        let reached = |pool: &String| spec.is_some_and(|spec| spec.pools.contains(pool));
        !self.is_local(disk.pool.as_deref()) && disk.pool.as_ref().is_some_and(reached)
    }

    /// Does each host have its own of what is called so?
    pub(super) fn is_local(&self, pool: Option<&str>) -> bool {
        let known = |pool| self.pools.get(pool).is_some_and(|it: &PoolSpec| !it.shared);
        pool.is_none_or(known)
    }
}
