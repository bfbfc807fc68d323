//! Why servers cannot leave a host, or are not started again on it.

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::maintenance::Purpose;
use godwit_core::ids::ServerUuid;
use godwit_core::reason::{Reason, WrittenReason};
use godwit_core::run::{OperationState, Run};

use super::{LeftReasons, MaintenanceRecord};
use crate::plans::Blocked;

fn written(failure: &Failure) -> Vec<WrittenReason> {
    vec![WrittenReason::from(&Reason::from(failure))]
}

pub(super) fn of_blocked(blocked: &[Blocked]) -> LeftReasons {
    let reasons = blocked.iter().map(|it| (it.server, it.reasons.clone()));
    reasons.collect()
}

/// Why operations failed, beside why servers were blocked.
pub(super) fn of_run(run: &Run, blocked: &[Blocked]) -> LeftReasons {
    let failed = run.operations.iter().filter_map(|it| {
        let completed = it.state == OperationState::Completed;
        let failure = it.failure.as_ref().filter(|_| !completed)?;
        Some((it.server, written(failure)))
    });
    let mut reasons = of_blocked(blocked);
    reasons.extend(failed);
    reasons
}

/// Somebody wanted nothing of it to begin any more.
fn cancelled(purpose: Purpose, by: &str) -> Failure {
    let text = match purpose {
        Purpose::Emptying => format!(
            "The run that was to empty the host was cancelled by {by}. Whoever holds the host once \
             more has it tried again."
        ),
        Purpose::Returning => format!(
            "The run that was to start it again was cancelled by {by}. Somebody has to start it, or \
             to hold the host and release it once more."
        ),
    };
    Failure::new(FailureCode::Aborted, text)
}

fn not_started() -> Failure {
    let text = "It was shut down for the maintenance of its host, and is not started again yet.";
    Failure::new(FailureCode::PowerState, text)
}

/// Completes the reasons of what a run has left, of which some may have none: because its plan was not
/// made, or because somebody wanted it to end.
pub(super) fn complete(
    reasons: &mut LeftReasons,
    left: impl Iterator<Item = ServerUuid>,
    purpose: Purpose,
    (cancelled_by, not_planned): (Option<&str>, Option<&Failure>),
) {
    let why = match (cancelled_by, not_planned, purpose) {
        (Some(by), _, _) => Some(cancelled(purpose, by)),
        (None, Some(failure), _) => Some(failure.clone()),
        (None, None, Purpose::Returning) => Some(not_started()),
        (None, None, Purpose::Emptying) => None,
    };
    let Some(why) = why else { return };
    for server in left {
        reasons.entry(server).or_insert_with(|| written(&why));
    }
}

/// Keeps those of servers that are left. Where nothing is tried any more, each says so.
pub(super) fn keep(it: &mut MaintenanceRecord) {
    let left = &it.maintenance.left;
    it.reasons.retain(|server, _| left.contains_key(server));
    let Some(by) = &it.maintenance.cancelled_by else {
        return;
    };
    let purpose = match it.maintenance.forbids_arrivals() {
        true => Purpose::Emptying,
        false => Purpose::Returning,
    };
    let why = cancelled(purpose, by);
    for server in it.maintenance.obstacles() {
        it.reasons.entry(server).or_insert_with(|| written(&why));
    }
}
