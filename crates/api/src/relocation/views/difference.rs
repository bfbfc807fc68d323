//! A change of the inventory that matters to a plan.

use godwit_core::ids::ServerUuid;
use godwit_planner::fingerprint::{Difference, FactCode, Subject};
use serde::Serialize;

use crate::relocation::visibility::Visibility;

/// About a server or a host.
#[derive(Debug, Serialize)]
pub struct DifferenceView {
    code: FactCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerUuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    was: Option<String>,
    is: Option<String>,
}

impl DifferenceView {
    pub fn new(it: &Difference, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let (server, host) = match &it.subject {
            Subject::Server(server) => (Some(*server), None),
            Subject::Host(host) => (None, sees.host(owner, host.as_str())),
        };
        let shown = |value: &Option<String>| {
            let value = value.as_ref()?;
            match named_by(it.code) {
                Named::Host => sees.host(owner, value),
                Named::Nothing => Some(value.clone()),
                Named::Anything => sees.of_hosts(Some(value.clone())),
            }
        };
        Self {
            code: it.code,
            server,
            host,
            was: shown(&it.was),
            is: shown(&it.is),
        }
    }
}

/// What a fact's value may name.
enum Named {
    /// It is a host's name.
    Host,
    /// Numbers, and words of ours.
    Nothing,
    /// Hosts and their storage, or how much they have.
    Anything,
}

const fn named_by(code: FactCode) -> Named {
    match code {
        FactCode::ServerHost => Named::Host,
        FactCode::ServerSize | FactCode::ServerPower | FactCode::ServerConverges => Named::Nothing,
        FactCode::ServerDisks
        | FactCode::ServerBusy
        | FactCode::ServerGroup
        | FactCode::HostEnabled
        | FactCode::HostUp
        | FactCode::HostManaged
        | FactCode::HostCluster
        | FactCode::HostFenced
        | FactCode::HostHypervisor
        | FactCode::HostCpu
        | FactCode::HostPools
        | FactCode::HostVcpus
        | FactCode::HostMemory
        | FactCode::HostDisk
        | FactCode::HostGroup => Named::Anything,
    }
}
