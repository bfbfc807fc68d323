//! A plan that was made, held against the inventory as it is now.

use std::collections::{BTreeSet, HashMap};

use godwit_core::ids::{HostName, OperationUuid};
use godwit_core::plan::Options;
use godwit_core::plan::options::ReturnHome;
use godwit_core::plan::request::Target;
use godwit_core::run::OperationKind;
use godwit_planner::fingerprint::{Difference, Fingerprint};
use godwit_planner::fleet::Fleet;
use godwit_planner::plan::{Estimate, Operation, Plan, PlanState, Wish};
use godwit_planner::table::{Number, OperationNo};
use godwit_store::{InventoryScope, PlanInventory, PlanRecord, PlannedOperation};

use super::fleet::planning;
use crate::Basis;

/// The plan that these operations are, as far as it is compared.
pub fn plan_of(operations: &[PlannedOperation]) -> Plan {
    let numbers = operations.iter().enumerate();
    let numbers: HashMap<OperationUuid, OperationNo> = numbers
        .map(|(at, it)| (it.id, OperationNo::new(at)))
        .collect();
    let host = |name: &str| HostName::new(name).ok();
    let operations = operations.iter().filter_map(|it| {
        let moves = match it.kind {
            OperationKind::Live | OperationKind::Cold | OperationKind::Evacuate => true,
            OperationKind::Shutdown | OperationKind::Start | OperationKind::Storage => false,
        };
        Some(Operation {
            id: *numbers.get(&it.id)?,
            kind: it.kind,
            server: it.server,
            source: host(&it.source)?,
            destination: host(&it.destination).filter(|_| moves),
            after: it
                .after
                .iter()
                .filter_map(|id| numbers.get(id).copied())
                .collect(),
            after_done: it.after_done.clone(),
            because: Vec::new(),
            estimates: it.estimates,
        })
    });
    let operations: Vec<Operation> = operations.collect();
    Plan {
        state: PlanState::Ready,
        operations: operations.into(),
        blocked: Vec::new(),
        rolling: None,
        constraints: Vec::new(),
        makespan_seconds: Estimate::default(),
        lower_bound_seconds: 0.0,
    }
}

/// What matters to a plan, as it is in `fleet`: the same whether the plan is just made or was read.
pub fn fingerprint(
    fleet: &Fleet,
    (target, options): (&Target, &Options),
    operations: &[PlannedOperation],
) -> Fingerprint {
    let returning = returning(target, options);
    Fingerprint::of(fleet, &emptied(target), &plan_of(operations), returning)
}

/// Of a rolling maintenance whose guests return to each host that is done: how many are unavailable at a
/// time.
pub fn returning(target: &Target, options: &Options) -> Option<u32> {
    match target {
        Target::Rolling {
            max_unavailable, ..
        } => (options.return_home != ReturnHome::Never).then_some(*max_unavailable),
        Target::Server(..)
        | Target::Servers(_)
        | Target::Host(_)
        | Target::Maintenance(_)
        | Target::Pool { .. }
        | Target::ReturnHome(_) => None,
    }
}

/// Only whether whole hosts are to be emptied matters to a fingerprint.
fn emptied(target: &Target) -> Wish {
    match target {
        Target::Host(host) | Target::Maintenance(host) => Wish::Host { host: host.clone() },
        Target::Rolling {
            hosts,
            max_unavailable,
        } => Wish::Rolling {
            hosts: hosts.clone(),
            max_unavailable: *max_unavailable,
        },
        Target::Server(..) | Target::Servers(_) | Target::Pool { .. } | Target::ReturnHome(_) => {
            Wish::ReturnHome { homes: Vec::new() }
        }
    }
}

/// The part of the inventory that a plan is compared with: it does not grow with the fleet.
pub fn scope_of_plan(target: &Target, operations: &[PlannedOperation]) -> InventoryScope {
    let ends = operations
        .iter()
        .flat_map(|it| [&it.source, &it.destination]);
    let hosts: BTreeSet<HostName> = ends
        .filter_map(|it| HostName::new(it.as_str()).ok())
        .collect();
    InventoryScope {
        servers: operations.iter().map(|it| it.server).collect(),
        emptied: target.emptied().iter().cloned().collect(),
        hosts: Some(hosts),
    }
}

/// How the inventory, which has the part that [`scope_of_plan`] says, has changed since the plan was
/// made, in ways that matter to it. What is proof of a host's death is for the conductor to say, when
/// it evacuates: here silence is none the less enough, since it was when the plan was made.
///
/// # Errors
/// The plan's facts, or the rows, cannot be read.
pub fn differences(
    record: &PlanRecord,
    operations: &[PlannedOperation],
    inventory: PlanInventory,
    basis: Basis,
) -> Result<Vec<Difference>, String> {
    let Some(facts) = &record.facts else {
        return Ok(Vec::new());
    };
    let was: Fingerprint = serde_json::from_value(facts.clone()).map_err(|it| it.to_string())?;
    let now = planning(inventory, basis, true).map_err(|it| it.to_string())?;
    let now = fingerprint(&now.fleet, (&record.target, &record.options), operations);
    Ok(was.differences(&now))
}
