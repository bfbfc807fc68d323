//! What a run holds of hosts, for operations whose migrations have not claimed it by themselves.
//!
//! Whoever changes this has the hosts locked, as has everybody who counts what is taken of them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use godwit_core::ids::{HostName, MigrationUuid, OperationUuid, RunUuid};
use godwit_core::resources::Resources;
use godwit_core::run::room::held_after;
use godwit_core::run::{OperationKind, OperationState, Run};
use godwit_core::time::Timestamp;
use serde_json::json;

use super::RunRecord;
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{claims, migrations, operations, run_claims, runs};
use crate::{Store, StoreError, dialect};

/// Of processors, memory and disk.
type Amounts = (i64, i64, i64);

/// Claimed, by host.
pub(super) type Held = BTreeMap<HostName, Resources>;

fn amount((host, vcpus, memory_mb, disk_gb): (HostName, i64, i64, i64)) -> (HostName, Resources) {
    let room = Resources {
        vcpus,
        memory_mb,
        disk_gb,
    };
    (host, room)
}

/// What a run has of some hosts.
pub(super) fn of_run(
    connection: &mut Database,
    run: i64,
    hosts: &BTreeSet<&str>,
) -> Result<Held, StoreError> {
    let hosts: Vec<&str> = hosts.iter().copied().collect();
    let rows: Vec<(HostName, i64, i64, i64)> = run_claims::table
        .filter(run_claims::run_id.eq(run))
        .filter(run_claims::host.eq_any(hosts))
        .select((
            run_claims::host,
            run_claims::vcpus,
            run_claims::memory_mb,
            run_claims::disk_gb,
        ))
        .load(connection)?;
    Ok(rows.into_iter().map(amount).collect())
}

/// What each run that has not ended holds.
pub(super) fn of_all(connection: &mut Database) -> Result<BTreeMap<RunUuid, Held>, StoreError> {
    let rows: Vec<(RunUuid, HostName, i64, i64, i64)> = run_claims::table
        .inner_join(runs::table)
        .select((
            runs::uuid,
            run_claims::host,
            run_claims::vcpus,
            run_claims::memory_mb,
            run_claims::disk_gb,
        ))
        .load(connection)?;
    let mut held: BTreeMap<RunUuid, Held> = BTreeMap::new();
    for (run, host, vcpus, memory_mb, disk_gb) in rows {
        let (host, room) = amount((host, vcpus, memory_mb, disk_gb));
        held.entry(run).or_default().insert(host, room);
    }
    Ok(held)
}

/// What migrations have claimed, by host.
#[derive(Default)]
pub(super) struct OfMigrations {
    /// Of those that each run has started that has not ended.
    pub(super) of_runs: BTreeMap<RunUuid, Held>,
    /// Of all others.
    pub(super) of_none: Held,
}

/// Of every attempt: one that was given up may hold its way back still.
pub(super) fn of_migrations(connection: &mut Database) -> Result<OfMigrations, StoreError> {
    type Row = (Option<RunUuid>, HostName, i64, i64, i64);
    let of_operation = operations::uuid.nullable().eq(migrations::operation_uuid);
    let of_run = runs::plan_id.eq(operations::plan_id);
    let unfinished = of_run.and(runs::ended_at.is_null());
    let rows: Vec<Row> = claims::table
        .inner_join(migrations::table)
        .left_join(operations::table.on(of_operation))
        .left_join(runs::table.on(unfinished))
        .select((
            runs::uuid.nullable(),
            claims::host,
            claims::vcpus,
            claims::memory_mb,
            claims::disk_gb,
        ))
        .load(connection)?;
    let mut claimed = OfMigrations::default();
    for (run, host, vcpus, memory_mb, disk_gb) in rows {
        let (host, room) = amount((host, vcpus, memory_mb, disk_gb));
        let held = match run {
            Some(run) => claimed.of_runs.entry(run).or_default(),
            None => &mut claimed.of_none,
        };
        let of_host = held.entry(host).or_default();
        *of_host = of_host.plus(room);
    }
    Ok(claimed)
}

/// What runs hold, with what migrations have claimed that they have started: that is free, too, where a
/// run ends and its migrations with it.
pub(super) fn with_migrations(
    mut held: BTreeMap<RunUuid, Held>,
    of_runs: BTreeMap<RunUuid, Held>,
) -> BTreeMap<RunUuid, Held> {
    for (run, claimed) in of_runs {
        let of_run = held.entry(run).or_default();
        for (host, room) in claimed {
            let of_host = of_run.entry(host).or_default();
            *of_host = of_host.plus(room);
        }
    }
    held
}

/// Makes what a run holds of a host this.
pub(super) fn put(
    connection: &mut Database,
    run: i64,
    (host, room): (&HostName, Resources),
    at: Timestamp,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO run_claims (run_id, host, vcpus, memory_mb, disk_gb, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (run_id, host) DO UPDATE SET
             vcpus = excluded.vcpus, memory_mb = excluded.memory_mb,
             disk_gb = excluded.disk_gb",
    )
    .bind::<BigInt, _>(run)
    .bind::<Text, _>(host.as_str())
    .bind::<BigInt, _>(room.vcpus)
    .bind::<BigInt, _>(room.memory_mb)
    .bind::<BigInt, _>(room.disk_gb)
    .bind::<diesel::sql_types::Timestamp, _>(instant(at))
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// The hosts of which a run may go on to hold less, or something else: those of operations that end,
/// or go elsewhere. None where the run ends, as it gives everything back then.
pub(super) fn hosts_of<'a>(before: &'a Run, after: &'a Run) -> BTreeSet<&'a str> {
    if after.ended_at.is_some() {
        return BTreeSet::new();
    }
    let pairs = before.operations.iter().zip(&after.operations);
    let changed = pairs.filter(|(was, is)| {
        was.state.is_terminal() != is.state.is_terminal() || was.destination != is.destination
    });
    let ends = changed.flat_map(|(was, is)| [&was.source, &was.destination, &is.destination]);
    ends.map(String::as_str).collect()
}

/// The hosts that these runs have still to begin something from or to: those that are locked when they
/// are cancelled.
pub(crate) fn ends_of_waiting(
    connection: &mut Database,
    of: impl Iterator<Item = RunUuid>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut hosts = BTreeSet::new();
    for run in of {
        let ends: Vec<(String, Option<String>)> = operations::table
            .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
            .filter(runs::uuid.eq(text(run)))
            .filter(operations::state.eq(OperationState::Waiting.as_str()))
            .select((operations::source, operations::destination))
            .distinct()
            .load(connection)?;
        hosts.extend(
            ends.into_iter()
                .flat_map(|(from, to)| [Some(from), to])
                .flatten(),
        );
    }
    Ok(hosts)
}

/// What the run of a plan needs of these hosts for its operations that have not ended, as they are
/// written: what [`godwit_core::run::room::needed`] says of them.
fn needed_at(
    connection: &mut Database,
    plan: i64,
    hosts: &BTreeSet<&str>,
) -> Result<Held, StoreError> {
    let statement = needed_statement(&dialect::rows_of(connection, &[("host", "text")]));
    let hosts: Vec<_> = hosts.iter().map(|host| json!({ "host": host })).collect();
    let rows: Vec<NeededRow> = sql_query(statement)
        .bind::<Text, _>(json!(hosts).to_string())
        .bind::<BigInt, _>(plan)
        .prepared()
        .load(connection)?;
    let needed = rows.into_iter().filter_map(|row| {
        let host = HostName::new(row.host).ok()?;
        Some(amount((host, row.vcpus, row.memory_mb, row.disk_gb)))
    });
    Ok(needed.collect())
}

/// Of the hosts in `named`. PostgreSQL adds BIGINTs up to a NUMERIC, so the sums are cast back.
fn needed_statement(named: &str) -> String {
    format!(
        "SELECT destination AS host, CAST(SUM(vcpus) AS BIGINT) AS vcpus,
                CAST(SUM(memory_mb) AS BIGINT) AS memory_mb,
                CAST(SUM(disk_gb) AS BIGINT) AS disk_gb
         FROM operations
         WHERE destination IN (SELECT host FROM {named})
           AND plan_id = $2 AND state IN ('waiting', 'running')
           AND kind IN ('live', 'cold', 'evacuate')
         GROUP BY destination"
    )
}

#[derive(QueryableByName)]
struct NeededRow {
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    vcpus: i64,
    #[diesel(sql_type = BigInt)]
    memory_mb: i64,
    #[diesel(sql_type = BigInt)]
    disk_gb: i64,
}

/// Keeps of what the run holds what it goes on to need; all is given back where it has ended.
pub(super) fn keep(
    connection: &mut Database,
    before: &RunRecord,
    after: &RunRecord,
    at: Timestamp,
) -> Result<(), StoreError> {
    if after.run.ended_at.is_some() {
        diesel::delete(run_claims::table.filter(run_claims::run_id.eq(after.id)))
            .prepared()
            .execute(connection)?;
        return Ok(());
    }
    let hosts = hosts_of(&before.run, &after.run);
    if hosts.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = hosts.iter().copied().collect();
    dialect::lock_hosts(connection, &names)?;
    let held = of_run(connection, after.id, &hosts)?;
    let needed = needed_at(connection, after.plan_id, &hosts)?;
    let sizes: BTreeMap<OperationUuid, Resources> = after
        .operations
        .iter()
        .map(|it| (it.planned.id, it.planned.size))
        .collect();
    let size = |id| sizes.get(&id).copied().unwrap_or_default();
    let kept = held_after(&held, (&before.run, &after.run), &needed, size);
    for host in held.keys().filter(|host| !kept.contains_key(*host)) {
        diesel::delete(run_claims::table)
            .filter(run_claims::run_id.eq(after.id))
            .filter(run_claims::host.eq(host.as_str()))
            .prepared()
            .execute(connection)?;
    }
    for (host, room) in kept {
        if held.get(&host) != Some(&room) {
            put(connection, after.id, (&host, room), at)?;
        }
    }
    Ok(())
}

/// A migration claims room at its destination: if it is an operation of a run, that holds so much
/// less there from now on. The host is locked.
pub(crate) fn take_from_run(
    connection: &mut Database,
    migration: i64,
    host: &HostName,
    room: Resources,
) -> Result<(), StoreError> {
    let uuid: Option<MigrationUuid> = migrations::table
        .find(migration)
        .select(migrations::uuid)
        .first(connection)
        .optional()?;
    let Some(uuid) = uuid else { return Ok(()) };
    let run: Option<i64> = operations::table
        .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
        .filter(operations::migration_uuid.eq(text(uuid)))
        .filter(operations::kind.ne(OperationKind::Storage.as_str()))
        .select(runs::id)
        .first(connection)
        .optional()?;
    let Some(run) = run else { return Ok(()) };
    sql_query(
        "UPDATE run_claims SET
             vcpus = CASE WHEN vcpus > $1 THEN vcpus - $1 ELSE 0 END,
             memory_mb = CASE WHEN memory_mb > $2 THEN memory_mb - $2 ELSE 0 END,
             disk_gb = CASE WHEN disk_gb > $3 THEN disk_gb - $3 ELSE 0 END
         WHERE run_id = $4 AND host = $5",
    )
    .bind::<BigInt, _>(room.vcpus)
    .bind::<BigInt, _>(room.memory_mb)
    .bind::<BigInt, _>(room.disk_gb)
    .bind::<BigInt, _>(run)
    .bind::<Text, _>(host.as_str())
    .prepared()
    .execute(connection)?;
    Ok(())
}

impl Store {
    /// What a run holds of hosts for operations that have claimed nothing by themselves.
    pub async fn run_holds(
        &self,
        run: RunUuid,
    ) -> Result<BTreeMap<HostName, Resources>, StoreError> {
        self.read(move |connection| {
            let rows: Vec<(HostName, i64, i64, i64)> = run_claims::table
                .inner_join(runs::table)
                .filter(runs::uuid.eq(text(run)))
                .select((
                    run_claims::host,
                    run_claims::vcpus,
                    run_claims::memory_mb,
                    run_claims::disk_gb,
                ))
                .load(connection)?;
            Ok(rows.into_iter().map(amount).collect())
        })
        .await
    }

    /// What a run holds at its destination for the operation that has started this migration: whoever
    /// places the migration counts it as free. `None`: it is of no run, or has claimed room by itself.
    pub async fn room_held_for(
        &self,
        migration: MigrationUuid,
    ) -> Result<Option<(HostName, Resources)>, StoreError> {
        self.read(move |connection| {
            let held = run_claims::run_id.eq(runs::id);
            let there = run_claims::host.nullable().eq(operations::destination);
            let found: Option<(HostName, Amounts, Amounts)> = operations::table
                .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
                .inner_join(run_claims::table.on(held.and(there)))
                .filter(operations::migration_uuid.eq(text(migration)))
                .select((
                    run_claims::host,
                    (
                        run_claims::vcpus,
                        run_claims::memory_mb,
                        run_claims::disk_gb,
                    ),
                    (
                        operations::vcpus,
                        operations::memory_mb,
                        operations::disk_gb,
                    ),
                ))
                .first(connection)
                .optional()?;
            Ok(found.map(|(host, held, size)| {
                let room = Resources {
                    vcpus: held.0.min(size.0),
                    memory_mb: held.1.min(size.1),
                    disk_gb: held.2.min(size.2),
                };
                (host, room)
            }))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::query_plan;

    #[tokio::test]
    async fn what_is_needed_of_a_host_is_found_without_those_that_go_elsewhere() {
        let (_directory, mut connection) = query_plan::empty().await;
        let named = dialect::rows_of(&connection, &[("host", "text")]);
        let plan = query_plan::explain(&mut connection, &needed_statement(&named));
        let by_host = "operations_in_state (plan_id=? AND state=? AND destination=?)";
        assert!(plan.iter().any(|it| it.contains(by_host)), "{plan:?}");
    }
}
