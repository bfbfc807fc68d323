//! Compute hosts: what an agent says of the machine it runs on.

use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Room, Service, Store, StoreError};

/// A compute host, with the service that speaks for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// Its integer id, as a hypervisor.
    pub id: i64,
    /// Its uuid, as a hypervisor.
    pub uuid: Uuid,
    /// What its agent says.
    pub facts: HostFacts,
    /// The agent's last whole inventory.
    pub last_inventory_at: Option<Timestamp>,
    /// When it first registered.
    pub created_at: Timestamp,
    /// When it last registered again.
    pub updated_at: Option<Timestamp>,
    /// Its agent, as a service.
    pub service: Service,
}

/// What an agent says of its host when it registers.
#[derive(Clone, PartialEq, Debug)]
pub struct HostFacts {
    /// The service host's name.
    pub name: HostName,
    /// The hypervisor's hostname.
    pub node: String,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// As Nova counts: major × 1 000 000 + minor × 1 000 + micro.
    pub hypervisor_version: i64,
    /// The address that other hosts reach it at.
    pub host_ip: Option<String>,
    /// What it can compute, as the driver describes it.
    pub cpu_info: serde_json::Value,
    /// The CPU's architecture.
    pub arch: String,
    /// Physical CPUs, without overcommitment.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mb: i64,
    /// Disk in GiB, on storage of its own.
    pub local_gb: i64,
    /// The storage it reaches.
    pub storage_pools: Vec<StoragePool>,
    /// Where its agent listens.
    pub agent_address: String,
    /// Changes whenever the agent is started.
    pub agent_boot_id: Uuid,
    /// What its agent speaks.
    pub rpc_version: String,
    /// What its agent can do.
    pub capabilities: Vec<String>,
}

/// A place for disks. Two hosts that name the same id reach the same bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoragePool {
    /// Unique over all hosts.
    pub id: String,
    /// Do other hosts reach it too?
    pub shared: bool,
    /// Size in bytes.
    pub total_bytes: i64,
    /// Free space in bytes.
    pub available_bytes: i64,
}

/// An agent that introduces itself.
#[derive(Clone, PartialEq, Debug)]
pub struct HostRegistration {
    /// What it says of its host.
    pub facts: HostFacts,
    /// Its availability zone.
    pub zone: String,
    /// The version of the program.
    pub version: String,
    /// For the host's row, should it be new.
    pub host_uuid: Uuid,
    /// For the service's row, should it be new.
    pub service_uuid: Uuid,
    /// The present.
    pub at: Timestamp,
}

/// A host as a destination: what it has, and what of it is taken.
#[derive(Clone, PartialEq, Debug)]
pub struct HostLoad {
    /// The host.
    pub host: Host,
    /// By the servers recorded on it.
    pub servers: Room,
    /// By migrations on their way to it.
    pub claims: Room,
}

impl Store {
    /// Makes or renews a host's row and its service's. Counts as a heartbeat. Returns the host,
    /// and whether its agent was started anew since it registered last (or ever).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_register(
        &self,
        registration: HostRegistration,
    ) -> Result<(Host, bool), StoreError> {
        unimplemented!("{registration:?}")
    }

    /// Notes that a host's agent lives. `false` if no such host is registered with this boot
    /// id: then the agent must register again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_heartbeat(
        &self,
        host: &HostName,
        boot_id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!("{host} {boot_id} {at}")
    }

    /// A host by its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_find(&self, name: &HostName) -> Result<Option<Host>, StoreError> {
        unimplemented!("{name}")
    }

    /// All hosts, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_list(&self) -> Result<Vec<Host>, StoreError> {
        unimplemented!()
    }

    /// All hosts with what is taken of them, by id: what a destination is chosen from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_loads(&self) -> Result<Vec<HostLoad>, StoreError> {
        unimplemented!()
    }
}
