//! What this host says of itself.

use godwit_rpc::facts::{Capacity, Cpu, HostFacts};
use serde::{Deserialize, Serialize};
use virt::error::Error;

use super::connection::Live;
use super::definition::host_cpu;
use super::storage::pools::{self, SeenPool};
use super::storage::space::{Space, space_at};
use super::{DriverError, Host, Receiver};

/// What does not change while libvirt runs.
#[derive(Clone, Debug)]
pub(super) struct About {
    node: String,
    hypervisor_type: String,
    hypervisor_version: u32,
    cpu: Cpu,
}

/// Where a move to a host connects to, in [`Receiver::target`]: as JSON, read by the same driver at
/// the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct MoveTarget {
    pub(super) libvirt: String,
    /// Where memory and disks are sent to.
    pub(super) data: Option<String>,
    /// The address that the destination listens on.
    pub(super) listen: Option<String>,
}

impl MoveTarget {
    /// What the destination's driver said.
    pub(super) fn of(receiver: &Receiver) -> Result<Self, DriverError> {
        serde_json::from_str(&receiver.target).map_err(|error| {
            DriverError::Unavailable(format!(
                "the destination does not say where moves connect to: {error}"
            ))
        })
    }
}

struct Processors {
    vcpus: u32,
    memory_bytes: u64,
}

impl Host {
    pub(super) async fn facts(&self) -> Result<HostFacts, DriverError> {
        let (about, processors) = self.connection.call(ask).await?;
        let (pools, space) = self.storage().await?;
        Ok(HostFacts {
            host: self.name.clone(),
            node: about.node,
            hypervisor_type: about.hypervisor_type,
            hypervisor_version: about.hypervisor_version,
            cpu: about.cpu,
            capacity: Capacity {
                vcpus: processors.vcpus,
                memory_bytes: processors.memory_bytes,
                disk_bytes: space.total,
                disk_free_bytes: space.free,
            },
            pools: pools.into_iter().map(|seen| seen.pool).collect(),
            address: self.config.address,
        })
    }

    /// What the source of a move to this host has to know; `own` is what this host is now.
    pub(super) fn receiver(&self, own: HostFacts) -> Result<Receiver, DriverError> {
        let target = MoveTarget {
            libvirt: match &self.config.move_uri {
                Some(uri) => uri.clone(),
                None => ["qemu+tls://", &own.node, "/system"].concat(),
            },
            data: self.config.move_data_uri.clone(),
            listen: self
                .config
                .move_listen_address
                .map(|address| address.to_string()),
        };
        let target = serde_json::to_string(&target);
        Ok(Receiver {
            target: target.map_err(|error| DriverError::Unavailable(error.to_string()))?,
            pools: own.pools,
        })
    }

    /// The shared storage that is really there.
    pub(super) async fn pools(&self) -> Result<Vec<SeenPool>, DriverError> {
        let configured = self.config.shared_storage.clone();
        Ok(self.files.run(move || pools::observe(&configured)).await?)
    }

    async fn storage(&self) -> Result<(Vec<SeenPool>, Space), DriverError> {
        let configured = self.config.shared_storage.clone();
        let instances = self.config.instances.clone();
        let reserved = self.reserved_bytes();
        let look = move || (pools::observe(&configured), space_at(&instances, reserved));
        let (pools, space) = self.files.run(look).await?;
        let space = space.map_err(|error| {
            let instances = self.config.instances.display();
            DriverError::Unavailable(format!("{instances}: {error}"))
        })?;
        Ok((pools, space))
    }

    /// What of the host's disks is never given away.
    pub(super) fn reserved_bytes(&self) -> u64 {
        self.config.reserved_disk_mb.saturating_mul(1 << 20)
    }
}

fn ask(live: &Live) -> Result<(About, Processors), Error> {
    let about = match live.about.get() {
        Some(about) => about.clone(),
        None => {
            let about = about(live)?;
            live.about.get_or_init(|| about).clone()
        }
    };
    let node = live.connect.node_info()?;
    let processors = Processors {
        vcpus: node.cpus,
        memory_bytes: node.memory.saturating_mul(1024),
    };
    Ok((about, processors))
}

fn about(live: &Live) -> Result<About, Error> {
    let cpu = host_cpu(&live.connect.capabilities()?).unwrap_or_else(|error| {
        tracing::warn!(%error, "libvirt does not describe the host's processor");
        Cpu {
            arch: std::env::consts::ARCH.into(),
            ..Cpu::default()
        }
    });
    Ok(About {
        node: live.connect.hostname()?,
        hypervisor_type: live.connect.driver_type()?,
        hypervisor_version: live.connect.hyp_version()?,
        cpu,
    })
}
