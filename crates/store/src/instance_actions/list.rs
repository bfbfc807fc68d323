//! Lists of a server's actions, as `os-instance-actions` asks for them.

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;
use godwit_core::time::Timestamp;

use super::InstanceAction;
use crate::columns::{instant, storable, text};
use crate::connection::Database;
use crate::schema::instance_actions;
use crate::{Store, StoreError};

/// Which part of a list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ActionPage {
    /// At most so many; `None`: all there are.
    pub limit: Option<i64>,
    /// Only what follows the action of this request.
    pub marker: Option<String>,
    /// Changed at or after; what never changed does not match.
    pub changes_since: Option<Timestamp>,
    /// Changed at or before; what never changed does not match.
    pub changes_before: Option<Timestamp>,
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum ActionListError {
    /// The server has no action of the marker's request.
    #[error("there is no action of request {0} to continue after")]
    MarkerNotFound(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn load(
    connection: &mut Database,
    server: ServerUuid,
    page: &ActionPage,
    after: Option<(Timestamp, i64)>,
) -> Result<Vec<InstanceAction>, StoreError> {
    let mut rows = instance_actions::table
        .filter(instance_actions::instance_uuid.eq(text(server)))
        .order((
            instance_actions::created_at.desc(),
            instance_actions::id.desc(),
        ))
        .select(InstanceAction::as_select())
        .into_boxed();
    if let Some((created, id)) = after {
        let older = instance_actions::created_at.lt(instant(created));
        let same = instance_actions::created_at
            .eq(instant(created))
            .and(instance_actions::id.lt(id));
        rows = rows.filter(older.or(same));
    }
    if let Some(since) = page.changes_since {
        rows = rows.filter(instance_actions::updated_at.ge(instant(since)));
    }
    if let Some(before) = page.changes_before {
        rows = rows.filter(instance_actions::updated_at.le(instant(before)));
    }
    if let Some(limit) = page.limit {
        rows = rows.limit(limit);
    }
    Ok(rows.load(connection)?)
}

fn position(
    connection: &mut Database,
    server: ServerUuid,
    marker: &str,
) -> Result<(Timestamp, i64), ActionListError> {
    let gone = || ActionListError::MarkerNotFound(marker.to_owned());
    if !storable(marker) {
        return Err(gone());
    }
    instance_actions::table
        .filter(instance_actions::instance_uuid.eq(text(server)))
        .filter(instance_actions::request_id.eq(marker))
        .order(instance_actions::id.desc())
        .select((instance_actions::created_at, instance_actions::id))
        .first(connection)
        .optional()
        .map_err(StoreError::from)?
        .ok_or_else(gone)
}

impl Store {
    /// A server's actions, the newest first; deleted servers keep theirs.
    pub async fn instance_action_list(
        &self,
        server: ServerUuid,
        page: &ActionPage,
    ) -> Result<Vec<InstanceAction>, ActionListError> {
        let page = page.clone();
        self.read(move |connection| {
            let after = match &page.marker {
                Some(marker) => Some(position(connection, server, marker)?),
                None => None,
            };
            Ok(load(connection, server, &page, after)?)
        })
        .await
    }
}
