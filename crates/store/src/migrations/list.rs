//! Lists of migrations, as `/os-migrations` asks for them.

use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::MigrationRecord;
use crate::{Store, StoreError};

/// Conditions, all of which a migration must meet. Deleted and hidden rows never do.
///
/// Words that come from a caller stay text: one that is no status or no host name simply
/// matches nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MigrationFilter {
    /// Exactly this status; case sensitive.
    pub status: Option<String>,
    /// Source or destination; overrides [`Self::source_compute`].
    pub host: Option<String>,
    /// Exactly this source.
    pub source_compute: Option<String>,
    /// Exactly this type; case sensitive.
    pub migration_type: Option<String>,
    /// Exactly this server.
    pub server: Option<ServerUuid>,
    /// Changed at or after; rows that never changed do not match.
    pub changes_since: Option<Timestamp>,
    /// Changed at or before; rows that never changed do not match.
    pub changes_before: Option<Timestamp>,
    /// Exactly this requester.
    pub user_id: Option<String>,
    /// Exactly this requester's project.
    pub project_id: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// All of it, by ascending id.
    Unpaged,
    /// The newest first, by (`created_at`, `id`).
    Page {
        /// At most so many.
        limit: i64,
        /// Only what follows this migration, which may itself be hidden, deleted or outside
        /// the filter.
        marker: Option<MigrationUuid>,
    },
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum MigrationListError {
    /// There is no migration with the marker's uuid.
    #[error("there is no migration {0} to continue after")]
    MarkerNotFound(MigrationUuid),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Migrations of all servers.
    ///
    /// # Errors
    /// [`MigrationListError`].
    pub async fn migration_list(
        &self,
        filter: &MigrationFilter,
        paging: Paging,
    ) -> Result<Vec<MigrationRecord>, MigrationListError> {
        unimplemented!("{filter:?} {paging:?}")
    }
}
