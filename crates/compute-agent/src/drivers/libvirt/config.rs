//! What an operator tells the libvirt driver.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::links::{self, LinkConfig, LinkError};

/// The `libvirt` part of an agent's configuration. Everything has a default but the name of
/// the host, which the agent brings.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LibvirtConfig {
    /// This host's libvirt, as the agent reaches it.
    pub uri: String,
    /// This host's libvirt, as the other hosts' libvirts reach it. `None`: by TLS, under the
    /// name that libvirt gives the host.
    pub move_uri: Option<String>,
    /// The networks of this host. Memory and disks come in at its address on the one for
    /// migrations.
    pub links: Vec<LinkConfig>,
    /// Where memory (and disks) are sent to, such as `tcp://192.0.2.7`, whatever `links` say.
    /// `None`, and no address in `links`: where libvirt's own `migration_host` names.
    pub move_data_uri: Option<String>,
    /// The address that an incoming move listens on, whatever `links` say. `None`, and no address
    /// in `links`: libvirt's own `migration_address`.
    pub move_listen_address: Option<IpAddr>,
    /// The host's address, shown to people.
    pub address: Option<IpAddr>,
    /// The directory of instances' disks: its file system is the host's room.
    pub instances: PathBuf,
    /// What of that room is never given away, MiB.
    pub reserved_disk_mb: u64,
    /// Storage that other hosts see too.
    pub shared_storage: Vec<SharedStorage>,
    /// Whose domains are that carry no metadata of Nova's.
    pub owner: DefaultOwner,
    /// The most that one move sends, MiB a second; 0: as much as it can.
    pub bandwidth_mib: u64,
    /// May a guest go on at its destination before its memory is there, when a move has to be
    /// got over with? If the hosts lose each other then, the guest waits for them.
    pub permit_post_copy: bool,
    /// May libvirt slow down a guest that dirties memory faster than it can be sent?
    pub permit_auto_converge: bool,
    /// Connections that carry memory in parallel. More than one rules out post-copy.
    pub parallel_connections: u16,
    /// Encrypt memory and disks on their way (QEMU's own TLS, set up in libvirt).
    pub encrypt: bool,
    /// How long a guest may stand still at its hand-over.
    pub downtime: Downtime,
    /// Which lock manager libvirt has to use here.
    pub lock_manager: LockManager,
    /// Where libvirt's QEMU driver is configured; read to verify `lock_manager`.
    pub qemu_conf: PathBuf,
    /// What happens to the source's disks after they were copied and the guest runs from the
    /// copies.
    pub source_disks: SourceDisks,
    /// How long a guest may take to shut down before it is powered off by force, when a cold
    /// move stops it, seconds.
    pub power_off_seconds: u64,
    /// Compare the guest's CPU with what this host's hypervisor can do?
    pub compare_cpu: bool,
    /// How long libvirt may take for an answer, seconds. Never applies to a move itself.
    pub call_timeout_seconds: u64,
    /// How often libvirt is asked for a sign of life, seconds; after four without, it is dead.
    pub keepalive_seconds: u16,
}

impl Default for LibvirtConfig {
    fn default() -> Self {
        Self {
            uri: "qemu:///system".into(),
            move_uri: None,
            links: Vec::new(),
            move_data_uri: None,
            move_listen_address: None,
            address: None,
            instances: "/var/lib/nova/instances".into(),
            reserved_disk_mb: 0,
            shared_storage: Vec::new(),
            owner: DefaultOwner::default(),
            bandwidth_mib: 0,
            permit_post_copy: false,
            permit_auto_converge: false,
            parallel_connections: 1,
            encrypt: false,
            downtime: Downtime::default(),
            lock_manager: LockManager::None,
            qemu_conf: "/etc/libvirt/qemu.conf".into(),
            source_disks: SourceDisks::Remove,
            power_off_seconds: 60,
            compare_cpu: true,
            call_timeout_seconds: 30,
            keepalive_seconds: 5,
        }
    }
}

impl LibvirtConfig {
    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.call_timeout_seconds.max(1))
    }

    /// What one move sends at most, bytes a second.
    pub(super) fn stream_limit(&self) -> Option<u64> {
        let limit = self.bandwidth_mib.saturating_mul(1 << 20);
        (limit > 0).then_some(limit)
    }

    pub(super) fn power_off_limit(&self) -> Duration {
        Duration::from_secs(self.power_off_seconds)
    }
}

/// Storage that several hosts see.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SharedStorage {
    /// The operator's name for it, the same on every host that sees it.
    pub id: String,
    /// Which disks lie there: a directory, or (for what is no file) the beginning of the
    /// disk's name as the driver reports it, such as `rbd:vms/` or `/dev/disk/by-path/ip-`.
    pub path: String,
}

/// Whose domains are that do not say so themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DefaultOwner {
    pub user_id: String,
    pub project_id: String,
}

/// Nova's staircase of permitted downtimes (`contract: state-machine.md §6`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Downtime {
    /// Where it ends, milliseconds.
    pub milliseconds: u64,
    pub steps: u32,
    /// Between two steps, seconds for each GiB that moves.
    pub delay_seconds: u64,
}

impl Default for Downtime {
    fn default() -> Self {
        Self {
            milliseconds: 500,
            steps: 10,
            delay_seconds: 75,
        }
    }
}

/// libvirt's lock managers: leases on disks that keep a second QEMU from writing to them,
/// whatever anybody believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockManager {
    /// None is asked for.
    #[default]
    None,
    Lockd,
    Sanlock,
}

impl LockManager {
    /// The word in `qemu.conf`.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Lockd => Some("lockd"),
            Self::Sanlock => Some("sanlock"),
        }
    }
}

/// What becomes of disks that were copied away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceDisks {
    /// They are removed, as Nova does.
    #[default]
    Remove,
    /// They are kept as `NAME.moved-MIGRATION`, for somebody to remove.
    Rename,
}

/// The configuration contradicts itself or the host.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error(
        "permit_post_copy and parallel_connections = {0} exclude each other: QEMU's post-copy \
         needs a single connection"
    )]
    PostCopyInParallel(u16),
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error(transparent)]
    Links(#[from] LinkError),
    #[error("shared_storage: the id {0:?} is empty or given twice")]
    StorageId(String),
    #[error("lock_manager is {wanted:?}, and {path} cannot be read")]
    QemuConfUnreadable {
        wanted: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "lock_manager is {wanted:?}, but {path} says {found:?}: without it nothing keeps two \
         hosts from writing to one disk; set it there and restart libvirt"
    )]
    LockManager {
        /// What the configuration asks for.
        wanted: &'static str,
        /// What libvirt is told.
        found: Option<String>,
        path: PathBuf,
    },
    #[error("libvirt's event loop does not start: {0}")]
    EventLoop(String),
}

impl LibvirtConfig {
    /// What can be known to be wrong without asking anybody.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        if self.permit_post_copy && self.parallel_connections > 1 {
            return Err(Unfit::PostCopyInParallel(self.parallel_connections));
        }
        for (name, number) in [
            ("parallel_connections", u64::from(self.parallel_connections)),
            ("keepalive_seconds", u64::from(self.keepalive_seconds)),
            ("call_timeout_seconds", self.call_timeout_seconds),
            ("downtime.steps", u64::from(self.downtime.steps)),
            ("downtime.milliseconds", self.downtime.milliseconds),
        ] {
            if number == 0 {
                return Err(Unfit::Zero(name));
            }
        }
        links::check(&self.links)?;
        let mut seen = std::collections::BTreeSet::new();
        for storage in &self.shared_storage {
            if storage.id.is_empty() || !seen.insert(&storage.id) {
                return Err(Unfit::StorageId(storage.id.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_fit() {
        LibvirtConfig::default().check().unwrap();
    }

    #[test]
    fn contradictions_are_named() {
        let unfit = |change: fn(&mut LibvirtConfig)| {
            let mut config = LibvirtConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(
            unfit(|config| {
                config.permit_post_copy = true;
                config.parallel_connections = 4;
            })
            .contains("parallel_connections = 4")
        );
        assert!(unfit(|config| config.downtime.steps = 0).contains("downtime.steps"));
        let twice = unfit(|config| {
            let storage = SharedStorage {
                id: "nfs".into(),
                path: "/srv".into(),
            };
            config.shared_storage = vec![storage.clone(), storage];
        });
        assert!(twice.contains("nfs"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_json::from_str::<LibvirtConfig>(r#"{"bandwith_mib": 1}"#).unwrap_err();
        assert!(error.to_string().contains("bandwith_mib"));
    }
}
