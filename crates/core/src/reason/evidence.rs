//! What shows that a reason holds.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, FailureCode};
use crate::host::scope::Level;
use crate::ids::{HostName, ServerGroupUuid};
use crate::migration::Migration;

/// Numbers and names. One flat object to readers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Evidence {
    /// The code says it all.
    #[default]
    Nothing,
    Host {
        host: HostName,
    },
    /// What was disabled of all that the host is in, itself included, the widest first.
    Disabled {
        host: HostName,
        scopes: Vec<DisabledScope>,
    },
    /// Who holds it for maintenance, the earliest first.
    Held {
        host: HostName,
        holders: Vec<String>,
    },
    /// Those that take no part in moves.
    Clusters {
        clusters: BTreeSet<String>,
    },
    /// The host's, and the source's.
    Cluster {
        cluster: String,
        needed_cluster: String,
    },
    /// What the agent speaks, and the oldest version that is understood.
    AgentVersion {
        host: HostName,
        agent_version: String,
        needed_agent_version: String,
    },
    /// Hypervisors of a type that does not move guests that run.
    Hypervisor {
        hypervisor_type: String,
    },
    /// What of the server's disks is on its host alone, in GiB, rounded up.
    LocalDisks {
        host: HostName,
        local_gib: i64,
    },
    /// What the server changes of its memory, and what one stream carries.
    Convergence {
        dirty_bytes_per_second: u64,
        stream_bytes_per_second: u64,
    },
    /// How many hosts were looked at.
    Hosts {
        hosts: usize,
    },
    Named {
        named_host: HostName,
    },
    HypervisorType {
        hypervisor_type: String,
        needed_hypervisor_type: String,
    },
    HypervisorVersion {
        hypervisor_version: i64,
        needed_hypervisor_version: i64,
    },
    Vcpus {
        needed_vcpus: i64,
        free_vcpus: i64,
    },
    Memory {
        needed_mib: i64,
        free_mib: i64,
    },
    Disk {
        needed_gib: i64,
        free_gib: i64,
    },
    Arch {
        arch: String,
        needed_arch: String,
    },
    /// Those that the host's processors do not have.
    CpuFeatures {
        missing_features: BTreeSet<String>,
    },
    /// Those that the host does not reach.
    Pools {
        pools: BTreeSet<String>,
    },
    /// Where the others of the group are, or will be.
    Affinity {
        group: ServerGroupUuid,
        hosts: Vec<HostName>,
    },
    AntiAffinity {
        group: ServerGroupUuid,
        most: u32,
        there: u32,
    },
}

/// A scope that was disabled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DisabledScope {
    pub scope: Level,
    pub name: String,
}

impl Evidence {
    /// As readers get it: an object, an empty one for nothing.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Nothing => json!({}),
            Self::Host { .. }
            | Self::Disabled { .. }
            | Self::Held { .. }
            | Self::Clusters { .. }
            | Self::Cluster { .. }
            | Self::AgentVersion { .. }
            | Self::Hypervisor { .. }
            | Self::LocalDisks { .. }
            | Self::Convergence { .. }
            | Self::Hosts { .. }
            | Self::Named { .. }
            | Self::HypervisorType { .. }
            | Self::HypervisorVersion { .. }
            | Self::Vcpus { .. }
            | Self::Memory { .. }
            | Self::Disk { .. }
            | Self::Arch { .. }
            | Self::CpuFeatures { .. }
            | Self::Pools { .. }
            | Self::Affinity { .. }
            | Self::AntiAffinity { .. } => json!(self),
        }
    }

    /// What a migration's failure is about, where that is one of its hosts.
    pub fn of_failure(failure: &Failure, migration: &Migration) -> Self {
        let source = || Some(&migration.source_compute);
        let host = match failure.code {
            FailureCode::SourceDead
            | FailureCode::SourceNotFenced
            | FailureCode::SameHost
            | FailureCode::StopFailed => source(),
            FailureCode::DestinationDead
            | FailureCode::DestinationFull
            | FailureCode::PrepareFailed
            | FailureCode::BootFailed => migration.destination(),
            FailureCode::NoValidHost
            | FailureCode::ComputeServiceUnavailable
            | FailureCode::HypervisorType
            | FailureCode::HypervisorTooOld
            | FailureCode::CpuIncompatible
            | FailureCode::NotLocalStorage
            | FailureCode::NotSharedStorage
            | FailureCode::PowerState
            | FailureCode::PreCheck
            | FailureCode::HypervisorError
            | FailureCode::LinkLost
            | FailureCode::Stalled
            | FailureCode::TimedOut
            | FailureCode::Interrupted
            | FailureCode::GuestLost
            | FailureCode::Aborted
            | FailureCode::StillInUse
            | FailureCode::NoDefinition
            | FailureCode::DisksInUse
            | FailureCode::Superseded
            | FailureCode::NotPlanned => None,
        };
        host.map_or(Self::Nothing, |host| Self::Host { host: host.clone() })
    }
}
