//! Operations that begin, each in one transaction with what it starts.

use diesel::prelude::*;
use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::run::{self, Event, OperationKind};

use super::row::LockedRun;
use super::write::write;
use super::{RunPart, RunStepError};
use crate::columns::text;
use crate::connection::Database;
use crate::error::TransactionError;
use crate::maintenance::{self, LockedMaintenance};
use crate::migrations::begin_any;
use crate::schema::operations;
use crate::servers::begin_power;
use crate::{
    BeginError, ChangeNote, NewColdMigration, NewEvacuation, NewLiveMigration, NewPower, Server,
    Store, StoreError,
};

/// What an operation starts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OperationStart {
    Live(NewLiveMigration),
    Cold(NewColdMigration),
    Evacuation(NewEvacuation),
    /// A server is shut down, or started again.
    Power(NewPower),
    /// Nothing that is written here: whoever drives the run does it.
    Nothing,
}

/// No operation began, and nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperationBeginError<E> {
    /// The run does not accept it.
    #[error(transparent)]
    Step(RunStepError),
    /// What it was to start did not begin.
    #[error(transparent)]
    Start(BeginError<E>),
    /// It was to shut a server down, and not everybody who holds the host has asked for that.
    #[error("nobody may shut down servers of {0} now")]
    ShutdownForbidden(HostName),
    /// What is to be started is not what the operation does.
    #[error("this is not what operation {0} does")]
    Otherwise(OperationUuid),
}

impl<E> From<StoreError> for OperationBeginError<E> {
    fn from(error: StoreError) -> Self {
        Self::Step(RunStepError::Store(error))
    }
}

impl<E: Send + 'static> TransactionError for OperationBeginError<E> {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Step(error) => error.store_error(),
            Self::Start(error) => error.store_error(),
            Self::ShutdownForbidden(_) | Self::Otherwise(_) => None,
        }
    }
}

impl OperationStart {
    /// Is this what an operation of this kind does with this server?
    fn is_of(&self, kind: OperationKind, server: ServerUuid) -> bool {
        match (self, kind) {
            (Self::Live(new), OperationKind::Live) => new.server == server,
            (Self::Cold(new), OperationKind::Cold) => new.server == server,
            (Self::Evacuation(new), OperationKind::Evacuate) => new.server == server,
            (Self::Power(new), OperationKind::Shutdown | OperationKind::Start) => {
                new.server == server
            }
            (Self::Nothing, OperationKind::Storage) => true,
            _ => false,
        }
    }
}

/// What may be a cold move instead is a live one, and nothing else ever changes of these.
fn immutable(
    connection: &mut Database,
    operation: OperationUuid,
) -> Result<Option<(OperationKind, String)>, StoreError> {
    Ok(operations::table
        .filter(operations::uuid.eq(text(operation)))
        .select((operations::kind, operations::source))
        .first(connection)
        .optional()?)
}

/// Asked with the maintenance locked, so that it is true until the shutdown is durable.
fn check_shutdown<E>(connection: &mut Database, host: &str) -> Result<(), OperationBeginError<E>> {
    let corrupt = |error| StoreError::Corrupt(Box::new(error));
    let host = HostName::new(host).map_err(corrupt)?;
    let held = LockedMaintenance::load(connection, &host)?;
    match held.is_some_and(|it| it.0.maintenance.permits_shutdown()) {
        true => Ok(()),
        false => Err(OperationBeginError::ShutdownForbidden(host)),
    }
}

fn begin<E>(
    connection: &mut Database,
    (of, operation): (RunUuid, OperationUuid),
    start: &OperationStart,
    check: impl Fn(&Server) -> Result<(), E>,
    note: &ChangeNote,
) -> Result<RunPart, OperationBeginError<E>> {
    let step = OperationBeginError::Step;
    if let Some((OperationKind::Shutdown, source)) = immutable(connection, operation)? {
        check_shutdown(connection, &source)?;
    }
    // Before the run, as everybody locks.
    if let OperationStart::Power(new) = start {
        maintenance::lock_of_server(connection, new.server)?;
    }
    let migration = match start {
        OperationStart::Live(new) => Some(new.uuid),
        OperationStart::Cold(new) => Some(new.uuid),
        OperationStart::Evacuation(new) => Some(new.uuid),
        OperationStart::Power(_) | OperationStart::Nothing => None,
    };
    let event = Event::OperationBegun(operation, migration);
    let locked = LockedRun::load_part(connection, of, std::slice::from_ref(&event))?;
    let locked = locked.ok_or_else(|| step(RunStepError::NotFound))?;
    if let Some(known) = locked.0.run.operation(operation)
        && !start.is_of(known.kind, known.server)
    {
        return Err(OperationBeginError::Otherwise(operation));
    }
    let since = locked.0.run.generation;
    // Asked before anything is written, and written last: hosts are locked behind servers. Those are
    // what it supersedes has taken; what the run holds stays as it is.
    let rejected = |rejected| step(RunStepError::Rejected(rejected));
    run::step(&locked.0.run, &event, note.at).map_err(rejected)?;
    let begun = match start {
        OperationStart::Live(new) => begin_any(connection, (new, operation), check),
        OperationStart::Cold(new) => begin_any(connection, (new, operation), check),
        OperationStart::Evacuation(new) => begin_any(connection, (new, operation), check),
        OperationStart::Power(new) => begin_power(connection, new, check),
        OperationStart::Nothing => Ok(()),
    };
    begun.map_err(OperationBeginError::Start)?;
    let LockedRun(record) = write(connection, locked, &event, None, note).map_err(step)?;
    Ok(RunPart::new(since, record))
}

impl Store {
    /// Begins an operation together with what it starts: both are there, or neither. `check` sees the
    /// server as it is inside the transaction, and must be pure.
    ///
    /// # Errors
    /// It may not begin now, the server is not free, or a shutdown is not what everybody who holds
    /// the host has asked for. Nothing was changed: whoever drives the run says so by
    /// [`Event::OperationRefused`], or waits.
    pub async fn operation_begin<E: Send + 'static>(
        &self,
        run: RunUuid,
        operation: OperationUuid,
        start: OperationStart,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
        note: ChangeNote,
    ) -> Result<RunPart, OperationBeginError<E>> {
        self.write(move |connection| begin(connection, (run, operation), &start, &check, &note))
            .await
    }
}
