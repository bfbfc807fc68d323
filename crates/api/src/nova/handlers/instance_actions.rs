//! What was asked of a server, and how each step of it went (`contract: actions.md §7`).
//!
//! It outlives the server: from 2.21 on it can be read of deleted ones.

use godwit_store::{ActionListError, ActionPage, InstanceAction, Server};

use super::paging::{changes, limit, next};
use super::{Answer, ApiError, Reply, milestone, rules};
use crate::nova::call::{Allowed, Call, Guarded};
use crate::nova::views::instance_action::{EventVisibility, InstanceActionView};

pub async fn index(call: &Call) -> Answer {
    let server = server(call)
        .await?
        .allow(call, rules::ACTIONS_LIST)?
        .resource;
    let actions = list(call, &server).await?;
    let last = actions.last().and_then(|action| action.request_id.clone());
    let last = last.filter(|_| call.version >= milestone::ACTION_PAGES);
    let collection = format!("servers/{}/os-instance-actions", call.ids.server);
    let view = |action| InstanceActionView::new(action, call.version);
    let next = next(call, &collection, actions.len(), last);
    let views: Vec<_> = actions.iter().map(view).collect();
    Reply::linked("instanceActions", views, "links", next)
}

pub async fn show(call: &Call) -> Answer {
    let Allowed {
        resource: server,
        target,
    } = server(call).await?.allow(call, rules::ACTIONS_SHOW)?;
    let request_id = &call.ids.id;
    let store = &call.state.store;
    let found = store.instance_action_find(server.uuid, request_id).await?;
    let gone = || ApiError::NotFound(format!("Action {request_id} not found"));
    let action = found.ok_or_else(gone)?;
    let document = InstanceActionView::new(&action, call.version);

    let everything = call.caller.permits(rules::ACTION_EVENTS, &target);
    if !everything && call.version < milestone::ACTION_EVENTS {
        return Reply::document("instanceAction", &document);
    }
    let explained = call.version >= milestone::ACTION_EVENT_DETAILS;
    let visibility = EventVisibility {
        version: call.version,
        everything,
        details: explained && call.caller.permits(rules::ACTION_EVENT_DETAILS, &target),
        // What nobody asked for belongs to the server's project.
        project_id: action.project_id.as_deref().unwrap_or(&server.project_id),
    };
    let events = store.instance_action_events(action.id).await?;
    Reply::document("instanceAction", &document.with_events(&events, visibility))
}

async fn server(call: &Call) -> Result<Guarded<Server>, ApiError> {
    if call.version >= milestone::ACTIONS_OF_DELETED {
        call.server_even_deleted().await
    } else {
        call.server().await
    }
}

async fn list(call: &Call, server: &Server) -> Result<Vec<InstanceAction>, ApiError> {
    let page = match call.version >= milestone::ACTION_PAGES {
        true => {
            let (changes_since, changes_before) = changes(|name| call.query.last(name))?;
            let limit = limit(call);
            if limit == 0 {
                return Ok(Vec::new());
            }
            ActionPage {
                limit: Some(limit),
                marker: call.query.last("marker").map(str::to_owned),
                changes_since,
                changes_before,
            }
        }
        false => ActionPage::default(),
    };
    let listed = call.state.store.instance_action_list(server.uuid, &page);
    listed.await.map_err(|error| match error {
        // The text is Nova's, which forgets the marker.
        ActionListError::MarkerNotFound(_) => {
            ApiError::BadRequest("Marker None could not be found.".to_owned())
        }
        ActionListError::Store(error) => error.into(),
    })
}
