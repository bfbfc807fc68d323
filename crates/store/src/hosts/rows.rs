//! The rows of hosts.

use diesel::prelude::*;
use godwit_core::host::link::Link;
use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;

use super::{AgentFacts, Host, HostFacts, StoragePool};
use crate::columns::{Json, PlainUuid};
use crate::connection::Database;
use crate::schema::{hosts, services};
use crate::{Service, StoreError};

/// The node of a host, if there is such a host.
pub(crate) fn node(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    let node = hosts::table
        .filter(hosts::name.eq(host.as_str()))
        .select(hosts::node)
        .first(connection)
        .optional()?;
    Ok(node)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = hosts)]
pub(super) struct HostRow {
    pub(super) id: i64,
    uuid: PlainUuid,
    pub(super) name: HostName,
    node: String,
    hypervisor_type: String,
    hypervisor_version: i64,
    host_ip: Option<String>,
    cpu_info: Json<serde_json::Value>,
    arch: String,
    vcpus: i64,
    memory_mb: i64,
    local_gb: i64,
    local_free_gb: i64,
    storage_pools: Json<Vec<StoragePool>>,
    links: Option<Json<Vec<Link>>>,
    stream_bytes_per_second: Option<i64>,
    agent_address: String,
    agent_boot_id: PlainUuid,
    rpc_version: String,
    capabilities: Json<Vec<String>>,
    last_inventory_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

impl HostRow {
    pub(super) fn with(self, service: Service) -> Host {
        Host {
            id: self.id,
            uuid: self.uuid.0,
            facts: HostFacts {
                name: self.name,
                node: self.node,
                hypervisor_type: self.hypervisor_type,
                hypervisor_version: self.hypervisor_version,
                host_ip: self.host_ip,
                cpu_info: self.cpu_info.0,
                arch: self.arch,
                vcpus: self.vcpus,
                memory_mb: self.memory_mb,
                local_gb: self.local_gb,
                local_free_gb: self.local_free_gb,
                storage_pools: self.storage_pools.0,
                links: self.links.map(|links| links.0).unwrap_or_default(),
            },
            agent: AgentFacts {
                address: self.agent_address,
                boot_id: self.agent_boot_id.0,
                rpc_version: self.rpc_version,
                capabilities: self.capabilities.0,
            },
            stream_bytes_per_second: self
                .stream_bytes_per_second
                .and_then(|rate| u64::try_from(rate).ok()),
            last_inventory_at: self.last_inventory_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            service,
        }
    }
}

pub(super) fn load(connection: &mut Database, name: &HostName) -> Result<Option<Host>, StoreError> {
    let row: Option<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .filter(hosts::name.eq(name.as_str()))
        .select((HostRow::as_select(), Service::as_select()))
        .first(connection)
        .optional()?;
    Ok(row.map(|(host, service)| host.with(service)))
}

pub(crate) fn load_by_id(connection: &mut Database, id: i64) -> Result<Option<Host>, StoreError> {
    let row: Option<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .filter(hosts::id.eq(id))
        .select((HostRow::as_select(), Service::as_select()))
        .first(connection)
        .optional()?;
    Ok(row.map(|(host, service)| host.with(service)))
}

pub(crate) fn load_all(connection: &mut Database) -> Result<Vec<Host>, StoreError> {
    let rows: Vec<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .select((HostRow::as_select(), Service::as_select()))
        .order(hosts::id)
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(host, service)| host.with(service))
        .collect())
}
