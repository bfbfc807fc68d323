//! What happened: a line of a migration's timeline, and an event of the stream, which is a CloudEvent
//! 1.0 around the same.

use std::borrow::Cow;

use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;
use godwit_store::{LoggedEvent, MigrationEvent, PositionedEvent, SubjectEvent};
use serde::Serialize;
use serde_json::Value;

use crate::relocation::ROOT;
use crate::relocation::visibility::Visibility;

/// The fields of an event, in their order.
pub const FIELDS: &[&str] = &[
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "position",
    "data",
];

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
        let requester = Requester {
            user: line.user_id.as_deref(),
            project: line.project_id.as_deref(),
            request_id: line.request_id.as_deref(),
        };
        Self {
            event: &line.name,
            from: line.from_status,
            to: line.to_status,
            at: line.at,
            actor: ActorView::new(&line.actor, requester, owner, sees),
            detail: sees.detail(&line.detail),
        }
    }
}

/// Who asked for something, and where.
struct Requester<'a> {
    user: Option<&'a str>,
    project: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> ActorView<'a> {
    /// The document of who made something happen to what is `owner`'s.
    fn new(
        actor: &'a str,
        requester: Requester<'a>,
        owner: Option<&str>,
        sees: Visibility<'_>,
    ) -> Self {
        let (service, host) = match actor.split_once(':') {
            Some((service, host)) => (service, sees.host(owner, host)),
            None => (actor, None),
        };
        let Requester {
            user,
            project,
            request_id,
        } = requester;
        Self {
            service,
            host,
            user: sees.of_project(project, user),
            project: sees.of_project(project, project),
            request_id,
        }
    }
}

/// What happened to something else than a migration.
#[derive(Debug, Serialize)]
pub struct SubjectLineView<'a> {
    event: &'a str,
    at: Timestamp,
    actor: ActorView<'a>,
    detail: Option<Cow<'a, Value>>,
}

impl<'a> SubjectLineView<'a> {
    fn new(line: &'a SubjectEvent, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let requester = Requester {
            user: line.user_id.as_deref(),
            project: line.project_id.as_deref(),
            request_id: line.request_id.as_deref(),
        };
        Self {
            event: &line.name,
            at: line.at,
            actor: ActorView::new(&line.actor, requester, owner, sees),
            // All of it is about hosts.
            detail: sees.of_hosts(Some(Cow::Borrowed(&line.detail))),
        }
    }

    /// Of a plan or a run, whose project sees how they go, and not between which hosts.
    fn of_plan(line: &'a SubjectEvent, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        Self {
            detail: Some(Cow::Owned(sees.plan_detail(&line.detail))),
            ..Self::new(line, owner, sees)
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
#[serde(untagged)]
enum DataView<'a> {
    Migration {
        server: ServerUuid,
        project: Option<&'a str>,
        /// 1, 2, 3 and so on for the subject.
        sequence: i64,
        #[serde(flatten)]
        line: LineView<'a>,
    },
    Host {
        host: Option<&'a HostName>,
        sequence: i64,
        #[serde(flatten)]
        line: SubjectLineView<'a>,
    },
    Scope {
        /// As in the allocation of a host.
        scope: Option<ScopeKind>,
        name: Option<&'a str>,
        sequence: i64,
        #[serde(flatten)]
        line: SubjectLineView<'a>,
    },
    Of {
        project: Option<&'a str>,
        sequence: i64,
        #[serde(flatten)]
        line: SubjectLineView<'a>,
    },
}

impl<'a> DataView<'a> {
    fn new(event: &'a LoggedEvent, sees: Visibility<'_>) -> Self {
        let owner = event.server_project_id();
        match event {
            LoggedEvent::Migration { server, line, .. } => Self::Migration {
                server: *server,
                project: owner,
                sequence: line.sequence,
                line: LineView::new(line, owner, sees),
            },
            LoggedEvent::Host { host, line } | LoggedEvent::Maintenance { host, line } => {
                Self::Host {
                    host: sees.of_hosts(Some(host)),
                    sequence: line.sequence,
                    line: SubjectLineView::new(line, owner, sees),
                }
            }
            LoggedEvent::Scope { scope, name, line } => Self::Scope {
                scope: sees.of_hosts(Some(*scope)),
                name: sees.of_hosts(Some(name.as_str())),
                sequence: line.sequence,
                line: SubjectLineView::new(line, owner, sees),
            },
            LoggedEvent::Discrepancy { line, .. } => Self::Of {
                project: owner,
                sequence: line.sequence,
                line: SubjectLineView::new(line, owner, sees),
            },
            LoggedEvent::Plan { line, .. } | LoggedEvent::Run { line, .. } => Self::Of {
                project: owner,
                sequence: line.sequence,
                line: SubjectLineView::of_plan(line, owner, sees),
            },
        }
    }
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
    /// The document of an event that the reader wants to see ([`godwit_store::EventQuery`]).
    pub fn new(positioned: &'a PositionedEvent, sees: Visibility<'_>) -> Self {
        let event = &positioned.event;
        Self {
            specversion: "1.0",
            id: event.id(),
            source: ROOT,
            kind: event.event_type(),
            subject: event.subject(),
            time: event.at(),
            datacontenttype: "application/json",
            position: positioned.position.to_string(),
            data: DataView::new(event, sees),
        }
    }
}
