//! Hosts.

use super::{parsed, read, read_all, send_all, timestamp};
use crate::facts::{Capacity, Cpu, HostFacts, Inventory, Pool};
use crate::proto;
use crate::refusal::Refusal;

impl From<Cpu> for proto::Cpu {
    fn from(cpu: Cpu) -> Self {
        let Cpu {
            arch,
            model,
            vendor,
            features,
            definition,
        } = cpu;
        Self {
            arch,
            model,
            vendor,
            features,
            definition,
        }
    }
}

impl From<proto::Cpu> for Cpu {
    fn from(cpu: proto::Cpu) -> Self {
        let proto::Cpu {
            arch,
            model,
            vendor,
            features,
            definition,
        } = cpu;
        Self {
            arch,
            model,
            vendor,
            features,
            definition,
        }
    }
}

impl From<Capacity> for proto::Capacity {
    fn from(capacity: Capacity) -> Self {
        let Capacity {
            vcpus,
            memory_bytes,
            disk_bytes,
            disk_free_bytes,
        } = capacity;
        Self {
            vcpus,
            memory_bytes,
            disk_bytes,
            disk_free_bytes,
        }
    }
}

impl From<proto::Capacity> for Capacity {
    fn from(capacity: proto::Capacity) -> Self {
        let proto::Capacity {
            vcpus,
            memory_bytes,
            disk_bytes,
            disk_free_bytes,
        } = capacity;
        Self {
            vcpus,
            memory_bytes,
            disk_bytes,
            disk_free_bytes,
        }
    }
}

impl From<Pool> for proto::Pool {
    fn from(pool: Pool) -> Self {
        Self {
            id: pool.id,
            capacity_bytes: pool.capacity_bytes,
            free_bytes: pool.free_bytes,
        }
    }
}

impl From<proto::Pool> for Pool {
    fn from(pool: proto::Pool) -> Self {
        Self {
            id: pool.id,
            capacity_bytes: pool.capacity_bytes,
            free_bytes: pool.free_bytes,
        }
    }
}

impl From<HostFacts> for proto::HostFacts {
    fn from(facts: HostFacts) -> Self {
        Self {
            host: facts.host.into(),
            node: facts.node,
            hypervisor_type: facts.hypervisor_type,
            hypervisor_version: facts.hypervisor_version,
            cpu: Some(facts.cpu.into()),
            capacity: Some(facts.capacity.into()),
            pools: send_all(facts.pools),
            address: facts.address.map(|address| address.to_string()),
            move_target: facts.move_target,
        }
    }
}

impl TryFrom<proto::HostFacts> for HostFacts {
    type Error = Refusal;

    fn try_from(facts: proto::HostFacts) -> Result<Self, Refusal> {
        let address = facts.address.as_deref();
        Ok(Self {
            host: parsed("host", &facts.host)?,
            node: facts.node,
            hypervisor_type: facts.hypervisor_type,
            hypervisor_version: facts.hypervisor_version,
            cpu: super::required("cpu", facts.cpu)?.into(),
            capacity: super::required("capacity", facts.capacity)?.into(),
            pools: facts.pools.into_iter().map(Pool::from).collect(),
            address: address.map(|text| parsed("address", text)).transpose()?,
            move_target: facts.move_target,
        })
    }
}

impl From<Inventory> for proto::Inventory {
    fn from(inventory: Inventory) -> Self {
        Self {
            facts: Some(inventory.facts.into()),
            domains: send_all(inventory.domains),
            observed_at_micros: inventory.observed_at.as_micros(),
        }
    }
}

impl TryFrom<proto::Inventory> for Inventory {
    type Error = Refusal;

    fn try_from(inventory: proto::Inventory) -> Result<Self, Refusal> {
        Ok(Self {
            facts: read("facts", inventory.facts)?,
            domains: read_all(inventory.domains)?,
            observed_at: timestamp("observed_at", inventory.observed_at_micros)?,
        })
    }
}
