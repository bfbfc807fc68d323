//! From a wish to a plan.

use std::collections::{HashMap, HashSet};

use super::{Blocked, Estimate, Estimates, Operation, Options, Plan, PlanState, Rolling, Wish};
use super::{OperationKind, WishError};
use crate::bound::{self, Task};
use crate::build::{self, Built};
use crate::fleet::Fleet;
use crate::simulate::{Conditions, Course, Outcome, Policy, simulate};
use crate::table::{OperationNo, Table};

/// What makes an estimate low, and what high: a guest that dirties half as much, or twice as
/// much while links carry 70 % of what is said. Nothing is guessed beyond that.
const LOW_DIRTY: f64 = 0.5;
const HIGH_DIRTY: f64 = 2.0;
const HIGH_LINK: f64 = 0.7;
/// Of a guest that would never end under the high estimate, this many times the middle one.
const NEVER_ENDS: f64 = 10.0;

/// # Errors
///
/// What is wrong with the wish. Whatever is wrong with the fleet is in the plan.
pub fn make(fleet: &Fleet, wish: &Wish, options: &Options) -> Result<Plan, WishError> {
    wish.check(fleet, options)?;
    let built = build::build(fleet, wish, options);
    let mut plan = write_down(fleet, wish, options, &built);
    if plan.state == PlanState::Aborted {
        return Ok(plan);
    }
    plan.lower_bound_seconds = bound(fleet, wish, &built);
    estimate(fleet, &mut plan);
    Ok(plan)
}

fn write_down(fleet: &Fleet, wish: &Wish, options: &Options, built: &Built) -> Plan {
    let name = |host| fleet.hosts()[host].host.name.clone();
    let blocked = built.blocked.iter().map(|(server, reasons)| Blocked {
        server: fleet.servers()[*server].need.server,
        reasons: reasons.clone(),
    });
    let blocked: Vec<_> = blocked.collect();
    let whole = blocked.is_empty() || options.allow_partial;
    let state = if whole {
        PlanState::Ready
    } else {
        PlanState::Aborted
    };
    let drafts = built.drafts.iter().filter(|_| whole);
    let operations = drafts.map(|(id, draft)| Operation {
        id,
        kind: draft.kind,
        server: fleet.servers()[draft.server].need.server,
        source: name(draft.source),
        destination: draft.destination.map(name),
        after: draft.after.clone(),
        after_done: draft.after_done.map(name),
        because: draft.because.clone(),
        estimates: Estimates::default(),
    });
    let operations: Vec<_> = operations.collect();
    let rolling = match wish {
        Wish::Rolling {
            max_unavailable, ..
        } => Some(Rolling {
            hosts: built.rolling.iter().map(|host| name(*host)).collect(),
            max_unavailable: *max_unavailable,
        }),
        Wish::Servers { .. } | Wish::Host { .. } | Wish::ReturnHome { .. } => None,
    };
    Plan {
        state,
        operations: operations.into(),
        blocked,
        rolling,
        constraints: options.constraints.clone(),
        makespan_seconds: Estimate::default(),
        lower_bound_seconds: 0.0,
    }
}

/// Of every server that moves: where from, and where to if there is only one such host.
fn bound(fleet: &Fleet, wish: &Wish, built: &Built) -> f64 {
    let named: HashMap<_, _> = match wish {
        Wish::Servers {
            servers,
            destination: Some(destination),
        } => servers.iter().map(|it| (*it, destination)).collect(),
        Wish::ReturnHome { homes } => homes.iter().map(|(it, home)| (*it, home)).collect(),
        Wish::Servers { .. } | Wish::Host { .. } | Wish::Rolling { .. } => [].into(),
    };
    let mut seen = HashSet::new();
    let stays: HashSet<_> = built.blocked.iter().map(|(it, _)| *it).collect();
    let moves = built.drafts.iter().filter(|(_, draft)| {
        draft.destination.is_some() && !stays.contains(&draft.server) && seen.insert(draft.server)
    });
    let tasks = moves.map(|(_, draft)| {
        let id = fleet.servers()[draft.server].need.server;
        Task {
            server: draft.server,
            live: draft.kind == OperationKind::Live,
            rebuilt: draft.kind == OperationKind::Evacuate,
            destination: named.get(&id).and_then(|home| fleet.host_no(home)),
        }
    });
    let mut tasks: Vec<_> = tasks.collect();
    let moved: HashSet<_> = tasks.iter().map(|it| it.server).collect();
    // Another plan might have these make way.
    let others = named.keys().filter_map(|id| fleet.server_no(*id));
    let others = others.filter(|it| !moved.contains(it));
    tasks.extend(others.map(|server| {
        let source = fleet.host_of(server);
        let up = fleet.hosts()[source].host.up;
        Task {
            server,
            live: up && fleet.servers()[server].running,
            rebuilt: !up,
            destination: Some(source),
        }
    }));
    match wish {
        Wish::Rolling {
            max_unavailable, ..
        } => bound::of_rolling(fleet, &tasks, *max_unavailable),
        Wish::Servers { .. } | Wish::Host { .. } | Wish::ReturnHome { .. } => {
            bound::of_moves(fleet, &tasks)
        }
    }
}

fn estimate(fleet: &Fleet, plan: &mut Plan) {
    let simulated = |dirty_factor, link_share| {
        let conditions = Conditions {
            link_share,
            dirty_factor,
            ..Conditions::default()
        };
        simulate(fleet, plan, Policy::Executed, &conditions)
    };
    let low = simulated(LOW_DIRTY, 1.0);
    let mid = simulated(1.0, 1.0);
    let high = simulated(HIGH_DIRTY, HIGH_LINK);
    let three = |of: &dyn Fn(&Outcome) -> f64| interval([of(&low), of(&mid), of(&high)]);
    plan.makespan_seconds = three(&|it| it.makespan_seconds);
    let estimates: Vec<_> = plan
        .operations
        .numbers()
        .map(|id: OperationNo| {
            let of = |of: &dyn Fn(&Course) -> f64| three(&|it| of(&it.courses[id]));
            Estimates {
                bytes: of(&|it| it.bytes),
                seconds: of(&|it| it.ended_at - it.began_at),
                downtime_seconds: of(&|it| it.downtime_seconds),
            }
        })
        .collect();
    let mut operations = std::mem::take(&mut plan.operations).into_rows();
    for (operation, estimates) in operations.iter_mut().zip(estimates) {
        operation.estimates = estimates;
    }
    plan.operations = Table::from(operations);
}

/// The three in order: with other rates others may go first, so that one may go faster in a
/// fleet where all go more slowly.
fn interval([low, mid, high]: [f64; 3]) -> Estimate {
    let high = if high.is_finite() {
        high
    } else {
        mid * NEVER_ENDS
    };
    Estimate {
        low: low.min(mid),
        mid,
        high: high.max(mid),
    }
}

#[cfg(test)]
mod tests;
