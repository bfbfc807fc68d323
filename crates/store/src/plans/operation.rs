//! The rows of operations: what is planned, and beside it what comes of it.

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, OperationUuid, ServerUuid};
use godwit_core::plan::{Actual, Estimates};
use godwit_core::resources::Resources;
use godwit_core::run::{self, OperationKind, OperationState};
use godwit_core::time::Timestamp;
use serde_json::{Value, json};

use super::PlannedOperation;
use crate::StoreError;
use crate::columns::Json;
use crate::connection::Database;
use crate::dialect::bulk;
use crate::schema::operations;

/// Rows that are inserted with one statement.
const AT_ONCE: usize = 1_000;

/// All that is read of an operation.
#[derive(Queryable, Selectable)]
#[diesel(table_name = operations)]
pub(crate) struct OperationRow {
    pub(crate) id: i64,
    #[diesel(embed)]
    planned: PlannedRow,
    #[diesel(embed)]
    carried_out: CarriedOutRow,
    pub(crate) actual: Option<Json<Actual>>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = operations)]
pub(crate) struct PlannedRow {
    uuid: OperationUuid,
    kind: OperationKind,
    server_uuid: ServerUuid,
    source: String,
    planned_destination: String,
    after_operations: Json<Vec<OperationUuid>>,
    after_host: Option<HostName>,
    because: Json<Value>,
    estimates: Json<Estimates>,
    vcpus: i64,
    memory_mb: i64,
    disk_gb: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = operations)]
pub(crate) struct CarriedOutRow {
    weight: i64,
    state: Option<OperationState>,
    destination: Option<String>,
    waits_for_host: Option<HostName>,
    carried_out_as: Option<OperationKind>,
    migration_uuid: Option<MigrationUuid>,
    attempts: i64,
    revisions: i64,
    replan: bool,
    aborting: bool,
    failure_code: Option<FailureCode>,
    failure_message: Option<String>,
}

/// A count, as it stands in a column.
pub(crate) fn count(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

impl OperationRow {
    pub(crate) fn uuid(&self) -> OperationUuid {
        self.planned.uuid
    }

    pub(crate) fn size(&self) -> Resources {
        Resources {
            vcpus: self.planned.vcpus,
            memory_mb: self.planned.memory_mb,
            disk_gb: self.planned.disk_gb,
        }
    }

    /// As it was planned.
    pub(crate) fn planned(&self) -> PlannedOperation {
        let row = &self.planned;
        PlannedOperation {
            id: row.uuid,
            kind: row.kind,
            server: row.server_uuid,
            source: row.source.clone(),
            destination: row.planned_destination.clone(),
            after: row.after_operations.0.clone(),
            after_done: row.after_host.clone(),
            because: row.because.0.clone(),
            estimates: row.estimates.0,
            size: self.size(),
        }
    }

    /// As it is carried out; `None`: it is not run.
    pub(crate) fn operation(&self) -> Option<run::Operation> {
        let (planned, row) = (&self.planned, &self.carried_out);
        let failure = row.failure_code.zip(row.failure_message.clone());
        let destination = row.destination.as_ref();
        Some(run::Operation {
            id: planned.uuid,
            kind: row.carried_out_as.unwrap_or(planned.kind),
            server: planned.server_uuid,
            source: planned.source.clone(),
            destination: destination.unwrap_or(&planned.planned_destination).clone(),
            after: planned.after_operations.0.clone(),
            after_done: row.waits_for_host.clone(),
            weight: count(row.weight),
            state: row.state?,
            migration: row.migration_uuid,
            attempts: count(row.attempts),
            revisions: count(row.revisions),
            replan: row.replan,
            aborting: row.aborting,
            failure: failure.map(|(code, message)| Failure { code, message }),
        })
    }
}

/// The operations of a plan, in their order.
pub(crate) fn operations_of(
    connection: &mut Database,
    plan: i64,
) -> Result<Vec<OperationRow>, StoreError> {
    Ok(operations::table
        .filter(operations::plan_id.eq(plan))
        .order(operations::place)
        .select(OperationRow::as_select())
        .load(connection)?)
}

const COLUMNS: &[(&str, &str)] = &[
    ("plan_id", "bigint"),
    ("place", "bigint"),
    ("uuid", "text"),
    ("kind", "text"),
    ("server_uuid", "text"),
    ("source", "text"),
    ("planned_destination", "text"),
    ("after_operations", "text"),
    ("after_host", "text"),
    ("because", "text"),
    ("estimates", "text"),
    ("weight", "bigint"),
    ("vcpus", "bigint"),
    ("memory_mb", "bigint"),
    ("disk_gb", "bigint"),
];

/// Writes the operations of a plan.
pub(super) fn insert(
    connection: &mut Database,
    plan: i64,
    planned: &[PlannedOperation],
) -> Result<(), StoreError> {
    let rows: Vec<Value> = (1_i64..)
        .zip(planned)
        .map(|(place, it)| {
            json!({
                "plan_id": plan,
                "place": place,
                "uuid": it.id,
                "kind": it.kind,
                "server_uuid": it.server,
                "source": it.source,
                "planned_destination": it.destination,
                // Texts, which the database takes for what they are.
                "after_operations": crate::columns::json(&it.after),
                "after_host": it.after_done,
                "because": crate::columns::json(&it.because),
                "estimates": crate::columns::json(&it.estimates),
                "weight": it.estimates.weight(),
                "vcpus": it.size.vcpus,
                "memory_mb": it.size.memory_mb,
                "disk_gb": it.size.disk_gb,
            })
        })
        .collect();
    for some in rows.chunks(AT_ONCE) {
        let inserted = bulk::insert(connection, "operations", COLUMNS, &json!(some).to_string())?;
        if inserted.len() != some.len() {
            let text = format!("operations of plan {plan} have ids that others have");
            return Err(StoreError::Corrupt(text.into()));
        }
    }
    Ok(())
}
