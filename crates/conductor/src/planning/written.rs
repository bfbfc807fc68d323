//! A plan of the planner's as it is written down.

use std::collections::BTreeSet;

use godwit_core::ids::{HostName, OperationUuid, ServerUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Estimates};
use godwit_core::reason::WrittenReason;
use godwit_core::resources::Resources;
use godwit_core::run::OperationKind;
use godwit_facts::planning::{Asked, fingerprint, plan_of, returning};
use godwit_planner::fleet::Fleet;
use godwit_planner::plan::{self, Cause, Operation, Plan, PlanState, room};
use godwit_planner::table::{OperationNo, Table};
use godwit_store::{Blocked, PlanMade, PlannedOperation};
use serde_json::{Value, json};

/// How long it takes to start a guest again.
const START_SECONDS: Estimate = Estimate {
    low: 1.0,
    mid: 5.0,
    high: 30.0,
};

/// What is written of `plan`; `None`: nothing moves. Each operation gets a fresh id.
pub(super) fn written(
    fleet: &Fleet,
    target: &Target,
    asked: &Asked,
    plan: Option<Plan>,
    mut id: impl FnMut() -> OperationUuid,
) -> PlanMade {
    let sources = sources(fleet, target, plan.as_ref());
    let blocked = plan.iter().flat_map(|it| &it.blocked);
    let blocked = asked.blocked.iter().chain(blocked).map(blocked_of);
    let blocked: Vec<Blocked> = blocked.collect();
    let ready = plan.as_ref().is_none_or(|it| it.state == PlanState::Ready);
    let mut operations = plan
        .as_ref()
        .map(|plan| operations(fleet, target, plan, &mut id))
        .unwrap_or_default();
    if ready {
        let starts = asked.start.iter();
        operations.extend(starts.filter_map(|server| start(fleet, *server, id())));
    }
    let fingerprint = fingerprint(fleet, (target, &asked.options), &operations);
    let estimated = plan.as_ref().filter(|_| ready);
    PlanMade {
        sources,
        // JSON of it always is: names, and texts.
        facts: json!(fingerprint),
        fingerprint: fingerprint.digest,
        room: room(
            fleet,
            &plan_of(&operations),
            returning(target, &asked.options),
        ),
        operations,
        blocked,
        makespan: estimated.map(|it| it.makespan_seconds),
        lower_bound: estimated.map(|it| it.lower_bound_seconds),
    }
}

fn blocked_of(blocked: &plan::Blocked) -> Blocked {
    Blocked {
        server: blocked.server,
        reasons: blocked.reasons.iter().map(WrittenReason::from).collect(),
    }
}

/// The hosts that servers are to leave; those of a rolling maintenance in the order of their turns.
fn sources(fleet: &Fleet, target: &Target, plan: Option<&Plan>) -> Vec<String> {
    let of_servers = |servers: &[ServerUuid]| -> Vec<String> {
        let numbers = servers.iter().filter_map(|it| fleet.server_no(*it));
        let hosts = numbers.map(|no| &fleet.servers()[no].need.source);
        let hosts: BTreeSet<&HostName> = hosts.collect();
        hosts.into_iter().map(ToString::to_string).collect()
    };
    match target {
        Target::Server(server, _) => of_servers(&[*server]),
        Target::Servers(servers) => of_servers(servers),
        Target::Host(host) | Target::Maintenance(host) => vec![host.to_string()],
        Target::Rolling { hosts, .. } => {
            let turns = plan.and_then(|plan| plan.rolling.as_ref());
            let hosts = turns.map_or(hosts, |turns| &turns.hosts);
            hosts.iter().map(ToString::to_string).collect()
        }
        Target::Pool { pool, .. } => vec![pool.clone()],
        Target::ReturnHome(_) => {
            let moved = plan.iter().flat_map(|plan| plan.operations.rows());
            let hosts: BTreeSet<&HostName> = moved.map(|it| &it.source).collect();
            hosts.into_iter().map(ToString::to_string).collect()
        }
    }
}

/// Guests that are shut down for a host of a rolling maintenance are started again when that is
/// done, by the maintenance of the host, and not by the run.
fn is_of_run(target: &Target, operation: &Operation) -> bool {
    let rolling = matches!(target, Target::Rolling { .. });
    !(rolling && operation.kind == OperationKind::Start)
}

fn operations(
    fleet: &Fleet,
    target: &Target,
    plan: &Plan,
    id: &mut impl FnMut() -> OperationUuid,
) -> Vec<PlannedOperation> {
    let ids: Vec<OperationUuid> = plan.operations.numbers().map(|_| id()).collect();
    let ids: Table<OperationNo, OperationUuid> = ids.into();
    let left_out = plan.operations.rows().iter();
    let left_out = left_out.filter(|it| !is_of_run(target, it)).map(|it| it.id);
    let left_out: BTreeSet<OperationNo> = left_out.collect();
    let kept = plan.operations.rows().iter();
    let kept = kept.filter(|it| !left_out.contains(&it.id));
    let operations = kept.map(|it| PlannedOperation {
        id: ids[it.id],
        kind: it.kind,
        server: it.server,
        source: it.source.to_string(),
        destination: it.destination.as_ref().unwrap_or(&it.source).to_string(),
        after: (it.after.iter())
            .filter(|no| !left_out.contains(no))
            .map(|no| ids[*no])
            .collect(),
        after_done: it.after_done.clone(),
        because: it
            .because
            .iter()
            .map(|cause| because(cause, &ids))
            .collect(),
        estimates: it.estimates,
        size: size(
            fleet,
            it.server,
            it.destination.as_ref().unwrap_or(&it.source),
        ),
    });
    operations.collect()
}

/// What a server takes of a host.
fn size(fleet: &Fleet, server: ServerUuid, host: &HostName) -> Resources {
    let known = fleet.server_no(server).zip(fleet.host_no(host));
    known.map_or_else(Resources::default, |(server, host)| {
        let pools = &fleet.hosts()[host].host.pools;
        fleet.servers()[server].need.room_at(pools)
    })
}

/// A server that was shut down for a maintenance is started again where it is.
fn start(fleet: &Fleet, server: ServerUuid, id: OperationUuid) -> Option<PlannedOperation> {
    let host = &fleet.servers()[fleet.server_no(server)?].need.source;
    Some(PlannedOperation {
        id,
        kind: OperationKind::Start,
        server,
        source: host.to_string(),
        destination: host.to_string(),
        after: Vec::new(),
        after_done: None,
        because: json!([Cause::ReturnsHome]),
        estimates: Estimates {
            seconds: START_SECONDS,
            ..Estimates::default()
        },
        size: size(fleet, server, host),
    })
}

/// Why an operation is there, with the ids of operations in place of their numbers.
fn because(cause: &Cause, ids: &Table<OperationNo, OperationUuid>) -> Value {
    let named = |numbers: &[OperationNo]| -> Vec<OperationUuid> {
        numbers.iter().map(|no| ids[*no]).collect()
    };
    match cause {
        Cause::RoomIsFreed { by } => json!({"code": "room_is_freed", "by": named(by)}),
        Cause::Constraint { after } => json!({"code": "constraint", "after": named(after)}),
        Cause::Asked
        | Cause::HostIsEmptied
        | Cause::ReturnsHome
        | Cause::MakesWay
        | Cause::NoDoneHostFits => json!(cause),
    }
}

#[cfg(test)]
mod tests;
