//! The fleet at one moment.

use godwit_core::ids::ServerUuid;
use godwit_core::server::display_status;
use godwit_facts::Basis;
use godwit_store::{Server, Snapshot};
use serde::Serialize;

use super::host::HostView;
use super::migration::MigrationView;
use crate::relocation::visibility::Visibility;

#[derive(Debug, Serialize)]
pub struct SnapshotView<'a> {
    position: String,
    hosts: Vec<HostView<'a>>,
    servers: Vec<ServerView<'a>>,
    migrations: Vec<MigrationView<'a>>,
    /// There are none yet.
    runs: [(); 0],
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
    pub fn new(snapshot: &'a Snapshot, sees: Visibility<'_>, basis: Basis) -> Self {
        let hosts = snapshot.hosts.iter().filter(|_| sees.hosts);
        let (servers, migrations) = (snapshot.servers.iter(), snapshot.migrations.iter());
        Self {
            position: snapshot.position.to_string(),
            hosts: hosts.map(|it| HostView::new(it, basis)).collect(),
            servers: servers.map(|it| ServerView::new(it, sees)).collect(),
            migrations: migrations.map(|it| MigrationView::new(it, sees)).collect(),
            runs: [],
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
