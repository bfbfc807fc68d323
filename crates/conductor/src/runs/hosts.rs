//! What a run says to the maintenance of hosts: a run of many holds those that it empties, and every
//! run that works for a host says what it has left there.

use std::sync::Arc;

use godwit_core::host::maintenance::{State, holder_of};
use godwit_core::ids::HostName;
use godwit_core::plan::options::{Options, ReturnHome};
use godwit_core::run::{Event, OperationState, RollingHost, RollingState};
use godwit_store::{ChangeNote, ClaimedOfRun, MaintenanceError, MaintenanceRecord, RunRecord};

use super::drive::{Changed, Driver};
use super::{applied, fresh, note};
use crate::context::Context;
use crate::effects::{Performed, Retry};
use crate::testimony::explain;

impl From<MaintenanceError> for Retry {
    fn from(error: MaintenanceError) -> Self {
        Self::because(explain(&error))
    }
}

fn hosts(record: &RunRecord) -> impl Iterator<Item = &RollingHost> {
    record.run.rolling.iter().flat_map(|it| &it.hosts)
}

/// Holds those that it empties.
pub(super) async fn hold(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let Some((record, options)) = load(ctx, claimed).await? else {
        return Ok(());
    };
    let emptied = |it: &&RollingHost| it.state == RollingState::Emptying && !it.released;
    if record.run.ended_at.is_some() {
        return Ok(());
    }
    for it in hosts(&record).filter(emptied) {
        let held = ctx.store.maintenance_hold_by_run(
            (record.uuid, it.host.clone()),
            &options,
            fresh(ctx),
            by(ctx, claimed, &record),
        );
        held.await?;
    }
    ctx.wake.runs();
    Ok(())
}

/// Releases those that it holds no longer.
pub(super) async fn release(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let Some((record, options)) = load(ctx, claimed).await? else {
        return Ok(());
    };
    let return_home = match record.run.cancel_requested_at {
        // Whoever wants it to end does not want more to move.
        Some(_) => ReturnHome::Never,
        None => options.return_home,
    };
    let ended = record.run.ended_at.is_some();
    // Also those that are done by now: released once more, nothing is new.
    let is_over = |it: &&RollingHost| it.released || ended && it.state == RollingState::Emptying;
    for it in hosts(&record).filter(is_over) {
        let released = ctx.store.maintenance_release_by_run(
            (record.uuid, it.host.clone()),
            return_home,
            [fresh(ctx), fresh(ctx)],
            by(ctx, claimed, &record),
        );
        released.await?;
    }
    ctx.wake.wake();
    ctx.wake.runs();
    Ok(())
}

/// Tells the maintenance that it works for that it has ended.
pub(super) async fn report_end(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let (run, _) = claimed.subject;
    let note = note(ctx, claimed.trace);
    let reported = ctx.store.maintenance_report_end(run, fresh(ctx), note);
    reported.await?;
    ctx.wake.wake();
    Ok(())
}

/// In the name of whoever asked for the run.
fn by(ctx: &Context, claimed: &ClaimedOfRun, record: &RunRecord) -> ChangeNote {
    ChangeNote {
        by: record.by.clone(),
        ..note(ctx, claimed.trace)
    }
}

/// The run, and what its plan was asked for.
async fn load(
    ctx: &Context,
    claimed: &ClaimedOfRun,
) -> Result<Option<(RunRecord, Options)>, Retry> {
    let (run, _) = claimed.subject;
    let Some(record) = ctx.store.run_find(run, None).await? else {
        return Ok(None);
    };
    let plan = ctx.store.plan_find(record.plan, None).await?;
    Ok(plan.map(|plan| (record, plan.record.options)))
}

/// Goes on with the hosts of a run of many; `None`: there is nothing new.
pub(super) async fn advance(
    driver: &Driver<'_>,
    record: &RunRecord,
) -> Result<Option<Changed>, Retry> {
    for it in hosts(record) {
        let event = match it.state {
            RollingState::Waiting | RollingState::Done => None,
            RollingState::Emptying | RollingState::Ready if it.released => {
                returned(driver, record, &it.host).await?
            }
            RollingState::Emptying | RollingState::Ready => held(driver, record, it).await?,
        };
        if let Some(event) = event {
            let store = &driver.ctx.store;
            let stepped = store.run_apply_part(driver.run, event, driver.note());
            // What means nothing to the run as it is keeps it from no other host.
            if let Some(part) = applied(stepped.await)? {
                return Ok(Some(Changed::part(part)));
            }
        }
    }
    Ok(None)
}

/// It is emptied, or somebody works on it, unless somebody has released it.
async fn held(
    driver: &Driver<'_>,
    record: &RunRecord,
    it: &RollingHost,
) -> Result<Option<Event>, Retry> {
    let Some(maintenance) = driver.ctx.store.maintenance_find(&it.host).await? else {
        return Ok(None);
    };
    let holds = is_held(record, &maintenance);
    if it.held && !holds {
        return Ok(released(record, &it.host));
    }
    if holds && !it.held && it.state == RollingState::Emptying {
        // A program of the release before has held it, and has not said so.
        return Ok(Some(Event::HostHeld(it.host.clone())));
    }
    match it.state {
        RollingState::Emptying if holds => emptied(driver, record, maintenance).await,
        RollingState::Waiting
        | RollingState::Emptying
        | RollingState::Ready
        | RollingState::Done => Ok(None),
    }
}

/// Nothing of it begins any more, and when nothing of it runs either, the run is done with the host.
fn released(record: &RunRecord, host: &HostName) -> Option<Event> {
    let mut waiting = record.run.in_state(OperationState::Waiting);
    let waits = waiting.any(|it| it.source == host.as_str());
    let is_news = waits || record.run.is_done_with(host);
    is_news.then(|| Event::HostReleased(host.clone()))
}

/// Is it in maintenance? The run's part ends when nothing of the host's is left to move; the rest is
/// what the hypervisor says.
async fn emptied(
    driver: &Driver<'_>,
    record: &RunRecord,
    mut maintenance: MaintenanceRecord,
) -> Result<Option<Event>, Retry> {
    let host = maintenance.host.clone();
    if !record.run.is_done_with(&host) {
        return Ok(None);
    }
    if maintenance.maintenance.empties(record.uuid) {
        let ended = driver.ctx.store.maintenance_end_part(
            (record.uuid, host.clone()),
            fresh(driver.ctx),
            driver.note(),
        );
        match ended.await? {
            Some(after) => maintenance = after,
            None => return Ok(None),
        }
    }
    let is_ready = maintenance.maintenance.state == State::InMaintenance;
    Ok(is_ready.then_some(Event::HostReady(host)))
}

/// Does the run hold the host?
fn is_held(record: &RunRecord, maintenance: &MaintenanceRecord) -> bool {
    let own = holder_of(record.uuid);
    let holders = &maintenance.maintenance.holders;
    holders.iter().any(|it| it.holder == own)
}

/// Has it its guests again? Where others hold it on, they return when those release it.
async fn returned(
    driver: &Driver<'_>,
    record: &RunRecord,
    host: &HostName,
) -> Result<Option<Event>, Retry> {
    let found = driver.ctx.store.maintenance_find(host).await?;
    let is_over =
        found.is_none_or(|it| !is_held(record, &it) && it.maintenance.state != State::Leaving);
    Ok(is_over.then(|| Event::HostReturned(host.clone())))
}
