//! Events, as readers of all get them.

use godwit_core::event_type::EventKind;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::MigrationEvent;
use super::stream::EventSubject;

/// An event, with its position among all.
#[derive(Clone, PartialEq, Debug)]
pub struct PositionedEvent {
    /// 1, 2, 3 and so on over all subjects.
    pub position: i64,
    /// What happened, to what.
    pub event: LoggedEvent,
}

/// An event, by what it is about.
#[derive(Clone, PartialEq, Debug)]
pub enum LoggedEvent {
    /// A line of a migration's log.
    Migration {
        /// Of which migration.
        migration: MigrationUuid,
        /// Of which server.
        server: ServerUuid,
        /// Whose server that is; `None` where there is no such server.
        server_project_id: Option<String>,
        /// The line.
        line: MigrationEvent,
    },
    /// What happened to a host; its detail has a [`super::ServiceState`] as `service`.
    Host {
        /// Its name.
        host: HostName,
        /// What happened.
        line: SubjectEvent,
    },
    /// What happened to a discrepancy.
    Discrepancy {
        /// Its number.
        id: i64,
        /// Whose server it is about; `None` where that is none.
        server_project_id: Option<String>,
        /// What happened.
        line: SubjectEvent,
    },
}

/// What happened to a subject that has no status.
#[derive(Clone, PartialEq, Debug)]
pub struct SubjectEvent {
    /// 1, 2, 3 and so on, for each subject.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What, such as `down`.
    pub name: String,
    /// Who made it happen; the [`super::Actor`] as text.
    pub actor: String,
    /// The HTTP request behind it.
    pub request_id: Option<String>,
    /// Who asked for it.
    pub user_id: Option<String>,
    /// The project of who asked for it.
    pub project_id: Option<String>,
    /// More about it.
    pub detail: serde_json::Value,
}

impl LoggedEvent {
    pub(super) const fn kind(&self) -> EventKind {
        match self {
            Self::Migration { .. } => EventKind::Migration,
            Self::Host { .. } => EventKind::Host,
            Self::Discrepancy { .. } => EventKind::Discrepancy,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Migration { line, .. } => &line.name,
            Self::Host { line, .. } | Self::Discrepancy { line, .. } => &line.name,
        }
    }

    /// Whose server it is about.
    pub fn server_project_id(&self) -> Option<&str> {
        match self {
            Self::Host { .. } => None,
            Self::Migration {
                server_project_id, ..
            }
            | Self::Discrepancy {
                server_project_id, ..
            } => server_project_id.as_deref(),
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Migration { line, .. } => line.at,
            Self::Host { line, .. } | Self::Discrepancy { line, .. } => line.at,
        }
    }

    /// Such as `migration.placed`.
    pub fn event_type(&self) -> String {
        self.kind().event_type(self.name())
    }

    /// What it is about, as `KIND/ID`.
    pub fn subject(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Migration { migration, .. } => format!("{kind}/{migration}"),
            Self::Host { host, .. } => format!("{kind}/{host}"),
            Self::Discrepancy { id, .. } => format!("{kind}/{id}"),
        }
    }

    /// What no other event is called.
    pub fn id(&self) -> String {
        match self {
            Self::Migration {
                migration, line, ..
            } => format!("{migration}/{}", line.sequence),
            // A host may be called like anything else.
            Self::Host { host, line } => format!("host:{host}/{}", line.sequence),
            Self::Discrepancy { id, line, .. } => format!("discrepancy:{id}/{}", line.sequence),
        }
    }

    pub(super) fn is_about(&self, subject: &EventSubject) -> bool {
        match (self, subject) {
            (Self::Migration { migration, .. }, EventSubject::Migration(it)) => migration == it,
            (Self::Host { host, .. }, EventSubject::Host(it)) => host == it,
            (Self::Discrepancy { id, .. }, EventSubject::Discrepancy(it)) => id == it,
            (Self::Migration { .. } | Self::Host { .. } | Self::Discrepancy { .. }, _) => false,
        }
    }
}
