//! How a live migration begins.

use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::migration::{Limits, LiveRequest};
use godwit_core::time::Timestamp;

use super::MigrationRecord;
use crate::{Server, Store, StoreError};

/// A live migration to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLiveMigration {
    /// Its uuid, made by the caller.
    pub uuid: MigrationUuid,
    /// Which server shall move.
    pub server: ServerUuid,
    /// What is wanted.
    pub request: LiveRequest,
    /// Limits until it is placed; only `accepted` matters.
    pub limits: Limits,
    /// Who asks.
    pub user_id: Option<String>,
    /// The project of who asks.
    pub project_id: Option<String>,
    /// The HTTP request.
    pub request_id: Option<String>,
    /// The present.
    pub at: Timestamp,
}

/// Why no live migration began. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BeginError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// The server has a task, an unfinished migration, or no host: it lost a race that the
    /// caller's check did not look for.
    #[error("the server is not free to move")]
    NotFree,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Begins a live migration: in one transaction the server gets its `task_state`, and the
    /// migration's row, its first event and the effect that will choose a destination appear.
    /// When this returns `Ok`, all of it is durable.
    ///
    /// `check` sees the server as it is inside the transaction, so that what it permits still
    /// holds when the change is made. Store's own rule comes after it: no task, no unfinished
    /// migration, a host.
    ///
    /// # Errors
    /// [`BeginError`].
    pub async fn server_begin_live_migration<E, F>(
        &self,
        new: NewLiveMigration,
        check: F,
    ) -> Result<MigrationRecord, BeginError<E>>
    where
        E: Send + 'static,
        F: Fn(&Server) -> Result<(), E> + Send + 'static,
    {
        let _ = check;
        unimplemented!("{new:?}")
    }
}
