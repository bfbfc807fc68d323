//! What becomes of a plan, written: the one function by which its row changes.

use diesel::prelude::*;
use godwit_core::effect::PlanEffect;
use godwit_core::event_type::EventKind;
use godwit_core::plan::{Event, Plan, PlanState};
use godwit_core::reason::WrittenReason;
use godwit_core::time::Timestamp;
use serde_json::{Value, json};

use super::row::LockedPlan;
use super::{NewPlan, PlanMade, PlanRecord, PlanStepError, operation};
use crate::change_note::add_message;
use crate::columns::{instant, instants, json as written, text};
use crate::connection::Database;
use crate::events::{Numbered, append_numbered};
use crate::prepared::Prepare as _;
use crate::schema::plans;
use crate::{ChangeNote, Message, StoreError, effects};

/// What is written beside what is decided by.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// What came of making it.
    pub(super) made: Option<&'a PlanMade>,
    /// Why it cannot be made.
    pub(super) reasons: &'a [WrittenReason],
}

/// When something is to happen to it; `None`: nothing is.
const fn due_at(plan: &Plan) -> Option<Timestamp> {
    match plan.state {
        PlanState::Initializing => plan.valid_until,
        PlanState::Ready if !plan.has_run => plan.valid_until,
        PlanState::Ready | PlanState::Aborted | PlanState::Expired => None,
    }
}

/// Is it over, without having been run?
const fn is_over(state: PlanState) -> bool {
    match state {
        PlanState::Aborted | PlanState::Expired => true,
        PlanState::Initializing | PlanState::Ready => false,
    }
}

fn detail(before: &Plan, next: &Plan, blocked: usize) -> Value {
    let mut detail = json!({"from": before.state, "to": next.state, "blocked": blocked});
    if before.failure != next.failure {
        detail["failure"] = json!(next.failure);
    }
    detail
}

/// As it shall be.
fn after(record: &PlanRecord, next: Plan, beside: Beside<'_>, note: &ChangeNote) -> PlanRecord {
    let mut after = PlanRecord {
        ended_at: record.ended_at.or(is_over(next.state).then_some(note.at)),
        updated_at: Some(note.at),
        plan: next,
        ..record.clone()
    };
    if let Some(made) = beside.made {
        after.sources.clone_from(&made.sources);
        after.fingerprint = Some(made.fingerprint.clone());
        after.facts = Some(made.facts.clone());
        after.room.clone_from(&made.room);
        after.blocked.clone_from(&made.blocked);
        after.makespan = made.makespan;
        after.lower_bound = made.lower_bound.filter(|it| it.is_finite());
    }
    after.reasons.extend_from_slice(beside.reasons);
    add_message(&mut after.messages, note);
    after
}

/// Writes what follows from an event: the row by compare and swap on its generation, its
/// operations, the event, and the outbox.
pub(super) fn write(
    connection: &mut Database,
    locked: &LockedPlan,
    event: &Event,
    beside: Beside<'_>,
    note: &ChangeNote,
) -> Result<PlanRecord, PlanStepError> {
    let before = &locked.0;
    let next = before.plan.step(event, note.at)?;
    let mut after = after(before, next, beside, note);
    let detail = detail(&before.plan, &after.plan, after.blocked.len());
    after.event_sequence = tell(connection, before, event.name(), detail, note)?;
    write_row(connection, before, &after)?;
    let runnable = after.plan.state == PlanState::Ready && before.plan.state != PlanState::Ready;
    if let Some(made) = beside.made.filter(|_| runnable) {
        operation::insert(connection, before.id, &made.operations)?;
    }
    if after.plan.state != PlanState::Initializing {
        effects::supersede_of_plan(connection, before.id, note.performed, note.at)?;
    }
    Ok(after)
}

/// The row itself.
fn write_row(
    connection: &mut Database,
    before: &PlanRecord,
    after: &PlanRecord,
) -> Result<(), StoreError> {
    let plan = &after.plan;
    let failure = plan.failure.as_ref();
    let changed = diesel::update(plans::table.find(before.id))
        .filter(plans::generation.eq(before.plan.generation))
        .set((
            (
                plans::state.eq(plan.state.as_str()),
                plans::sources.eq(written(&after.sources)),
                plans::valid_until.eq(instants(plan.valid_until)),
                plans::due_at.eq(instants(due_at(plan))),
                plans::has_run.eq(plan.has_run),
                plans::failure_code.eq(failure.map(|it| it.code.as_str())),
                plans::failure_message.eq(failure.map(|it| &it.message)),
            ),
            (
                plans::fingerprint.eq(&after.fingerprint),
                plans::facts.eq(after.facts.as_ref().map(written)),
                plans::room.eq(written(&after.room)),
                plans::blocked.eq(written(&after.blocked)),
                plans::reasons.eq(written(&after.reasons)),
                plans::makespan.eq(after.makespan.as_ref().map(written)),
                plans::lower_bound.eq(after.lower_bound.as_ref().map(written)),
                plans::messages.eq(written(&after.messages)),
            ),
            plans::generation.eq(plan.generation),
            plans::event_sequence.eq(after.event_sequence),
            plans::updated_at.eq(instants(after.updated_at)),
            plans::ended_at.eq(instants(after.ended_at)),
        ))
        .prepared()
        .execute(connection)?;
    match changed {
        1 => Ok(()),
        // It is locked, so nobody can have been quicker.
        _ => Err(StoreError::Corrupt(
            "a plan changed while it was locked".into(),
        )),
    }
}

/// Tells what happened to a plan; returns the number of its last event.
pub(super) fn tell(
    connection: &mut Database,
    plan: &PlanRecord,
    name: &'static str,
    detail: Value,
    note: &ChangeNote,
) -> Result<i64, StoreError> {
    let numbered = Numbered {
        kind: EventKind::Plan,
        id: plan.id,
        last: plan.event_sequence,
        owner: plan.by.project.as_deref(),
    };
    append_numbered(connection, &numbered, name, detail, note)
}

/// Writes the first row of a plan, its first event, and the effect that makes it.
pub(crate) fn insert(
    connection: &mut Database,
    new: &NewPlan,
    note: &ChangeNote,
) -> Result<PlanRecord, StoreError> {
    let plan = Plan::begun(new.target.kind(), &new.options, note.at);
    let nothing = "[]";
    let messages: Vec<&Message> = note.message.iter().collect();
    diesel::insert_into(plans::table)
        .values((
            (
                plans::uuid.eq(text(new.uuid)),
                plans::project_id.eq(&note.by.project),
                plans::user_id.eq(&note.by.user),
                plans::request_id.eq(&note.by.request_id),
                plans::kind.eq(new.target.kind().as_str()),
                plans::state.eq(plan.state.as_str()),
                plans::target.eq(written(&new.target)),
                plans::options.eq(written(&new.options)),
                plans::sources.eq(written(&new.sources)),
                plans::valid_until.eq(instants(plan.valid_until)),
                plans::due_at.eq(instants(due_at(&plan))),
            ),
            plans::room.eq("{}"),
            plans::blocked.eq(nothing),
            plans::reasons.eq(nothing),
            plans::messages.eq(written(&messages)),
            plans::generation.eq(plan.generation),
            plans::created_at.eq(instant(note.at)),
        ))
        .prepared()
        .execute(connection)?;
    let mut record = super::row::load(connection, new.uuid)?
        .ok_or_else(|| StoreError::Corrupt("a plan is gone that was just made".into()))?;
    let detail = json!({"to": plan.state, "type": new.target.kind()});
    record.event_sequence = tell(connection, &record, "requested", detail, note)?;
    diesel::update(plans::table.find(record.id))
        .set(plans::event_sequence.eq(record.event_sequence))
        .prepared()
        .execute(connection)?;
    let effect = (1, PlanEffect::Make);
    effects::insert_of_plan(connection, record.id, effect, note.trace, note.at)?;
    Ok(record)
}

/// It is run.
pub(crate) fn begin_run(
    connection: &mut Database,
    locked: &LockedPlan,
    note: &ChangeNote,
) -> Result<PlanRecord, PlanStepError> {
    write(
        connection,
        locked,
        &Event::RunBegun,
        Beside::default(),
        note,
    )
}
