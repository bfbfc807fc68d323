//! Compute hosts: what an agent says of the machine it runs on.

mod loads;
mod lookup;
mod registration;
mod rows;

use godwit_core::host::link::Link;
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Service;

pub use self::loads::HostLoad;
pub(crate) use self::loads::{load_all_loads, loads_of};
pub(crate) use self::lookup::{Agent, agents};
pub(crate) use self::registration::describe;
pub(crate) use self::rows::{load_all, load_by_id, node};

/// A compute host, with the service that speaks for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// Its integer id, as a hypervisor.
    pub id: i64,
    /// Its uuid, as a hypervisor.
    pub uuid: Uuid,
    /// What its agent says.
    pub facts: HostFacts,
    /// The run of its agent that registered last.
    pub agent: AgentFacts,
    /// What one stream from or to it was seen to achieve, in bytes a second; `None`: nobody has seen
    /// one.
    pub stream_bytes_per_second: Option<u64>,
    /// The agent's last whole inventory, which confirmed the facts.
    pub last_inventory_at: Option<Timestamp>,
    /// When it first registered.
    pub created_at: Timestamp,
    /// When it last registered again.
    pub updated_at: Option<Timestamp>,
    /// Its agent, as a service.
    pub service: Service,
}

/// What an agent says of its host, when it registers and with every whole inventory.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HostFacts {
    pub name: HostName,
    pub node: String,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// As Nova counts: major × 1 000 000 + minor × 1 000 + micro.
    pub hypervisor_version: i64,
    /// The address that other hosts reach it at.
    pub host_ip: Option<String>,
    /// What it can compute, as the driver describes it.
    pub cpu_info: serde_json::Value,
    pub arch: String,
    /// Physical CPUs, without overcommitment.
    pub vcpus: i64,
    pub memory_mb: i64,
    /// Disk in GiB, on storage of its own.
    pub local_gb: i64,
    /// What of it is free, in GiB.
    pub local_free_gb: i64,
    pub storage_pools: Vec<StoragePool>,
    /// The networks it is on; none where its agent does not say.
    pub links: Vec<Link>,
}

/// What an agent says of itself when it registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentFacts {
    /// Where it listens.
    pub address: String,
    /// Changes whenever the agent is started.
    pub boot_id: Uuid,
    /// The version of the protocol that it speaks.
    pub rpc_version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
}

impl HostFacts {
    /// What it has, without overcommitment.
    pub fn resources(&self) -> Resources {
        Resources {
            vcpus: self.vcpus,
            memory_mb: self.memory_mb,
            disk_gb: self.local_gb,
        }
    }
}

/// A place for disks. Two hosts that name the same id reach the same bytes, unless it is local.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoragePool {
    /// Unique over all hosts, but for local ones.
    pub id: String,
    /// Size in bytes.
    pub total_bytes: i64,
    /// Free space in bytes.
    pub available_bytes: i64,
    /// What it is made of, such as `nfs`; `None`: its agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// It is on disks of the host alone: what another host calls so is not the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// An agent that introduces itself.
#[derive(Clone, PartialEq, Debug)]
pub struct HostRegistration {
    /// What it says of its host.
    pub facts: HostFacts,
    /// What it says of itself.
    pub agent: AgentFacts,
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
