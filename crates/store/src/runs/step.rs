//! The one way a run changes: load, decide, step and write in one transaction.

use std::collections::BTreeSet;
use std::convert::Infallible;

use diesel::prelude::*;
use godwit_core::ids::RunUuid;
use godwit_core::plan::Actual;
use godwit_core::run::{self, Event, Rejected, Run};
use godwit_core::time::Timestamp;

use super::row::LockedRun;
use super::write::write;
use super::{RunPart, RunRecord, claims};
use crate::columns::instant;
use crate::connection::Database;
use crate::error::TransactionError;
use crate::schema::runs;
use crate::{ChangeNote, Store, StoreError, dialect};

/// What happens to a run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunStep {
    /// What.
    pub event: Event,
    /// What the operation took that ends.
    pub actual: Option<Actual>,
}

impl From<Event> for RunStep {
    fn from(event: Event) -> Self {
        Self {
            event,
            actual: None,
        }
    }
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RunStepError<E = Infallible> {
    /// There is no such run.
    #[error("there is no such run")]
    NotFound,
    /// The caller's decision said no.
    #[error("refused")]
    Refused(E),
    /// The event does not apply.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: Send + 'static> TransactionError for RunStepError<E> {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound | Self::Refused(_) | Self::Rejected(_) => None,
        }
    }
}

impl RunStepError {
    /// The same where the caller may refuse.
    pub(super) fn widened<E>(self) -> RunStepError<E> {
        match self {
            Self::NotFound => RunStepError::NotFound,
            Self::Refused(never) => match never {},
            Self::Rejected(rejected) => RunStepError::Rejected(rejected),
            Self::Store(error) => RunStepError::Store(error),
        }
    }
}

fn step<E>(
    connection: &mut Database,
    uuid: RunUuid,
    note: &ChangeNote,
    decide: impl Fn(&RunRecord) -> Result<Vec<RunStep>, E>,
) -> Result<RunRecord, RunStepError<E>> {
    let locked = LockedRun::load(connection, uuid)?;
    all(connection, locked, note, decide)
}

/// The same with what the events are about.
fn step_part<E>(
    connection: &mut Database,
    (uuid, events): (RunUuid, &[Event]),
    note: &ChangeNote,
    decide: impl Fn(&RunRecord) -> Result<Vec<RunStep>, E>,
) -> Result<RunPart, RunStepError<E>> {
    let locked = LockedRun::load_part(connection, uuid, events)?;
    let since = locked.as_ref().map_or(0, |it| it.0.run.generation);
    let record = all(connection, locked, note, decide)?;
    Ok(RunPart::new(since, record))
}

fn all<E>(
    connection: &mut Database,
    locked: Option<LockedRun>,
    note: &ChangeNote,
    decide: impl Fn(&RunRecord) -> Result<Vec<RunStep>, E>,
) -> Result<RunRecord, RunStepError<E>> {
    let mut locked = locked.ok_or(RunStepError::NotFound)?;
    let steps = decide(&locked.0).map_err(RunStepError::Refused)?;
    lock_hosts_of(connection, &locked.0.run, &steps, note)?;
    let mut note = note.clone();
    for RunStep { event, actual } in steps {
        locked = write(connection, locked, &event, actual, &note).map_err(RunStepError::widened)?;
        // It is said once.
        note.message = None;
    }
    Ok(locked.0)
}

/// Of several steps each locks hosts, so those of all are locked before the first: in the order in
/// which everybody does.
fn lock_hosts_of<E>(
    connection: &mut Database,
    run: &Run,
    steps: &[RunStep],
    note: &ChangeNote,
) -> Result<(), RunStepError<E>> {
    if steps.len() < 2 {
        return Ok(());
    }
    let mut run = run.clone();
    let mut hosts: BTreeSet<String> = BTreeSet::new();
    for RunStep { event, .. } in steps {
        let next = run::step(&run, event, note.at)?.next;
        hosts.extend(claims::hosts_of(&run, &next).into_iter().map(str::to_owned));
        run = next;
    }
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    dialect::lock_hosts(connection, &hosts).map_err(StoreError::from)?;
    Ok(())
}

impl Store {
    /// Does to a run what `decide` says, one after the other: all of it or nothing. `decide` sees the
    /// run inside the transaction, locked, without its revisions. It must be pure, as it runs again
    /// where the database asks for another try.
    ///
    /// What begins an operation is [`Store::operation_begin`]'s, and what claims room
    /// [`Store::run_claim_room`]'s.
    pub async fn run_step<E: Send + 'static>(
        &self,
        uuid: RunUuid,
        note: ChangeNote,
        decide: impl Fn(&RunRecord) -> Result<Vec<RunStep>, E> + Send + 'static,
    ) -> Result<RunRecord, RunStepError<E>> {
        self.write(move |connection| step(connection, uuid, &note, &decide))
            .await
    }

    /// [`Store::run_step`] for whoever keeps the run by himself: only those operations are read that
    /// `events` are about, of which `decide` may say any, and the others are counted. So it takes as
    /// long whatever there is of them.
    pub async fn run_step_part<E: Send + 'static>(
        &self,
        uuid: RunUuid,
        events: Vec<Event>,
        note: ChangeNote,
        decide: impl Fn(&RunRecord) -> Result<Vec<RunStep>, E> + Send + 'static,
    ) -> Result<RunPart, RunStepError<E>> {
        self.write(move |connection| step_part(connection, (uuid, &events), &note, &decide))
            .await
    }

    /// [`Store::run_step_part`] with one event that is known beforehand.
    ///
    /// # Errors
    /// [`RunStepError`], never `Refused`.
    pub async fn run_apply_part(
        &self,
        uuid: RunUuid,
        step: impl Into<RunStep>,
        note: ChangeNote,
    ) -> Result<RunPart, RunStepError> {
        let step = step.into();
        let events = vec![step.event.clone()];
        self.run_step_part(uuid, events, note, move |_| Ok(vec![step.clone()]))
            .await
    }

    /// [`Store::run_step`] with one event that is known beforehand.
    ///
    /// # Errors
    /// [`RunStepError`], never `Refused`.
    pub async fn run_apply(
        &self,
        uuid: RunUuid,
        step: impl Into<RunStep>,
        note: ChangeNote,
    ) -> Result<RunRecord, RunStepError> {
        let step = step.into();
        self.run_step(uuid, note, move |_| Ok(vec![step.clone()]))
            .await
    }

    /// Runs whose deadline is at or before `now`, and that have not heard of it.
    pub async fn runs_overdue(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<RunUuid>, StoreError> {
        self.read(move |connection| {
            Ok(runs::table
                .filter(runs::ended_at.is_null())
                .filter(runs::is_late.eq(false))
                // Being cancelled it begins nothing.
                .filter(runs::cancel_requested_at.is_null())
                .filter(runs::deadline.le(instant(now)))
                .order(runs::id)
                .limit(limit)
                .select(runs::uuid)
                .load(connection)?)
        })
        .await
    }
}
