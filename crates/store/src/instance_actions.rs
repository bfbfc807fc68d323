//! What was asked of servers, and how each step of it went: Nova's instance actions.
//!
//! An action belongs to one request for one server, and is found by both. It outlives its
//! server.

mod list;
mod write;

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;

pub use self::list::{ActionListError, ActionPage};
pub(crate) use self::write::{apply, asked_at, began, begun, finish, start, succeeded_at_once};
use crate::columns::{storable, text};
use crate::schema::{instance_actions, instance_actions_events};
use crate::{Store, StoreError};

/// The request behind a change: what an action says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ActionNote {
    pub request_id: String,
    pub user_id: Option<String>,
    /// The project of who asks.
    pub project_id: Option<String>,
    /// The request in its trace, where it is traced.
    pub trace: Option<TraceContext>,
    pub at: Timestamp,
}

impl ActionNote {
    /// Who asks.
    pub fn requester(&self) -> Requester {
        Requester {
            user: self.user_id.clone(),
            project: self.project_id.clone(),
            request_id: Some(self.request_id.clone()),
        }
    }
}

/// What was asked of a server.
#[derive(Clone, PartialEq, Eq, Debug, Queryable, Selectable)]
#[diesel(table_name = instance_actions)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InstanceAction {
    pub id: i64,
    /// What, such as `live-migration`; imported ones may be called anything.
    pub action: String,
    #[diesel(column_name = instance_uuid)]
    pub server: ServerUuid,
    pub request_id: Option<String>,
    pub user_id: Option<String>,
    /// The project of who asked.
    pub project_id: Option<String>,
    pub start_time: Option<Timestamp>,
    /// Never set by Nova.
    pub finish_time: Option<Timestamp>,
    /// `Error` once a step of it failed.
    pub message: Option<String>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When a step of it last began or ended.
    pub updated_at: Option<Timestamp>,
}

/// A step of an action.
#[derive(Clone, PartialEq, Eq, Debug, Queryable, Selectable)]
#[diesel(table_name = instance_actions_events)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InstanceActionEvent {
    pub id: i64,
    /// What, such as `compute_pre_live_migration`.
    pub event: String,
    pub start_time: Option<Timestamp>,
    /// When it ended; `None` while under way.
    pub finish_time: Option<Timestamp>,
    /// `Success` or `Error`; `None` while under way.
    pub result: Option<String>,
    /// Where in the program it failed; only imported ones have any.
    pub traceback: Option<String>,
    pub host: Option<String>,
    pub details: Option<String>,
}

impl Store {
    /// What a request asked of a server; deleted servers keep theirs.
    pub async fn instance_action_find(
        &self,
        server: ServerUuid,
        request_id: &str,
    ) -> Result<Option<InstanceAction>, StoreError> {
        if !storable(request_id) {
            return Ok(None);
        }
        let request_id = request_id.to_owned();
        self.read(move |connection| {
            Ok(instance_actions::table
                .filter(instance_actions::instance_uuid.eq(text(server)))
                .filter(instance_actions::request_id.eq(&request_id))
                .order(instance_actions::id.desc())
                .select(InstanceAction::as_select())
                .first(connection)
                .optional()?)
        })
        .await
    }

    /// The steps of an action, the newest first.
    pub async fn instance_action_events(
        &self,
        action: i64,
    ) -> Result<Vec<InstanceActionEvent>, StoreError> {
        self.read(move |connection| {
            Ok(instance_actions_events::table
                .filter(instance_actions_events::action_id.eq(action))
                .order((
                    instance_actions_events::created_at.desc(),
                    instance_actions_events::id.desc(),
                ))
                .select(InstanceActionEvent::as_select())
                .load(connection)?)
        })
        .await
    }
}
