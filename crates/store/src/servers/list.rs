//! Lists of servers, as `/servers` asks for them.

use godwit_core::ids::ServerUuid;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::time::Timestamp;
use regex::Regex;

use super::Server;
use crate::{Store, StoreError};

/// Conditions, all of which a server must meet.
#[derive(Clone, Default, Debug)]
pub struct ServerFilter {
    /// One of these.
    pub uuids: Option<Vec<ServerUuid>>,
    /// Recorded on exactly this host.
    pub host: Option<String>,
    /// Recorded on a hypervisor whose name matches somewhere.
    pub node: Option<Regex>,
    /// Its name matches somewhere.
    pub name: Option<Regex>,
    /// Exactly this owner.
    pub project_id: Option<String>,
    /// Exactly this user.
    pub user_id: Option<String>,
    /// Shows one of these words ([`godwit_core::server::display_status`]).
    pub statuses: Option<Vec<String>>,
    /// Is one of these.
    pub vm_states: Option<Vec<VmState>>,
    /// Has exactly this task, or (`Some(None)`) none.
    pub task_state: Option<Option<TaskState>>,
    /// Has exactly this power state.
    pub power_state: Option<PowerState>,
    /// Has this flavor, by its id in the API.
    pub flavor: Option<String>,
    /// Has this image.
    pub image: Option<String>,
    /// Locked, or not.
    pub locked: Option<bool>,
    /// Deleted ones only (`true`), existing ones only (`false`, the default), or both (`None`
    /// inside [`Deleted::Any`]).
    pub deleted: Deleted,
    /// Changed (or, if never changed, created) at or after; see [`Deleted`] for deleted ones.
    pub changes_since: Option<Timestamp>,
    /// Changed (or created) at or before.
    pub changes_before: Option<Timestamp>,
}

/// Which servers a list is about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Deleted {
    /// Those that exist.
    #[default]
    No,
    /// Those that were deleted.
    Yes,
    /// All of them: what `changes-since` lists.
    Any,
}

/// What a list is ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerSortKey {
    /// When it was created.
    CreatedAt,
    /// When it last changed; never changed counts as created.
    UpdatedAt,
    /// Its name.
    Name,
    /// Its uuid.
    Uuid,
    /// Its host; none comes first.
    Host,
    /// Its hypervisor; none comes first.
    Node,
    /// Its vm_state.
    VmState,
    /// Its task_state; none comes first.
    TaskState,
    /// Its power state's number.
    PowerState,
    /// Its owner.
    ProjectId,
    /// Its user.
    UserId,
}

/// One way or the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortDirection {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// Which part of a list, in which order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerPage {
    /// At most so many.
    pub limit: i64,
    /// Only what follows this server, which may itself be deleted or outside the filter.
    pub marker: Option<ServerUuid>,
    /// The order; what it leaves open is decided by the database id, in the direction of the
    /// last key. Empty: newest first.
    pub sort: Vec<(ServerSortKey, SortDirection)>,
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum ServerListError {
    /// There is no server with the marker's uuid.
    #[error("there is no server {0} to continue after")]
    MarkerNotFound(ServerUuid),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Servers with their flavors, in one query as long as no pattern has to be matched.
    ///
    /// # Errors
    /// [`ServerListError`].
    pub async fn server_list(
        &self,
        filter: &ServerFilter,
        page: &ServerPage,
    ) -> Result<Vec<Server>, ServerListError> {
        unimplemented!("{filter:?} {page:?}")
    }
}
