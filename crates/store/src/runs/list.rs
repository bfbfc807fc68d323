//! Lists of runs, the newest first.

use std::collections::HashSet;

use diesel::prelude::*;
use godwit_core::ids::RunUuid;
use godwit_core::plan::PlanKind;
use godwit_core::run::RunState;

use super::RunRecord;
use super::row::{OfPlan, RunRow, complete, rows};
use crate::among::{among, load_all};
use crate::columns::{storable, text};
use crate::connection::Database;
use crate::listed::Listed;
use crate::schema::runs;
use crate::{Store, StoreError};

/// Conditions, all of which a run must meet.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RunFilter {
    /// In this state.
    pub state: Option<RunState>,
    /// Of a plan of this type.
    pub kind: Option<PlanKind>,
    /// Of this project.
    pub project: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunPage {
    /// At most so many.
    pub limit: i64,
    /// Only what follows the run of this integer id, whether that is still there or not.
    pub after: Option<i64>,
    /// Are their operations and revisions wanted? Then it ends with the run that has the last of so
    /// many.
    pub operations: Option<usize>,
}

impl RunFilter {
    fn impossible(&self) -> bool {
        self.project.as_deref().is_some_and(|it| !storable(it))
    }
}

/// The rows that match.
macro_rules! matching {
    ($rows:expr, $filter:expr) => {{
        let mut rows = $rows.into_boxed();
        if let Some(state) = $filter.state {
            rows = rows.filter(runs::state.eq(state.as_str()));
        }
        if let Some(kind) = $filter.kind {
            rows = rows.filter(runs::kind.eq(kind.as_str()));
        }
        if let Some(project) = &$filter.project {
            rows = rows.filter(runs::project_id.eq(project));
        }
        rows
    }};
}

/// All that have not ended, of `project` or of all, the oldest first, without their operations.
pub(crate) fn load_unfinished(
    connection: &mut Database,
    project: Option<&str>,
) -> Result<Vec<RunRecord>, StoreError> {
    let filter = RunFilter {
        project: project.map(str::to_owned),
        ..RunFilter::default()
    };
    if filter.impossible() {
        return Ok(Vec::new());
    }
    let rows: Vec<(RunRow, OfPlan)> = matching!(rows!(runs::table), filter)
        .filter(runs::ended_at.is_null())
        .order(runs::id)
        .load(connection)?;
    complete(connection, rows, None)
}

impl Store {
    /// Runs, the newest first.
    pub async fn run_list(
        &self,
        filter: &RunFilter,
        page: RunPage,
    ) -> Result<Listed<RunRecord>, StoreError> {
        if filter.impossible() || page.limit <= 0 {
            return Ok(Listed::default());
        }
        let filter = filter.clone();
        self.read_snapshot(move |connection| {
            let mut rows = matching!(rows!(runs::table), filter);
            if let Some(after) = page.after {
                rows = rows.filter(runs::id.lt(after));
            }
            let rows: Vec<(RunRow, OfPlan)> = rows
                .order(runs::id.desc())
                .limit(page.limit.saturating_add(1))
                .load(connection)?;
            let (rows, all) = Listed::page(rows, page.limit);
            Ok(all.of(complete(connection, rows, page.operations)?))
        })
        .await
    }

    /// How many runs a list has in all. Takes the longer, the more there are.
    pub async fn run_count(&self, filter: &RunFilter) -> Result<i64, StoreError> {
        if filter.impossible() {
            return Ok(0);
        }
        let filter = filter.clone();
        self.read(move |connection| {
            Ok(matching!(runs::table, filter)
                .count()
                .get_result(connection)?)
        })
        .await
    }

    /// Those of some runs that are of a project.
    pub async fn runs_of_project(
        &self,
        runs: Vec<RunUuid>,
        project: &str,
    ) -> Result<HashSet<RunUuid>, StoreError> {
        if runs.is_empty() || !storable(project) {
            return Ok(HashSet::new());
        }
        let project = project.to_owned();
        let uuids: Vec<String> = runs.into_iter().map(text).collect();
        self.read(move |connection| {
            let found: Vec<RunUuid> = load_all!(connection, uuids, |uuids| {
                runs::table
                    .filter(among(runs::uuid, uuids))
                    .filter(runs::project_id.eq(&project))
                    .select(runs::uuid)
            });
            Ok(found.into_iter().collect())
        })
        .await
    }

    /// Runs that have not ended, the oldest first, without their operations and revisions.
    pub async fn runs_unfinished(&self) -> Result<Vec<RunRecord>, StoreError> {
        self.read_snapshot(|connection| load_unfinished(connection, None))
            .await
    }
}
