//! What a plan needs of each host at the same time.

use std::collections::BTreeMap;

use godwit_core::ids::HostName;
use godwit_core::resources::Resources;

use super::{Operation, Plan};
use crate::fleet::Fleet;
use crate::table::HostNo;

/// Of each host that servers go to the most that they take there at one moment, whatever has left by
/// then taken off: what the plan's run has to claim before it begins. Nobody else's room is in it.
///
/// `returning`: guests return to each host of a rolling maintenance that is done, of which so many are
/// unavailable at a time. Then nothing that has left a host is taken off, as it may be back; and where
/// one is done after the other, only what comes from the same host is there at the same time.
pub fn room(fleet: &Fleet, plan: &Plan, returning: Option<u32>) -> BTreeMap<HostName, Resources> {
    let mut arrivals: BTreeMap<HostNo, Vec<&Operation>> = BTreeMap::new();
    let mut leave: BTreeMap<HostNo, Resources> = BTreeMap::new();
    for operation in plan.operations.rows() {
        let destination = operation.destination.as_ref();
        let Some(destination) = destination.and_then(|host| fleet.host_no(host)) else {
            continue;
        };
        arrivals.entry(destination).or_default().push(operation);
        if let Some(source) = fleet.host_no(&operation.source) {
            let leaves = leave.entry(source).or_default();
            *leaves = leaves.plus(taken(fleet, operation, source));
        }
    }
    let peaks = arrivals.into_iter().map(|(host, arrivals)| {
        let leaves = leave.get(&host).copied().unwrap_or_default();
        let name = fleet.hosts()[host].host.name.clone();
        let peak = match returning {
            None => peak(fleet, plan, (host, &arrivals), leaves),
            Some(at_a_time) => peak_of_returning(fleet, (host, &arrivals), at_a_time),
        };
        (name, peak)
    });
    peaks.collect()
}

/// What the server of an operation takes of a host.
fn taken(fleet: &Fleet, operation: &Operation, host: HostNo) -> Resources {
    let server = fleet.server_no(operation.server);
    server.map_or_else(Resources::default, |server| {
        let pools = &fleet.hosts()[host].host.pools;
        fleet.servers()[server].need.room_at(pools)
    })
}

fn peak_of_returning(
    fleet: &Fleet,
    (host, arrivals): (HostNo, &[&Operation]),
    at_a_time: u32,
) -> Resources {
    let mut together: BTreeMap<Option<&HostName>, Resources> = BTreeMap::new();
    for operation in arrivals {
        let source = (at_a_time == 1).then_some(&operation.source);
        let all = together.entry(source).or_default();
        *all = all.plus(taken(fleet, operation, host));
    }
    let all = together.into_values();
    all.fold(Resources::default(), Resources::most)
}

fn peak(
    fleet: &Fleet,
    plan: &Plan,
    (host, arrivals): (HostNo, &[&Operation]),
    leaves: Resources,
) -> Resources {
    let name = &fleet.hosts()[host].host.name;
    let (mut peak, mut arrived) = (Resources::default(), Resources::default());
    for operation in arrivals {
        arrived = arrived.plus(taken(fleet, operation, host));
        let gone = if operation.after_done.is_some() {
            leaves
        } else {
            let after = operation.after.iter().map(|id| &plan.operations[*id]);
            let left = after.filter(|it| it.source == *name && it.destination.is_some());
            left.map(|it| taken(fleet, it, host))
                .fold(Resources::default(), Resources::plus)
        };
        let now = arrived.less(gone);
        peak = peak.most(now);
    }
    peak
}

#[cfg(test)]
mod tests {
    use godwit_core::ids::HostName;

    use super::*;
    use crate::generate;
    use crate::plan::{Options, Wish, make};
    use crate::table::OperationNo;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    #[test]
    fn a_drain_needs_of_all_hosts_together_what_its_servers_take() {
        let fleet = generate::fleet(7, 10, 100, generate::link(10, 10)).unwrap();
        let wish = Wish::Host {
            host: host("host-0"),
        };
        let plan = make(&fleet, &wish, &Options::default()).unwrap();
        let room = room(&fleet, &plan, None);
        let moved = plan.operations.rows().iter().map(|it| {
            let server = fleet.server_no(it.server).unwrap();
            fleet.servers()[server].need.room.memory_mb
        });
        let moved: i64 = moved.sum();
        assert!(moved > 0);
        let claimed: i64 = room.values().map(|it| it.memory_mb).sum();
        assert_eq!(claimed, moved);
        assert!(!room.contains_key(&host("host-0")));
    }

    #[test]
    fn what_has_left_before_makes_room() {
        let fleet = generate::fleet(7, 10, 100, generate::link(10, 10)).unwrap();
        let on = |name| {
            fleet
                .servers_on(fleet.host_no(&host(name)).unwrap())
                .to_vec()
        };
        let (first, second) = (on("host-0")[0], on("host-1")[0]);
        let id = |no| fleet.servers()[no].need.server;
        let size = |no| fleet.servers()[no].need.room;
        let wish = Wish::ReturnHome {
            homes: vec![(id(first), host("host-1")), (id(second), host("host-0"))],
        };
        let mut plan = make(&fleet, &wish, &Options::default()).unwrap();
        let mut operations = std::mem::take(&mut plan.operations).into_rows();
        let before = operations.iter().find(|it| it.server == id(second));
        let before = before.unwrap().id;
        let mut waits_for = |after: Vec<OperationNo>| {
            let arrives = operations.iter_mut().find(|it| it.server == id(first));
            arrives.unwrap().after = after;
            plan.operations = operations.clone().into();
            room(&fleet, &plan, None)[&host("host-1")]
        };
        assert_eq!(waits_for(Vec::new()), size(first));
        let needed = waits_for(vec![before]).memory_mb;
        let (first, second) = (size(first), size(second));
        assert_eq!(needed, (first.memory_mb - second.memory_mb).max(0));
    }
}
