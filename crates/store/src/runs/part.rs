//! Runs of which only those operations are read that something is about.

use std::collections::BTreeSet;

use diesel::dsl::count_star;
use diesel::prelude::*;
use godwit_core::ids::{HostName, OperationUuid, RunUuid};
use godwit_core::run::{About, Event, OperationState, Run, Tally};
use serde::{Deserialize, Serialize};

use super::RunRecord;
use super::row::{LockedRun, add_operation, load_locked};
use crate::StoreError;
use crate::columns::{Json, json, text};
use crate::connection::Database;
use crate::plans::{OperationRow, operations_of};
use crate::schema::{operations, runs};

/// The column: how many operations were in each state when the run had this generation. A program that
/// does not know it leaves it behind, which its generation shows.
#[derive(Serialize, Deserialize)]
struct Counted {
    generation: i64,
    tally: Tally,
}

/// What is written of a run.
pub(super) fn counted(run: &Run) -> String {
    json(&Counted {
        generation: run.generation,
        tally: run.tally(),
    })
}

/// All operations of a run, counted.
fn tally(connection: &mut Database, record: &RunRecord) -> Result<Tally, StoreError> {
    let known: Option<Json<Counted>> = runs::table
        .find(record.id)
        .select(runs::tally)
        .first(connection)?;
    match known {
        Some(Json(it)) if it.generation == record.run.generation => Ok(it.tally),
        Some(_) | None => count(connection, record.plan_id),
    }
}

/// Counts them: once, of a run that an earlier release has written.
fn count(connection: &mut Database, plan: i64) -> Result<Tally, StoreError> {
    let rows: Vec<(Option<OperationState>, i64, i64)> = operations::table
        .filter(operations::plan_id.eq(plan))
        .group_by((operations::state, operations::weight))
        .select((operations::state, operations::weight, count_star()))
        .load(connection)?;
    let mut tally = Tally::default();
    for (state, weight, rows) in rows {
        let Some(state) = state else { continue };
        let rows = u64::try_from(rows).unwrap_or_default();
        let share = u64::try_from(weight.max(1)).unwrap_or(1);
        let of_state = tally.of_state_mut(state);
        of_state.operations = of_state.operations.saturating_add(rows);
        of_state.weight = of_state.weight.saturating_add(share.saturating_mul(rows));
    }
    Ok(tally)
}

/// Operations that are wanted.
#[derive(Default)]
struct Wanted<'a> {
    everything: bool,
    operations: BTreeSet<OperationUuid>,
    beginning: BTreeSet<OperationUuid>,
    sources: BTreeSet<&'a HostName>,
}

impl<'a> Wanted<'a> {
    fn of(events: &'a [Event], constrained: bool) -> Self {
        let mut wanted = Self::default();
        for event in events {
            match event.about(constrained) {
                About::Nothing => {}
                About::Operation(id) => {
                    wanted.operations.insert(id);
                }
                About::Beginning(id) => {
                    wanted.operations.insert(id);
                    wanted.beginning.insert(id);
                }
                About::Source(host) => {
                    wanted.sources.insert(host);
                }
                About::Everything => wanted.everything = true,
            }
        }
        wanted
    }

    fn load(&self, connection: &mut Database, plan: i64) -> Result<Vec<OperationRow>, StoreError> {
        if self.everything {
            return operations_of(connection, plan);
        }
        let mut rows = named(connection, plan, &self.operations)?;
        if !self.beginning.is_empty() {
            let begun = rows.iter().filter_map(OperationRow::operation);
            let begun = begun.filter(|it| self.beginning.contains(&it.id));
            let after = begun.flat_map(|it| it.after).collect();
            rows.extend(named(connection, plan, &after)?);
            rows.extend(running(connection, plan)?);
        }
        if !self.sources.is_empty() {
            rows.extend(leaving(connection, plan, &self.sources)?);
        }
        let mut known = BTreeSet::new();
        rows.retain(|it| known.insert(it.id));
        Ok(rows)
    }
}

/// Operations that are looked up with one statement.
const AT_ONCE: usize = 500;

fn named(
    connection: &mut Database,
    plan: i64,
    ids: &BTreeSet<OperationUuid>,
) -> Result<Vec<OperationRow>, StoreError> {
    let ids: Vec<String> = ids.iter().map(text).collect();
    let mut rows = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        let found: Vec<OperationRow> = operations::table
            .filter(operations::uuid.eq_any(some.to_vec()))
            .filter(operations::plan_id.eq(plan))
            .select(OperationRow::as_select())
            .load(connection)?;
        rows.extend(found);
    }
    Ok(rows)
}

fn running(connection: &mut Database, plan: i64) -> Result<Vec<OperationRow>, StoreError> {
    Ok(operations::table
        .filter(operations::plan_id.eq(plan))
        .filter(operations::state.eq(OperationState::Running.as_str()))
        .select(OperationRow::as_select())
        .load(connection)?)
}

/// Those that have not ended: others say nothing of whether the run is done with these hosts.
fn leaving(
    connection: &mut Database,
    plan: i64,
    hosts: &BTreeSet<&HostName>,
) -> Result<Vec<OperationRow>, StoreError> {
    let open = [OperationState::Waiting, OperationState::Running].map(OperationState::as_str);
    let hosts: Vec<&str> = hosts.iter().map(|it| it.as_str()).collect();
    Ok(operations::table
        .filter(operations::plan_id.eq(plan))
        .filter(operations::state.eq_any(open))
        .filter(operations::source.eq_any(hosts))
        .select(OperationRow::as_select())
        .load(connection)?)
}

impl LockedRun {
    /// The same, with those operations that these events are about; the others are counted.
    pub(super) fn load_part(
        connection: &mut Database,
        uuid: RunUuid,
        events: &[Event],
    ) -> Result<Option<Self>, StoreError> {
        let Some(mut record) = load_locked(connection, uuid)? else {
            return Ok(None);
        };
        if !record.planned {
            return Ok(Some(Self(record)));
        }
        let wanted = Wanted::of(events, !record.run.constraints.is_empty());
        let rows = wanted.load(connection, record.plan_id)?;
        if !wanted.everything {
            record.run.others = tally(connection, &record)?;
        }
        for row in rows {
            add_operation(&mut record, row)?;
        }
        if !wanted.everything {
            let known = Tally::of(&record.run.operations);
            record.run.others = record.run.others.less(known);
        }
        Ok(Some(Self(record)))
    }
}

/// What a step has made of a run: all of it but for operations that the step was not about.
#[derive(Clone, PartialEq, Debug)]
pub struct RunPart {
    /// The version that it was before; `None`: it is not known to follow any.
    since: Option<i64>,
    record: RunRecord,
}

impl RunPart {
    pub(super) fn new(since: i64, record: RunRecord) -> Self {
        Self {
            since: Some(since),
            record,
        }
    }

    /// The run as it is, without operations that the step was not about.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Both steps, of which `later` was the second.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        let follows = later.since == Some(self.record.run.generation);
        let mut record = later.record;
        let earlier = self.record.run.operations.into_iter();
        for (operation, beside) in earlier.zip(self.record.operations) {
            if record.run.operation(operation.id).is_none() {
                record.run.others = record.run.others.less(Tally::of([&operation]));
                record.run.operations.push(operation);
                record.operations.push(beside);
            }
        }
        Self {
            since: self.since.filter(|_| follows),
            record,
        }
    }

    /// The whole run, of which `whole` is what it was before; `None`: it was another version. What was
    /// revised is not among its revisions.
    pub fn onto(self, whole: RunRecord) -> Option<RunRecord> {
        if self.since != Some(whole.run.generation) {
            return None;
        }
        let (mut all, mut beside) = (whole.run.operations, whole.operations);
        let changed = self.record.run.operations.into_iter();
        for (operation, record) in changed.zip(self.record.operations) {
            let both = all.iter_mut().zip(&mut beside);
            let mut same = both.filter(|(it, _)| it.id == operation.id);
            if let Some((it, its)) = same.next() {
                (*it, *its) = (operation, record);
            }
        }
        Some(RunRecord {
            run: Run {
                operations: all,
                others: Tally::default(),
                revisions: whole.run.revisions,
                ..self.record.run
            },
            operations: beside,
            ..self.record
        })
    }
}
