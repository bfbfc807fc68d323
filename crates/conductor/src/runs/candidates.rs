//! Operations that may begin but for slots, and the slots that are taken.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::{HostName, OperationUuid};
use godwit_core::run::order::startable;
use godwit_core::run::priority::Waiting;
use godwit_core::run::{Operation, OperationKind};
use godwit_core::slots::SlotRole;
use godwit_core::status::MigrationKind;
use godwit_core::time::Timestamp;
use godwit_planner::admission::SlotsTaken;
use godwit_store::{RunRecord, StoreError};

use super::queues::Candidate;
use crate::context::Context;

/// Operations of one queue that are considered: if none of these finds slots, hardly another one will.
const CONSIDERED: usize = 64;

/// What may begin but for slots.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) all: BTreeSet<OperationUuid>,
    pub(super) need_slots: Vec<Candidate>,
    pub(super) need_none: Vec<OperationUuid>,
}

pub(super) fn candidates(record: &RunRecord, later: &BTreeSet<OperationUuid>) -> Candidates {
    let mut found = Candidates::default();
    let mut considered: BTreeMap<String, usize> = BTreeMap::new();
    let served = served(record);
    startable(&record.run, |operation| {
        let of_queue = considered.entry(operation.source.clone()).or_default();
        if later.contains(&operation.id) || *of_queue >= CONSIDERED {
            return false;
        }
        *of_queue += 1;
        found.all.insert(operation.id);
        match of_slots(record, operation, &served) {
            Some(candidate) => found.need_slots.push(candidate),
            None => found.need_none.push(operation.id),
        }
        false
    });
    found
}

/// When the last operation of each queue began.
fn served(record: &RunRecord) -> BTreeMap<&str, Timestamp> {
    let mut served = BTreeMap::new();
    let both = record.run.operations.iter().zip(&record.operations);
    for (operation, beside) in both {
        if let Some(at) = beside.started_at {
            let last = served.entry(operation.source.as_str()).or_insert(at);
            *last = at.max(*last);
        }
    }
    served
}

/// Only live migrations take slots. A queue that has begun nothing came when its run began.
fn of_slots(
    record: &RunRecord,
    operation: &Operation,
    served: &BTreeMap<&str, Timestamp>,
) -> Option<Candidate> {
    if operation.kind != OperationKind::Live {
        return None;
    }
    let source = HostName::new(operation.source.as_str()).ok()?;
    let destination = HostName::new(operation.destination.as_str()).ok()?;
    let came = record.run.started_at.unwrap_or(record.created_at);
    let since = served.get(operation.source.as_str()).copied();
    let since = since.unwrap_or(came);
    Some(Candidate {
        operation: operation.id,
        waiting: Waiting {
            queue: (record.uuid, source),
            goes_on: false,
            priority: record.priority,
            since,
            // Its moment is a number as well, and every conductor knows it.
            served: u64::try_from(since.as_micros()).unwrap_or_default(),
        },
        destination,
    })
}

/// The slots of what moves, and of what waits for its own.
pub(super) async fn taken(ctx: &Context) -> Result<SlotsTaken, StoreError> {
    let mut taken = SlotsTaken::default();
    for record in ctx.store.migrations_unfinished().await? {
        let migration = &record.migration;
        if migration.kind != MigrationKind::LiveMigration {
            continue;
        }
        taken.take(SlotRole::Source, &migration.source_compute, 1);
        let named = migration.request.host();
        if let Some(destination) = migration.destination().or(named) {
            taken.take(SlotRole::Destination, destination, 1);
        }
    }
    Ok(taken)
}
