//! What was asked of a server, as `/servers/{id}/os-instance-actions` shows it
//! (`contract: actions.md §7`).

use godwit_core::ids::ServerUuid;
use godwit_store::{InstanceAction, InstanceActionEvent};
use serde::Serialize;

use super::host_id::host_id;
use super::{Gated, Next};
use crate::http::timestamps::Micros;
use crate::nova::microversion::{Microversion, milestone};

/// The document.
#[derive(Debug, Serialize)]
pub struct InstanceActionView<'a> {
    action: &'a str,
    instance_uuid: ServerUuid,
    request_id: Option<&'a str>,
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    start_time: Option<Micros>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    updated_at: Gated<Option<Micros>>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
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
            updated_at: Gated::when(changes, action.updated_at.map(Micros)),
            events: Gated::Absent,
        }
    }

    /// The document with its events.
    pub fn with_events(mut self, events: &'a [InstanceActionEvent], sight: EventSight<'a>) -> Self {
        let view = |event| EventView::new(event, sight);
        self.events = Gated::Present(events.iter().map(view).collect());
        self
    }
}

/// What of events a caller may see.
#[derive(Clone, Copy, Debug)]
pub struct EventSight<'a> {
    /// The version spoken.
    pub version: Microversion,
    /// Where in the program they failed, and the names of their hosts.
    pub everything: bool,
    /// Why they failed.
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
    #[serde(skip_serializing_if = "Gated::is_absent")]
    traceback: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    host: Gated<Option<&'a str>>,
    #[serde(rename = "hostId", skip_serializing_if = "Gated::is_absent")]
    host_id: Gated<String>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    details: Gated<Option<&'a str>>,
}

impl<'a> EventView<'a> {
    fn new(event: &'a InstanceActionEvent, sight: EventSight<'_>) -> Self {
        let placed = sight.version >= milestone::ACTION_EVENT_HOSTS;
        let explained = sight.version >= milestone::ACTION_EVENT_DETAILS && sight.details;
        let host = event.host.as_deref();
        Self {
            event: &event.event,
            start_time: event.start_time.map(Micros),
            finish_time: event.finish_time.map(Micros),
            result: event.result.as_deref(),
            traceback: Gated::when(sight.everything, event.traceback.as_deref()),
            host: Gated::when(placed && sight.everything, host),
            host_id: Gated::when_with(placed, || host_id(sight.project_id, host)),
            details: Gated::when(explained, event.details.as_deref()),
        }
    }
}

/// `{"instanceActions": […]}`.
#[derive(Debug, Serialize)]
pub struct InstanceActionList<'a> {
    /// The items.
    #[serde(rename = "instanceActions")]
    pub actions: Vec<InstanceActionView<'a>>,
    /// Where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Next,
}

/// `{"instanceAction": …}`.
#[derive(Debug, Serialize)]
pub struct InstanceActionDocument<'a> {
    /// The item.
    #[serde(rename = "instanceAction")]
    pub action: InstanceActionView<'a>,
}
