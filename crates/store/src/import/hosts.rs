//! Compute hosts, from `compute_nodes`. They are what Nova last said of them until an agent
//! enrols there and speaks for itself.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::ImportError;
use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::Life;
use super::dump::Dump;
use super::report::{Reason, TableReport, because};
use crate::columns::json;
use crate::connection::Database;
use crate::schema::services;
use crate::{HostUsage, ServiceBinary, StoreError};

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    life: Life,
    id: i64,
    uuid: Option<Uuid>,
    host: Option<String>,
    hypervisor_hostname: Option<String>,
    hypervisor_type: String,
    hypervisor_version: i64,
    host_ip: Option<String>,
    cpu_info: Option<String>,
    vcpus: i64,
    memory_mb: i64,
    local_gb: i64,
    #[serde(default)]
    vcpus_used: i64,
    #[serde(default)]
    memory_mb_used: i64,
    #[serde(default)]
    local_gb_used: i64,
    disk_available_least: Option<i64>,
    free_disk_gb: Option<i64>,
    running_vms: Option<i64>,
    current_workload: Option<i64>,
}

const TARGET: Target = Target {
    table: "hosts",
    source: "compute_nodes",
    key: Key::Unique("uuid"),
};

/// The `nova-compute` services by their hosts. Nova too goes by the host's name here; the
/// `service_id` of a compute node is a relic.
fn agents(connection: &mut Database) -> Result<HashMap<String, i64>, StoreError> {
    let rows: Vec<(String, i64)> = services::table
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select((services::host, services::id))
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

fn make(row: Row, agents: &HashMap<String, i64>) -> Result<Incoming, Reason> {
    let Some(node) = row.hypervisor_hostname else {
        return Err(because("it has no hypervisor hostname", row.id));
    };
    if row.life.is_deleted() {
        return Err(because("it is deleted", node));
    }
    // Rows from before Nova 6 name their host through the service only.
    let host = row.host.unwrap_or_else(|| node.clone());
    let name = HostName::new(host).map_err(|error| because("it has no proper host", error.0))?;
    let Some(service_id) = agents.get(name.as_str()).copied() else {
        return Err(because("its host has no nova-compute service", name));
    };
    let (Some(uuid), Some(created_at)) = (row.uuid, row.life.created_at) else {
        return Err(because("it has no uuid, or no date", node));
    };
    // A hypervisor's driver may leave nothing there, or no JSON.
    let text = row.cpu_info.unwrap_or_default();
    let cpu: Value = serde_json::from_str(&text).unwrap_or_default();
    let arch = cpu.get("arch").and_then(Value::as_str).unwrap_or_default();
    let usage = HostUsage {
        room: Resources {
            vcpus: row.vcpus_used,
            memory_mb: row.memory_mb_used,
            disk_gb: row.local_gb_used,
        },
        running_vms: row.running_vms.unwrap_or_default(),
        current_workload: row.current_workload.unwrap_or_default(),
    };
    // Not every driver of Nova's measures what is left.
    let free = row.disk_available_least.or(row.free_disk_gb);
    let new = new_row! {
        id: row.id,
        uuid: uuid,
        name: name,
        service_id: service_id,
        node: node,
        hypervisor_type: row.hypervisor_type,
        hypervisor_version: row.hypervisor_version,
        host_ip: row.host_ip,
        arch: arch,
        cpu_info: json(&cpu),
        vcpus: row.vcpus,
        memory_mb: row.memory_mb,
        local_gb: row.local_gb,
        local_free_gb: free.unwrap_or_default(),
        storage_pools: "[]",
        agent_address: "",
        agent_boot_id: Uuid::nil(),
        rpc_version: "",
        capabilities: "[]",
        created_at: created_at,
        updated_at: row.life.updated_at,
        imported_usage: json(&usage),
    };
    Ok(Incoming::new(row.id, uuid, new))
}

pub(super) fn import(connection: &mut Database, dump: &Dump) -> Result<TableReport, ImportError> {
    let agents = agents(connection)?;
    transfer(connection, dump, &TARGET, |_, row| Ok(make(row, &agents)))
}
