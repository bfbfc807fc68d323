//! Servers, from `instances`.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, TaskState, VmState};
use serde::Deserialize;

use super::ImportError;
use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::{Flag, Life, Moment};
use super::dump::Dump;
use super::flavors::Sizes;
use super::report::{Reason, TableReport, because};
use super::side::{Metadata, Said, Volumes};
use crate::columns::json;
use crate::connection::Database;
use crate::{Launch, LockedBy, Volume};

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    life: Life,
    id: i64,
    uuid: Option<ServerUuid>,
    user_id: Option<String>,
    project_id: Option<String>,
    image_ref: Option<String>,
    kernel_id: Option<String>,
    ramdisk_id: Option<String>,
    launch_index: Option<i64>,
    key_name: Option<String>,
    power_state: Option<i32>,
    vm_state: Option<String>,
    memory_mb: Option<i64>,
    vcpus: Option<i64>,
    hostname: Option<String>,
    host: Option<String>,
    user_data: Option<String>,
    reservation_id: Option<String>,
    launched_at: Option<Moment>,
    terminated_at: Option<Moment>,
    display_name: Option<String>,
    display_description: Option<String>,
    availability_zone: Option<String>,
    #[serde(default)]
    locked: Flag,
    locked_by: Option<String>,
    instance_type_id: Option<i64>,
    root_device_name: Option<String>,
    access_ip_v4: Option<String>,
    access_ip_v6: Option<String>,
    config_drive: Option<String>,
    task_state: Option<String>,
    progress: Option<i64>,
    #[serde(default)]
    auto_disk_config: Flag,
    root_gb: Option<i64>,
    ephemeral_gb: Option<i64>,
    node: Option<String>,
    #[serde(default)]
    hidden: Flag,
}

const TARGET: Target = Target {
    table: "servers",
    source: "instances",
    key: Key::Unique("uuid"),
};

impl Row {
    fn room(&self) -> Resources {
        let ephemeral = self.ephemeral_gb.unwrap_or_default();
        Resources {
            vcpus: self.vcpus.unwrap_or_default(),
            memory_mb: self.memory_mb.unwrap_or_default(),
            disk_gb: self.root_gb.unwrap_or_default() + ephemeral,
        }
    }

    /// Nova locks with a flag, and says by whom only since it knows.
    fn lock(&self) -> Option<LockedBy> {
        let holder = self.locked_by.as_deref().and_then(|by| by.parse().ok());
        self.locked.0.then(|| holder.unwrap_or(LockedBy::Admin))
    }

    fn launch(&self, volumes: Vec<Volume>, said: &Said) -> Launch {
        Launch {
            reservation_id: self.reservation_id.clone(),
            launch_index: self.launch_index.unwrap_or_default(),
            kernel_id: self.kernel_id.clone().unwrap_or_default(),
            ramdisk_id: self.ramdisk_id.clone().unwrap_or_default(),
            root_device_name: self.root_device_name.clone(),
            user_data: self.user_data.clone(),
            auto_disk_config: self.auto_disk_config.0,
            access_ipv4: self.access_ip_v4.clone(),
            access_ipv6: self.access_ip_v6.clone(),
            image_properties: said.image_properties.clone(),
            volumes,
        }
    }
}

/// A word that may be absent, as one of ours.
fn word<T: std::str::FromStr>(text: Option<&str>, why: &'static str) -> Result<Option<T>, Reason> {
    text.map(|text| text.parse().map_err(|_| because(why, text)))
        .transpose()
}

fn make(row: Row, flavor_id: i64, volumes: Vec<Volume>, said: &Said) -> Result<Incoming, Reason> {
    let (Some(uuid), Some(created_at)) = (row.uuid, row.life.created_at) else {
        return Err(because("it has no uuid, or no date", row.id));
    };
    let vm_state: VmState = word(row.vm_state.as_deref(), "its vm_state is not Nova's")?
        .ok_or_else(|| because("it has no vm_state", uuid))?;
    let task_state: Option<TaskState> =
        word(row.task_state.as_deref(), "its task_state is not Nova's")?;
    let host: Option<HostName> = word(row.host.as_deref(), "its host is no host name")?;
    let (Some(project_id), Some(user_id)) = (row.project_id.clone(), row.user_id.clone()) else {
        return Err(because("it has no owner", uuid));
    };
    let (room, lock, launch) = (row.room(), row.lock(), row.launch(volumes, said));
    let hostname = row.hostname.unwrap_or_default();
    let new = new_row! {
        id: row.id,
        uuid: uuid,
        name: row.display_name.unwrap_or_else(|| hostname.clone()),
        hostname: hostname,
        instance_name: format!("instance-{:08x}", row.id),
        description: row.display_description,
        project_id: project_id,
        user_id: user_id,
        host: host,
        node: row.node,
        vm_state: vm_state,
        task_state: task_state,
        power_state: PowerState::from_i32(row.power_state.unwrap_or_default()).as_i32(),
        progress: row.progress.unwrap_or_default().clamp(0, 100),
        locked_by: lock,
        locked_reason: said.locked_reason.clone().filter(|_| lock.is_some()),
        vcpus: room.vcpus,
        memory_mb: room.memory_mb,
        disk_gb: room.disk_gb,
        flavor_id: flavor_id,
        image_ref: row.image_ref.filter(|image| !image.is_empty()),
        key_name: row.key_name,
        availability_zone: row.availability_zone,
        config_drive: row.config_drive.is_some_and(|it| !it.is_empty()),
        metadata: "{}",
        disks: "[]",
        cpu: "null",
        created_at: created_at,
        updated_at: row.life.updated_at,
        launched_at: row.launched_at,
        terminated_at: row.terminated_at,
        deleted_at: row.life.deleted_at(),
        generation: 1,
        launch: json(&launch),
    };
    Ok(Incoming::new(row.id, uuid, new))
}

pub(super) fn import(
    connection: &mut Database,
    dump: &Dump,
    sizes: &mut Sizes,
    (mut metadata, mut volumes): (Metadata, Volumes),
) -> Result<TableReport, ImportError> {
    transfer(connection, dump, &TARGET, |connection, row: Row| {
        if row.hidden.0 {
            let reason = "it is a hidden copy, of a move between cells";
            return Ok(Err(because(reason, row.id)));
        }
        let ephemeral = row.ephemeral_gb.unwrap_or_default();
        let flavor = sizes.of(connection, row.instance_type_id, row.room(), ephemeral)?;
        let uuid = row.uuid.map(|uuid| uuid.0);
        let volumes = uuid.and_then(|uuid| volumes.remove(&uuid));
        let said = uuid.and_then(|uuid| metadata.remove(&uuid));
        let (volumes, said) = (volumes.unwrap_or_default(), said.unwrap_or_default());
        Ok(make(row, flavor, volumes, &said))
    })
}
