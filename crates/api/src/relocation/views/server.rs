//! A server: where it is, what it takes, and what it is made of.

use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::server::display_status;
use godwit_store::{Disk, Server, ServerDetail};
use serde::Serialize;

use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "id",
    "name",
    "project",
    "host",
    "status",
    "vcpus",
    "memory_mib",
    "disks",
    "groups",
    "dirty_bytes_per_second",
];

/// What a snapshot has of it.
#[derive(Debug, Serialize)]
pub(super) struct ServerSummary<'a> {
    id: ServerUuid,
    name: &'a str,
    project: &'a str,
    host: Option<String>,
    status: &'static str,
    vcpus: i64,
    memory_mib: i64,
}

#[derive(Debug, Serialize)]
pub struct ServerView<'a> {
    #[serde(flatten)]
    summary: ServerSummary<'a>,
    disks: Vec<DiskView<'a>>,
    groups: &'a [ServerGroupUuid],
    dirty_bytes_per_second: Option<i64>,
}

#[derive(Debug, Serialize)]
struct DiskView<'a> {
    target: &'a str,
    pool: Option<&'a str>,
    format: &'a str,
    virtual_bytes: Option<i64>,
    allocated_bytes: Option<i64>,
    backing: Vec<&'a str>,
}

impl<'a> ServerSummary<'a> {
    pub(super) fn new(server: &'a Server, sees: Visibility<'_>) -> Self {
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

impl<'a> ServerView<'a> {
    pub fn new(detail: &'a ServerDetail, sees: Visibility<'_>) -> Self {
        let disks = detail.disks.iter();
        Self {
            summary: ServerSummary::new(&detail.server, sees),
            disks: disks.map(|disk| DiskView::new(disk, sees)).collect(),
            groups: &detail.groups,
            dirty_bytes_per_second: detail.server.dirty_bytes_per_second,
        }
    }
}

impl<'a> DiskView<'a> {
    /// Pools and paths may be called after hosts.
    fn new(disk: &'a Disk, sees: Visibility<'_>) -> Self {
        // A disk has a size; none means that nobody could tell it, nor then what it occupies.
        let known = disk.virtual_bytes > 0;
        Self {
            target: &disk.target,
            pool: sees.of_hosts(disk.pool.as_deref()),
            format: &disk.format,
            virtual_bytes: known.then_some(disk.virtual_bytes),
            allocated_bytes: known.then_some(disk.allocated_bytes),
            backing: sees.of_hosts(disk.backing.as_deref()).into_iter().collect(),
        }
    }
}
