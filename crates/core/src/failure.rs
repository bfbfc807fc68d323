//! Why something did not work: a stable code for programs beside a text for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::HostName;
use crate::status::words;

words!(
    /// Stable codes. They never change meaning; new ones are added.
    FailureCode, "failure code", {
        /// No host fits, or every host that fits refused.
        NoValidHost = "no-valid-host",
        /// The source's or the named destination's agent is down.
        ComputeServiceUnavailable = "compute-service-unavailable",
        /// The named destination is the host where the server already is.
        SameHost = "same-host",
        /// The hypervisors are of different types.
        HypervisorType = "hypervisor-type",
        /// The destination's hypervisor is older than the source's.
        HypervisorTooOld = "hypervisor-too-old",
        /// The destination cannot run the guest's CPU.
        CpuIncompatible = "cpu-incompatible",
        /// A copy of local disks was asked for, but the storage is shared.
        NotLocalStorage = "not-local-storage",
        /// No copy was asked for, but the storage is not shared.
        NotSharedStorage = "not-shared-storage",
        /// The guest is in a power state that cannot be moved.
        PowerState = "power-state",
        /// Any other reason that a pre-check found.
        PreCheck = "pre-check",
        /// The destination could not be made ready.
        PrepareFailed = "prepare-failed",
        /// The destination has no room left for the disks.
        DestinationFull = "destination-full",
        /// The hypervisor reported an error while it moved the guest.
        HypervisorError = "hypervisor-error",
        /// The connection between the hosts broke.
        LinkLost = "link-lost",
        /// No byte moved for longer than the stall limit.
        Stalled = "stalled",
        /// A state lasted longer than its deadline.
        TimedOut = "timed-out",
        /// The job vanished with a restart; the guest stayed where it was.
        Interrupted = "interrupted",
        /// The guest runs nowhere any more.
        GuestLost = "guest-lost",
        /// A user asked for the abort.
        Aborted = "aborted",
        /// An evacuation's source is not dead.
        StillInUse = "still-in-use",
        /// It is not known what the guest is, so nobody else can start it.
        NoDefinition = "no-definition",
        /// The source could not power the guest off, or could not hand over what it needs.
        StopFailed = "stop-failed",
        /// The destination could not start the guest.
        BootFailed = "boot-failed",
        /// The source was declared dead before the guest had left it.
        SourceDead = "source-dead",
        /// The destination was declared dead.
        DestinationDead = "destination-dead",
        /// An evacuation's source is silent, and nobody has said that it is dead.
        SourceNotFenced = "source-not-fenced",
        /// Another host has the guest's disks open, and so executes it.
        DisksInUse = "disks-in-use",
        /// Another migration of the server took over.
        Superseded = "superseded",
        /// No plan can be made of what was asked for.
        NotPlanned = "not-planned",
    }
);

impl FailureCode {
    /// Does Nova answer this with an error where the API waits for the pre-checks, below 2.34
    /// (`contract: actions.md §1`)? With 400, and with 409 when it is the power state.
    pub const fn is_precheck(self) -> bool {
        match self {
            Self::NoValidHost
            | Self::ComputeServiceUnavailable
            | Self::SameHost
            | Self::HypervisorType
            | Self::HypervisorTooOld
            | Self::CpuIncompatible
            | Self::NotLocalStorage
            | Self::NotSharedStorage
            | Self::PowerState
            | Self::PreCheck => true,
            Self::PrepareFailed
            | Self::DestinationFull
            | Self::HypervisorError
            | Self::LinkLost
            | Self::Stalled
            | Self::TimedOut
            | Self::Interrupted
            | Self::GuestLost
            | Self::Aborted
            | Self::StillInUse
            | Self::NoDefinition
            | Self::StopFailed
            | Self::BootFailed
            | Self::SourceDead
            | Self::DestinationDead
            | Self::SourceNotFenced
            | Self::DisksInUse
            | Self::Superseded
            | Self::NotPlanned => false,
        }
    }
}

impl FailureCode {
    /// What it means, for those who may not know the hosts that [`Failure::message`] names.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NoValidHost => "No host fits, or every host that fits refused.",
            Self::ComputeServiceUnavailable => "The agent of a host that is needed is down.",
            Self::SameHost => "The named destination is where the server already is.",
            Self::HypervisorType => "The hypervisors are of different types.",
            Self::HypervisorTooOld => "The destination's hypervisor is older than the source's.",
            Self::CpuIncompatible => "The destination cannot run the guest's CPU.",
            Self::NotLocalStorage => "The storage is shared, but a copy was asked for.",
            Self::NotSharedStorage => "The storage is not shared, and no copy was asked for.",
            Self::PowerState => "The guest is in a power state that cannot be moved.",
            Self::PreCheck => "A pre-check refused.",
            Self::PrepareFailed => "The destination could not be made ready.",
            Self::DestinationFull => "The destination has no room left for the disks.",
            Self::HypervisorError => "The hypervisor reported an error while it moved the guest.",
            Self::LinkLost => "The connection between the hosts broke.",
            Self::Stalled => "No byte moved for longer than the limit.",
            Self::TimedOut => "A state lasted longer than its deadline.",
            Self::Interrupted => "The job vanished with a restart; the guest stayed where it was.",
            Self::GuestLost => "The guest runs nowhere any more.",
            Self::Aborted => "A user asked for the abort.",
            Self::StillInUse => "The source of the evacuation is not dead.",
            Self::NoDefinition => "It is not known what the guest is.",
            Self::StopFailed => "The source could not power the guest off.",
            Self::BootFailed => "The destination could not start the guest.",
            Self::SourceDead => "The source was declared dead before the guest had left it.",
            Self::DestinationDead => "The destination was declared dead.",
            Self::SourceNotFenced => "The source is silent, but has not been declared dead.",
            Self::DisksInUse => "Another host has the guest's disks open.",
            Self::Superseded => "Another migration of the server took over.",
            Self::NotPlanned => "No plan can be made of what was asked for.",
        }
    }
}

/// A reason: what programs test, and what people read.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people; one sentence, may be shown to the caller of the API.
    pub message: String,
}

impl Failure {
    /// A reason.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// `host`'s operator declared it dead while it was the source of a move.
pub fn source_dead(host: &HostName) -> Failure {
    let text = format!("{host} was declared dead before the server had left it.");
    Failure::new(FailureCode::SourceDead, text)
}

/// `host`'s operator declared it dead while it was the destination of a move.
pub fn destination_dead(host: &HostName) -> Failure {
    let text = format!("The destination {host} was declared dead.");
    Failure::new(FailureCode::DestinationDead, text)
}

/// `host` is silent, and that proves nothing.
pub fn source_not_fenced(host: &HostName) -> Failure {
    let text = format!(
        "{host} is silent, but has not been declared dead: the server may be running on it. \
         Waiting until its service is forced down, or is heard again."
    );
    Failure::new(FailureCode::SourceNotFenced, text)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
