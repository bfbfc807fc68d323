//! Whether the facts of an operation still hold, right before it begins.
//!
//! The planner judges its destination as it does when the migration is placed a moment later, so that
//! what has become unfit is planned anew, and no migration fails for it.

use std::sync::Arc;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, RunUuid};
use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::power::{Obstacle, PowerAction};
use godwit_core::resources::Resources;
use godwit_core::run::{Operation, OperationKind};
use godwit_core::server::PowerState;
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::{Need, Target};
use godwit_planner::texts;
use godwit_store::{Disk, HeldClaim, Server};

use crate::context::Context;
use crate::effects::Retry;
use crate::fleet::Fleet;

/// May it begin?
pub(super) enum Readiness {
    /// With the server as it is.
    Ready(Box<Server>),
    /// The server is in use, or hosts have not been heard yet.
    NotYet(Failure),
    /// Not as it was planned.
    Unfit(Failure),
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
pub(super) fn request(operation: &Operation, server: &Server) -> Option<Request> {
    let host = Some(HostName::new(operation.destination.as_str()).ok()?);
    match operation.kind {
        OperationKind::Live => Some(Request::Live(LiveRequest {
            host,
            ..LiveRequest::anywhere()
        })),
        OperationKind::Cold => Some(Request::Cold(ColdRequest {
            host,
            was: server.vm_state,
        })),
        OperationKind::Evacuate => Some(Request::Evacuation(EvacuationRequest {
            host,
            forced: false,
            was: server.vm_state,
            end_stopped: false,
        })),
        OperationKind::Storage | OperationKind::Shutdown | OperationKind::Start => None,
    }
}

pub(super) async fn check(
    ctx: &Arc<Context>,
    run: RunUuid,
    operation: &Operation,
) -> Result<Readiness, Retry> {
    let found = ctx.store.server_find_with_hardware(operation.server);
    let Some((server, hardware)) = found.await? else {
        return Ok(Readiness::Unfit(gone()));
    };
    let is_there = server.host.as_ref().map(HostName::as_str) == Some(operation.source.as_str());
    if !is_there {
        return Ok(Readiness::Unfit(elsewhere(operation)));
    }
    match of_server(operation, &server) {
        Some(Obstruction::Passes) => return Ok(Readiness::NotYet(in_use())),
        Some(Obstruction::Stays(failure)) => return Ok(Readiness::Unfit(failure)),
        None => {}
    }
    let Some(request) = request(operation, &server) else {
        return Ok(Readiness::Ready(Box::new(server)));
    };
    of_destination(ctx, (run, operation), &request, server, &hardware.disks).await
}

/// What of its server is in the way.
enum Obstruction {
    /// It passes by itself.
    Passes,
    /// It does not.
    Stays(Failure),
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

fn of_power(action: PowerAction, server: &Server) -> Option<Obstruction> {
    let launched = server.launched_at.is_some();
    match action.check(server.vm_state, server.task_state, launched) {
        Ok(()) => None,
        Err(Obstacle::Task(_)) => Some(Obstruction::Passes),
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

/// What a server needs, with its group.
pub(super) async fn need(
    ctx: &Context,
    fleet: &Fleet,
    (server, disks): (&Server, &[Disk]),
    (source, request): (&HostName, &Request),
) -> Result<Need, Retry> {
    let mut need = fleet.need(server, disks, source, request);
    need.group = ctx.store.server_group_membership(server.uuid).await?;
    Ok(need)
}

async fn of_destination(
    ctx: &Arc<Context>,
    (run, operation): (RunUuid, &Operation),
    request: &Request,
    server: Server,
    disks: &[Disk],
) -> Result<Readiness, Retry> {
    let target = Target::of(request);
    let (Some(source), Target::Named(destination)) = (server.host.clone(), &target) else {
        return Ok(Readiness::Unfit(elsewhere(operation)));
    };
    let ends = [source.clone(), destination.clone()];
    let fleet = Fleet::load_two(&ctx.store, ends, ctx.basis()).await?;
    let need = need(ctx, &fleet, (&server, disks), (&source, request)).await?;
    let held = ctx.store.run_room_on(run, destination).await?;
    let own = HeldClaim {
        // None is there yet, and nobody looks.
        migration: MigrationUuid(operation.id.0),
        host: destination.clone(),
        room: part_of(held, need.room),
    };
    let hosts = fleet.hosts(Some(&own));
    let (fitting, rejected) = candidates(&hosts, &need, &target);
    if fitting.contains(destination) {
        return Ok(Readiness::Ready(Box::new(server)));
    }
    let reasons = rejected.iter().find(|it| it.host == *destination);
    let reasons = reasons.map(|it| it.reasons.iter().map(|it| it.text.as_str()));
    let text = match reasons {
        Some(reasons) => format!("{destination} does not fit: {}.", list(reasons)),
        None => format!("There is no host {destination} any more."),
    };
    let failure = Failure::new(FailureCode::NoValidHost, text);
    // Whose agent reported to nobody is missing until it finds this conductor.
    if ctx.is_young(ctx.now()) && fleet.somebody_is_missing() {
        return Ok(Readiness::NotYet(failure));
    }
    Ok(Readiness::Unfit(failure))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join("; ")
}

/// What of the room that a run holds is this operation's.
fn part_of(held: Resources, wanted: Resources) -> Resources {
    Resources {
        vcpus: held.vcpus.min(wanted.vcpus),
        memory_mb: held.memory_mb.min(wanted.memory_mb),
        disk_gb: held.disk_gb.min(wanted.disk_gb),
    }
}
