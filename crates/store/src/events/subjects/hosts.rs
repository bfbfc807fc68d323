//! Events of one host.

use godwit_core::event_type::EventKind;
use godwit_core::host::event::HostEvent;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::cause::Cause;
use super::logs::next_of_log;
use super::readers::is_understood;
use super::{New, insert};
use crate::connection::Database;
use crate::{Service, ServiceBinary, StoreError, scopes};

/// A host's service behind an event of the host, in the event's detail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ServiceState {
    pub uuid: Uuid,
    pub binary: ServiceBinary,
    pub zone: String,
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    pub forced_down: bool,
    pub last_seen_up: Option<Timestamp>,
    pub report_count: i64,
    pub version: String,
}

impl From<&Service> for ServiceState {
    fn from(service: &Service) -> Self {
        Self {
            uuid: service.uuid,
            binary: service.binary,
            zone: service.zone.clone(),
            disabled: service.disabled,
            disabled_reason: service.disabled_reason.clone(),
            forced_down: service.forced_down,
            last_seen_up: service.last_seen_up,
            report_count: service.report_count,
            version: service.version.clone(),
        }
    }
}

/// Tells what happened to the host of `service`, which is as it is behind that.
pub(crate) fn append_of_host(
    connection: &mut Database,
    service: &Service,
    event: HostEvent,
    cause: &Cause,
) -> Result<(), StoreError> {
    if !is_understood(connection, EventKind::Host)? {
        return Ok(());
    }
    let mut detail = json!({ "service": ServiceState::from(service) });
    match event {
        HostEvent::Disabled => {
            detail["reason"] = json!(service.disabled_reason);
            detail["effective"] = json!(effective(true));
        }
        HostEvent::Enabled => {
            detail["effective"] = json!(effective(scopes::is_disabled(connection, service)?));
        }
        HostEvent::Registered
        | HostEvent::Removed
        | HostEvent::Down
        | HostEvent::Up
        | HostEvent::ForcedDown
        | HostEvent::ForcedUp
        | HostEvent::Unmanaged
        | HostEvent::Managed => {}
    }
    let (subject, sequence) = next_of_log(connection, service.host.as_str())?;
    let new = New {
        kind: EventKind::Host,
        subject,
        sequence,
        name: event.as_str(),
        owner: None,
        detail,
    };
    insert(connection, &new, cause)
}

/// Whether anything is put on a host, as it is shown.
pub(crate) const fn effective(is_disabled: bool) -> &'static str {
    match is_disabled {
        true => "disabled",
        false => "enabled",
    }
}
