//! Lists of servers, as `/servers` asks for them.

use diesel::prelude::*;
use diesel::sql_types::Bool;
use godwit_core::ids::ServerUuid;
use godwit_core::server::{PowerState, TaskState, VmState, display_status};
use godwit_core::time::Timestamp;
use regex::Regex;

use super::row::ServerRow;
use super::sort::{self, Condition, Order, Rows};
use super::{Server, ServerAttribute, ServerSortKey, SortDirection, load_any};
use crate::columns::{instant, storable, text};
use crate::connection::Database;
use crate::flavors::flavors_by_id;
use crate::schema::{flavors, servers};
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
    /// These match somewhere.
    pub attributes: Vec<(ServerAttribute, Regex)>,
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
    /// Those that exist, unless said otherwise.
    pub deleted: Deleted,
    /// Changed (or, if never changed, created) at or after.
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

/// With patterns, how many rows are read at a time until the page is full.
const CHUNK: i64 = 1000;

impl ServerFilter {
    /// Is there something that no row can hold?
    fn impossible(&self) -> bool {
        [
            &self.host,
            &self.project_id,
            &self.user_id,
            &self.flavor,
            &self.image,
        ]
        .into_iter()
        .flatten()
        .any(|text| !storable(text))
    }

    /// The rows that match, but for patterns.
    fn rows(&self) -> Rows<'_> {
        let mut rows = servers::table.inner_join(flavors::table).into_boxed();
        rows = match self.deleted {
            Deleted::No => rows.filter(servers::deleted_at.is_null()),
            Deleted::Yes => rows.filter(servers::deleted_at.is_not_null()),
            Deleted::Any => rows,
        };
        if let Some(uuids) = &self.uuids {
            rows = rows.filter(servers::uuid.eq_any(uuids.iter().map(text)));
        }
        if let Some(host) = &self.host {
            rows = rows.filter(servers::host.eq(host));
        }
        if let Some(project) = &self.project_id {
            rows = rows.filter(servers::project_id.eq(project));
        }
        if let Some(user) = &self.user_id {
            rows = rows.filter(servers::user_id.eq(user));
        }
        if let Some(flavor) = &self.flavor {
            rows = rows.filter(flavors::flavorid.eq(flavor));
        }
        if let Some(image) = &self.image {
            rows = rows.filter(servers::image_ref.eq(image));
        }
        self.rows_by_time(self.rows_by_state(rows))
    }

    fn rows_by_state<'a>(&'a self, mut rows: Rows<'a>) -> Rows<'a> {
        if let Some(statuses) = &self.statuses {
            rows = rows.filter(shows(statuses));
        }
        if let Some(states) = &self.vm_states {
            rows = rows.filter(servers::vm_state.eq_any(states.iter().map(|it| it.as_str())));
        }
        match self.task_state {
            None => {}
            Some(None) => rows = rows.filter(servers::task_state.is_null()),
            Some(Some(task)) => rows = rows.filter(servers::task_state.eq(task.as_str())),
        }
        if let Some(power) = self.power_state {
            rows = rows.filter(servers::power_state.eq(i64::from(power.as_i32())));
        }
        match self.locked {
            None => rows,
            Some(true) => rows.filter(servers::locked_by.is_not_null()),
            Some(false) => rows.filter(servers::locked_by.is_null()),
        }
    }

    fn rows_by_time<'a>(&'a self, mut rows: Rows<'a>) -> Rows<'a> {
        let changed = || sort::instant_or(servers::updated_at, servers::created_at);
        if let Some(since) = self.changes_since {
            rows = rows.filter(changed().ge(instant(since)));
        }
        if let Some(before) = self.changes_before {
            rows = rows.filter(changed().le(instant(before)));
        }
        rows
    }

    fn matches(&self, server: &Server) -> bool {
        let name = self.name.as_ref();
        let node = self.node.as_ref();
        let has = |(attribute, pattern): &(ServerAttribute, Regex)| {
            let value = attribute.of(server);
            value.is_some_and(|value| pattern.is_match(&value))
        };
        name.is_none_or(|pattern| pattern.is_match(&server.name))
            && node.is_none_or(|pattern| pattern.is_match(server.node.as_deref().unwrap_or("")))
            && self.attributes.iter().all(has)
    }

    fn has_patterns(&self) -> bool {
        self.name.is_some() || self.node.is_some() || !self.attributes.is_empty()
    }
}

/// The servers that show one of these words, by asking the one function that knows.
fn shows(statuses: &[String]) -> Condition {
    let wanted = |vm: VmState, task: Option<TaskState>| {
        let shown = display_status(vm, task);
        statuses.iter().any(|status| status == shown)
    };
    let mut any: Condition = Box::new(false.into_sql::<Bool>());
    for vm in VmState::ALL.iter().copied() {
        let tasks: Vec<&str> = TaskState::ALL
            .iter()
            .filter(|task| wanted(vm, Some(**task)))
            .map(|task| task.as_str())
            .collect();
        let idle = wanted(vm, None);
        let is = servers::vm_state.eq(vm.as_str());
        let task = sort::text_or(servers::task_state, "");
        // No task is the empty word here.
        let words = tasks.iter().copied().chain(idle.then_some(""));
        if idle && tasks.len() == TaskState::ALL.len() {
            any = Box::new(any.or(is));
        } else if idle || !tasks.is_empty() {
            any = Box::new(any.or(is.and(task.eq_any(words.map(str::to_owned)))));
        }
    }
    any
}

fn load(
    connection: &mut Database,
    filter: &ServerFilter,
    order: &Order,
    after: Option<&Server>,
    limit: i64,
) -> Result<Vec<Server>, StoreError> {
    let mut rows = order.apply(filter.rows()).limit(limit);
    if let Some(after) = after {
        rows = rows.filter(order.follows(after));
    }
    let rows: Vec<(ServerRow, i64)> = rows
        .select((ServerRow::as_select(), servers::flavor_id))
        .load(connection)?;
    let flavors = flavors_by_id(connection, rows.iter().map(|(_, flavor)| *flavor))?;
    let with_flavor = |(row, flavor): (ServerRow, i64)| match flavors.get(&flavor) {
        Some(flavor) => Ok(row.with_flavor(flavor.clone())),
        None => Err(StoreError::Corrupt(
            format!("there is no flavor {flavor}").into(),
        )),
    };
    rows.into_iter().map(with_flavor).collect()
}

/// All that match, the newest first. Patterns are not looked at.
pub(super) fn load_all(
    connection: &mut Database,
    filter: &ServerFilter,
) -> Result<Vec<Server>, StoreError> {
    if filter.impossible() {
        return Ok(Vec::new());
    }
    load(connection, filter, &Order::new(&[]), None, i64::MAX)
}

/// How many match. Patterns are not looked at.
pub(super) fn count(connection: &mut Database, filter: &ServerFilter) -> Result<i64, StoreError> {
    if filter.impossible() {
        return Ok(0);
    }
    Ok(filter.rows().count().get_result(connection)?)
}

pub(super) fn list(
    connection: &mut Database,
    filter: &ServerFilter,
    page: &ServerPage,
) -> Result<Vec<Server>, ServerListError> {
    let mut after = match page.marker {
        None => None,
        Some(marker) => {
            Some(load_any(connection, marker)?.ok_or(ServerListError::MarkerNotFound(marker))?)
        }
    };
    let limit = usize::try_from(page.limit).unwrap_or_default();
    let mut found = Vec::new();
    if limit == 0 || filter.impossible() {
        return Ok(found);
    }
    let order = Order::new(&page.sort);
    let chunk = if filter.has_patterns() {
        CHUNK
    } else {
        page.limit
    };
    // Ends when the page is full or the rows are; patterns make it more than one turn.
    loop {
        let servers = load(connection, filter, &order, after.as_ref(), chunk)?;
        let last = servers.len() < usize::try_from(chunk).unwrap_or(usize::MAX);
        after = servers.last().cloned();
        found.extend(servers.into_iter().filter(|server| filter.matches(server)));
        found.truncate(limit);
        if last || found.len() == limit {
            return Ok(found);
        }
    }
}

impl Store {
    /// Servers with their flavors; all of a page at once as long as no pattern has to be matched.
    pub async fn server_list(
        &self,
        filter: &ServerFilter,
        page: &ServerPage,
    ) -> Result<Vec<Server>, ServerListError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read(move |connection| list(connection, &filter, &page))
            .await
    }
}
