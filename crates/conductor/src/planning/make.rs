//! The effect that makes a plan.
//!
//! What cannot be planned is no failure of the effect: the plan is aborted, with reasons. Only what
//! may pass gives it back, and the plan's deadline ends that.

use std::sync::Arc;
use std::time::Instant;

use godwit_core::effect::PlanEffect;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{OperationUuid, PlanUuid};
use godwit_core::plan::PlanState;
use godwit_core::plan::request::Target;
use godwit_core::reason::{Reason, ReasonCode, WrittenReason};
use godwit_facts::planning::{Asked, Homes, Wanted, planning};
use godwit_planner::fleet::Fleet;
use godwit_planner::lint::lint;
use godwit_planner::plan::{Plan, make};
use godwit_store::{
    Actor, ChangeNote, ClaimedOfPlan, NotMade, PlanMade, PlanRecord, PlanStepError,
};
use tracing::{Span, error, info};

use super::written::written;
use crate::context::Context;
use crate::effects::{Performed, Retry};
use crate::testimony::explain;

/// What came of planning.
enum Made {
    Plan(PlanMade),
    /// It cannot be made.
    Not(NotMade),
}

pub(crate) async fn perform(ctx: &Arc<Context>, claimed: ClaimedOfPlan) -> Performed {
    let (uuid, PlanEffect::Make) = claimed.subject;
    let Some(detail) = ctx.store.plan_find(uuid, None).await? else {
        return Ok(());
    };
    let record = detail.record;
    // It was made by somebody who did not get to say so, or its time is over.
    if record.plan.state != PlanState::Initializing {
        return Ok(());
    }
    Span::current().record("request_id", record.by.request_id.as_deref());
    let begun = Instant::now();
    let made = plan(ctx, &record).await?;
    ctx.metrics.plan_took(record.kind(), begun.elapsed());
    let note = ChangeNote {
        by: record.by.clone(),
        trace: claimed.trace,
        performed: Some(claimed.lease),
        ..ChangeNote::new(Actor::Conductor, ctx.now())
    };
    write(ctx, uuid, made, note).await
}

/// Writes what came of it. Whoever was quicker, or deleted the plan, is right.
async fn write(ctx: &Arc<Context>, uuid: PlanUuid, made: Made, note: ChangeNote) -> Performed {
    let written = match made {
        Made::Plan(made) => match ctx.store.plan_made(uuid, made, note.clone()).await {
            Err(PlanStepError::Circle(circle)) => {
                error!(plan = %uuid, %circle, "a plan that was made could never be run");
                let why = fault(&circle.to_string());
                ctx.store.plan_not_made(uuid, why, note).await
            }
            written => written,
        },
        Made::Not(why) => ctx.store.plan_not_made(uuid, why, note).await,
    };
    match written {
        Ok(record) => {
            info!(
                plan = %uuid,
                state = %record.plan.state,
                blocked = record.blocked.len(),
                failure = record.plan.failure.as_ref().map(|it| it.message.as_str()),
                "a plan was made"
            );
            ctx.metrics.plan_made(&record);
            Ok(())
        }
        Err(PlanStepError::NotFound | PlanStepError::Rejected(_)) => Ok(()),
        Err(error @ (PlanStepError::Circle(_) | PlanStepError::Store(_))) => {
            Err(Retry::because(explain(&error)))
        }
    }
}

async fn plan(ctx: &Arc<Context>, record: &PlanRecord) -> Result<Made, Retry> {
    if matches!(record.target, Target::Pool { .. }) {
        let text = "Disks are not moved between pools yet.";
        return Ok(Made::Not(not_planned(text, &[])));
    }
    let homes = homes(ctx, &record.target).await?;
    let wanted = Wanted {
        target: &record.target,
        options: &record.options,
        homes: &homes,
    };
    let inventory = ctx.store.plan_inventory(wanted.scope()).await?;
    let silence_is_proof = ctx.config.evacuate_silent_hosts;
    let planning = match planning(inventory, ctx.basis(), silence_is_proof) {
        Ok(planning) => planning,
        Err(error) => {
            error!(plan = %record.uuid, %error, "the inventory contradicts itself");
            return Ok(Made::Not(fault(&error.to_string())));
        }
    };
    // Agents may have had nobody to report to.
    let wait = planning.somebody_is_missing && ctx.is_young(ctx.now());
    let asked = match wanted.ask(&planning.fleet) {
        Ok(asked) => asked,
        Err(_) if wait => return Err(waits_for_agents()),
        Err(reasons) => return Ok(Made::Not(impossible(&reasons))),
    };
    let made = compute(ctx, record, planning.fleet, asked).await?;
    match &made {
        Made::Plan(plan) if wait && !plan.blocked.is_empty() => Err(waits_for_agents()),
        Made::Plan(_) | Made::Not(_) => Ok(made),
    }
}

fn waits_for_agents() -> Retry {
    Retry::because("waiting for agents to report")
}

/// Who returns to the host of a way home, and who is started there again.
async fn homes(ctx: &Arc<Context>, target: &Target) -> Result<Homes, Retry> {
    let Target::ReturnHome(host) = target else {
        return Ok(Homes::default());
    };
    let found = ctx.store.maintenance_find(host).await?;
    Ok(found.map_or_else(Homes::default, |it| Homes {
        shut_down: it.maintenance.shut_down().collect(),
        home: it.maintenance.returning(),
    }))
}

/// Plans on a thread of its own, as it may take seconds; no more at one time than there are
/// processors to spare.
async fn compute(
    ctx: &Arc<Context>,
    record: &PlanRecord,
    fleet: Fleet,
    asked: Asked,
) -> Result<Made, Retry> {
    let permit = Arc::clone(&ctx.planners).acquire_owned().await;
    let permit = permit.map_err(|error| Retry::because(explain(&error)))?;
    let (target, ids) = (record.target.clone(), Arc::clone(&ctx.ids));
    let computed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let planned = planned(&fleet, &asked)?;
        let id = || OperationUuid(ids());
        Ok(written(&fleet, &target, &asked, planned, id))
    });
    let made: Result<PlanMade, Fault> = match computed.await {
        Ok(made) => made,
        Err(error) if error.is_panic() => Err(Fault(explain(&error))),
        Err(error) => return Err(Retry::because(explain(&error))),
    };
    Ok(match made {
        Ok(made) => Made::Plan(made),
        Err(Fault(why)) => {
            error!(plan = %record.uuid, why, "the planner failed");
            Made::Not(fault(&why))
        }
    })
}

/// The planner did what it must not.
struct Fault(String);

/// The plan, which keeps every rule; `None`: there is nothing to be planned.
fn planned(fleet: &Fleet, asked: &Asked) -> Result<Option<Plan>, Fault> {
    let Some(wish) = &asked.wish else {
        return Ok(None);
    };
    let plan = make(fleet, wish, &asked.options).map_err(|error| Fault(error.to_string()))?;
    let findings = lint(fleet, wish, &asked.options, &plan);
    match findings.first() {
        None => Ok(Some(plan)),
        Some(first) => Err(Fault(format!("{:?}: {}", first.rule, first.text))),
    }
}

/// Nobody who asks for a plan can do anything about it.
fn fault(why: &str) -> NotMade {
    let text = format!("The plan was discarded, through a fault of the planner: {why}.");
    not_planned(&text, &[])
}

fn not_planned(text: &str, reasons: &[Reason]) -> NotMade {
    NotMade {
        failure: Failure::new(FailureCode::NotPlanned, text),
        reasons: reasons.iter().map(WrittenReason::from).collect(),
    }
}

/// The hosts that it is about are gone, or silent.
fn impossible(reasons: &[Reason]) -> NotMade {
    let silent = reasons
        .iter()
        .find(|it| it.code == ReasonCode::SourceNotFenced);
    match (silent, reasons.first()) {
        (Some(silent), _) => NotMade {
            failure: Failure::new(FailureCode::SourceNotFenced, sentence(&silent.text)),
            ..not_planned("", reasons)
        },
        (None, Some(first)) => not_planned(&sentence(&first.text), reasons),
        (None, None) => not_planned("It cannot be planned.", reasons),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let first = first.into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}
