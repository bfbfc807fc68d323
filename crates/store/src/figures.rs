//! Figures for metrics: all of them cheap, however many migrations have ended.

use std::collections::BTreeMap;

use diesel::dsl::{count_star, min};
use diesel::prelude::*;
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::{Effect, PlanEffect, RunEffect, SubjectKind};
use godwit_core::failure::FailureCode;
use godwit_core::power::PowerAction;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use crate::connection::Database;
use crate::schema::{discrepancies, effects, migrations};
use crate::{Store, StoreError, webhooks};

/// A look at the whole.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// Migrations that have not ended, by type and status.
    pub unfinished: Vec<(MigrationKind, MigrationStatus, i64)>,
    /// Since when the oldest `queued` migration is queued.
    pub oldest_queued: Option<Timestamp>,
    /// Effects of migrations not done yet, by kind, with when the oldest was asked for.
    pub effects: Vec<(Effect, i64, Timestamp)>,
    /// Those of servers.
    pub power: Vec<(PowerAction, i64, Timestamp)>,
    /// Those of plans.
    pub plans: Vec<(PlanEffect, i64, Timestamp)>,
    /// Those of runs.
    pub runs: Vec<(RunEffect, i64, Timestamp)>,
    /// Open discrepancies, by kind.
    pub discrepancies: Vec<(DiscrepancyKind, i64)>,
    /// Since when the oldest event has been waiting that some webhook has not been told.
    pub oldest_for_webhooks: Option<Timestamp>,
}

/// Counted here, not in the database: grouping would tempt it to walk an index of all
/// migrations that there ever were.
fn unfinished(
    connection: &mut Database,
) -> Result<Vec<(MigrationKind, MigrationStatus, i64)>, StoreError> {
    let rows: Vec<(MigrationKind, MigrationStatus)> = migrations::table
        .filter(migrations::ended_at.is_null())
        .order((migrations::created_at, migrations::id))
        .select((migrations::migration_type, migrations::status))
        .load(connection)?;
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row).or_insert(0) += 1;
    }
    let counted = counts
        .into_iter()
        .map(|((kind, status), n)| (kind, status, n));
    Ok(counted.collect())
}

impl Store {
    /// Migrations that have not ended though a deadline of theirs has passed, by type: it lies
    /// behind `now`, or it has made the move give up.
    pub async fn migrations_late(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(MigrationKind, i64)>, StoreError> {
        self.read(move |connection| {
            // In the order of `unfinished`, for the same index.
            let rows: Vec<(MigrationKind, Option<Timestamp>, Option<FailureCode>)> =
                migrations::table
                    .filter(migrations::ended_at.is_null())
                    .order((migrations::created_at, migrations::id))
                    .select((
                        migrations::migration_type,
                        migrations::deadline,
                        migrations::failure_code,
                    ))
                    .load(connection)?;
            let mut counts = BTreeMap::new();
            for (kind, deadline, failure) in rows {
                let passed = deadline.is_some_and(|deadline| deadline <= now);
                if passed || failure == Some(FailureCode::TimedOut) {
                    *counts.entry(kind).or_insert(0) += 1;
                }
            }
            Ok(counts.into_iter().collect())
        })
        .await
    }

    /// A look at the whole.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        self.read_snapshot(|connection| {
            let outstanding = |kind: SubjectKind| {
                effects::table
                    .filter(effects::done_at.is_null())
                    .filter(effects::subject_kind.eq(kind.as_str()))
                    .group_by(effects::effect)
                    .select((
                        effects::effect,
                        count_star(),
                        min(effects::created_at).assume_not_null(),
                    ))
            };
            Ok(Figures {
                unfinished: unfinished(connection)?,
                oldest_queued: migrations::table
                    .filter(migrations::ended_at.is_null())
                    .filter(migrations::status.eq(MigrationStatus::Queued.as_str()))
                    .select(min(migrations::status_since))
                    .first(connection)?,
                effects: outstanding(SubjectKind::Migration).load(connection)?,
                power: outstanding(SubjectKind::Server).load(connection)?,
                plans: outstanding(SubjectKind::Plan).load(connection)?,
                runs: outstanding(SubjectKind::Run).load(connection)?,
                discrepancies: discrepancies::table
                    .filter(discrepancies::closed_at.is_null())
                    .group_by(discrepancies::kind)
                    .select((discrepancies::kind, count_star()))
                    .load(connection)?,
                oldest_for_webhooks: webhooks::waiting_since(connection)?,
            })
        })
        .await
    }
}
