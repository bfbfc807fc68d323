//! Nova's wording of the ends that a search for a destination can have
//! (`contract: actions.md §1`). Below 2.34 callers read them in a 400.

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::server::PowerState;
use godwit_core::server_group::Violation;

/// No host fits, or all that fit refused.
pub fn no_valid_host() -> Failure {
    Failure::new(
        FailureCode::NoValidHost,
        "No valid host was found. There are not enough hosts available.",
    )
}

/// The same, of a cold move.
pub fn no_valid_host_for_cold_migrate() -> Failure {
    Failure::new(
        FailureCode::NoValidHost,
        "No valid host was found. No valid host found for cold migrate",
    )
}

/// Nobody has ever said what the guest is, so nobody can start it.
pub fn no_definition(server: ServerUuid) -> Failure {
    Failure::new(
        FailureCode::NoDefinition,
        format!("Instance {server} cannot be rebuilt: its host never told what it is made of."),
    )
}

/// Another host may run the guest that is to be evacuated.
pub fn may_run_on(server: ServerUuid, host: &HostName) -> Failure {
    Failure::new(
        FailureCode::StillInUse,
        format!("Instance {server} may be running on {host}, where an earlier migration led."),
    )
}

/// A host may have got the server since a backup was made that the database was restored from.
pub fn not_shown_since_restore(server: ServerUuid, host: &HostName) -> Failure {
    Failure::new(
        FailureCode::StillInUse,
        format!(
            "Instance {server} may be running on {host}, which has not shown what it has since the \
             database was restored."
        ),
    )
}

/// More hosts refused than may be tried.
pub fn too_many_retries(server: ServerUuid, max_retries: u32) -> Failure {
    Failure::new(
        FailureCode::NoValidHost,
        format!(
            "Exceeded maximum number of retries. Exceeded max scheduling retries {max_retries} \
             for instance {server} during live migration"
        ),
    )
}

/// The source, or a forced destination, is down.
pub fn service_unavailable(host: &HostName) -> Failure {
    Failure::new(
        FailureCode::ComputeServiceUnavailable,
        format!("Compute service of {host} is unavailable at this time."),
    )
}

/// The forced destination is where the server is.
pub fn same_host(server: ServerUuid, host: &HostName) -> Failure {
    Failure::new(
        FailureCode::SameHost,
        format!("Unable to migrate instance ({server}) to current host ({host})."),
    )
}

/// The forced destination has too little memory; both figures in MiB.
pub fn lack_of_memory(server: ServerUuid, host: &HostName, free: i64, needed: i64) -> Failure {
    pre_check(&format!(
        "Unable to migrate {server} to {host}: Lack of memory(host:{free} <= instance:{needed})"
    ))
}

/// The hypervisors are of different types.
pub fn hypervisor_type() -> Failure {
    Failure::new(
        FailureCode::HypervisorType,
        "The supplied hypervisor type of is invalid.",
    )
}

/// The destination's hypervisor is older.
pub fn hypervisor_too_old() -> Failure {
    Failure::new(
        FailureCode::HypervisorTooOld,
        "The instance requires a newer hypervisor version than has been provided.",
    )
}

/// The server's group does not allow the destination.
pub fn group_policy(violation: &Violation) -> Failure {
    let policy = match violation {
        Violation::Affinity { .. } => "Affinity",
        Violation::AntiAffinity { .. } => "Anti-affinity",
    };
    pre_check(&format!(
        "Failed to validate instance group policy due to: {policy} instance group policy was \
         violated"
    ))
}

/// The destination is held for maintenance.
pub fn held(host: &HostName) -> Failure {
    pre_check(&format!("Host {host} is held for maintenance"))
}

/// Any other reason that a pre-check found.
pub fn pre_check(reason: &str) -> Failure {
    Failure::new(
        FailureCode::PreCheck,
        format!("Migration pre-check error: {reason}"),
    )
}

/// The guest is neither running nor paused.
pub fn power_state(server: ServerUuid, state: PowerState) -> Failure {
    let word = state.word();
    Failure::new(
        FailureCode::PowerState,
        format!(
            "Instance {server} in power_state {word}. Cannot live migrate while the instance is \
             in this state."
        ),
    )
}
