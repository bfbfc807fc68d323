//! A cold move that waits for its confirmation is confirmed or reverted.

use diesel::prelude::*;
use godwit_core::event::Event;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::transition::Rejected;

use super::row::{self, MigrationRow};
use super::step::step;
use super::{CommitError, CommitNote, MigrationRecord, StepError, Stepped};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::migrations;
use crate::{ActionNote, Server, Store, StoreError, servers};

/// Why nothing was confirmed or reverted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// No migration of the server waits for its confirmation.
    #[error("the server has not been moved")]
    NotFinished,
    /// The migration cannot do this.
    #[error(transparent)]
    Rejected(Rejected),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The migration of a server that waits for its confirmation. Of imported ones there may be
/// several, of which Nova takes the first.
fn finished(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<Option<MigrationRow>, StoreError> {
    let kinds = [MigrationKind::Migration, MigrationKind::Resize].map(MigrationKind::as_str);
    Ok(migrations::table
        .filter(migrations::instance_uuid.eq(text(server)))
        .filter(migrations::ended_at.is_null())
        .filter(migrations::deleted_at.is_null())
        .filter(migrations::status.eq(MigrationStatus::Finished.as_str()))
        .filter(migrations::migration_type.eq_any(kinds))
        .order((migrations::imported, migrations::id))
        .select(MigrationRow::as_select())
        .first(connection)
        .optional()?)
}

fn answer<E>(
    connection: &mut Database,
    server: ServerUuid,
    event: &Event,
    note: &ActionNote,
    check: &impl Fn(&Server) -> Result<(), E>,
) -> Result<Stepped, ResizeError<E>> {
    let found = row::record(finished(connection, server)?)?;
    let Some(record) = found else {
        let server = servers::load(connection, server)?.ok_or(ResizeError::NoSuchServer)?;
        check(&server).map_err(ResizeError::Refused)?;
        return Err(ResizeError::NotFinished);
    };
    let uuid: MigrationUuid = record.migration.uuid;
    let decide = |record: &MigrationRecord, server: &Server| {
        if server.deleted_at.is_some() {
            return Err(ResizeError::NoSuchServer);
        }
        check(server).map_err(ResizeError::Refused)?;
        if record.migration.status() == MigrationStatus::Finished {
            Ok(event.clone())
        } else {
            Err(ResizeError::NotFinished)
        }
    };
    let note = CommitNote::requested(note.clone());
    step(connection, uuid, &note, decide).map_err(|error| match error {
        StepError::Refused(error) => error,
        StepError::NotFound => ResizeError::NotFinished,
        StepError::Rejected(rejected) => ResizeError::Rejected(rejected),
        StepError::Commit(CommitError::Store(error)) => ResizeError::Store(error),
        // It is locked, and nothing is taken.
        StepError::Commit(
            CommitError::Lost
            | CommitError::NoSlot { .. }
            | CommitError::NoRoom { .. }
            | CommitError::Disabled { .. }
            | CommitError::Unmanaged { .. }
            | CommitError::GroupPolicy { .. }
            | CommitError::InMaintenance { .. },
        ) => ResizeError::NotFinished,
    })
}

impl Store {
    /// The migration of a server that waits for its confirmation.
    pub async fn migration_awaiting_confirmation(
        &self,
        server: ServerUuid,
    ) -> Result<Option<MigrationRecord>, StoreError> {
        self.read(move |connection| row::record(finished(connection, server)?))
            .await
    }

    /// Confirms the cold move of a server: what is left at its source may go. `check` sees the
    /// server inside the transaction, and comes before the question whether there is a move.
    pub async fn resize_confirm<E: Send + 'static>(
        &self,
        server: ServerUuid,
        note: ActionNote,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<Stepped, ResizeError<E>> {
        self.write(move |connection| {
            answer(connection, server, &Event::ConfirmRequested, &note, &check)
        })
        .await
    }

    /// Undoes the cold move of a server: it goes back to its source. `check` as in
    /// [`Self::resize_confirm`].
    pub async fn resize_revert<E: Send + 'static>(
        &self,
        server: ServerUuid,
        note: ActionNote,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<Stepped, ResizeError<E>> {
        self.write(move |connection| {
            answer(connection, server, &Event::RevertRequested, &note, &check)
        })
        .await
    }
}
