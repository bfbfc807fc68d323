//! The one way a migration changes: load, decide, step and write in one transaction.

use std::convert::Infallible;

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_core::transition::{self, Rejected, Transition};

use super::commit::Locked;
use super::write::write;
use super::{CommitError, CommitNote, MigrationRecord};
use crate::connection::Database;
use crate::error::TransactionError;
use crate::{Server, Store, StoreError};

/// What a step did.
#[derive(Clone, PartialEq, Debug)]
pub struct Stepped {
    /// The row as it was.
    pub before: MigrationRecord,
    /// The row as it is.
    pub record: MigrationRecord,
    /// What was written.
    pub transition: Transition,
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StepError<E = Infallible> {
    /// There is no such migration.
    #[error("there is no such migration")]
    NotFound,
    /// The caller's decision said no.
    #[error("refused")]
    Refused(E),
    /// The event does not apply.
    #[error(transparent)]
    Rejected(Rejected),
    /// Slots, room or the store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl<E> From<StoreError> for StepError<E> {
    fn from(error: StoreError) -> Self {
        Self::Commit(CommitError::Store(error))
    }
}

impl<E: Send + 'static> TransactionError for StepError<E> {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Commit(error) => error.store_error(),
            Self::NotFound | Self::Refused(_) | Self::Rejected(_) => None,
        }
    }
}

pub(super) fn step<E>(
    connection: &mut Database,
    uuid: MigrationUuid,
    note: &CommitNote,
    decide: impl Fn(&MigrationRecord, &Server) -> Result<Event, E>,
) -> Result<Stepped, StepError<E>> {
    let Some(locked) = Locked::load(connection, uuid)? else {
        return Err(StepError::NotFound);
    };
    let event = decide(&locked.record, &locked.server).map_err(StepError::Refused)?;
    let transition =
        transition::step(&locked.record.migration, &event, note.at).map_err(StepError::Rejected)?;
    let record = write(connection, &locked, &event, &transition, note)?;
    Ok(Stepped {
        before: locked.record,
        record,
        transition,
    })
}

impl Store {
    /// Does what `decide` says to a migration. `decide` sees the row and its server inside the
    /// transaction, locked: what it finds still holds when the change is made. It must be pure,
    /// as it runs again where the database asks for another try.
    pub async fn migration_step<E: Send + 'static>(
        &self,
        uuid: MigrationUuid,
        note: CommitNote,
        decide: impl Fn(&MigrationRecord, &Server) -> Result<Event, E> + Send + 'static,
    ) -> Result<Stepped, StepError<E>> {
        self.write(move |connection| step(connection, uuid, &note, &decide))
            .await
    }

    /// [`Store::migration_step`] with an event that is known beforehand.
    ///
    /// # Errors
    /// [`StepError`], never `Refused`.
    pub async fn migration_apply(
        &self,
        uuid: MigrationUuid,
        event: Event,
        note: CommitNote,
    ) -> Result<Stepped, StepError> {
        self.migration_step(uuid, note, move |_, _| Ok(event.clone()))
            .await
    }
}
