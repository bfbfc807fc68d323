//! Guests.

use godwit_core::server_group::DeclaredGroup;

use super::{parsed, read_some, required, send_all, words};
use crate::domain::{Backing, Disk, Domain, Flavor, Owner};
use crate::proto;
use crate::refusal::Refusal;

impl From<Backing> for proto::Backing {
    fn from(backing: Backing) -> Self {
        Self {
            path: backing.path,
            format: backing.format,
            fingerprint: backing.fingerprint,
        }
    }
}

impl From<proto::Backing> for Backing {
    fn from(backing: proto::Backing) -> Self {
        Self {
            path: backing.path,
            format: backing.format,
            fingerprint: backing.fingerprint,
        }
    }
}

impl From<Disk> for proto::Disk {
    fn from(disk: Disk) -> Self {
        Self {
            target: disk.target,
            path: disk.path,
            pool: disk.pool,
            format: disk.format,
            virtual_bytes: disk.virtual_bytes,
            allocated_bytes: disk.allocated_bytes,
            backing: disk.backing.map(proto::Backing::from),
            read_only: disk.read_only,
        }
    }
}

impl From<proto::Disk> for Disk {
    fn from(disk: proto::Disk) -> Self {
        Self {
            target: disk.target,
            path: disk.path,
            pool: disk.pool,
            format: disk.format,
            virtual_bytes: disk.virtual_bytes,
            allocated_bytes: disk.allocated_bytes,
            backing: disk.backing.map(Backing::from),
            read_only: disk.read_only,
        }
    }
}

impl From<Owner> for proto::Owner {
    fn from(owner: Owner) -> Self {
        Self {
            user_id: owner.user_id,
            project_id: owner.project_id,
            user_name: owner.user_name,
            project_name: owner.project_name,
        }
    }
}

impl From<proto::Owner> for Owner {
    fn from(owner: proto::Owner) -> Self {
        Self {
            user_id: owner.user_id,
            project_id: owner.project_id,
            user_name: owner.user_name,
            project_name: owner.project_name,
        }
    }
}

impl From<Flavor> for proto::Flavor {
    fn from(flavor: Flavor) -> Self {
        Self {
            id: flavor.id,
            name: flavor.name,
            vcpus: flavor.vcpus,
            memory_mb: flavor.memory_mb,
            root_gb: flavor.root_gb,
            ephemeral_gb: flavor.ephemeral_gb,
            swap_mb: flavor.swap_mb,
        }
    }
}

impl From<proto::Flavor> for Flavor {
    fn from(flavor: proto::Flavor) -> Self {
        Self {
            id: flavor.id,
            name: flavor.name,
            vcpus: flavor.vcpus,
            memory_mb: flavor.memory_mb,
            root_gb: flavor.root_gb,
            ephemeral_gb: flavor.ephemeral_gb,
            swap_mb: flavor.swap_mb,
        }
    }
}

impl From<DeclaredGroup> for proto::ServerGroup {
    fn from(group: DeclaredGroup) -> Self {
        Self {
            uuid: group.uuid.to_string(),
            name: group.name,
            policy: group.policy.map(|policy| policy.to_string()),
            max_server_per_host: group.max_server_per_host,
        }
    }
}

impl TryFrom<proto::ServerGroup> for DeclaredGroup {
    type Error = Refusal;

    fn try_from(group: proto::ServerGroup) -> Result<Self, Refusal> {
        let policy = group.policy.as_deref();
        Ok(Self {
            uuid: parsed("server_group.uuid", &group.uuid)?,
            name: group.name,
            policy: policy
                .map(|policy| parsed("server_group.policy", policy))
                .transpose()?,
            max_server_per_host: group.max_server_per_host,
        })
    }
}

impl From<Domain> for proto::Domain {
    fn from(domain: Domain) -> Self {
        Self {
            server_uuid: domain.server.to_string(),
            domain_name: domain.domain_name,
            display_name: domain.display_name,
            sighting: words::send(domain.sighting),
            power_state: words::send(domain.power_state),
            vcpus: domain.vcpus,
            memory_bytes: domain.memory_bytes,
            cpu: Some(domain.cpu.into()),
            disks: send_all(domain.disks),
            owner: Some(domain.owner.into()),
            flavor: domain.flavor.map(proto::Flavor::from),
            image_ref: domain.image_ref,
            definition: domain.definition.and_then(Domain::bounded),
            server_group: domain.group.map(|group| (*group).into()),
        }
    }
}

impl TryFrom<proto::Domain> for Domain {
    type Error = Refusal;

    fn try_from(domain: proto::Domain) -> Result<Self, Refusal> {
        Ok(Self {
            server: parsed("server_uuid", &domain.server_uuid)?,
            domain_name: domain.domain_name,
            display_name: domain.display_name,
            sighting: words::read("sighting", domain.sighting)?,
            power_state: words::read("power_state", domain.power_state)?,
            vcpus: domain.vcpus,
            memory_bytes: domain.memory_bytes,
            cpu: required("cpu", domain.cpu)?.into(),
            disks: domain.disks.into_iter().map(Disk::from).collect(),
            owner: required("owner", domain.owner)?.into(),
            flavor: domain.flavor.map(Flavor::from),
            image_ref: domain.image_ref,
            definition: domain.definition,
            group: read_some(domain.server_group)?.map(Box::new),
        })
    }
}
