//! What happened to a migration: a line of its timeline, and an event of the stream, which is a
//! CloudEvent 1.0 around the same.

use godwit_core::event_type;
use godwit_core::ids::ServerUuid;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;
use godwit_store::{MigrationEvent, PositionedEvent};
use serde::Serialize;
use serde_json::Value;

use crate::relocation::ROOT;
use crate::relocation::visibility::Visibility;

/// Who made something happen: a service, and where it was asked to, who asked.
#[derive(Debug, Serialize)]
pub struct ActorView<'a> {
    service: &'a str,
    /// The host of an agent.
    host: Option<String>,
    user: Option<&'a str>,
    project: Option<&'a str>,
    request_id: Option<&'a str>,
}

/// A line of a timeline.
#[derive(Debug, Serialize)]
pub struct LineView<'a> {
    event: &'a str,
    from: Option<MigrationStatus>,
    to: MigrationStatus,
    at: Timestamp,
    actor: ActorView<'a>,
    detail: Value,
}

impl<'a> LineView<'a> {
    /// The document of a line about a server of `owner`'s.
    pub fn new(line: &'a MigrationEvent, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let (service, host) = match line.actor.split_once(':') {
            Some((service, host)) => (service, sees.host(owner, host)),
            None => (line.actor.as_str(), None),
        };
        let project = line.project_id.as_deref();
        Self {
            event: &line.name,
            from: line.from_status,
            to: line.to_status,
            at: line.at,
            actor: ActorView {
                service,
                host,
                user: sees.of_project(project, line.user_id.as_deref()),
                project: sees.of_project(project, project),
                request_id: line.request_id.as_deref(),
            },
            detail: sees.detail(&line.detail),
        }
    }
}

/// An event of the stream.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    /// Numbers beyond 2^53 are none to some readers of JSON.
    position: String,
    data: DataView<'a>,
}

#[derive(Debug, Serialize)]
struct DataView<'a> {
    server: ServerUuid,
    project: Option<&'a str>,
    /// 1, 2, 3 and so on for the subject.
    sequence: i64,
    #[serde(flatten)]
    line: LineView<'a>,
}

impl EventView<'_> {
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }
}

impl<'a> EventView<'a> {
    pub fn new(event: &'a PositionedEvent, sees: Visibility<'_>) -> Self {
        let (migration, line) = (event.migration, &event.event);
        let owner = event.server_project_id.as_deref();
        Self {
            specversion: "1.0",
            id: format!("{migration}/{}", line.sequence),
            source: ROOT,
            kind: event_type::of_migration(&line.name),
            subject: format!("migration/{migration}"),
            time: line.at,
            datacontenttype: "application/json",
            position: event.position.to_string(),
            data: DataView {
                server: event.server,
                project: owner,
                sequence: line.sequence,
                line: LineView::new(line, owner, sees),
            },
        }
    }
}
