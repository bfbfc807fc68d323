//! Who may come to a host at some moment.

use godwit_core::resources::Resources;
use godwit_core::server_group::Policy;

use super::{Doing, Mover, Search, State};
use crate::table::{HostNo, ServerNo};

impl Search<'_> {
    /// Everybody who is there, or may be.
    fn there(&self, state: &State, host: HostNo) -> Vec<usize> {
        let all = 0..self.movers.len();
        let here = |no: &usize| {
            let coming = match state.doing.get(*no) {
                Some(Doing::Prepares { to, .. } | Doing::Sends { to, .. }) => *to == host,
                Some(Doing::Rests) | None => false,
            };
            coming || state.at.get(*no) == Some(&host)
        };
        all.filter(here).collect()
    }

    fn room(&self, no: usize, host: HostNo) -> Resources {
        let pools = &self.fleet.hosts()[host].host.pools;
        let mover = self.movers.get(no);
        mover.map_or_else(Resources::default, |it| {
            self.fleet.servers()[it.server].need.room_at(pools)
        })
    }

    pub(super) fn has_room(&self, state: &State, no: usize, host: HostNo) -> bool {
        let row = &self.fleet.hosts()[host].host;
        let others = (0..self.movers.len()).filter(|it| {
            let mover = self.movers.get(*it);
            mover.is_some_and(|it| self.fleet.host_of(it.server) == host)
        });
        let fixed = others.fold(row.used, |used, it| used.less(self.room(it, host)));
        let there = self.there(state, host).into_iter();
        let used = there.fold(fixed, |used, it| used.plus(self.room(it, host)));
        let (free, needs) = (row.capacity.less(used), self.room(no, host));
        needs.vcpus <= free.vcpus
            && needs.memory_mb <= free.memory_mb
            && needs.disk_gb <= free.disk_gb
    }

    pub(super) fn keeps_apart(&self, state: &State, no: usize, host: HostNo) -> bool {
        let group = |no: &usize| {
            let mover = self.movers.get(*no)?;
            self.fleet.servers()[mover.server].group
        };
        let Some(mine) = group(&no) else {
            return true;
        };
        let row = &self.fleet.groups()[mine];
        let moving = |it: &ServerNo| self.movers.iter().any(|mover| mover.server == *it);
        let fixed = self.fleet.members(mine).iter();
        let fixed = fixed.filter(|it| !moving(it) && self.fleet.host_of(**it) == host);
        let there = self.there(state, host);
        let there = there.iter().filter(|it| group(it) == Some(mine)).count() + fixed.count();
        row.policy != Policy::AntiAffinity || there < row.max_server_per_host.unwrap_or(1) as usize
    }

    /// Could all that are still to move begin at once, wherever they go?
    pub(super) fn roomy(&self, state: &State) -> bool {
        let hosts = self.fleet.hosts().numbers();
        let grouped = |it: &Mover| self.fleet.servers()[it.server].group.is_some();
        !self
            .movers
            .iter()
            .any(|it| grouped(it) || it.home.is_some())
            && hosts.into_iter().all(|host| {
                let row = &self.fleet.hosts()[host].host;
                let all = (0..self.movers.len()).fold(Resources::default(), |sum, no| {
                    sum.plus(self.room(no, host))
                });
                let source = state.at.iter().all(|at| *at == host);
                let free = row.free();
                source || (all.vcpus <= free.vcpus && all.memory_mb <= free.memory_mb)
            })
    }
}
