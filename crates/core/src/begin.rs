//! Whether a migration may begin, and how.
//!
//! One that begins may put an end to another of its server. An evacuation does, because the host
//! that the other one needs is dead. Any other move does only to a cold one that waits for a
//! confirmation which cannot come any more, because somebody reset the server's state.

use crate::effect::Effect;
use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::ids::{HostName, MigrationUuid, ServerUuid};
use crate::migration::{ColdRequest, EvacuationRequest, Limits, Migration, Request};
use crate::phase::Phase;
use crate::server::{PowerState, ServerPatch, ServerState, TaskState, VmState, was_off};
use crate::status::{MigrationKind, MigrationStatus as Status};
use crate::time::Timestamp;
use crate::transition::{self, Transition};

/// A migration that somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Its uuid, made by the caller.
    pub uuid: MigrationUuid,
    /// Which server shall move.
    pub server: ServerUuid,
    /// How. What it says of the server's state is replaced by what is known of it.
    pub request: Request,
    /// Limits until it is placed; only `accepted` matters.
    pub limits: Limits,
    /// When.
    pub at: Timestamp,
}

/// All that follows from a request that is granted; written in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// The server's unfinished migration ends first, by this event.
    pub superseded: Option<(Event, Transition)>,
    /// The first row.
    pub migration: Migration,
    /// The effect that comes with it, numbered by the row.
    pub effect: Effect,
    /// What becomes of the server.
    pub server: ServerPatch,
    /// What the API shows as the source's node.
    pub source_node: Option<String>,
    /// What the API shows as the destination before one was accepted.
    pub shown_destination: Option<HostName>,
    /// Does the API show the server's flavor with it?
    pub shows_flavor: bool,
}

/// Why no migration may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotFree {
    /// The server is recorded nowhere.
    #[error("the server has no host")]
    NoHost,
    /// Something is being done to it.
    #[error("the server has the task {0}")]
    Task(TaskState),
    /// A migration that is in this status may not be superseded.
    #[error("a migration of the server is {0}")]
    Unfinished(Status),
}

/// Says how `asked` begins for a server whose last migration is `unfinished`, if one is.
///
/// A dead host's task is nobody's any more, so an evacuation does not ask for it.
pub fn begin(
    asked: &Asked,
    server: &ServerState,
    unfinished: Option<&Migration>,
) -> Result<Beginning, NotFree> {
    let (kind, task) = first(&asked.request);
    let source_compute = server.host.clone().ok_or(NotFree::NoHost)?;
    if let Some(task) = server.task_state
        && kind != MigrationKind::Evacuation
    {
        return Err(NotFree::Task(task));
    }
    let unfinished = unfinished.filter(|it| !it.status().has_ended());
    let superseded = match unfinished {
        Some(migration) => Some(supersede(migration, kind, server.vm_state, asked.at)?),
        None => None,
    };
    // A cold move that is cut short had powered the guest off, and did not get to start it: the
    // record says again what it said before, which is what this one goes by.
    let power_state = match unfinished.and_then(Migration::keeps_off) {
        Some(was) => was.power_state(),
        None => server.power_state,
    };
    let request = with_state(&asked.request, server.vm_state, power_state);
    Ok(Beginning {
        superseded,
        effect: Effect::Schedule,
        server: ServerPatch {
            power_state,
            ..ServerPatch::begun(server, task)
        },
        source_node: match request {
            Request::Cold(_) | Request::Evacuation(_) => server.node.clone(),
            Request::Live(_) => None,
        },
        shown_destination: match &request {
            Request::Live(request) => request.host.clone().filter(|_| request.forced),
            Request::Cold(_) => None,
            Request::Evacuation(request) => request.host.clone(),
        },
        // An evacuation rebuilds what there was; Nova tells no flavors of it.
        shows_flavor: match request {
            Request::Live(_) | Request::Cold(_) => true,
            Request::Evacuation(_) => false,
        },
        migration: Migration {
            uuid: asked.uuid,
            server: asked.server,
            kind,
            phase: Phase::first(kind),
            intent: None,
            request,
            source_compute,
            placement: None,
            deadline: Some(asked.at.plus(asked.limits.accepted)),
            limits: asked.limits.clone(),
            failure: None,
            generation: 1,
            effect_sequence: 1,
        },
    })
}

/// Which table drives it, and the first task of its server.
const fn first(request: &Request) -> (MigrationKind, TaskState) {
    match request {
        Request::Live(_) => (MigrationKind::LiveMigration, TaskState::Migrating),
        Request::Cold(_) => (MigrationKind::Migration, TaskState::ResizePrep),
        Request::Evacuation(_) => (MigrationKind::Evacuation, TaskState::Rebuilding),
    }
}

/// The request, with what is known of the server. What was off stays off.
fn with_state(request: &Request, vm_state: VmState, power_state: PowerState) -> Request {
    let off = was_off(vm_state, power_state);
    match request.clone() {
        Request::Live(request) => Request::Live(request),
        Request::Cold(request) => Request::Cold(ColdRequest {
            was: if off { VmState::Stopped } else { vm_state },
            ..request
        }),
        Request::Evacuation(request) => Request::Evacuation(EvacuationRequest {
            was: vm_state,
            end_stopped: request.end_stopped || off,
            ..request
        }),
    }
}

/// Ends the server's unfinished migration, if one of kind `by` may.
fn supersede(
    unfinished: &Migration,
    by: MigrationKind,
    vm_state: VmState,
    at: Timestamp,
) -> Result<(Event, Transition), NotFree> {
    let refused = NotFree::Unfinished(unfinished.status());
    if is_in_the_way((unfinished.kind, unfinished.status()), by, vm_state) {
        return Err(refused);
    }
    let event = Event::Superseded(Failure::new(
        FailureCode::Superseded,
        format!("Superseded by a migration of type {by}."),
    ));
    match transition::step(unfinished, &event, at) {
        Ok(transition) => Ok((event, transition)),
        Err(_) => Err(refused),
    }
}

/// Does a migration of a server that has not ended keep one of kind `by` from beginning?
pub fn is_in_the_way(
    (kind, status): (MigrationKind, Status),
    by: MigrationKind,
    vm_state: VmState,
) -> bool {
    match by {
        MigrationKind::Evacuation => may_run_elsewhere(kind, status),
        MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize => {
            status != Status::Finished || vm_state == VmState::Resized
        }
    }
}

/// May the guest be running on a host that is not the server's recorded one? Then nobody may
/// start it on a third.
fn may_run_elsewhere(kind: MigrationKind, status: Status) -> bool {
    match kind {
        // Where the guest is when its source dies under it, the destination has to say first.
        MigrationKind::LiveMigration => {
            matches!(status, Status::Running | Status::RunningPostCopy)
        }
        MigrationKind::Evacuation => status != Status::Accepted,
        // It counts as where it was stopped until it is recorded where it is started.
        MigrationKind::Migration | MigrationKind::Resize => false,
    }
}

#[cfg(test)]
mod tests;
