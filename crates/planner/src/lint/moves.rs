//! Each move by itself.

use godwit_core::host::hypervisor::moves_live;
use godwit_core::migration::BlockMigration;

use super::{Linter, Move, Rule};
use crate::fleet::dirty_rate;
use crate::plan::{Fallback, OperationKind};

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
        let dirty = dirty_rate(server.dirty_bytes_per_second, slowest);
        // Small enough to be sent in the pause alone, whatever it dirties.
        let small = server.memory_bytes as f64 <= slowest * 0.3;
        let cold_instead = self.options.fallback == Fallback::Cold;
        let checks = [
            (to.host.is_enabled(), "its destination is disabled"),
            (to.host.up, "its destination is down"),
            (
                to.host.agent_too_old.is_none(),
                "its destination's agent is too old",
            ),
            (
                from.host.topology.cluster.is_none()
                    || to.host.topology.cluster.is_none()
                    || from.host.topology.cluster == to.host.topology.cluster,
                "its destination is in another cluster",
            ),
            (
                to.host.unmanaged.is_none() && from.host.unmanaged.is_none(),
                "a host of it is not managed",
            ),
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
                need.cpu_features.is_subset(&to.host.cpu_features),
                "the processors lack features",
            ),
            (
                need.block_migration != BlockMigration::No || need.pools.is_subset(&to.host.pools),
                "the destination does not reach its disks",
            ),
            (
                need.block_migration != BlockMigration::No || !need.local_disks,
                "its disks are on the source alone",
            ),
            (
                kind != OperationKind::Live || moves_live(&to.host.hypervisor_type),
                "its hypervisor moves nothing that runs",
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
}
