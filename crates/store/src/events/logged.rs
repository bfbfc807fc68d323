//! Events, as readers of all get them.

use godwit_core::event_type::EventKind;
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::{HostName, MigrationUuid, PlanUuid, RunUuid, ServerUuid};
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
    /// What happened to a zone, a pod or a cluster.
    Scope {
        /// What it is.
        scope: ScopeKind,
        /// Its name.
        name: String,
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
    /// What happened to a plan.
    Plan {
        /// Which.
        plan: PlanUuid,
        /// Whose it is.
        project_id: Option<String>,
        /// What happened.
        line: SubjectEvent,
    },
    /// What happened to a run.
    Run {
        /// Which.
        run: RunUuid,
        /// Whose it is.
        project_id: Option<String>,
        /// What happened.
        line: SubjectEvent,
    },
    /// What happened to a host's maintenance.
    Maintenance {
        /// The host's name.
        host: HostName,
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
            Self::Host { .. } | Self::Scope { .. } => EventKind::Host,
            Self::Discrepancy { .. } => EventKind::Discrepancy,
            Self::Plan { .. } => EventKind::Plan,
            Self::Run { .. } => EventKind::Run,
            Self::Maintenance { .. } => EventKind::Maintenance,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Migration { line, .. } => &line.name,
            Self::Host { line, .. }
            | Self::Scope { line, .. }
            | Self::Discrepancy { line, .. }
            | Self::Plan { line, .. }
            | Self::Run { line, .. }
            | Self::Maintenance { line, .. } => &line.name,
        }
    }

    /// Whose it is: the project of the server that it is about, or of who asked for it.
    pub fn server_project_id(&self) -> Option<&str> {
        match self {
            Self::Host { .. } | Self::Scope { .. } | Self::Maintenance { .. } => None,
            Self::Migration {
                server_project_id, ..
            }
            | Self::Discrepancy {
                server_project_id, ..
            } => server_project_id.as_deref(),
            Self::Plan { project_id, .. } | Self::Run { project_id, .. } => project_id.as_deref(),
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Migration { line, .. } => line.at,
            Self::Host { line, .. }
            | Self::Scope { line, .. }
            | Self::Discrepancy { line, .. }
            | Self::Plan { line, .. }
            | Self::Run { line, .. }
            | Self::Maintenance { line, .. } => line.at,
        }
    }

    /// Such as `migration.placed`.
    pub fn event_type(&self) -> String {
        self.kind().event_type(self.name())
    }

    /// What it is about, as `KIND/ID`; of a zone, pod or cluster what that is.
    pub fn subject(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Scope { scope, name, .. } => format!("{scope}/{name}"),
            Self::Migration { migration, .. } => format!("{kind}/{migration}"),
            Self::Host { host, .. } | Self::Maintenance { host, .. } => format!("{kind}/{host}"),
            Self::Plan { plan, .. } => format!("{kind}/{plan}"),
            Self::Run { run, .. } => format!("{kind}/{run}"),
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
            Self::Scope { scope, name, line } => format!("{scope}:{name}/{}", line.sequence),
            Self::Discrepancy { id, line, .. } => format!("discrepancy:{id}/{}", line.sequence),
            Self::Plan { plan, line, .. } => format!("{plan}/{}", line.sequence),
            Self::Run { run, line, .. } => format!("{run}/{}", line.sequence),
            Self::Maintenance { host, line } => format!("maintenance:{host}/{}", line.sequence),
        }
    }

    pub(super) fn is_about(&self, subject: &EventSubject) -> bool {
        match (self, subject) {
            (Self::Migration { migration, .. }, EventSubject::Migration(it)) => migration == it,
            (Self::Host { host, .. }, EventSubject::Host(it)) => host == it,
            (Self::Scope { scope, name, .. }, EventSubject::Scope(kind, it)) => {
                scope == kind && name == it
            }
            (Self::Discrepancy { id, .. }, EventSubject::Discrepancy(it)) => id == it,
            (Self::Plan { plan, .. }, EventSubject::Plan(it)) => plan == it,
            (Self::Run { run, .. }, EventSubject::Run(it)) => run == it,
            (Self::Maintenance { host, .. }, EventSubject::Maintenance(it)) => host == it,
            (
                Self::Migration { .. }
                | Self::Host { .. }
                | Self::Scope { .. }
                | Self::Discrepancy { .. }
                | Self::Plan { .. }
                | Self::Run { .. }
                | Self::Maintenance { .. },
                _,
            ) => false,
        }
    }
}
