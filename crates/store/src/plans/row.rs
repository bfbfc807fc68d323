//! The row of a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Options, Plan, PlanState};
use godwit_core::reason::WrittenReason;
use godwit_core::requester::Requester;
use godwit_core::resources::Resources;
use godwit_core::time::Timestamp;
use serde_json::Value;

use super::operation::operations_of;
use super::{Blocked, PlanDetail, PlanRecord};
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::dialect::locks::{Lockable, lock};
use crate::schema::{plans, runs};
use crate::{Message, Store, StoreError};

/// All that is read of a plan.
#[derive(Queryable, Selectable)]
#[diesel(table_name = plans)]
pub(super) struct PlanRow {
    id: i64,
    uuid: PlanUuid,
    #[diesel(embed)]
    by: ByRow,
    state: PlanState,
    target: Json<Target>,
    options: Json<Options>,
    sources: Json<Vec<String>>,
    valid_until: Option<Timestamp>,
    has_run: bool,
    failure_code: Option<FailureCode>,
    failure_message: Option<String>,
    fingerprint: Option<String>,
    facts: Option<Json<Value>>,
    room: Json<BTreeMap<HostName, Resources>>,
    blocked: Json<Vec<Blocked>>,
    reasons: Json<Vec<WrittenReason>>,
    makespan: Option<Json<Estimate>>,
    lower_bound: Option<Json<f64>>,
    messages: Json<Vec<Message>>,
    generation: i64,
    event_sequence: i64,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = plans)]
pub(super) struct ByRow {
    user_id: Option<String>,
    project_id: Option<String>,
    request_id: Option<String>,
}

impl From<PlanRow> for PlanRecord {
    fn from(row: PlanRow) -> Self {
        let (target, options) = (row.target.0, row.options.0);
        let failure = row.failure_code.zip(row.failure_message);
        Self {
            id: row.id,
            uuid: row.uuid,
            by: Requester {
                user: row.by.user_id,
                project: row.by.project_id,
                request_id: row.by.request_id,
            },
            plan: Plan {
                state: row.state,
                may_be_partial: options.may_be_partial(target.kind()),
                valid: Duration::from_secs(u64::from(options.valid_seconds)),
                valid_until: row.valid_until,
                has_run: row.has_run,
                failure: failure.map(|(code, message)| Failure { code, message }),
                generation: row.generation,
            },
            target,
            options,
            sources: row.sources.0,
            fingerprint: row.fingerprint,
            facts: row.facts.map(|it| it.0),
            room: row.room.0,
            blocked: row.blocked.0,
            reasons: row.reasons.0,
            makespan: row.makespan.map(|it| it.0),
            lower_bound: row.lower_bound.map(|it| it.0),
            messages: row.messages.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            event_sequence: row.event_sequence,
        }
    }
}

/// A plan that nobody else changes until the transaction ends.
pub(crate) struct LockedPlan(pub(crate) PlanRecord);

impl LockedPlan {
    /// `None`: there is none, or it was deleted.
    pub(crate) fn load(
        connection: &mut Database,
        uuid: PlanUuid,
    ) -> Result<Option<Self>, StoreError> {
        lock(connection, Lockable::Plan, &text(uuid))?;
        Ok(load(connection, uuid)?.map(Self))
    }
}

pub(super) fn load(
    connection: &mut Database,
    uuid: PlanUuid,
) -> Result<Option<PlanRecord>, StoreError> {
    let row: Option<PlanRow> = plans::table
        .filter(plans::uuid.eq(text(uuid)))
        .filter(plans::deleted_at.is_null())
        .select(PlanRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(PlanRecord::from))
}

/// Reads what stands beside the rows. Where operations are wanted, rows are left out once those before
/// them have `most` of these.
pub(super) fn complete(
    connection: &mut Database,
    rows: Vec<PlanRow>,
    most: Option<usize>,
) -> Result<Vec<PlanDetail>, StoreError> {
    let records: Vec<PlanRecord> = rows.into_iter().map(PlanRecord::from).collect();
    let ids: Vec<i64> = records.iter().map(|it| it.id).collect();
    let runs: Vec<(i64, RunUuid)> = runs::table
        .filter(runs::plan_id.eq_any(&ids))
        .select((runs::plan_id, runs::uuid))
        .load(connection)?;
    let runs: BTreeMap<i64, RunUuid> = runs.into_iter().collect();
    let mut details = Vec::with_capacity(records.len());
    let mut read = 0_usize;
    for record in records {
        if most.is_some_and(|most| read >= most) {
            break;
        }
        let operations = match most {
            Some(_) => operations_of(connection, record.id)?,
            None => Vec::new(),
        };
        read = read.saturating_add(operations.len());
        details.push(PlanDetail {
            operations: operations.into_iter().map(|it| it.planned()).collect(),
            run: runs.get(&record.id).copied(),
            record,
        });
    }
    Ok(details)
}

impl Store {
    /// A plan with its operations, unless (where `project` is given) it is another project's.
    pub async fn plan_find(
        &self,
        uuid: PlanUuid,
        project: Option<&str>,
    ) -> Result<Option<PlanDetail>, StoreError> {
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let row: Option<PlanRow> = plans::table
                .filter(plans::uuid.eq(text(uuid)))
                .filter(plans::deleted_at.is_null())
                .select(PlanRow::as_select())
                .first(connection)
                .optional()?;
            let visible = |row: &PlanRow| {
                let own = project.as_ref();
                own.is_none_or(|own| row.by.project_id.as_ref() == Some(own))
            };
            let rows = row.filter(visible).into_iter().collect();
            Ok(complete(connection, rows, Some(usize::MAX))?.pop())
        })
        .await
    }
}
