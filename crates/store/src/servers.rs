//! Servers: read by the API, moved by the conductor, observed by agents.

mod list;
mod observe;
mod record;

use godwit_core::ids::ServerUuid;

pub use self::list::{
    Deleted, ServerFilter, ServerListError, ServerPage, ServerSortKey, SortDirection,
};
pub use self::observe::{Inventory, MovedByHand, Observation, Observed, Owner, SightingRecord};
pub use self::record::{Disk, Fault, Lock, LockedBy, Server};
use crate::{Store, StoreError};

impl Store {
    /// A server, unless deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn server_find(&self, uuid: ServerUuid) -> Result<Option<Server>, StoreError> {
        self.server_find_visible(uuid, None).await
    }

    /// A server, unless deleted or (where `project` is given) another project's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn server_find_visible(
        &self,
        uuid: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<Server>, StoreError> {
        unimplemented!("{uuid} {project:?}")
    }
}
