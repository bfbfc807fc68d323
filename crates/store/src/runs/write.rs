//! All that follows from an event of a run, written: the one function by which a run changes.

use diesel::prelude::*;
use godwit_core::effect::RunEffect;
use godwit_core::event_type::EventKind;
use godwit_core::ids::OperationUuid;
use godwit_core::plan::Actual;
use godwit_core::run::{self, Event, Outcome, Run};
use serde_json::{Value, json};

use super::row::LockedRun;
use super::{RunRecord, RunStepError, claims, operation, part, revisions};
use crate::change_note::add_message;
use crate::columns::{instants, json as written};
use crate::connection::Database;
use crate::events::{Numbered, append_numbered};
use crate::prepared::Prepare as _;
use crate::schema::runs;
use crate::{ChangeNote, StoreError, effects};

/// Which operation or host an event is about, and what of it is worth knowing.
fn detail(before: &Run, event: &Event, next: &Run) -> Value {
    let mut detail = json!({"from": before.state, "to": next.state});
    let about = match event {
        Event::OperationBegun(id, migration) => json!({"operation": id, "migration": migration}),
        Event::OperationRefused(id, failure) | Event::OperationNotRevised(id, failure) => {
            json!({"operation": id, "failure": failure})
        }
        Event::OperationEnded(id, outcome) => of_outcome(*id, outcome),
        Event::OperationRevised(id, destination, kind) => {
            json!({"operation": id, "destination": destination, "kind": kind})
        }
        Event::OperationUnneeded(id, gone) => json!({"operation": id, "failure": gone}),
        Event::SkipRequested(id) => json!({"operation": id}),
        Event::RoomRefused(failure) => json!({"failure": failure}),
        Event::CancelRequested { abort_running } => json!({"abort_running": abort_running}),
        Event::HostHeld(host)
        | Event::HostReleased(host)
        | Event::HostReady(host)
        | Event::HostDone(host)
        | Event::HostReturned(host) => json!({"host": host}),
        Event::RoomClaimed | Event::DeadlinePassed => json!({}),
    };
    if let (Some(detail), Value::Object(about)) = (detail.as_object_mut(), about) {
        detail.extend(about);
    }
    detail
}

fn of_outcome(id: OperationUuid, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Completed => json!({"operation": id, "outcome": "completed"}),
        Outcome::Failed(failure) => {
            json!({"operation": id, "outcome": "failed", "failure": failure})
        }
        Outcome::Skipped(failure) => {
            json!({"operation": id, "outcome": "skipped", "failure": failure})
        }
        Outcome::Cancelled(failure) => {
            json!({"operation": id, "outcome": "cancelled", "failure": failure})
        }
    }
}

/// Writes what follows from an event, and returns the run as it is then. `actual` is what the
/// operation took that ends.
pub(crate) fn write(
    connection: &mut Database,
    locked: LockedRun,
    event: &Event,
    actual: Option<Actual>,
    note: &ChangeNote,
) -> Result<LockedRun, RunStepError> {
    let before = locked.0;
    let transition = run::step(&before.run, event, note.at)?;
    let outbox = transition.outbox(before.host.is_some());
    let detail = detail(&before.run, event, &transition.next);
    let mut after = after(&before, transition.next, note);
    after.event_sequence = tell(connection, &before, event.name(), detail, note)?;
    let added = std::mem::take(&mut after.run.revisions);
    revisions::append(connection, before.id, &added)?;
    operation::write_changed(connection, &before, &mut after, (event, actual), note.at)?;
    ask(connection, &mut after, &outbox, note)?;
    write_row(connection, &before, &after)?;
    if let Some(lease) = note.performed {
        effects::done(connection, lease, note.at)?;
    }
    // Last, for others wait for the hosts until the commit.
    claims::keep(connection, &before, &after, note.at)?;
    Ok(LockedRun(after))
}

/// As it shall be, without what becomes of the operations' rows.
fn after(before: &RunRecord, next: Run, note: &ChangeNote) -> RunRecord {
    let waits = next.started_at.is_none() && next.ended_at.is_none();
    let mut messages = before.messages.clone();
    add_message(&mut messages, note);
    RunRecord {
        waits_for: before.waits_for.iter().copied().filter(|_| waits).collect(),
        eta: before.eta.filter(|_| next.ended_at.is_none()),
        messages,
        updated_at: Some(note.at),
        run: next,
        operations: before.operations.clone(),
        by: before.by.clone(),
        options: before.options.clone(),
        host: before.host.clone(),
        ..*before
    }
}

/// Puts effects into the outbox.
pub(super) fn ask(
    connection: &mut Database,
    run: &mut RunRecord,
    wanted: &[RunEffect],
    note: &ChangeNote,
) -> Result<(), StoreError> {
    for effect in wanted {
        run.effect_sequence = run.effect_sequence.saturating_add(1);
        let numbered = (run.effect_sequence, *effect);
        effects::insert_of_run(connection, run.id, numbered, note.trace, note.at)?;
    }
    Ok(())
}

/// Tells what happened to a run; returns the number of its last event.
pub(super) fn tell(
    connection: &mut Database,
    run: &RunRecord,
    name: &'static str,
    detail: Value,
    note: &ChangeNote,
) -> Result<i64, StoreError> {
    let numbered = Numbered {
        kind: EventKind::Run,
        id: run.id,
        last: run.event_sequence,
        owner: run.by.project.as_deref(),
    };
    append_numbered(connection, &numbered, name, detail, note)
}

/// The row itself, by compare and swap.
pub(super) fn write_row(
    connection: &mut Database,
    before: &RunRecord,
    after: &RunRecord,
) -> Result<(), StoreError> {
    let run = &after.run;
    let rolling = (before.run.rolling != run.rolling).then(|| run.rolling.as_ref().map(written));
    let changed = diesel::update(runs::table.find(before.id))
        .filter(runs::generation.eq(before.run.generation))
        .set((
            (
                runs::state.eq(run.state.as_str()),
                runs::planned.eq(after.planned),
                runs::blocked.eq(i64::from(run.blocked)),
                runs::attempts_max.eq(i64::from(run.attempts_max)),
                runs::is_late.eq(run.is_late),
                rolling.map(|it| runs::rolling.eq(it)),
                runs::percent.eq(i64::from(run.progress.percent())),
                runs::eta.eq(after.eta.as_ref().map(written)),
                runs::waits_for.eq(written(&after.waits_for)),
                runs::messages.eq(written(&after.messages)),
                runs::tally.eq(part::counted(run)),
            ),
            runs::started_at.eq(instants(run.started_at)),
            runs::ended_at.eq(instants(run.ended_at)),
            runs::cancel_requested_at.eq(instants(run.cancel_requested_at)),
            runs::generation.eq(run.generation),
            runs::effect_sequence.eq(after.effect_sequence),
            runs::event_sequence.eq(after.event_sequence),
            runs::updated_at.eq(instants(after.updated_at)),
        ))
        .prepared()
        .execute(connection)?;
    match changed {
        1 => Ok(()),
        // It is locked, so nobody can have been quicker.
        _ => Err(StoreError::Corrupt(
            "a run changed while it was locked".into(),
        )),
    }
}
