//! What the API changes of a server by itself: its lock, and the state an operator resets.

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;
use godwit_core::instance_action::ActionName;
use godwit_core::server::{ServerPatch, VmState};
use godwit_core::time::Timestamp;

use super::{LockedBy, Server, load_any_locked, write_patch};
use crate::columns::instant;
use crate::connection::Database;
use crate::instance_actions::{self, ActionNote};
use crate::prepared::Prepare as _;
use crate::schema::servers;
use crate::{Store, StoreError};

/// Why a server was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ServerChangeError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A server that nobody else changes until the transaction ends.
pub(crate) fn load_locked(
    connection: &mut Database,
    uuid: ServerUuid,
) -> Result<Option<Server>, StoreError> {
    let server = load_any_locked(connection, uuid)?;
    Ok(server.filter(|server| server.deleted_at.is_none()))
}

fn lock(
    connection: &mut Database,
    uuid: ServerUuid,
    by: LockedBy,
    reason: Option<&str>,
    note: &ActionNote,
) -> Result<bool, StoreError> {
    let Some(server) = load_locked(connection, uuid)? else {
        return Ok(false);
    };
    if server.lock.is_some() && by == LockedBy::Owner {
        return Ok(true);
    }
    let kept = server.lock.and_then(|lock| lock.reason);
    diesel::update(servers::table.find(server.id))
        .set((
            servers::locked_by.eq(by.as_str()),
            servers::locked_reason.eq(reason.or(kept.as_deref())),
            servers::updated_at.eq(instant(note.at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .prepared()
        .execute(connection)?;
    let action = instance_actions::began(connection, uuid, ActionName::Lock, note)?;
    instance_actions::succeeded_at_once(connection, action, "api_lock", None, note.at)?;
    Ok(true)
}

fn unlock<E>(
    connection: &mut Database,
    uuid: ServerUuid,
    note: &ActionNote,
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<(), ServerChangeError<E>> {
    let server = load_locked(connection, uuid)?.ok_or(ServerChangeError::NoSuchServer)?;
    check(&server).map_err(ServerChangeError::Refused)?;
    diesel::update(servers::table.find(server.id))
        .set((
            servers::locked_by.eq(None::<String>),
            servers::locked_reason.eq(None::<String>),
            servers::updated_at.eq(instant(note.at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .prepared()
        .execute(connection)
        .map_err(StoreError::from)?;
    let action = instance_actions::began(connection, uuid, ActionName::Unlock, note)?;
    instance_actions::succeeded_at_once(connection, action, "api_unlock", None, note.at)?;
    Ok(())
}

/// Somebody says what a server is, and that nothing is being done to it.
pub(crate) fn reset(
    connection: &mut Database,
    server: &Server,
    state: VmState,
    at: Timestamp,
) -> Result<(), StoreError> {
    let patch = ServerPatch {
        vm_state: state,
        task_state: None,
        ..ServerPatch::unchanged(&server.state())
    };
    write_patch(connection, server, &patch, at)
}

fn reset_state(
    connection: &mut Database,
    uuid: ServerUuid,
    state: VmState,
    note: &ActionNote,
) -> Result<bool, StoreError> {
    let Some(server) = load_locked(connection, uuid)? else {
        return Ok(false);
    };
    reset(connection, &server, state, note.at)?;
    instance_actions::began(connection, uuid, ActionName::ResetState, note)?;
    Ok(true)
}

impl Store {
    /// Locks a server, and writes the action `lock`. Locking anew replaces the holder, and the
    /// reason where one is given; but to a server that is locked already its owner's lock does
    /// nothing, silently. `false` if there is no such server.
    pub async fn server_lock(
        &self,
        server: ServerUuid,
        by: LockedBy,
        reason: Option<String>,
        note: ActionNote,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| lock(connection, server, by, reason.as_deref(), &note))
            .await
    }

    /// Unlocks a server, locked or not, and writes the action `unlock`. `check` sees the server
    /// inside the transaction: whose lock it is decides who may.
    pub async fn server_unlock<E: Send + 'static>(
        &self,
        server: ServerUuid,
        note: ActionNote,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<(), ServerChangeError<E>> {
        self.write(move |connection| unlock(connection, server, &note, &check))
            .await
    }

    /// Sets a server's `vm_state`, clears its `task_state`, and writes the action `resetState`.
    /// A migration under way goes on. `false` if there is no such server.
    pub async fn server_reset_state(
        &self,
        server: ServerUuid,
        state: VmState,
        note: ActionNote,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| reset_state(connection, server, state, &note))
            .await
    }
}
