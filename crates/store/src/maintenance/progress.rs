//! How far hosts are on their way into maintenance, and out of it.

use diesel::prelude::*;
use godwit_core::host::maintenance::{Maintenance, Work};
use godwit_core::ids::RunUuid;
use godwit_core::plan::Estimate;
use godwit_core::run::{Progress, RunState};

use super::MaintenanceRecord;
use super::row::percent;
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::schema::runs;
use crate::{Message, Store, StoreError};

/// How far a host's maintenance is, as the run under way has it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MaintenanceProgress {
    /// `None`: nothing is under way, or nobody knows.
    pub progress: Option<Progress>,
    /// For how long it goes on, in seconds.
    pub eta: Option<Estimate>,
    /// What people were told of the run, the oldest first.
    pub messages: Vec<Message>,
}

/// What a run says of itself.
struct OfRun {
    /// `None`: it is one of many hosts, and says nothing of each of them.
    progress: Option<Progress>,
    eta: Option<Estimate>,
    messages: Vec<Message>,
}

fn of_run(connection: &mut Database, run: RunUuid) -> Result<Option<OfRun>, StoreError> {
    type Row = (
        RunState,
        i64,
        bool,
        Option<Json<Estimate>>,
        Json<Vec<Message>>,
    );
    let found: Option<Row> = runs::table
        .filter(runs::uuid.eq(text(run)))
        .select((
            runs::state,
            runs::percent,
            runs::rolling.is_not_null(),
            runs::eta,
            runs::messages,
        ))
        .first(connection)
        .optional()?;
    Ok(found.map(|(state, column, of_many, eta, messages)| {
        let progress = match state {
            RunState::Completed => Progress::COMPLETED,
            RunState::Pending
            | RunState::Running
            | RunState::Cancelling
            | RunState::Partial
            | RunState::Failed
            | RunState::Cancelled => percent(column),
        };
        OfRun {
            progress: (!of_many).then_some(progress),
            eta: eta.map(|it| it.0).filter(|_| !of_many),
            messages: messages.0,
        }
    }))
}

/// How far the host has come, once `next` follows: read of the run that was under way until then.
pub(super) fn reached(
    connection: &mut Database,
    before: &MaintenanceRecord,
    next: &Maintenance,
) -> Result<Progress, StoreError> {
    let uuid = |work: Option<Work>| work.map(|work| work.run);
    let was = &before.maintenance;
    let replaced = uuid(was.work).filter(|run| uuid(next.work) != Some(*run));
    let of_run = match replaced {
        Some(run) => of_run(connection, run)?.and_then(|it| it.progress),
        None => None,
    };
    Ok(was.reached(next, before.reached, of_run))
}

impl Store {
    /// How far a host's maintenance is, by the run that is under way there.
    pub async fn maintenance_progress(
        &self,
        record: &MaintenanceRecord,
    ) -> Result<MaintenanceProgress, StoreError> {
        let (it, reached) = (&record.maintenance, record.reached);
        let Some(work) = it.work else {
            return Ok(MaintenanceProgress {
                progress: it.progress(reached, None),
                ..MaintenanceProgress::default()
            });
        };
        let found = self
            .read(move |connection| of_run(connection, work.run))
            .await?;
        let progress = found.as_ref().and_then(|it| it.progress);
        let eta = found.as_ref().and_then(|it| it.eta);
        Ok(MaintenanceProgress {
            progress: it.progress(reached, progress),
            eta: eta.filter(|_| it.ends_with_its_run()),
            messages: found.map(|it| it.messages).unwrap_or_default(),
        })
    }
}
