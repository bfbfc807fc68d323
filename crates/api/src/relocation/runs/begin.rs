//! `POST /plans/{id}/runs`: a plan is carried out, if nothing has changed that matters to it.

use godwit_core::host::maintenance::Holder;
use godwit_core::ids::{PlanUuid, RunUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{NotRunnable, PlanState};
use godwit_facts::planning::{differences, scope_of_plan};
use godwit_planner::fingerprint::Difference;
use godwit_store::{
    ChangeNote, FreshIds, NewRun, PlanDetail, PlanRecord, PlanRunError, StoreError,
};
use serde_json::{Value, json};

use super::{accepted, no_such_run};
use crate::relocation::call::Call;
use crate::relocation::plans::{find_own, no_fields, no_such_plan, version};
use crate::relocation::problem::{Code, Problem, sentence};
use crate::relocation::routes::Answer;
use crate::relocation::views::difference::DifferenceView;
use crate::relocation::{etag, rules};

/// 202 with the run, which waits for room from now on.
pub async fn create(call: &Call) -> Answer {
    no_fields(call)?;
    let detail = find_own(call, rules::RUNS_CREATE).await?;
    etag::check(&call.headers, &version(&detail))?;
    let PlanDetail {
        record: plan,
        operations,
        ..
    } = detail;
    // What it consists of was read with it, so it counts as it was then.
    if plan.plan.state == PlanState::Initializing {
        return Err(not_runnable(
            call,
            &plan,
            NotRunnable::NotReady(PlanState::Initializing),
        ));
    }
    let state = &call.state;
    let new = new_run(call, &plan);
    let note = ChangeNote::requested(&call.note());
    let scope = scope_of_plan(&plan.target, &operations);
    let basis = call.basis();
    let compare = move |plan: &PlanRecord, inventory| {
        differences(plan, &operations, inventory, basis)
            .map_err(|error| StoreError::Corrupt(error.into()))
    };
    let begun = state
        .store
        .plan_run_compared(plan.uuid, new, scope, compare, note)
        .await;
    let run = begun.map_err(|error| match error {
        PlanRunError::NotFound => no_such_plan(),
        PlanRunError::NotRunnable(why) => not_runnable(call, &plan, why),
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

fn not_runnable(call: &Call, plan: &PlanRecord, why: NotRunnable<Difference>) -> Problem {
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
