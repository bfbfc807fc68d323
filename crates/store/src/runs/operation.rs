//! Operations of runs: how what becomes of them is written, how one begins with what it starts, and
//! which of them run.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{MigrationUuid, OperationUuid, RunUuid, ServerUuid};
use godwit_core::plan::Actual;
use godwit_core::resources::Resources;
use godwit_core::run::{Event, Operation, OperationKind, OperationState, Outcome};
use godwit_core::time::Timestamp;

use super::RunRecord;
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::migrations::by_uuid;
use crate::prepared::Prepare as _;
use crate::schema::{migrations, operations, runs};
use crate::{MigrationRecord, Store, StoreError};

/// In the words by which the index is found.
pub(super) const RUNNING: &str = "operations.state = 'running'";

/// Rows that are changed with one statement.
const AT_ONCE: usize = 500;

/// Writes the operations that changed, and when those began or ended that did.
pub(super) fn write_changed(
    connection: &mut Database,
    before: &RunRecord,
    after: &mut RunRecord,
    (event, actual): (&Event, Option<Actual>),
    at: Timestamp,
) -> Result<(), StoreError> {
    let ends = match event {
        Event::OperationEnded(id, _) => Some(*id),
        _ => None,
    };
    // What never began ends in numbers, when a run is cancelled.
    let mut unbegun: HashMap<(OperationState, Option<Failure>), Vec<i64>> = HashMap::new();
    let pairs = before.run.operations.iter().zip(&after.run.operations);
    for ((was, is), record) in pairs.zip(&mut after.operations) {
        if was == is {
            continue;
        }
        if is.state == OperationState::Running {
            record.started_at = Some(at);
        }
        if is.state.is_terminal() {
            record.ended_at = Some(at);
        }
        if ends == Some(is.id) && is.state.is_terminal() {
            record.actual = actual;
        }
        if was.state == OperationState::Waiting && is.state.is_terminal() {
            let end = (is.state, is.failure.clone());
            unbegun.entry(end).or_default().push(record.row);
        }
        if was.kind != is.kind {
            write_kind(connection, record.row, is.kind)?;
        }
        // How often it was tried is worth more than a statement less.
        if was.state != OperationState::Waiting
            || !is.state.is_terminal()
            || was.attempts != is.attempts
        {
            write_one(connection, record.row, is, record.actual, at)?;
        }
    }
    for ((state, failure), rows) in unbegun {
        for some in rows.chunks(AT_ONCE) {
            end_unbegun(connection, some, state, failure.as_ref(), at)?;
        }
    }
    Ok(())
}

fn end_unbegun(
    connection: &mut Database,
    rows: &[i64],
    state: OperationState,
    failure: Option<&Failure>,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(operations::table.filter(operations::id.eq_any(rows.to_vec())))
        .set((
            operations::state.eq(state.as_str()),
            operations::replan.eq(false),
            operations::failure_code.eq(failure.map(|it| it.code.as_str())),
            operations::failure_message.eq(failure.map(|it| &it.message)),
            operations::ended_at.eq(instant(at)),
        ))
        .execute(connection)?;
    Ok(())
}

/// What its server takes where it goes now.
pub(super) fn write_size(
    connection: &mut Database,
    operation: OperationUuid,
    size: Resources,
) -> Result<(), StoreError> {
    diesel::update(operations::table.filter(operations::uuid.eq(text(operation))))
        .set((
            operations::vcpus.eq(size.vcpus),
            operations::memory_mb.eq(size.memory_mb),
            operations::disk_gb.eq(size.disk_gb),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// What it is carried out as.
fn write_kind(connection: &mut Database, row: i64, kind: OperationKind) -> Result<(), StoreError> {
    diesel::update(operations::table.find(row))
        .set(operations::carried_out_as.eq(kind.as_str()))
        .prepared()
        .execute(connection)?;
    Ok(())
}

fn write_one(
    connection: &mut Database,
    row: i64,
    operation: &Operation,
    actual: Option<Actual>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let failure = operation.failure.as_ref();
    let began = (operation.state == OperationState::Running).then_some(at);
    let ended = operation.state.is_terminal().then_some(at);
    diesel::update(operations::table.find(row))
        .set((
            operations::state.eq(operation.state.as_str()),
            operations::destination.eq(&operation.destination),
            operations::waits_for_host.eq(operation.after_done.as_ref().map(text)),
            operations::migration_uuid.eq(operation.migration.map(text)),
            operations::attempts.eq(i64::from(operation.attempts)),
            operations::revisions.eq(i64::from(operation.revisions)),
            operations::replan.eq(operation.replan),
            operations::aborting.eq(operation.aborting),
            operations::failure_code.eq(failure.map(|it| it.code.as_str())),
            operations::failure_message.eq(failure.map(|it| &it.message)),
            operations::actual.eq(actual.as_ref().map(json)),
            // A beginning that is there stays.
            began.map(|at| operations::started_at.eq(instant(at))),
            operations::ended_at.eq(instants(ended)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// An operation that runs.
#[derive(Clone, PartialEq, Debug)]
pub struct RunningOperation {
    /// Of which run.
    pub run: RunUuid,
    /// Which operation.
    pub operation: OperationUuid,
    /// What it does.
    pub kind: OperationKind,
    /// With which server.
    pub server: ServerUuid,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Is what it is doing to end?
    pub aborting: bool,
    /// The migration that it started; of kinds that start none it is `None`.
    pub migration: Option<MigrationRecord>,
}

impl RunningOperation {
    /// Does this attempt run on in the run as it is now?
    pub fn runs_in(&self, now: &RunRecord) -> bool {
        let mut all = now.run.operations.iter().zip(&now.operations);
        let found = all.find(|(it, _)| it.id == self.operation);
        found.is_some_and(|(it, record)| {
            it.state == OperationState::Running
                && it.migration == self.migration.as_ref().map(|it| it.migration.uuid)
                && record.started_at == self.started_at
        })
    }

    /// What it has taken until `now`, as far as its migration says so.
    pub fn actual(&self, now: Timestamp) -> Actual {
        let ended = self.migration.as_ref().and_then(|it| it.ended_at);
        let seconds = |since| ended.unwrap_or(now).since(since).as_secs_f64();
        let progress = self.migration.as_ref().map(|it| it.progress);
        let processed = |it: crate::Progress| {
            let all = [it.memory, it.disk].into_iter().flatten();
            all.map(|it| it.processed).reduce(i64::saturating_add)
        };
        let downtime = progress.and_then(|it| it.downtime_ms);
        Actual {
            bytes: progress.and_then(processed),
            seconds: self.started_at.map(seconds),
            downtime_seconds: downtime.map(|it| it as f64 / 1_000.0),
        }
    }

    /// How it ended; `None`: it has not, or is not a matter of a migration.
    pub fn outcome(&self) -> Option<Outcome> {
        let record = self.migration.as_ref()?;
        let migration = &record.migration;
        let mut failure = migration.failure.clone();
        // One that never moved was kept by somebody else than its server, however long that took.
        if record.started_at.is_none()
            && let Some(it) = &mut failure
            && it.code == FailureCode::TimedOut
        {
            it.code = FailureCode::PrepareFailed;
        }
        Outcome::of(migration.status(), failure.as_ref())
    }
}

/// Migrations that are looked up with one statement.
const LOOKED_UP: usize = 500;

/// The run that something is part of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfRun {
    /// Which.
    pub run: RunUuid,
    /// Whose it is; nobody's where a maintenance asked for it.
    pub project: Option<String>,
}

/// The run whose operation has started each of these migrations, where one has: in its last attempt or
/// an earlier one.
pub(crate) fn of_migrations(
    connection: &mut Database,
    migrations: &[MigrationUuid],
) -> Result<HashMap<MigrationUuid, OfRun>, StoreError> {
    let mut runs_of = HashMap::new();
    for some in migrations.chunks(LOOKED_UP) {
        let named: Vec<String> = some.iter().map(text).collect();
        let of_operation = operations::uuid.nullable().eq(migrations::operation_uuid);
        let rows: Vec<(MigrationUuid, RunUuid, Option<String>)> = migrations::table
            .inner_join(operations::table.on(of_operation))
            .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
            .filter(migrations::uuid.eq_any(named))
            .select((migrations::uuid, runs::uuid, runs::project_id))
            .load(connection)?;
        let started = rows.into_iter();
        runs_of
            .extend(started.map(|(migration, run, project)| (migration, OfRun { run, project })));
    }
    Ok(runs_of)
}

impl Store {
    /// All operations that run, of every run or of one, with what they have started: whoever drives
    /// runs tells from this which have ended.
    pub async fn operations_running(
        &self,
        run: Option<RunUuid>,
    ) -> Result<Vec<RunningOperation>, StoreError> {
        self.read(move |connection| {
            let mut rows = operations::table
                .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
                .filter(sql::<Bool>(RUNNING))
                .order(operations::id)
                .select((
                    runs::uuid,
                    operations::uuid,
                    (operations::kind, operations::carried_out_as),
                    operations::server_uuid,
                    operations::started_at,
                    operations::aborting,
                    operations::migration_uuid,
                ))
                .into_boxed();
            if let Some(run) = run {
                rows = rows.filter(runs::uuid.eq(text(run)));
            }
            let rows: Vec<Row> = rows.load(connection)?;
            let named: Vec<MigrationUuid> = rows.iter().filter_map(|row| row.6).collect();
            let mut migrations = match named.is_empty() {
                true => HashMap::new(),
                false => by_uuid(connection, &named)?,
            };
            let running = rows.into_iter().map(|row| RunningOperation {
                run: row.0,
                operation: row.1,
                kind: row.2.1.unwrap_or(row.2.0),
                server: row.3,
                started_at: row.4,
                aborting: row.5,
                migration: row.6.and_then(|uuid| migrations.remove(&uuid)),
            });
            Ok(running.collect())
        })
        .await
    }

    /// The run and the operation that have started a migration, in whichever attempt.
    pub async fn run_of_migration(
        &self,
        migration: MigrationUuid,
    ) -> Result<Option<(RunUuid, OperationUuid)>, StoreError> {
        self.read(move |connection| {
            let of_operation = operations::uuid.nullable().eq(migrations::operation_uuid);
            Ok(migrations::table
                .inner_join(operations::table.on(of_operation))
                .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
                .filter(migrations::uuid.eq(text(migration)))
                .select((runs::uuid, operations::uuid))
                .first(connection)
                .optional()?)
        })
        .await
    }
}

type Row = (
    RunUuid,
    OperationUuid,
    (OperationKind, Option<OperationKind>),
    ServerUuid,
    Option<Timestamp>,
    bool,
    Option<MigrationUuid>,
);
