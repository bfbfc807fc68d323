//! Lists of runs, the newest first.

use diesel::prelude::*;
use godwit_core::plan::PlanKind;
use godwit_core::run::RunState;

use super::RunRecord;
use super::row::{OfPlan, RunRow, complete, rows};
use crate::columns::storable;
use crate::connection::Database;
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
    /// Are their operations and revisions wanted?
    pub operations: bool,
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
    complete(connection, rows, false)
}

impl Store {
    /// Runs, the newest first.
    pub async fn run_list(
        &self,
        filter: &RunFilter,
        page: RunPage,
    ) -> Result<Vec<RunRecord>, StoreError> {
        if filter.impossible() || page.limit <= 0 {
            return Ok(Vec::new());
        }
        let filter = filter.clone();
        self.read_snapshot(move |connection| {
            let mut rows = matching!(rows!(runs::table), filter);
            if let Some(after) = page.after {
                rows = rows.filter(runs::id.lt(after));
            }
            let rows: Vec<(RunRow, OfPlan)> = rows
                .order(runs::id.desc())
                .limit(page.limit)
                .load(connection)?;
            complete(connection, rows, page.operations)
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

    /// Runs that have not ended, the oldest first, without their operations and revisions.
    pub async fn runs_unfinished(&self) -> Result<Vec<RunRecord>, StoreError> {
        self.read_snapshot(|connection| load_unfinished(connection, None))
            .await
    }
}
