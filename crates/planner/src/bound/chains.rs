//! Who has to wait for whom.

use godwit_core::server_group::Policy;

use super::guest::{Least, PREPARE};
use super::{Bounds, Task, by};
use crate::table::HostNo;

impl Bounds<'_> {
    /// Of `all`, those that stay may leave for a while.
    pub(super) fn of_chains(&self, tasks: &[(Task, Least)], all: &[(Task, Least)]) -> f64 {
        let leaving = by(all, |task| Some(self.fleet.host_of(task.server)));
        let mut bound: f64 = 0.0;
        for (task, least) in tasks {
            let Some(host) = task.destination else {
                continue;
            };
            let others = leaving.get(&host).map_or(&[][..], Vec::as_slice);
            let before = self.waits_for(task, host, others);
            bound = bound.max(before + PREPARE + least.comes.seconds);
        }
        bound
    }

    /// When at the earliest a guest can begin to go to `host`, which others leave.
    fn waits_for(&self, task: &Task, host: HostNo, others: &[(Task, Least)]) -> f64 {
        let server = &self.fleet.servers()[task.server];
        let receiver = &self.fleet.hosts()[host].host;
        let (free, room) = (receiver.free(), server.need.room_at(&receiver.pools));
        let full = (room.vcpus > 0 && room.vcpus > free.vcpus)
            || (room.memory_mb > 0 && room.memory_mb > free.memory_mb)
            || (room.disk_gb > 0 && room.disk_gb > free.disk_gb);
        let mut ends: Vec<_> = others
            .iter()
            .map(|(_, it)| PREPARE + it.leaves.seconds)
            .collect();
        ends.sort_by(f64::total_cmp);
        let room = ends.first().copied().filter(|_| full).unwrap_or(0.0);
        room.max(self.waits_for_group(task, host, others))
    }

    fn waits_for_group(&self, task: &Task, host: HostNo, others: &[(Task, Least)]) -> f64 {
        let Some(no) = self.fleet.servers()[task.server].group else {
            return 0.0;
        };
        let group = &self.fleet.groups()[no];
        if group.policy != Policy::AntiAffinity {
            return 0.0;
        }
        let members = self.fleet.members(no).iter();
        let there = members.filter(|it| **it != task.server && self.fleet.host_of(**it) == host);
        let most = group.max_server_per_host.unwrap_or(1).max(1) as usize;
        let too_many = (there.count() + 1).saturating_sub(most);
        let of_group =
            |other: &&(Task, Least)| self.fleet.servers()[other.0.server].group == Some(no);
        let ends = others.iter().filter(of_group);
        let mut ends: Vec<_> = ends.map(|(_, it)| PREPARE + it.leaves.seconds).collect();
        ends.sort_by(f64::total_cmp);
        let last = too_many.checked_sub(1).and_then(|at| ends.get(at));
        last.copied().unwrap_or(0.0)
    }
}
