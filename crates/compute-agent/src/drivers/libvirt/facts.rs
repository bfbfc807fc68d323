//! What this host says of itself.

use std::net::IpAddr;

use godwit_rpc::facts::{Capacity, Cpu, HostFacts};
use serde::{Deserialize, Serialize};
use virt::error::Error;

use super::connection::Live;
use super::definition::host_cpu;
use super::storage::pools::{self, SeenPool};
use super::storage::space::{Space, space_at};
use super::{DriverError, Host, LibvirtConfig, Receiver};
use crate::links;

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
    /// Whose certificate QEMU shows there, where memory and disks are encrypted. `None`: that of
    /// the address that they are sent to.
    #[serde(default)]
    pub(super) certificate: Option<String>,
}

impl MoveTarget {
    /// How a host is reached that libvirt calls `node`.
    fn at(config: &LibvirtConfig, node: &str) -> Self {
        let own_network = links::migration_address(&config.links);
        let libvirt = config.move_uri.clone();
        let listen = config.move_listen_address.or(own_network);
        // Certificates name hosts, and seldom their addresses on a network that nobody else uses.
        let by_link = config.move_data_uri.is_none() && own_network.is_some();
        Self {
            libvirt: libvirt.unwrap_or_else(|| ["qemu+tls://", node, "/system"].concat()),
            data: config.move_data_uri.clone().or(own_network.map(data_uri)),
            listen: listen.map(|address| address.to_string()),
            certificate: by_link.then(|| node.to_owned()),
        }
    }

    /// What the destination's driver said.
    pub(super) fn of(receiver: &Receiver) -> Result<Self, DriverError> {
        serde_json::from_str(&receiver.target).map_err(|error| {
            DriverError::Unavailable(format!(
                "the destination does not say where moves connect to: {error}"
            ))
        })
    }
}

/// The kernel picks the ports.
fn data_uri(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("tcp://{address}"),
        IpAddr::V6(address) => format!("tcp://[{address}]"),
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
            links: links::observe(&self.config.links, self.config.stream_limit()),
        })
    }

    /// What the source of a move to this host has to know; `own` is what this host is now.
    pub(super) fn receiver(&self, own: HostFacts) -> Result<Receiver, DriverError> {
        let target = serde_json::to_string(&MoveTarget::at(&self.config, &own.node));
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

#[cfg(test)]
mod tests {
    use godwit_core::host::link::LinkRole;

    use super::*;
    use crate::links::LinkConfig;

    fn target(address: Option<&str>, change: fn(&mut LibvirtConfig)) -> MoveTarget {
        let mut config = LibvirtConfig {
            links: vec![LinkConfig {
                name: "eth1".to_owned(),
                role: LinkRole::Migration,
                address: address.map(|address| address.parse().unwrap()),
                bytes_per_second: None,
                stream_bytes_per_second: None,
            }],
            ..LibvirtConfig::default()
        };
        change(&mut config);
        MoveTarget::at(&config, "host-1")
    }

    #[test]
    fn memory_and_disks_come_in_on_the_network_for_migrations() {
        let found = target(Some("192.0.2.7"), |_| ());
        assert_eq!(found.libvirt, "qemu+tls://host-1/system");
        assert_eq!(found.data.as_deref(), Some("tcp://192.0.2.7"));
        assert_eq!(found.listen.as_deref(), Some("192.0.2.7"));
        assert_eq!(found.certificate.as_deref(), Some("host-1"));
        let found = target(Some("fd00::7"), |_| ());
        assert_eq!(found.data.as_deref(), Some("tcp://[fd00::7]"));
        assert_eq!(found.listen.as_deref(), Some("fd00::7"));
    }

    #[test]
    fn what_an_operator_says_of_moves_comes_first() {
        let found = target(Some("192.0.2.7"), |config| {
            config.move_data_uri = Some("tcp://198.51.100.7".to_owned());
            config.move_listen_address = Some("0.0.0.0".parse().unwrap());
        });
        assert_eq!(found.data.as_deref(), Some("tcp://198.51.100.7"));
        assert_eq!(found.listen.as_deref(), Some("0.0.0.0"));
        assert_eq!(found.certificate, None);
    }

    #[test]
    fn without_an_address_there_libvirt_decides() {
        let found = target(None, |_| ());
        assert_eq!(
            (found.data, found.listen, found.certificate),
            (None, None, None)
        );
    }

    #[test]
    fn a_destination_of_the_release_before_names_no_certificate() {
        let receiver = Receiver {
            target: r#"{"libvirt": "qemu+tls://b/system", "data": null, "listen": null}"#
                .to_owned(),
            pools: Vec::new(),
        };
        assert_eq!(MoveTarget::of(&receiver).unwrap().certificate, None);
    }
}
