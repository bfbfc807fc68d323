//! Plans to be.

use diesel::prelude::*;
use godwit_core::event_type::EventKind;
use godwit_core::ids::PlanUuid;
use godwit_core::plan::Options;
use godwit_core::plan::request::Target;

use super::PlanRecord;
use super::write::insert;
use crate::connection::Database;
use crate::dialect::locks::{Alone, alone};
use crate::events::is_understood;
use crate::schema::{plans, runs};
use crate::{ChangeNote, Store, StoreError};

/// A plan to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPlan {
    /// Its uuid, made by the caller.
    pub uuid: PlanUuid,
    /// What it is asked for.
    pub target: Target,
    /// How.
    pub options: Options,
    /// Hosts or pools that servers or disks are to leave, as far as they are known.
    pub sources: Vec<String>,
}

/// No plan was made.
#[derive(Debug, thiserror::Error)]
pub enum PlanCreateError {
    /// The project has as many as it may that are being made, may be run, or are being run.
    #[error("the project has {0} open plans, and may have no more")]
    TooMany(i64),
    /// A process of the release before this one may still be at work, which would come upon it and
    /// fail.
    #[error("there are no plans before the upgrade has ended")]
    NotYet,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many plans of a project are being made or may be run, and how many runs go on. Those that work
/// for the maintenance of a host are of whoever may hold hosts, and are as many as hosts at most.
fn open_plans(connection: &mut Database, project: &str) -> Result<i64, StoreError> {
    let plans: i64 = plans::table
        .filter(plans::project_id.eq(project))
        .filter(plans::due_at.is_not_null())
        .count()
        .get_result(connection)?;
    let runs: i64 = runs::table
        .filter(runs::project_id.eq(project))
        .filter(runs::ended_at.is_null())
        .filter(runs::host.is_null())
        .count()
        .get_result(connection)?;
    Ok(plans.saturating_add(runs))
}

impl Store {
    /// Asks for a plan, which is made in the background: its effect is in the outbox. `most_open` is
    /// how many the caller's project may have that are being made, may be run, or are being run.
    pub async fn plan_create(
        &self,
        new: NewPlan,
        most_open: Option<i64>,
        note: ChangeNote,
    ) -> Result<PlanRecord, PlanCreateError> {
        self.write(move |connection| {
            if !is_understood(connection, EventKind::Plan)? {
                return Err(PlanCreateError::NotYet);
            }
            if let (Some(most), Some(project)) = (most_open, &note.by.project) {
                alone(connection, Alone::MakesPlan).map_err(StoreError::from)?;
                if open_plans(connection, project)? >= most {
                    return Err(PlanCreateError::TooMany(most));
                }
            }
            Ok(insert(connection, &new, &note)?)
        })
        .await
    }
}
