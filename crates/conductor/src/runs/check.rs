//! Whether the facts of an operation still hold, right before it begins.
//!
//! The planner judges its destination as it does when the migration is placed a moment later, so that
//! what has become unfit is planned anew, and no migration fails for it.

use std::sync::Arc;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::power::{Obstacle, PowerAction};
use godwit_core::reason::{Reason, ReasonCode};
use godwit_core::run::{Operation, OperationKind};
use godwit_core::server::{PowerState, VmState};
use godwit_planner::texts;
use godwit_store::{RunRecord, Server};

use crate::context::Context;
use crate::effects::Retry;
use crate::planning;

/// May it begin?
pub(super) enum Readiness {
    /// With the server as it is.
    Ready(Box<Server>),
    /// The server is in use, or hosts have not been heard yet.
    NotYet(Failure),
    /// Not as it was planned.
    Unfit(Failure),
    /// Its server is as it is to be; or is gone, for this reason.
    Unneeded(Option<Failure>),
}

/// Its server has been deleted. Codes here are of those that no other destination helps against.
pub(super) fn gone() -> Failure {
    Failure::new(
        FailureCode::Superseded,
        "The server does not exist any more.",
    )
}

/// Its server has been moved meanwhile.
pub(super) fn elsewhere(operation: &Operation) -> Failure {
    let text = format!("The server is not on {} any more.", operation.source);
    Failure::new(FailureCode::Superseded, text)
}

/// Something else is being done to its server.
pub(super) fn in_use() -> Failure {
    Failure::new(
        FailureCode::Superseded,
        "Something else is being done to the server.",
    )
}

/// What is asked of a migration by this operation; `None`: it is none of a server.
pub(super) fn request(
    operation: &Operation,
    server: &Server,
    affinity: Affinity,
) -> Option<Request> {
    let host = Some(HostName::new(operation.destination.as_str()).ok()?);
    match operation.kind {
        OperationKind::Live => Some(Request::Live(LiveRequest {
            host,
            affinity,
            ..LiveRequest::of_plan()
        })),
        OperationKind::Cold => Some(Request::Cold(ColdRequest {
            host,
            was: server.vm_state,
            affinity,
        })),
        OperationKind::Evacuate => Some(Request::Evacuation(EvacuationRequest {
            host,
            forced: false,
            was: server.vm_state,
            end_stopped: false,
            affinity,
        })),
        OperationKind::Storage | OperationKind::Shutdown | OperationKind::Start => None,
    }
}

pub(super) async fn check(
    ctx: &Arc<Context>,
    record: &RunRecord,
    operation: &Operation,
) -> Result<Readiness, Retry> {
    let Some(server) = ctx.store.server_find(operation.server).await? else {
        return Ok(match operation.kind.has_destination() {
            true => Readiness::Unfit(gone()),
            // Nobody is left whom it would have kept from anything.
            false => Readiness::Unneeded(Some(gone())),
        });
    };
    match of_server(operation, &server) {
        Some(Obstruction::Passes) => return Ok(Readiness::NotYet(in_use())),
        Some(Obstruction::Stays(failure)) => return Ok(Readiness::Unfit(failure)),
        Some(Obstruction::IsDone) => return Ok(Readiness::Unneeded(None)),
        None => {}
    }
    let reasons = planning::check(ctx, record, operation.id).await?;
    if reasons.is_empty() {
        return Ok(Readiness::Ready(Box::new(server)));
    }
    let failure = unfit(operation, &reasons);
    // Whose agent reported to nobody is missing until it finds this conductor.
    let is_down = reasons.iter().any(|it| it.code == ReasonCode::Down);
    match is_down && ctx.is_young(ctx.now()) {
        true => Ok(Readiness::NotYet(failure)),
        false => Ok(Readiness::Unfit(failure)),
    }
}

/// What of its server is in the way.
enum Obstruction {
    /// It passes by itself.
    Passes,
    /// It does not.
    Stays(Failure),
    /// It is as the operation would have it.
    IsDone,
}

fn of_server(operation: &Operation, server: &Server) -> Option<Obstruction> {
    let busy = server.task_state.map(|_| Obstruction::Passes);
    match operation.kind {
        OperationKind::Live => busy.or_else(|| match server.power_state {
            PowerState::Running | PowerState::Paused => None,
            state @ (PowerState::NoState
            | PowerState::Shutdown
            | PowerState::Crashed
            | PowerState::Suspended) => {
                Some(Obstruction::Stays(texts::power_state(server.uuid, state)))
            }
        }),
        OperationKind::Cold => busy,
        // Whatever is being done to it died with its host.
        OperationKind::Evacuate => None,
        OperationKind::Shutdown => of_power(PowerAction::Stop, server),
        OperationKind::Start => of_power(PowerAction::Start, server),
        OperationKind::Storage => {
            let text = "Disks are not moved to other pools yet.";
            let failure = Failure::new(FailureCode::NoDefinition, text);
            Some(Obstruction::Stays(failure))
        }
    }
}

/// What a server is when it was asked for this.
const fn after(action: PowerAction) -> VmState {
    match action {
        PowerAction::Stop => VmState::Stopped,
        PowerAction::Start | PowerAction::SoftReboot | PowerAction::HardReboot => VmState::Active,
    }
}

fn of_power(action: PowerAction, server: &Server) -> Option<Obstruction> {
    let launched = server.launched_at.is_some();
    match action.check(server.vm_state, server.task_state, launched) {
        Ok(()) => None,
        Err(Obstacle::Task(_)) => Some(Obstruction::Passes),
        Err(Obstacle::VmState(state)) if state == after(action) => Some(Obstruction::IsDone),
        Err(Obstacle::VmState(state)) => {
            let text = format!("The server is {state}.");
            let failure = Failure::new(FailureCode::PowerState, text);
            Some(Obstruction::Stays(failure))
        }
        Err(Obstacle::NeverLaunched) => {
            let failure = Failure::new(FailureCode::PowerState, "The server never ran.");
            Some(Obstruction::Stays(failure))
        }
    }
}

/// Why it is not to begin, of what the planner has against it.
fn unfit(operation: &Operation, reasons: &[Reason]) -> Failure {
    let is = |code| reasons.iter().any(|it| it.code == code);
    // No other destination helps.
    if is(ReasonCode::Deleted) {
        return gone();
    }
    if is(ReasonCode::Refused) {
        return elsewhere(operation);
    }
    let texts: Vec<&str> = reasons.iter().map(|it| it.text.as_str()).collect();
    let text = format!(
        "{} does not fit: {}.",
        operation.destination,
        texts.join("; ")
    );
    Failure::new(FailureCode::NoValidHost, text)
}
