//! What would make a reason go away.

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, FailureCode};
use crate::fence::FenceRequest;
use crate::ids::HostName;
use crate::migration::Migration;
use crate::status::words;

words!(
    /// What a change changes.
    ChangeKind, "kind of change", {
        /// Whether a host, or all in a scope, may be a destination: `disabled` or `enabled`.
        Allocation = "allocation",
        /// Whether the hosts of a cluster take part in moves: `unmanaged` or `managed`.
        Management = "management",
        /// The cluster that a host is in.
        Cluster = "cluster",
        /// Who holds a host for maintenance: a holder, or null.
        Maintenance = "maintenance",
        /// Whether a host's agent is heard: `down` or `up`.
        Agent = "agent",
        /// The version of the protocol that a host's agent speaks.
        AgentVersion = "agent-version",
        /// Whether a host's service is declared dead: false or true.
        ForcedDown = "forced-down",
        /// The version of a host's hypervisor.
        HypervisorVersion = "hypervisor-version",
        /// The processors that are free on a host.
        FreeVcpus = "free-vcpus",
        /// The memory that is free on a host, in MiB.
        FreeMemory = "free-mib",
        /// The disk that is free on a host, in GiB.
        FreeDisk = "free-gib",
        /// The shared storage that a host reaches.
        Pools = "pools",
        /// How many servers of a group are on a host, or may come to be.
        GroupMembersOnHost = "group-members-on-host",
        /// The group that a server is in; null: none.
        Group = "group",
        /// Whether a server runs: `running` or `shutdown`.
        PowerState = "power-state",
    }
);

/// A request that makes a change: sending it, as an administrator, is applying it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ApiRequest {
    pub method: &'static str,
    pub path: String,
    pub body: Value,
}

/// One thing that would have to be otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// What of the target.
    pub kind: ChangeKind,
    /// A host's name, a server's uuid, or a scope as `zone/NAME`.
    pub target: String,
    /// What it is.
    pub from: Value,
    /// What it would have to be.
    pub to: Value,
    /// What makes the change, where this service or Nova's API can.
    pub request: Option<ApiRequest>,
}

/// The smallest change that makes a reason go away.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fix {
    /// For people.
    pub text: String,
    /// All of them are needed.
    pub changes: Vec<Change>,
}

impl Fix {
    /// What makes a migration's failure go away, where that is an operator's word.
    pub fn of_failure(failure: &Failure, migration: &Migration) -> Option<Self> {
        let source = &migration.source_compute;
        (failure.code == FailureCode::SourceNotFenced).then(|| Self::fence(source))
    }

    /// An operator's word that a silent host is dead.
    pub fn fence(source: &HostName) -> Self {
        Self {
            text: format!("Once {source} is certain to be off, force its service down."),
            changes: vec![Change {
                kind: ChangeKind::ForcedDown,
                target: source.to_string(),
                from: Value::Bool(false),
                to: Value::Bool(true),
                request: Some(ApiRequest {
                    method: "POST",
                    path: format!("/relocation/v1/hosts/{source}/fence"),
                    body: json!({
                        "kind": FenceRequest::Operator,
                        "reason": "Whoever sends this vouches that the host is off.",
                    }),
                }),
            }],
        }
    }
}
