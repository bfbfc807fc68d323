//! Why a host is out of the question.

use std::fmt;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use serde::Serialize;

/// Stable codes for programs. They never change meaning; new ones are added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The server is already there.
    IsSource,
    /// Another host was named.
    NotNamed,
    /// No such host is known.
    Unknown,
    Disabled,
    /// Its agent does not answer.
    Down,
    /// Its hypervisor is of another type.
    HypervisorType,
    /// Its hypervisor is older than the source's.
    HypervisorTooOld,
    Vcpus,
    Memory,
    Disk,
    /// It cannot run the guest's processor.
    Cpu,
    /// It does not reach the disks, and they shall not be copied.
    Storage,
    /// The other servers of its group are elsewhere.
    Affinity,
    /// As many servers of its group are there as may be.
    AntiAffinity,
    Refused,
    /// The server is in a move already.
    Busy,
    /// Nothing moves in or out.
    Unmanaged,
    /// Its source is down, and may still execute it.
    SourceNotFenced,
    /// It dirties its memory faster than a stream could carry it there.
    NeverConverges,
}

/// One reason: a code for programs, a text for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reason {
    pub code: ReasonCode,
    pub text: String,
}

impl Reason {
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
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
            FailureCode::NoValidHost
            | FailureCode::PowerState
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
            | FailureCode::Superseded => Self::Refused,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A host that was turned down, for the event log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rejection {
    pub host: HostName,
    pub reasons: Vec<Reason>,
}
