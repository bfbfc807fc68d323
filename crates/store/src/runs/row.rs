//! The row of a run.

use std::collections::BTreeMap;

use diesel::prelude::*;
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::options::{Constraint, Fallback, Priority};
use godwit_core::plan::{Estimate, Options, PlanKind};
use godwit_core::requester::Requester;
use godwit_core::run::{Progress, Rolling, Run, RunState, Tally};
use godwit_core::time::Timestamp;

use super::{OperationRecord, RunRecord, revisions};
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::dialect::locks::{Lockable, lock};
use crate::plans::{OperationRow, count, operations_of};
use crate::schema::runs;
use crate::{Message, Store, StoreError};

/// Runs that are looked up with one statement.
const LOOKED_UP: usize = 500;

/// Which version of a run there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunVersion {
    /// Where it is.
    pub state: RunState,
    /// Counts its changes.
    pub generation: i64,
}

/// All that is read of a run.
#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct RunRow {
    id: i64,
    uuid: RunUuid,
    plan_id: i64,
    #[diesel(embed)]
    by: ByRow,
    #[diesel(embed)]
    decided: DecidedRow,
    priority: Priority,
    planned: bool,
    host: Option<HostName>,
    eta: Option<Json<Estimate>>,
    waits_for: Json<Vec<RunUuid>>,
    short_since: Option<Timestamp>,
    messages: Json<Vec<Message>>,
    effect_sequence: i64,
    event_sequence: i64,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct ByRow {
    user_id: Option<String>,
    project_id: Option<String>,
    request_id: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
pub(super) struct DecidedRow {
    kind: PlanKind,
    state: RunState,
    constraints: Json<Vec<Constraint>>,
    blocked: i64,
    attempts_max: i64,
    deadline: Option<Timestamp>,
    is_late: bool,
    rolling: Option<Json<Rolling>>,
    percent: i64,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    generation: i64,
}

/// What of its plan is shown with a run.
pub(super) type OfPlan = (
    PlanUuid,
    Json<Options>,
    Option<Json<Estimate>>,
    Option<Json<f64>>,
);

impl From<DecidedRow> for Run {
    fn from(row: DecidedRow) -> Self {
        let percent = u8::try_from(row.percent.clamp(0, 100)).unwrap_or_default();
        Self {
            kind: row.kind,
            state: row.state,
            operations: Vec::new(),
            others: Tally::default(),
            constraints: row.constraints.0,
            blocked: count(row.blocked),
            attempts_max: count(row.attempts_max),
            // Of its plan.
            fallback: Fallback::None,
            deadline: row.deadline,
            is_late: row.is_late,
            rolling: row.rolling.map(|it| it.0),
            revisions: Vec::new(),
            progress: match row.state {
                RunState::Completed => Progress::COMPLETED,
                RunState::Pending
                | RunState::Running
                | RunState::Cancelling
                | RunState::Partial
                | RunState::Failed
                | RunState::Cancelled => Progress::NONE.raised_to(percent),
            },
            started_at: row.started_at,
            ended_at: row.ended_at,
            cancel_requested_at: row.cancel_requested_at,
            generation: row.generation,
        }
    }
}

/// Without its operations and revisions.
fn record((row, (plan, Json(options), makespan, lower_bound)): (RunRow, OfPlan)) -> RunRecord {
    RunRecord {
        id: row.id,
        uuid: row.uuid,
        plan,
        plan_id: row.plan_id,
        by: Requester {
            user: row.by.user_id,
            project: row.by.project_id,
            request_id: row.by.request_id,
        },
        run: Run {
            fallback: options.fallback,
            ..row.decided.into()
        },
        options,
        operations: Vec::new(),
        priority: row.priority,
        planned: row.planned,
        host: row.host,
        eta: row.eta.map(|it| it.0),
        waits_for: row.waits_for.0,
        short_since: row.short_since,
        makespan: makespan.map(|it| it.0),
        lower_bound: lower_bound.map(|it| it.0),
        messages: row.messages.0,
        created_at: row.created_at,
        updated_at: row.updated_at,
        effect_sequence: row.effect_sequence,
        event_sequence: row.event_sequence,
    }
}

/// Runs with what is shown of their plans.
macro_rules! rows {
    ($runs:expr) => {
        $runs.inner_join(crate::schema::plans::table).select((
            RunRow::as_select(),
            (
                crate::schema::plans::uuid,
                crate::schema::plans::options,
                crate::schema::plans::makespan,
                crate::schema::plans::lower_bound,
            ),
        ))
    };
}
pub(super) use rows;

/// Reads what belongs to the rows, where operations and revisions are wanted. Rows are left out once
/// those before them have `most` of these.
pub(super) fn complete(
    connection: &mut Database,
    rows: Vec<(RunRow, OfPlan)>,
    most: Option<usize>,
) -> Result<Vec<RunRecord>, StoreError> {
    let rows = rows.into_iter().map(record);
    let Some(most) = most else {
        return Ok(rows.collect());
    };
    let (mut records, mut read) = (Vec::with_capacity(rows.len()), 0_usize);
    for mut record in rows {
        if read >= most {
            break;
        }
        add_operations(connection, &mut record)?;
        record.run.revisions = revisions::of_run(connection, record.id)?;
        let parts = record.operations.len() + record.run.revisions.len();
        read = read.saturating_add(parts);
        records.push(record);
    }
    Ok(records)
}

/// A promised run has none.
fn add_operations(connection: &mut Database, record: &mut RunRecord) -> Result<(), StoreError> {
    if !record.planned {
        return Ok(());
    }
    for row in operations_of(connection, record.plan_id)? {
        add_operation(record, row)?;
    }
    Ok(())
}

pub(super) fn add_operation(record: &mut RunRecord, row: OperationRow) -> Result<(), StoreError> {
    let Some(operation) = row.operation() else {
        let text = format!(
            "operation {} of run {} has no state",
            row.uuid(),
            record.uuid
        );
        return Err(StoreError::Corrupt(text.into()));
    };
    record.run.operations.push(operation);
    record.operations.push(OperationRecord {
        row: row.id,
        planned: row.planned(),
        actual: row.actual.map(|it| it.0),
        started_at: row.started_at,
        ended_at: row.ended_at,
    });
    Ok(())
}

/// The row, locked; without what belongs to it.
pub(super) fn load_locked(
    connection: &mut Database,
    uuid: RunUuid,
) -> Result<Option<RunRecord>, StoreError> {
    lock(connection, Lockable::Run, &text(uuid))?;
    let row: Option<(RunRow, OfPlan)> = rows!(runs::table)
        .filter(runs::uuid.eq(text(uuid)))
        .first(connection)
        .optional()?;
    Ok(row.map(record))
}

/// A run that nobody else changes until the transaction ends. It has no revisions: core only adds
/// to them.
pub(crate) struct LockedRun(pub(crate) RunRecord);

impl LockedRun {
    pub(crate) fn load(
        connection: &mut Database,
        uuid: RunUuid,
    ) -> Result<Option<Self>, StoreError> {
        let Some(mut record) = load_locked(connection, uuid)? else {
            return Ok(None);
        };
        add_operations(connection, &mut record)?;
        Ok(Some(Self(record)))
    }

    /// The one that was promised with a plan, or carries it out.
    pub(crate) fn of_plan(
        connection: &mut Database,
        plan: i64,
    ) -> Result<Option<Self>, StoreError> {
        let uuid: Option<RunUuid> = runs::table
            .filter(runs::plan_id.eq(plan))
            .select(runs::uuid)
            .first(connection)
            .optional()?;
        match uuid {
            Some(uuid) => Self::load(connection, uuid),
            None => Ok(None),
        }
    }
}

impl Store {
    /// A run with its operations and revisions, unless (where `project` is given) it is another
    /// project's.
    pub async fn run_find(
        &self,
        uuid: RunUuid,
        project: Option<&str>,
    ) -> Result<Option<RunRecord>, StoreError> {
        let project = project.map(str::to_owned);
        self.read_snapshot(move |connection| {
            let row: Option<(RunRow, OfPlan)> = rows!(runs::table)
                .filter(runs::uuid.eq(text(uuid)))
                .first(connection)
                .optional()?;
            let visible = |(row, _): &(RunRow, OfPlan)| {
                let own = project.as_ref();
                own.is_none_or(|own| row.by.project_id.as_ref() == Some(own))
            };
            let rows = row.filter(visible).into_iter().collect();
            Ok(complete(connection, rows, Some(usize::MAX))?.pop())
        })
        .await
    }

    /// Where a run is and which version it has, without all that it consists of.
    pub async fn run_version(&self, uuid: RunUuid) -> Result<Option<RunVersion>, StoreError> {
        self.read(move |connection| {
            let found: Option<(RunState, i64)> = runs::table
                .filter(runs::uuid.eq(text(uuid)))
                .select((runs::state, runs::generation))
                .first(connection)
                .optional()?;
            Ok(found.map(|(state, generation)| RunVersion { state, generation }))
        })
        .await
    }

    /// The same of some, of which those are missing that there are no more.
    pub async fn run_versions(
        &self,
        uuids: Vec<RunUuid>,
    ) -> Result<BTreeMap<RunUuid, RunVersion>, StoreError> {
        let named: Vec<String> = uuids.iter().map(text).collect();
        self.read(move |connection| {
            let mut versions = BTreeMap::new();
            for some in named.chunks(LOOKED_UP) {
                let rows: Vec<(RunUuid, RunState, i64)> = runs::table
                    .filter(runs::uuid.eq_any(some.to_vec()))
                    .select((runs::uuid, runs::state, runs::generation))
                    .load(connection)?;
                versions.extend(
                    rows.into_iter()
                        .map(|(uuid, state, generation)| (uuid, RunVersion { state, generation })),
                );
            }
            Ok(versions)
        })
        .await
    }
}
