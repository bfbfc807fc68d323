//! What was asked of a server, as `/servers/{id}/os-instance-actions` shows it
//! (`contract: actions.md §7`).

use godwit_core::ids::ServerUuid;
use godwit_store::{InstanceAction, InstanceActionEvent};
use serde::Serialize;

use super::host_id::host_id;
use super::{Gated, Micros, Microversion, milestone};

#[derive(Debug, Serialize)]
pub struct InstanceActionView<'a> {
    action: &'a str,
    instance_uuid: ServerUuid,
    request_id: Option<&'a str>,
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    start_time: Option<Micros>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Gated<Option<Micros>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Gated<Vec<EventView<'a>>>,
}

impl<'a> InstanceActionView<'a> {
    /// The document of `action`, without its events.
    pub fn new(action: &'a InstanceAction, version: Microversion) -> Self {
        let changes = version >= milestone::ACTION_PAGES;
        Self {
            action: &action.action,
            instance_uuid: action.server,
            request_id: action.request_id.as_deref(),
            user_id: action.user_id.as_deref(),
            project_id: action.project_id.as_deref(),
            start_time: action.start_time.map(Micros),
            message: action.message.as_deref(),
            updated_at: changes.then_some(action.updated_at.map(Micros)),
            events: None,
        }
    }

    pub fn with_events(
        mut self,
        events: &'a [InstanceActionEvent],
        visibility: EventVisibility<'a>,
    ) -> Self {
        let view = |event| EventView::new(event, visibility);
        self.events = Some(events.iter().map(view).collect());
        self
    }
}

/// What of events a caller may see.
#[derive(Clone, Copy, Debug)]
pub struct EventVisibility<'a> {
    pub version: Microversion,
    /// Where in the program they failed, and the names of their hosts.
    pub everything: bool,
    pub details: bool,
    /// Whose view of the hosts it is.
    pub project_id: &'a str,
}

/// A step of it.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    event: &'a str,
    start_time: Option<Micros>,
    finish_time: Option<Micros>,
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Gated<Option<&'a str>>,
    #[serde(rename = "hostId", skip_serializing_if = "Option::is_none")]
    host_id: Gated<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Gated<Option<&'a str>>,
}

impl<'a> EventView<'a> {
    fn new(event: &'a InstanceActionEvent, visibility: EventVisibility<'_>) -> Self {
        let placed = visibility.version >= milestone::ACTION_EVENT_HOSTS;
        let explained = visibility.version >= milestone::ACTION_EVENT_DETAILS && visibility.details;
        let host = event.host.as_deref();
        Self {
            event: &event.event,
            start_time: event.start_time.map(Micros),
            finish_time: event.finish_time.map(Micros),
            result: event.result.as_deref(),
            traceback: visibility.everything.then_some(event.traceback.as_deref()),
            host: (placed && visibility.everything).then_some(host),
            host_id: placed.then(|| host_id(visibility.project_id, host)),
            details: explained.then_some(event.details.as_deref()),
        }
    }
}
