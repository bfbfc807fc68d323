//! All that follows from an event of a maintenance, written: the one function by which one changes.

use diesel::prelude::*;
use godwit_core::event_type::EventKind;
use godwit_core::host::maintenance::{self, Effect, Event};
use godwit_core::ids::{HostName, RunUuid};
use godwit_core::plan::request::Target;
use godwit_core::run;
use serde_json::{Value, json};

use super::progress::reached;
use super::row::LockedMaintenance;
use super::{FreshIds, LeftReasons, MaintenanceError, MaintenanceRecord, of_run, reasons};
use crate::columns::{instants, json as written};
use crate::connection::Database;
use crate::events::{Numbered, append_numbered};
use crate::plans::NewPlan;
use crate::prepared::Prepare as _;
use crate::runs::{self, LockedRun, NewRun, RunStepError};
use crate::schema::maintenances;
use crate::{ChangeNote, StoreError, effects};

/// What an event says beside its name.
fn detail(before: &MaintenanceRecord, event: &Event, after: &MaintenanceRecord) -> Value {
    let (was, is) = (&before.maintenance, &after.maintenance);
    let mut detail = json!({
        "from": was.state,
        "to": is.state,
        "safe_to_reboot": is.safe_to_reboot(),
    });
    let about = match event {
        Event::Held { holder, .. } => json!({"holder": holder.holder, "reason": holder.reason}),
        Event::Released { holder, .. } => json!({"holder": holder}),
        Event::Planned { run, left } => json!({"run": run, "left": left}),
        Event::RunEnded {
            run,
            left,
            cancelled_by,
        } => json!({"run": run, "left": left, "cancelled_by": cancelled_by}),
        Event::Seen(inventory) => json!({"guests_seen": inventory.executing.len()}),
        Event::PlacementsChanged(placements) => json!({"placements_in_flight": placements}),
        Event::ServerLeft { server, .. } | Event::NoLongerShutDown(server) => {
            json!({"server": server})
        }
        Event::AgentDied | Event::RetryDue => json!({}),
    };
    if let (Some(detail), Value::Object(about)) = (detail.as_object_mut(), about) {
        detail.extend(about);
    }
    detail
}

/// Writes what follows from an event, and returns the maintenance as it is then. `reasons` says of
/// those servers that are left now why they cannot leave.
pub(crate) fn write(
    connection: &mut Database,
    locked: LockedMaintenance,
    event: &Event,
    (fresh, reasons): (FreshIds, Option<LeftReasons>),
    note: &ChangeNote,
) -> Result<LockedMaintenance, MaintenanceError> {
    let before = locked.0;
    let transition = maintenance::step(&before.maintenance, event, fresh.run, note.at)?;
    let is_told = transition.is_told(&before.maintenance, event);
    let mut after = MaintenanceRecord {
        reached: reached(connection, &before, &transition.next)?,
        requests: before
            .requests
            .saturating_add(i64::from(is_asked_for(event))),
        maintenance: transition.next,
        updated_at: Some(note.at),
        ..before.clone()
    };
    after.reasons.extend(reasons.unwrap_or_default());
    reasons::keep(&mut after);
    if is_told {
        let numbered = Numbered {
            kind: EventKind::Maintenance,
            id: before.id,
            last: before.event_sequence,
            owner: None,
        };
        let detail = detail(&before, event, &after);
        after.event_sequence = append_numbered(connection, &numbered, event.name(), detail, note)?;
    }
    write_row(connection, &before, &after)?;
    if let Some(lease) = note.performed {
        effects::done(connection, lease, note.at)?;
    }
    // Whatever was performed is done by now.
    let note = &ChangeNote {
        performed: None,
        message: None,
        ..note.clone()
    };
    let mut over = Vec::new();
    for effect in transition.effects {
        over.extend(perform(connection, &after, effect, fresh, note)?);
    }
    let mut locked = LockedMaintenance(after);
    for run in over {
        locked = of_run::end(connection, locked, run, fresh, note)?;
    }
    Ok(locked)
}

/// Has somebody asked for it, rather than seen it?
const fn is_asked_for(event: &Event) -> bool {
    match event {
        Event::Held { .. } | Event::Released { .. } => true,
        Event::Planned { .. }
        | Event::RunEnded { .. }
        | Event::Seen(_)
        | Event::PlacementsChanged(_)
        | Event::AgentDied
        | Event::ServerLeft { .. }
        | Event::NoLongerShutDown(_)
        | Event::RetryDue => false,
    }
}

/// What is asked for is durable with what asks for it. Says of a run that was to be cancelled if it
/// has ended, so that nothing of it is waited for.
fn perform(
    connection: &mut Database,
    it: &MaintenanceRecord,
    effect: Effect,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<Option<RunUuid>, StoreError> {
    let (target, run) = match effect {
        Effect::MakePlan(run) => (Target::Maintenance(it.host.clone()), run),
        Effect::PlanReturn(run) => (Target::ReturnHome(it.host.clone()), run),
        Effect::CancelRun(run) => return cancel(connection, (run, &it.host), note),
    };
    let plan = NewPlan {
        uuid: fresh.plan,
        options: it.maintenance.plan_options(),
        sources: vec![it.host.to_string()],
        target,
    };
    let run = NewRun {
        uuid: run,
        host: Some(it.host.clone()),
        hold: None,
    };
    runs::promise(connection, &plan, &run, note)?;
    Ok(None)
}

/// Nothing of it starts any more. A run of many hosts goes on, for the others' sake: it says when its
/// part in this one has ended.
fn cancel(
    connection: &mut Database,
    (run, host): (RunUuid, &HostName),
    note: &ChangeNote,
) -> Result<Option<RunUuid>, StoreError> {
    let found = LockedRun::load(connection, run)?;
    let Some(locked) = found.filter(|it| it.0.run.ended_at.is_none()) else {
        return Ok(Some(run));
    };
    if locked.0.host.as_ref() != Some(host) {
        return Ok(None);
    }
    let event = run::Event::CancelRequested {
        abort_running: false,
    };
    match runs::write(connection, locked, &event, None, note) {
        Err(RunStepError::Store(error)) => Err(error),
        // It has not ended.
        Ok(_)
        | Err(RunStepError::NotFound | RunStepError::Refused(_) | RunStepError::Rejected(_)) => {
            Ok(None)
        }
    }
}

/// The row itself, by compare and swap.
fn write_row(
    connection: &mut Database,
    before: &MaintenanceRecord,
    after: &MaintenanceRecord,
) -> Result<(), StoreError> {
    let it = &after.maintenance;
    let beside = Some(&it.beside).filter(|it| !it.is_empty());
    let changed = diesel::update(maintenances::table.find(before.id))
        .filter(maintenances::generation.eq(before.maintenance.generation))
        .set((
            maintenances::state.eq(it.state.as_str()),
            maintenances::holders.eq(written(&it.holders)),
            maintenances::work.eq(it.work.as_ref().map(written)),
            maintenances::next.eq(it.next.as_ref().map(written)),
            maintenances::servers_left.eq(written(&it.left)),
            maintenances::reasons.eq(written(&after.reasons)),
            maintenances::home.eq(written(&it.home)),
            maintenances::return_home.eq(it.return_home.as_str()),
            maintenances::evidence.eq(written(&it.evidence)),
            maintenances::run_ended_at.eq(instants(it.run_ended_at)),
            maintenances::retry_at.eq(instants(it.retry_at)),
            maintenances::retries.eq(i64::from(it.retries)),
            (
                maintenances::beside.eq(beside.map(written)),
                maintenances::cancelled_by.eq(&it.cancelled_by),
            ),
            maintenances::generation.eq(it.generation),
            maintenances::event_sequence.eq(after.event_sequence),
            maintenances::updated_at.eq(instants(after.updated_at)),
            maintenances::reached.eq(i64::from(after.reached.percent())),
            maintenances::requests.eq(after.requests),
        ))
        .prepared()
        .execute(connection)?;
    match changed {
        1 => Ok(()),
        // It is locked, so nobody can have been quicker.
        _ => Err(StoreError::Corrupt(
            "a maintenance changed while it was locked".into(),
        )),
    }
}
