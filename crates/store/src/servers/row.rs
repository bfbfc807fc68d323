//! The row of a server.

use std::collections::BTreeMap;

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::resources::Resources;
use godwit_core::server::{TaskState, VmState};

use super::{Disk, Fault, Hardware, Launch, Lock, LockedBy, Server};
use crate::Flavor;
use crate::columns::{Instant, Json, Parsed, Power};
use crate::flavors::FlavorRow;
use crate::schema::servers;

/// All that is read of a server but its hardware, as either database gives it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = servers)]
pub(crate) struct ServerRow {
    id: i64,
    uuid: Parsed<ServerUuid>,
    name: String,
    hostname: String,
    instance_name: String,
    description: Option<String>,
    project_id: String,
    user_id: String,
    host: Option<Parsed<HostName>>,
    node: Option<String>,
    vm_state: Parsed<VmState>,
    task_state: Option<Parsed<TaskState>>,
    power_state: Power,
    progress: i64,
    locked_by: Option<Parsed<LockedBy>>,
    locked_reason: Option<String>,
    #[diesel(embed)]
    room: RoomRow,
    image_ref: Option<String>,
    key_name: Option<String>,
    availability_zone: Option<String>,
    config_drive: bool,
    metadata: Json<BTreeMap<String, String>>,
    fault: Option<Json<Fault>>,
    created_at: Instant,
    updated_at: Option<Instant>,
    launched_at: Option<Instant>,
    terminated_at: Option<Instant>,
    deleted_at: Option<Instant>,
    settled_at: Option<Instant>,
    generation: i64,
    launch: Option<Json<Launch>>,
    dirty_bytes_per_second: Option<i64>,
}

/// What a server takes of its host.
#[derive(Queryable, Selectable)]
#[diesel(table_name = servers)]
pub(crate) struct RoomRow {
    vcpus: i64,
    memory_mb: i64,
    disk_gb: i64,
}

impl From<RoomRow> for Resources {
    fn from(row: RoomRow) -> Self {
        Self {
            vcpus: row.vcpus,
            memory_mb: row.memory_mb,
            disk_gb: row.disk_gb,
        }
    }
}

impl From<(ServerRow, FlavorRow)> for Server {
    fn from((row, flavor): (ServerRow, FlavorRow)) -> Self {
        row.with_flavor(Flavor::from(flavor))
    }
}

impl ServerRow {
    /// The server, of which the row names the flavor only.
    pub(super) fn with_flavor(self, flavor: Flavor) -> Server {
        let row = self;
        Server {
            id: row.id,
            uuid: row.uuid.0,
            name: row.name,
            hostname: row.hostname,
            instance_name: row.instance_name,
            description: row.description,
            project_id: row.project_id,
            user_id: row.user_id,
            host: row.host.map(|name| name.0),
            node: row.node,
            vm_state: row.vm_state.0,
            task_state: row.task_state.map(|task| task.0),
            power_state: row.power_state.0,
            progress: i32::try_from(row.progress).unwrap_or_default(),
            lock: row.locked_by.map(|by| Lock {
                by: by.0,
                reason: row.locked_reason,
            }),
            room: row.room.into(),
            dirty_bytes_per_second: row.dirty_bytes_per_second,
            flavor,
            image_ref: row.image_ref,
            key_name: row.key_name,
            availability_zone: row.availability_zone,
            config_drive: row.config_drive,
            metadata: row.metadata.0,
            fault: row.fault.map(|fault| fault.0),
            launch: row.launch.map(|launch| launch.0).unwrap_or_default(),
            created_at: row.created_at.0,
            updated_at: row.updated_at.map(|at| at.0),
            launched_at: row.launched_at.map(|at| at.0),
            terminated_at: row.terminated_at.map(|at| at.0),
            deleted_at: row.deleted_at.map(|at| at.0),
            settled_at: row.settled_at.map(|at| at.0),
            generation: row.generation,
        }
    }
}

/// What is read of a server's hardware.
#[derive(Queryable, Selectable)]
#[diesel(table_name = servers)]
pub(crate) struct HardwareRow {
    disks: Json<Vec<Disk>>,
    cpu: Json<serde_json::Value>,
}

impl From<HardwareRow> for Hardware {
    fn from(row: HardwareRow) -> Self {
        Self {
            disks: row.disks.0,
            cpu: row.cpu.0,
        }
    }
}
