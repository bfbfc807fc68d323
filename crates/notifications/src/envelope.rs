//! What oslo.messaging puts around a payload: the notification, and around that the envelope 2.0,
//! whose message is JSON in JSON.
//!
//! ```text
//!   {"oslo.version": "2.0", "oslo.message": "{\"event_type\": …, \"payload\": {…}}"}
//! ```

use godwit_core::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::payload::Initiator;
use crate::table::Priority;

/// The version of the envelope.
const VERSION: &str = "2.0";

/// What is told.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Notification<'a> {
    pub(crate) id: Uuid,
    /// Such as `nova-compute:host-1`.
    pub(crate) publisher: String,
    pub(crate) event_type: &'static str,
    pub(crate) priority: Priority,
    pub(crate) payload: Value,
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) initiator: Initiator<'a>,
}

/// What a notification is called, whoever sends it and how often: the uuid of what it is about, with the
/// event's number and the notification's own mixed into its end. oslo.messaging drops one that comes
/// twice.
pub(crate) fn message_id(about: Uuid, sequence: i64, index: usize) -> Uuid {
    let sequence = u128::from(sequence.unsigned_abs());
    let index = u128::try_from(index).unwrap_or_default();
    Uuid::from_u128(about.as_u128() ^ (sequence << 8) ^ index)
}

/// The body of a message.
pub(crate) fn body(notification: &Notification<'_>) -> Result<String, serde_json::Error> {
    let envelope = json!({
        "oslo.version": VERSION,
        "oslo.message": serde_json::to_string(&message(notification))?,
    });
    serde_json::to_string(&envelope)
}

fn message(it: &Notification<'_>) -> Value {
    let Initiator {
        user,
        project,
        request,
    } = it.initiator;
    json!({
        "message_id": it.id.hyphenated().to_string(),
        "publisher_id": it.publisher,
        "event_type": it.event_type,
        "priority": it.priority.word(),
        "payload": it.payload,
        "timestamp": timestamp(it.at),
        "_unique_id": it.id.simple().to_string(),
        "_context_user_id": user,
        "_context_project_id": project,
        "_context_request_id": request,
    })
}

/// As Python writes instants that know no zone.
fn timestamp(at: Timestamp) -> String {
    at.datetime().format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Told;
    use crate::table::{End, Moment, Notice, Payload, Sender, State};

    const NOTICE: Notice = Notice {
        event_type: "instance.live_migration_pre.start",
        priority: Priority::Info,
        sender: Sender::Compute(End::Destination),
        payload: Payload::Action(Moment {
            at: End::Source,
            state: State::Current,
            task: None,
        }),
    };

    fn read(told: &Told, index: usize) -> Value {
        let subject = told.subject();
        let notification = subject.notification(&NOTICE, index, "conductor-1");
        let body = body(&notification).unwrap();
        let envelope: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(envelope["oslo.version"], "2.0");
        assert_eq!(envelope.as_object().unwrap().len(), 2);
        serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn the_envelope_is_that_of_oslo_messaging() {
        let told = Told::live("admitted");
        let mut message = read(&told, 1);
        let payload = message["payload"].take();
        assert_eq!(payload["nova_object.name"], "InstanceActionPayload");
        assert_eq!(
            message,
            json!({
                "message_id": "4d160000-0000-4000-8000-000000000700",
                "publisher_id": "nova-compute:host-2",
                "event_type": "instance.live_migration_pre.start",
                "priority": "INFO",
                "payload": null,
                "timestamp": "2023-11-14 22:13:29.123456",
                "_unique_id": "4d160000000040008000000000000700",
                "_context_user_id": "admin",
                "_context_project_id": "admin-project",
                "_context_request_id": "req-1",
            })
        );
    }

    #[test]
    fn one_that_is_sent_again_is_called_the_same_and_no_other_is() {
        let told = Told::live("admitted");
        let mut next = told.clone();
        next.event.sequence += 1;
        let ids = [
            read(&told, 0),
            read(&told, 1),
            read(&next, 0),
            read(&next, 1),
        ];
        let ids = ids.map(|message| message["message_id"].clone());
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{ids:?}");
        }
        assert_eq!(read(&told, 0)["message_id"], ids[0]);
    }
}
