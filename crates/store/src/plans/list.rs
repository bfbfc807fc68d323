//! Lists of plans, the newest first.

use diesel::prelude::*;
use godwit_core::plan::{PlanKind, PlanState};

use super::PlanDetail;
use super::row::{PlanRow, complete};
use crate::columns::storable;
use crate::connection::MultiBackend;
use crate::listed::Listed;
use crate::schema::plans;
use crate::{Store, StoreError};

/// Conditions, all of which a plan must meet.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PlanFilter {
    /// In this state.
    pub state: Option<PlanState>,
    /// Of this type.
    pub kind: Option<PlanKind>,
    /// Of this project.
    pub project: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanPage {
    /// At most so many.
    pub limit: i64,
    /// Only what follows the plan of this integer id, whether that is still there or not.
    pub after: Option<i64>,
    /// Are their operations wanted? Then it ends with the plan that has the last of so many.
    pub operations: Option<usize>,
}

impl PlanFilter {
    fn impossible(&self) -> bool {
        self.project.as_deref().is_some_and(|it| !storable(it))
    }

    fn rows(&self) -> plans::BoxedQuery<'_, MultiBackend> {
        let mut rows = plans::table
            .filter(plans::deleted_at.is_null())
            .into_boxed();
        if let Some(state) = self.state {
            rows = rows.filter(plans::state.eq(state.as_str()));
        }
        if let Some(kind) = self.kind {
            rows = rows.filter(plans::kind.eq(kind.as_str()));
        }
        if let Some(project) = &self.project {
            rows = rows.filter(plans::project_id.eq(project));
        }
        rows
    }
}

impl Store {
    /// Plans, the newest first.
    pub async fn plan_list(
        &self,
        filter: &PlanFilter,
        page: PlanPage,
    ) -> Result<Listed<PlanDetail>, StoreError> {
        if filter.impossible() || page.limit <= 0 {
            return Ok(Listed::default());
        }
        let filter = filter.clone();
        self.read_snapshot(move |connection| {
            let mut rows = filter.rows();
            if let Some(after) = page.after {
                rows = rows.filter(plans::id.lt(after));
            }
            let rows: Vec<PlanRow> = rows
                .order(plans::id.desc())
                .limit(page.limit.saturating_add(1))
                .select(PlanRow::as_select())
                .load(connection)?;
            let (rows, all) = Listed::page(rows, page.limit);
            Ok(all.of(complete(connection, rows, page.operations)?))
        })
        .await
    }

    /// How many plans a list has in all. Takes the longer, the more there are.
    pub async fn plan_count(&self, filter: &PlanFilter) -> Result<i64, StoreError> {
        if filter.impossible() {
            return Ok(0);
        }
        let filter = filter.clone();
        self.read(move |connection| Ok(filter.rows().count().get_result(connection)?))
            .await
    }
}
