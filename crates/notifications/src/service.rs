//! What became of a host's service, as Nova tells it.

use godwit_core::ids::HostName;
use godwit_store::{ServiceState, SubjectEvent};
use serde_json::{Value, json};

use crate::envelope::{Notification, message_id};
use crate::payload::{Initiator, object, time};
use crate::table::{Priority, of_host};

/// The version of Nova's services, a number that rises with each of its releases: that of the release
/// whose API this is. Readers compare it, and know nothing of ours.
const VERSION: u32 = 73;

/// How an event of a host is told, if it is.
///
/// # Errors
/// The event says nothing of a service.
pub(crate) fn notification<'a>(
    host: &HostName,
    event: &'a SubjectEvent,
) -> Result<Option<Notification<'a>>, serde_json::Error> {
    let Some(event_type) = of_host(&event.name) else {
        return Ok(None);
    };
    // What was said of a scope changes no service.
    if event.detail.get("scope").is_some() {
        return Ok(None);
    }
    let state = event.detail.get("service").cloned().unwrap_or_default();
    let service: ServiceState = serde_json::from_value(state)?;
    Ok(Some(Notification {
        id: message_id(service.uuid, event.sequence, 0),
        publisher: format!("{}:{host}", service.binary),
        event_type,
        priority: Priority::Info,
        payload: payload(host, &service),
        at: event.at,
        initiator: Initiator {
            user: event.user_id.as_deref(),
            project: event.project_id.as_deref(),
            request: event.request_id.as_deref(),
        },
    }))
}

fn payload(host: &HostName, service: &ServiceState) -> Value {
    let binary = service.binary.as_str();
    let fields = json!({
        "host": host,
        "disabled": service.disabled,
        "last_seen_up": service.last_seen_up.map(time),
        "binary": binary,
        "topic": binary.trim_start_matches("nova-"),
        "disabled_reason": service.disabled_reason,
        "report_count": service.report_count,
        "forced_down": service.forced_down,
        "version": VERSION,
        "availability_zone": service.zone,
        "uuid": service.uuid,
    });
    object("ServiceStatusPayload", "1.1", fields)
}

#[cfg(test)]
mod tests {
    use godwit_core::host::event::HostEvent;
    use godwit_store::ServiceBinary;
    use godwit_test_support::fleet::{at, host};

    use super::*;

    fn event(it: HostEvent) -> SubjectEvent {
        let service = ServiceState {
            uuid: "fa69c544-906b-4a6a-a9c6-c1f7a8078c73".parse().unwrap(),
            binary: ServiceBinary::Compute,
            zone: "nova".to_owned(),
            disabled: true,
            disabled_reason: Some("a new disk".to_owned()),
            forced_down: false,
            last_seen_up: Some(at(9)),
            report_count: 7,
            version: "0.1.0".to_owned(),
        };
        SubjectEvent {
            sequence: 3,
            at: at(10),
            name: it.as_str().to_owned(),
            actor: "api".to_owned(),
            request_id: Some("req-1".to_owned()),
            user_id: Some("admin".to_owned()),
            project_id: Some("admin-project".to_owned()),
            detail: json!({ "service": service, "reason": "a new disk" }),
        }
    }

    #[test]
    fn it_has_what_novas_sample_has() {
        let event = event(HostEvent::Disabled);
        let told = notification(&host(1), &event).unwrap().unwrap();
        assert_eq!(told.publisher, "nova-compute:host-1");
        assert_eq!(
            (told.event_type, told.priority),
            ("service.update", Priority::Info)
        );
        assert_eq!(told.initiator.request, Some("req-1"));
        assert_eq!(
            told.payload,
            json!({
                "nova_object.namespace": "nova",
                "nova_object.name": "ServiceStatusPayload",
                "nova_object.version": "1.1",
                "nova_object.data": {
                    "host": "host-1",
                    "disabled": true,
                    "last_seen_up": "2023-11-14T22:13:29Z",
                    "binary": "nova-compute",
                    "topic": "compute",
                    "disabled_reason": "a new disk",
                    "report_count": 7,
                    "forced_down": false,
                    "version": 73,
                    "availability_zone": "nova",
                    "uuid": "fa69c544-906b-4a6a-a9c6-c1f7a8078c73"
                }
            })
        );
    }

    #[test]
    fn what_nova_tells_nobody_is_told_nobody() {
        for it in [HostEvent::Down, HostEvent::Up] {
            assert_eq!(notification(&host(1), &event(it)).unwrap(), None);
        }
        let mut later = event(HostEvent::Up);
        later.name = "of_a_later_release".to_owned();
        assert_eq!(notification(&host(1), &later).unwrap(), None);
    }

    #[test]
    fn one_that_is_sent_again_is_called_the_same_and_no_other_is() {
        let id = |event: &SubjectEvent| notification(&host(1), event).unwrap().unwrap().id;
        let first = event(HostEvent::ForcedDown);
        let next = SubjectEvent {
            sequence: 4,
            ..first.clone()
        };
        assert_eq!(id(&first), id(&first));
        assert_ne!(id(&first), id(&next));
    }

    #[test]
    fn an_event_without_a_service_is_an_error() {
        let mut odd = event(HostEvent::Enabled);
        odd.detail = Value::Null;
        assert!(notification(&host(1), &odd).is_err());
    }
}
