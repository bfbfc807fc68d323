//! `POST /plans/{id}/runs`: a plan is carried out, if nothing has changed that matters to it.

use std::collections::BTreeMap;

use godwit_core::host::maintenance::Holder;
use godwit_core::ids::{HostName, PlanUuid, RunUuid, ServerUuid};
use godwit_core::plan::NotRunnable;
use godwit_core::plan::request::Target;
use godwit_core::run::OperationKind;
use godwit_store::{
    ChangeNote, FreshIds, NewRun, PlanDetail, PlanRecord, PlanRunError, PlannedOperation,
};
use serde_json::{Value, json};

use super::{accepted, no_such_run};
use crate::relocation::call::Call;
use crate::relocation::plans::{find_own, no_fields, no_such_plan, version};
use crate::relocation::problem::{Code, Problem, sentence};
use crate::relocation::routes::Answer;
use crate::relocation::views::difference::{DifferenceView, Moved};
use crate::relocation::{etag, rules};

/// 202 with the run, which waits for room from now on.
pub async fn create(call: &Call) -> Answer {
    no_fields(call)?;
    let detail = find_own(call, rules::RUNS_CREATE).await?;
    etag::check(&call.headers, &version(&detail))?;
    let (state, plan) = (&call.state, &detail.record);
    let differences = differences(call, &detail).await?;
    let new = new_run(call, plan);
    let note = ChangeNote::requested(&call.note());
    let begun = state
        .store
        .plan_run(plan.uuid, new, differences, note)
        .await;
    let run = begun.map_err(|error| match error {
        PlanRunError::NotFound => no_such_plan(),
        PlanRunError::NotRunnable(why) => not_runnable(call, plan, why),
        PlanRunError::NotYet => not_yet(),
        PlanRunError::Store(error) => error.into(),
    })?;
    (state.wake)();
    let found = state.store.run_find(run.uuid, None).await?;
    accepted(call, &found.ok_or_else(no_such_run)?).await
}

/// The host that enters maintenance is held in the same moment.
fn new_run(call: &Call, plan: &PlanRecord) -> NewRun {
    let host = match &plan.target {
        Target::Maintenance(host) => Some(host.clone()),
        Target::Server(..)
        | Target::Servers(_)
        | Target::Host(_)
        | Target::Rolling { .. }
        | Target::Pool { .. }
        | Target::ReturnHome(_) => None,
    };
    let options = &plan.options;
    let user = call.caller.user_id().unwrap_or_default();
    let hold = host.is_some().then(|| Holder {
        holder: options.holder.clone().unwrap_or_else(|| user.to_owned()),
        reason: options.reason.clone(),
        by: user.to_owned(),
        since: call.state.clock.now(),
        deadline: options.deadline,
        immovable: options.immovable,
        return_home: options.return_home,
    });
    NewRun {
        uuid: RunUuid(call.state.ids.uuid()),
        host,
        hold: hold.map(|holder| (holder, fresh(call))),
    }
}

/// Ids for a run that may have to be made.
pub(in crate::relocation) fn fresh(call: &Call) -> FreshIds {
    FreshIds {
        plan: PlanUuid(call.state.ids.uuid()),
        run: RunUuid(call.state.ids.uuid()),
    }
}

pub(in crate::relocation) fn not_yet() -> Problem {
    let detail = "No host is held before the upgrade has ended. Try again later.";
    Problem::new(Code::Unavailable, detail)
}

fn not_runnable(call: &Call, plan: &PlanRecord, why: NotRunnable<Moved>) -> Problem {
    let (sees, owner) = (call.sees(), plan.by.project.as_deref());
    let Ok(code) = why.code().parse::<Code>() else {
        return Problem::internal(format_args!("{} is no problem's code", why.code()));
    };
    let problem = Problem::new(code, sentence(&why.to_string()));
    match why {
        NotRunnable::Stale(differences) => {
            let views = differences.iter();
            let views = views.map(|it| json!(DifferenceView::new(it, owner, sees)));
            problem.with_differences(views.collect::<Vec<Value>>())
        }
        NotRunnable::NotReady(_) | NotRunnable::AlreadyRun | NotRunnable::Expired => problem,
    }
}

/// Servers that are no longer where the plan takes them from. Everything else that may have changed
/// is checked where each operation begins.
async fn differences(call: &Call, detail: &PlanDetail) -> Result<Vec<Moved>, Problem> {
    let taken_from = taken_from(&detail.operations);
    let servers = taken_from.keys().copied();
    let places = call.state.store.server_places(servers).await?;
    let mut moved = Vec::new();
    for (server, was) in taken_from {
        let place = places.get(&server).filter(|it| !it.is_deleted);
        let is = place.and_then(|it| it.host.clone());
        if is.as_ref() != Some(&was) {
            moved.push(Moved { server, was, is });
        }
    }
    Ok(moved)
}

/// Where the first move of each server takes it from.
fn taken_from(operations: &[PlannedOperation]) -> BTreeMap<ServerUuid, HostName> {
    let mut taken_from = BTreeMap::new();
    for operation in operations {
        let host = match operation.kind {
            OperationKind::Storage => None,
            OperationKind::Live
            | OperationKind::Cold
            | OperationKind::Evacuate
            | OperationKind::Shutdown
            | OperationKind::Start => HostName::new(operation.source.as_str()).ok(),
        };
        if let Some(host) = host {
            taken_from.entry(operation.server).or_insert(host);
        }
    }
    taken_from
}
