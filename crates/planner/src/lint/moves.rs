//! Each move by itself, and the room that all of them leave each other.

use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;

use super::{Linter, Move, Rule};
use crate::plan::{Fallback, OperationKind};
use crate::table::HostNo;

impl Linter<'_> {
    pub(super) fn check_moves(&mut self) {
        for at in 0..self.moves.len() {
            let Some(it) = self.moves.get(at).cloned() else {
                continue;
            };
            if let Some(text) = self.breaks_path(at, &it) {
                self.find_of(Rule::Path, at, text);
            }
            for text in self.unfit(&it) {
                self.find_of(Rule::Fits, at, text);
            }
        }
    }

    fn breaks_path(&self, at: usize, it: &Move) -> Option<&'static str> {
        let path = self.of_server.get(&it.server)?;
        let place = path.iter().position(|other| *other == at)?;
        let before = place.checked_sub(1).and_then(|place| path.get(place));
        let before = before.and_then(|before| self.moves.get(*before));
        let from = before.map_or(self.fleet.host_of(it.server), |it| it.destination);
        if from != it.source {
            return Some("it begins where the server is not");
        }
        let after = &self.plan.operations[it.id].after;
        if before.is_some_and(|before| !after.contains(&before.id)) {
            return Some("it does not wait for the server's move before");
        }
        (it.source == it.destination).then_some("it leads nowhere")
    }

    /// What the destination lacks but for room.
    fn unfit(&self, it: &Move) -> Vec<&'static str> {
        let server = &self.fleet.servers()[it.server];
        let (need, to) = (&server.need, &self.fleet.hosts()[it.destination]);
        let from = &self.fleet.hosts()[it.source];
        let kind = self.plan.operations[it.id].kind;
        let slowest = [from.link, to.link]
            .map(|link| link.bytes_per_second.min(link.stream_bytes_per_second) as f64);
        let slowest = slowest[0].min(slowest[1]);
        let dirty = server.dirty_bytes_per_second;
        let dirty = dirty.unwrap_or(crate::fleet::UNMEASURED_DIRTY_BYTES_PER_SECOND) as f64;
        // Small enough to be sent in the pause alone, whatever it dirties.
        let small = server.memory_bytes as f64 <= slowest * 0.3;
        let cold_instead = self.options.fallback == Fallback::Cold;
        let checks = [
            (to.host.enabled, "its destination is disabled"),
            (to.host.up, "its destination is down"),
            (to.managed && from.managed, "a host of it is not managed"),
            (
                to.host.hypervisor_type == need.hypervisor_type,
                "the hypervisor is another one",
            ),
            (
                to.host.hypervisor_version >= need.hypervisor_version,
                "the hypervisor is older",
            ),
            (to.host.arch == need.arch, "the processors are others"),
            (
                need.block_migration != BlockMigration::No || need.pools.is_subset(&to.host.pools),
                "the destination does not reach its disks",
            ),
            (
                server.moving_to.is_none(),
                "the server is in a move already",
            ),
            (
                (kind == OperationKind::Evacuate) != from.host.up,
                "servers are evacuated from dead hosts, and moved from others",
            ),
            (
                from.host.up || from.fenced,
                "the source may still execute it",
            ),
            (
                kind != OperationKind::Live || server.running,
                "a server that is off cannot move live",
            ),
            (
                kind != OperationKind::Live || dirty < slowest || small,
                "the server dirties more than its stream carries",
            ),
            (
                kind != OperationKind::Cold || !server.running || cold_instead,
                "nobody allowed that the server is stopped",
            ),
        ];
        let broken = checks.into_iter().filter(|(holds, _)| !holds);
        broken.map(|(_, text)| text).collect()
    }

    pub(super) fn check_room(&mut self) {
        for host in self.fleet.hosts().numbers() {
            let mut arrivals = self.arrivals[host].clone();
            let gone_of = |at: &usize| self.moves.get(*at).map_or(0, |it| it.gone.len());
            arrivals.sort_by_key(|at| (gone_of(at), *at));
            let mut arrived = Resources::default();
            let mut before: &[_] = &[];
            let mut broken = Vec::new();
            let mut gone = Resources::default();
            for at in arrivals {
                let Some(it) = self.moves.get(at) else {
                    continue;
                };
                if before.iter().any(|id| it.gone.binary_search(id).is_err()) {
                    broken.push((at, "what has left before it cannot be compared with others"));
                }
                for id in it
                    .gone
                    .iter()
                    .filter(|id| before.binary_search(id).is_err())
                {
                    let server = self.fleet.server_no(self.plan.operations[*id].server);
                    let room = server.map(|server| self.room(server, host));
                    gone = gone.plus(room.unwrap_or_default());
                }
                before = &it.gone;
                arrived = arrived.plus(self.room(it.server, host));
                let it = &self.fleet.hosts()[host].host;
                let free = it.capacity.less(it.used).plus(gone);
                let lacks = |arrived: i64, free: i64| arrived > 0 && arrived > free;
                if lacks(arrived.vcpus, free.vcpus) {
                    broken.push((at, "there may be too few processors"));
                }
                if lacks(arrived.memory_mb, free.memory_mb) {
                    broken.push((at, "there may be too little memory"));
                }
                if lacks(arrived.disk_gb, free.disk_gb) {
                    broken.push((at, "there may be too little room for disks"));
                }
            }
            for (at, text) in broken {
                self.find_of(Rule::Room, at, text);
            }
        }
    }

    fn room(&self, server: crate::table::ServerNo, host: HostNo) -> Resources {
        let need = &self.fleet.servers()[server].need;
        need.room_at(&self.fleet.hosts()[host].host.pools)
    }
}
