//! Why something cannot be: a code and the evidence for programs, a text for people, and the smallest
//! change that would make it go away.

mod evidence;
mod fix;
mod written;

use std::fmt;

use serde::Serialize;

pub use self::evidence::{DisabledScope, Evidence};
pub use self::fix::{ApiRequest, Change, ChangeKind, Fix};
pub use self::written::WrittenReason;
use crate::failure::{Failure, FailureCode};
use crate::ids::HostName;
use crate::status::words;

words!(
    /// Why a host is out of the question. Stable codes: they never change meaning; new ones are
    /// added.
    ReasonCode, "reason code", {
        /// The server is already there.
        IsSource = "is-source",
        /// Another host was named.
        NotNamed = "not-named",
        /// No such host is known.
        Unknown = "unknown",
        /// Nothing new may be put there.
        Disabled = "disabled",
        /// It is held for maintenance, and nothing is put there.
        Maintenance = "maintenance",
        /// Its cluster, or that of the source, takes no part in moves.
        Unmanaged = "unmanaged",
        /// It is in another cluster than the source, which the server does not leave.
        OtherCluster = "other-cluster",
        /// Its agent does not answer.
        Down = "down",
        /// Its agent speaks a version of the protocol that is not understood any more.
        AgentTooOld = "agent-too-old",
        /// Its hypervisor is of another type.
        HypervisorType = "hypervisor-type",
        /// Its hypervisor is older than the source's.
        HypervisorTooOld = "hypervisor-too-old",
        /// Hypervisors of this type do not move guests that run.
        HypervisorUnsupported = "hypervisor-unsupported",
        /// It has too few processors free.
        Vcpus = "vcpus",
        /// It has too little memory free.
        Memory = "memory",
        /// It has too little disk free.
        Disk = "disk",
        /// It cannot run the guest's processor.
        Cpu = "cpu",
        /// It does not reach the disks, and they shall not be copied.
        Storage = "storage",
        /// Disks are on the source alone, and cannot be copied from there.
        LocalStorage = "local-storage",
        /// The other servers of its group are elsewhere.
        Affinity = "affinity",
        /// As many servers of its group are there as may be.
        AntiAffinity = "anti-affinity",
        /// Where the server is nobody answers, and nobody has declared that host dead.
        SourceNotFenced = "source-not-fenced",
        /// It was to be moved while it runs, and does not.
        ServerNotRunning = "server-not-running",
        /// It is on its way already.
        Busy = "busy",
        /// It was deleted.
        Deleted = "deleted",
        /// It changes its memory faster than a stream could carry it there.
        NeverConverges = "never-converges",
        /// Its move was begun, and failed.
        MoveFailed = "move-failed",
        /// It was asked, and refused.
        Refused = "refused",
    }
);

impl ReasonCode {
    /// What it means, for those who may not know the hosts that [`Reason::text`] names.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::IsSource => "The server is on this host.",
            Self::NotNamed => "Another host was named.",
            Self::Unknown => "There is no such host.",
            Self::Disabled => "The host is disabled.",
            Self::Maintenance => "The host is held for maintenance.",
            Self::Unmanaged => "The host's cluster, or the source's, takes no part in moves.",
            Self::OtherCluster => "The host is in another cluster.",
            Self::Down => "The host's agent is down.",
            Self::AgentTooOld => "The host's agent is of a release that is too old.",
            Self::HypervisorType => "The hypervisors are of different types.",
            Self::HypervisorTooOld => "The host's hypervisor is older than the source's.",
            Self::HypervisorUnsupported => "The hypervisor does not move servers that run.",
            Self::Vcpus => "The host has too few processors free.",
            Self::Memory => "The host has too little memory free.",
            Self::Disk => "The host has too little disk free.",
            Self::Cpu => "The host cannot run the guest's CPU.",
            Self::Storage => "The host does not reach the server's storage.",
            Self::LocalStorage => "Disks are on the server's host alone, and cannot be copied.",
            Self::Affinity => "The other servers of its group are elsewhere.",
            Self::AntiAffinity => "As many servers of its group are on the host as may be.",
            Self::SourceNotFenced => {
                "The host that the server is on is silent, and nobody has declared it dead."
            }
            Self::ServerNotRunning => "The server does not run.",
            Self::Busy => "The server is on its way to another host.",
            Self::Deleted => "The server was deleted.",
            Self::NeverConverges => "The server changes its memory faster than it can be sent.",
            Self::MoveFailed => "The move failed.",
            Self::Refused => "The host refused.",
        }
    }
}

fn evidence<S: serde::Serializer>(evidence: &Evidence, to: S) -> Result<S::Ok, S::Error> {
    evidence.to_json().serialize(to)
}

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people; may name hosts.
    pub text: String,
    /// What shows it.
    #[serde(serialize_with = "evidence")]
    pub evidence: Evidence,
    /// What would make it go away; `None` where nothing would, or nobody knows.
    pub fix: Option<Fix>,
}

impl Reason {
    /// A reason whose code says it all.
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            evidence: Evidence::Nothing,
            fix: None,
        }
    }

    /// The same with what shows it.
    #[must_use]
    pub fn shown_by(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    /// The same with what makes it go away: one change.
    #[must_use]
    pub fn fixed_by(self, text: impl Into<String>, change: Change) -> Self {
        self.fixed_by_all(text, vec![change])
    }

    /// The same with what makes it go away: all of these changes, and no fewer.
    #[must_use]
    pub fn fixed_by_all(self, text: impl Into<String>, changes: Vec<Change>) -> Self {
        let text = text.into();
        let fix = Some(Fix { text, changes });
        Self { fix, ..self }
    }
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        Self::new(ReasonCode::from(failure.code), failure.message.clone())
    }
}

impl From<FailureCode> for ReasonCode {
    /// What a pre-check's refusal says of the host that was to be the destination.
    fn from(code: FailureCode) -> Self {
        match code {
            FailureCode::ComputeServiceUnavailable => Self::Down,
            FailureCode::SameHost => Self::IsSource,
            FailureCode::HypervisorType => Self::HypervisorType,
            FailureCode::HypervisorTooOld => Self::HypervisorTooOld,
            FailureCode::CpuIncompatible => Self::Cpu,
            FailureCode::NotLocalStorage | FailureCode::NotSharedStorage => Self::Storage,
            FailureCode::DestinationFull => Self::Disk,
            FailureCode::PowerState => Self::ServerNotRunning,
            FailureCode::NoValidHost
            | FailureCode::PreCheck
            | FailureCode::PrepareFailed
            | FailureCode::HypervisorError
            | FailureCode::LinkLost
            | FailureCode::Stalled
            | FailureCode::TimedOut
            | FailureCode::Interrupted
            | FailureCode::GuestLost
            | FailureCode::Aborted
            | FailureCode::StillInUse
            | FailureCode::NoDefinition
            | FailureCode::StopFailed
            | FailureCode::BootFailed
            | FailureCode::SourceDead
            | FailureCode::DestinationDead
            | FailureCode::SourceNotFenced
            | FailureCode::DisksInUse
            | FailureCode::Superseded
            | FailureCode::NotPlanned => Self::Refused,
        }
    }
}

impl ReasonCode {
    /// What is said of a live move that was `begun`, or was to be, and ended so; `None`: the failure's
    /// own code says it.
    pub fn of_move(code: FailureCode, begun: bool) -> Option<Self> {
        match code {
            FailureCode::PowerState => Some(Self::ServerNotRunning),
            FailureCode::PrepareFailed
            | FailureCode::DestinationFull
            | FailureCode::HypervisorError
            | FailureCode::LinkLost
            | FailureCode::Stalled
            | FailureCode::TimedOut
            | FailureCode::Interrupted
            | FailureCode::GuestLost
            | FailureCode::StopFailed
            | FailureCode::BootFailed
            | FailureCode::SourceDead
            | FailureCode::DestinationDead
            | FailureCode::DisksInUse => begun.then_some(Self::MoveFailed),
            FailureCode::NoValidHost
            | FailureCode::ComputeServiceUnavailable
            | FailureCode::SameHost
            | FailureCode::HypervisorType
            | FailureCode::HypervisorTooOld
            | FailureCode::CpuIncompatible
            | FailureCode::NotLocalStorage
            | FailureCode::NotSharedStorage
            | FailureCode::PreCheck
            | FailureCode::Aborted
            | FailureCode::StillInUse
            | FailureCode::NoDefinition
            | FailureCode::SourceNotFenced
            | FailureCode::Superseded
            | FailureCode::NotPlanned => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A host that was turned down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rejection {
    /// Which.
    pub host: HostName,
    /// Every reason, not only the first.
    pub reasons: Vec<Reason>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn evidence_is_one_flat_object() {
        let reason = Reason::new(ReasonCode::Refused, "no");
        let shown = json!({"code": "refused", "text": "no", "evidence": {}, "fix": null});
        assert_eq!(json!(reason), shown);
        let memory = Evidence::Memory {
            needed_mib: 8_192,
            free_mib: 3_584,
        };
        let shown = json!(reason.shown_by(memory));
        assert_eq!(
            shown["evidence"],
            json!({"needed_mib": 8192, "free_mib": 3584})
        );
    }

    #[test]
    fn a_move_that_failed_is_said_to_only_where_it_was_begun() {
        let of = ReasonCode::of_move;
        let late = FailureCode::TimedOut;
        assert_eq!(of(late, true), Some(ReasonCode::MoveFailed));
        assert_eq!(of(late, false), None);
        for begun in [true, false] {
            let off = of(FailureCode::PowerState, begun);
            assert_eq!(off, Some(ReasonCode::ServerNotRunning));
            assert_eq!(of(FailureCode::NoValidHost, begun), None);
        }
    }

    #[test]
    fn a_fix_carries_the_request_that_makes_it() {
        let reason = Reason::new(ReasonCode::Disabled, "off").fixed_by(
            "on",
            Change {
                kind: ChangeKind::Allocation,
                target: "h".to_owned(),
                from: json!("disabled"),
                to: json!("enabled"),
                request: Some(ApiRequest {
                    method: "PUT",
                    path: "/p".to_owned(),
                    body: json!({}),
                }),
            },
        );
        let shown = json!({"text": "on", "changes": [{
            "kind": "allocation", "target": "h", "from": "disabled", "to": "enabled",
            "request": {"method": "PUT", "path": "/p", "body": {}},
        }]});
        assert_eq!(json!(reason)["fix"], shown);
    }
}
