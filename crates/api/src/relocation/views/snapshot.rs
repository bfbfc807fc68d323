//! The fleet at one moment.

use std::collections::HashSet;
use std::time::Duration;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::server::display_status;
use godwit_core::time::Timestamp;
use godwit_store::{Discrepancy, Host, Server, Snapshot};
use serde::Serialize;

use super::migration::MigrationView;
use crate::relocation::visibility::Visibility;

/// What it has, in this order.
pub const FIELDS: &[&str] = &[
    "position",
    "hosts",
    "servers",
    "migrations",
    "runs",
    "discrepancies",
];

#[derive(Debug, Serialize)]
pub struct SnapshotView<'a> {
    position: String,
    hosts: Vec<HostView<'a>>,
    servers: Vec<ServerView<'a>>,
    migrations: Vec<MigrationView<'a>>,
    /// There are none yet.
    runs: [(); 0],
    discrepancies: Vec<DiscrepancyView<'a>>,
}

/// A discrepancy that is open.
#[derive(Debug, Serialize)]
struct DiscrepancyView<'a> {
    id: i64,
    kind: DiscrepancyKind,
    server: Option<ServerUuid>,
    migration: Option<MigrationUuid>,
    host: Option<&'a HostName>,
    text: &'a str,
    opened_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct HostView<'a> {
    name: &'a HostName,
    zone: &'a str,
    hypervisors: [HypervisorView<'a>; 1],
    capacity: RoomView,
    agent: AgentView<'a>,
    allocation: AllocationView<'a>,
    /// Its operator has declared it dead.
    forced_down: bool,
}

#[derive(Debug, Serialize)]
struct AllocationView<'a> {
    state: &'static str,
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct HypervisorView<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    version: String,
}

#[derive(Debug, Serialize)]
struct RoomView {
    vcpus: i64,
    memory_mib: i64,
    disk_gib: i64,
}

#[derive(Debug, Serialize)]
struct AgentView<'a> {
    state: &'static str,
    seen_at: Option<Timestamp>,
    version: &'a str,
}

#[derive(Debug, Serialize)]
struct ServerView<'a> {
    id: ServerUuid,
    name: &'a str,
    project: &'a str,
    host: Option<String>,
    status: &'static str,
    vcpus: i64,
    memory_mib: i64,
}

impl<'a> SnapshotView<'a> {
    /// The document of what there is at `now`, where a service that was not heard of for
    /// `down_time` is down.
    pub fn new(
        snapshot: &'a Snapshot,
        sees: Visibility<'_>,
        now: Timestamp,
        down_time: Duration,
    ) -> Self {
        let hosts = snapshot.hosts.iter().filter(|_| sees.hosts);
        let (servers, migrations) = (snapshot.servers.iter(), snapshot.migrations.iter());
        Self {
            position: snapshot.position.to_string(),
            hosts: hosts.map(|it| HostView::new(it, now, down_time)).collect(),
            servers: servers.map(|it| ServerView::new(it, sees)).collect(),
            migrations: migrations.map(|it| MigrationView::new(it, sees)).collect(),
            runs: [],
            discrepancies: discrepancies(snapshot, sees),
        }
    }
}

/// Those that are seen, as the events of them are.
fn discrepancies<'a>(snapshot: &'a Snapshot, sees: Visibility<'_>) -> Vec<DiscrepancyView<'a>> {
    if !sees.hosts {
        return Vec::new();
    }
    let servers: HashSet<ServerUuid> = match sees.project {
        Some(_) => snapshot.servers.iter().map(|it| it.uuid).collect(),
        None => HashSet::new(),
    };
    let is_seen = |it: &&Discrepancy| {
        let server = it.subject.server;
        sees.project.is_none() || server.is_some_and(|server| servers.contains(&server))
    };
    let seen = snapshot.discrepancies.iter().filter(is_seen);
    seen.map(DiscrepancyView::new).collect()
}

impl<'a> DiscrepancyView<'a> {
    fn new(it: &'a Discrepancy) -> Self {
        Self {
            id: it.id,
            kind: it.subject.kind,
            server: it.subject.server,
            migration: it.subject.migration,
            host: it.subject.host.as_ref(),
            text: &it.detail,
            opened_at: it.opened_at,
        }
    }
}

impl<'a> HostView<'a> {
    fn new(host: &'a Host, now: Timestamp, down_time: Duration) -> Self {
        let (facts, service) = (&host.facts, &host.service);
        Self {
            name: &facts.name,
            zone: &service.zone,
            hypervisors: [HypervisorView {
                kind: &facts.hypervisor_type,
                version: version(facts.hypervisor_version),
            }],
            capacity: RoomView {
                vcpus: facts.vcpus,
                memory_mib: facts.memory_mb,
                disk_gib: facts.local_gb,
            },
            agent: AgentView {
                // What the events before the snapshot say holds, whatever this process's clock says.
                state: match service.is_up(now, down_time) && !service.is_told_silent() {
                    true => "up",
                    false => "down",
                },
                seen_at: service.last_seen_up,
                version: &service.version,
            },
            allocation: AllocationView {
                state: match service.disabled {
                    true => "disabled",
                    false => "enabled",
                },
                reason: service.disabled_reason.as_deref(),
            },
            forced_down: service.forced_down,
        }
    }
}

impl<'a> ServerView<'a> {
    fn new(server: &'a Server, sees: Visibility<'_>) -> Self {
        let host = server.host.as_ref();
        Self {
            id: server.uuid,
            name: &server.name,
            project: &server.project_id,
            host: host.and_then(|host| sees.host(Some(&server.project_id), host.as_str())),
            status: display_status(server.vm_state, server.task_state),
            vcpus: server.room.vcpus,
            memory_mib: server.room.memory_mb,
        }
    }
}

/// `8.1.2`, as Nova counts it: major × 1 000 000 + minor × 1 000 + micro.
fn version(number: i64) -> String {
    let (major, rest) = (number.div_euclid(1_000_000), number.rem_euclid(1_000_000));
    format!("{major}.{}.{}", rest / 1_000, rest % 1_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(super::version(8_000_000), "8.0.0");
        assert_eq!(super::version(10_002_013), "10.2.13");
    }
}
