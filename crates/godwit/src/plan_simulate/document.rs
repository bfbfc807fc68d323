//! What is printed: the fields of the API's plans, of which a file can say them, and what the
//! simulation adds.

use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, PlanKind, PlanState};
use godwit_core::reason::Reason;
use godwit_planner::plan::{Blocked, Operation, Plan};
use godwit_planner::simulate::Outcome;
use godwit_planner::table::{OperationNo, Table};
use serde::Serialize;

use super::BLOCKED;

#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) state: PlanState,
    #[serde(rename = "type")]
    pub(super) kind: PlanKind,
    pub(super) operations: Table<OperationNo, Operation>,
    pub(super) blocked: Vec<Blocked>,
    /// Why nothing can be planned at all.
    pub(super) reasons: Vec<Reason>,
    pub(super) makespan_seconds: Option<Estimate>,
    /// How long it took when it was simulated; `None`: it would never end.
    pub(super) simulated_makespan_seconds: Option<f64>,
    pub(super) lower_bound_seconds: Option<f64>,
}

impl Document {
    pub(super) fn new(target: &Target, plan: Plan, outcome: Outcome) -> Self {
        let ready = plan.state == PlanState::Ready;
        let makespan = outcome.makespan_seconds;
        Self {
            state: plan.state,
            kind: target.kind(),
            operations: plan.operations,
            blocked: plan.blocked,
            reasons: Vec::new(),
            makespan_seconds: ready.then_some(plan.makespan_seconds),
            simulated_makespan_seconds: Some(makespan).filter(|it| ready && it.is_finite()),
            lower_bound_seconds: ready.then_some(plan.lower_bound_seconds),
        }
    }

    pub(super) fn impossible(target: &Target, reasons: Vec<Reason>) -> Self {
        Self {
            state: PlanState::Aborted,
            kind: target.kind(),
            operations: Table::default(),
            blocked: Vec::new(),
            reasons,
            makespan_seconds: None,
            simulated_makespan_seconds: None,
            lower_bound_seconds: None,
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        if self.blocked.is_empty() && self.reasons.is_empty() {
            0
        } else {
            BLOCKED
        }
    }
}
