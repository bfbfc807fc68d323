//! Another destination for operations whose own did not do.

use std::collections::BTreeSet;
use std::sync::Arc;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::plan::PlanKind;
use godwit_core::run::rolling::Preference;
use godwit_core::run::{Event, Operation, OperationKind};
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::Target;
use godwit_store::{ClaimedOfRun, RoomError, RunRecord, RunStepError};
use tracing::info;

use super::check::{gone, need, request};
use super::{applied, note};
use crate::context::Context;
use crate::effects::{Performed, Retry};
use crate::fleet::{Fleet, Fleets};
use crate::testimony::explain;

/// Hosts that are tried at most, where others take the room of those that fitted.
const TRIED: usize = 8;

/// Finds one for each that waits for one.
pub(super) async fn perform(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let (run, _) = claimed.subject;
    let Some(record) = ctx.store.run_find(run, None).await? else {
        return Ok(());
    };
    let waiting = record.run.operations.iter().filter(|it| it.replan);
    let waiting: Vec<&Operation> = waiting.collect();
    if waiting.is_empty() || record.run.ended_at.is_some() {
        return Ok(());
    }
    let fleet = Fleets::load(ctx).await;
    let fleet = fleet.map_err(|error| Retry::because(explain(&*error)))?;
    for operation in waiting {
        one(ctx, claimed, &record, operation, &fleet).await?;
        ctx.wake.runs();
    }
    Ok(())
}

/// What was found for an operation.
enum Found {
    /// These fit, the best first.
    Hosts(Vec<HostName>),
    /// It goes nowhere else.
    Nothing(Failure),
}

async fn one(
    ctx: &Arc<Context>,
    claimed: &ClaimedOfRun,
    record: &RunRecord,
    operation: &Operation,
    fleet: &Fleet,
) -> Result<(), Retry> {
    let hosts = match find(ctx, record, operation, fleet).await? {
        Found::Hosts(hosts) => hosts,
        Found::Nothing(failure) => return end(ctx, claimed, operation, failure).await,
    };
    let (run, id) = (record.uuid, operation.id);
    for host in hosts.into_iter().take(TRIED) {
        let to = (host.clone(), fleet.capacity_of(&host));
        let revised = ctx
            .store
            .operation_revise(run, id, to, note(ctx, claimed.trace));
        match revised.await {
            Ok(_) => {
                info!(%run, operation = %id, %host, "an operation goes elsewhere");
                return Ok(());
            }
            Err(RoomError::NoRoom(_)) => {}
            Err(RoomError::Step(RunStepError::Store(error))) => return Err(error.into()),
            // Somebody was quicker, or it is not to go anywhere any more.
            Err(RoomError::Step(RunStepError::NotFound | RunStepError::Rejected(_))) => {
                return Ok(());
            }
            Err(RoomError::Step(RunStepError::Refused(never))) => match never {},
        }
    }
    if ctx.is_young(ctx.now()) && fleet.somebody_is_missing() {
        return Err(Retry::because("waiting for agents to report"));
    }
    end(ctx, claimed, operation, nowhere_else(operation)).await
}

fn nowhere_else(operation: &Operation) -> Failure {
    let why = operation.failure.as_ref().map(|it| it.message.as_str());
    let text = format!(
        "No other host fits. {} did not do: {}",
        operation.destination,
        why.unwrap_or("it is not known why.")
    );
    Failure::new(FailureCode::NoValidHost, text)
}

async fn end(
    ctx: &Context,
    claimed: &ClaimedOfRun,
    operation: &Operation,
    failure: Failure,
) -> Result<(), Retry> {
    let (run, _) = claimed.subject;
    info!(%run, operation = %operation.id, %failure, "an operation goes nowhere");
    let event = Event::OperationNotRevised(operation.id, failure);
    let ended = ctx
        .store
        .run_apply(run, event, note(ctx, claimed.trace))
        .await;
    applied(ended)?;
    Ok(())
}

async fn find(
    ctx: &Context,
    record: &RunRecord,
    operation: &Operation,
    fleet: &Fleet,
) -> Result<Found, Retry> {
    // Home is one host, and disks go to pools.
    if record.run.kind == PlanKind::ReturnHome || operation.kind == OperationKind::Storage {
        return Ok(Found::Nothing(nowhere_else(operation)));
    }
    let found = ctx.store.server_find_with_hardware(operation.server);
    let Some((server, hardware)) = found.await? else {
        return Ok(Found::Nothing(gone()));
    };
    let ends = (
        HostName::new(operation.source.as_str()),
        request(operation, &server),
    );
    let (Ok(source), Some(request)) = ends else {
        return Ok(Found::Nothing(nowhere_else(operation)));
    };
    let disks = &hardware.disks[..];
    let need = need(ctx, fleet, (&server, disks), (&source, &request)).await?;
    let (fitting, _) = candidates(&fleet.hosts(None), &need, &Target::Any);
    let tried = tried(record, operation);
    let mut hosts: Vec<(Preference, HostName)> = fitting
        .into_iter()
        .filter(|host| !tried.contains(host.as_str()))
        .filter_map(|host| Some((preference(record, &host)?, host)))
        .collect();
    // Stable: the best stays the first among those that are preferred alike.
    hosts.sort_by_key(|(preference, _)| *preference);
    let hosts = hosts.into_iter().map(|(_, host)| host);
    Ok(Found::Hosts(hosts.collect()))
}

/// Where it was to go before.
fn tried<'a>(record: &'a RunRecord, operation: &'a Operation) -> BTreeSet<&'a str> {
    let revisions = record.run.revisions.iter();
    let of_it = revisions.filter(|it| it.operation == operation.id);
    let before = of_it.map(|it| it.from.as_str());
    before.chain([operation.destination.as_str()]).collect()
}

/// How well a host serves the whole run; `None`: the run empties it.
fn preference(record: &RunRecord, host: &HostName) -> Option<Preference> {
    let run = &record.run;
    if let Some(rolling) = &run.rolling {
        return rolling.preference(host);
    }
    let empties = match run.kind {
        PlanKind::Host | PlanKind::Maintenance => {
            let mut sources = run.operations.iter().map(|it| it.source.as_str());
            sources.any(|source| source == host.as_str())
        }
        PlanKind::Server
        | PlanKind::Servers
        | PlanKind::Rolling
        | PlanKind::Pool
        | PlanKind::ReturnHome => false,
    };
    (!empties).then_some(Preference::Lasting)
}
