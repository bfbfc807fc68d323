//! What a migration makes of its server: one patch of the row, and what of the hosts' sightings
//! still counts until they are heard again.

use super::{PowerState, ServerState, TaskState, VmState};
use crate::ids::HostName;
use crate::migration::Migration;
use crate::recovery::Sighting;
use crate::status::{MigrationKind, MigrationStatus};
use crate::transition::{ServerChange, Transition};

/// A server's row as it shall be. Every patch is a change that others may have to see: it
/// advances the row's generation and its time of change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerPatch {
    /// What it is.
    pub vm_state: VmState,
    /// What is being done to it.
    pub task_state: Option<TaskState>,
    /// What the hypervisor says of it, as far as is known.
    pub power_state: PowerState,
    /// Where it is recorded from now on; `None`: where it was.
    pub home: Option<Home>,
    /// What becomes of its fault.
    pub fault: FaultChange,
    /// `progress` is zero again.
    pub clears_progress: bool,
    /// What hosts saw of it before now says nothing any more.
    pub settles: bool,
    /// What counts of the hosts' sightings, in this order.
    pub sightings: Vec<SightingChange>,
}

/// Where a server is recorded. Its availability zone goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// The service host.
    pub host: HostName,
    /// What the hypervisor calls itself; `None`: what the host's own row says.
    pub node: Option<String>,
}

/// What becomes of a server's fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FaultChange {
    /// It stays, if there is one.
    Stays,
    /// It is over.
    Cleared,
    /// It is this, in one sentence.
    Becomes(String),
}

/// What becomes of what a host said of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SightingChange {
    /// This host's word does not count any more.
    Forgotten(HostName),
    /// No host's word counts any more.
    AllForgotten,
    /// As if the host had said this now.
    Seen(HostName, Sighting, PowerState),
    /// A guest that the host may last have seen on its way executes there after all.
    CameToRest(HostName),
}

impl ServerPatch {
    /// Nothing but the row's version.
    pub fn unchanged(server: &ServerState) -> Self {
        Self {
            vm_state: server.vm_state,
            task_state: server.task_state,
            power_state: server.power_state,
            home: None,
            fault: FaultChange::Stays,
            clears_progress: false,
            settles: false,
            sightings: Vec::new(),
        }
    }

    /// Something begins.
    pub fn begun(server: &ServerState, task: TaskState) -> Self {
        Self {
            task_state: Some(task),
            clears_progress: true,
            ..Self::unchanged(server)
        }
    }

    /// A move is over, and `task` is what is being done to the server besides.
    fn settled(server: &ServerState, task: Option<TaskState>) -> Self {
        Self {
            task_state: task,
            clears_progress: true,
            settles: true,
            ..Self::unchanged(server)
        }
    }
}

/// Says what `change` makes of a server, `migration` being as it is after the change.
pub fn patch(server: &ServerState, migration: &Migration, change: ServerChange) -> ServerPatch {
    use SightingChange as S;
    let case = Case { server, migration };
    let source = &migration.source_compute;
    let settled = |task| ServerPatch::settled(server, task);
    match change {
        ServerChange::StaysAtSource => ServerPatch {
            sightings: vec![S::CameToRest(source.clone())],
            ..settled(case.task_of_others())
        },
        ServerChange::MovesToDestination => ServerPatch {
            home: case.destination(),
            // It executes, even if its user paused it.
            sightings: [S::Forgotten(source.clone())]
                .into_iter()
                .chain(case.seen_at_destination(Sighting::Executing, server.power_state))
                .collect(),
            ..settled(case.task_of_others())
        },
        ServerChange::IsLost => ServerPatch {
            vm_state: VmState::Error,
            power_state: PowerState::NoState,
            fault: case.fault("The guest runs nowhere."),
            // The destination was last seen to execute it, and does not any more.
            sightings: vec![S::AllForgotten],
            ..settled(case.task_of_others())
        },
        ServerChange::Task(task) => ServerPatch {
            task_state: Some(task),
            ..ServerPatch::unchanged(server)
        },
        ServerChange::GoesToDestination(task) => ServerPatch {
            task_state: Some(task),
            power_state: PowerState::Shutdown,
            home: case.destination(),
            sightings: vec![seen(source, PowerState::Shutdown)],
            ..ServerPatch::unchanged(server)
        },
        ServerChange::AwaitsConfirmation => {
            let power = migration.request.was().power_state();
            ServerPatch {
                vm_state: VmState::Resized,
                power_state: power,
                sightings: [seen(source, PowerState::Shutdown)]
                    .into_iter()
                    .chain(case.seen_at_destination(sighting(power), power))
                    .collect(),
                ..settled(None)
            }
        }
        ServerChange::IsConfirmed => ServerPatch {
            vm_state: match server.power_state {
                PowerState::Shutdown | PowerState::Crashed => VmState::Stopped,
                PowerState::NoState
                | PowerState::Running
                | PowerState::Paused
                | PowerState::Suspended => VmState::Active,
            },
            sightings: vec![S::Forgotten(source.clone())],
            ..settled(None)
        },
        ServerChange::GoesToSource => ServerPatch {
            power_state: PowerState::Shutdown,
            home: Some(case.source()),
            sightings: migration
                .destination()
                .cloned()
                .map(S::Forgotten)
                .into_iter()
                .chain([seen(source, PowerState::Shutdown)])
                .collect(),
            ..ServerPatch::unchanged(server)
        },
        ServerChange::ReturnsToSource(state) => ServerPatch {
            vm_state: state,
            power_state: state.power_state(),
            home: Some(case.source()),
            sightings: vec![seen(source, state.power_state())],
            ..settled(None)
        },
        ServerChange::IsRebuilt(state) => {
            let power = state.power_state();
            ServerPatch {
                vm_state: state,
                power_state: power,
                home: case.destination(),
                fault: FaultChange::Cleared,
                // What a dead host last said is no sign of life.
                sightings: [S::Forgotten(source.clone())]
                    .into_iter()
                    .chain(case.seen_at_destination(sighting(power), power))
                    .collect(),
                ..settled(None)
            }
        }
        ServerChange::IsBroken => ServerPatch {
            vm_state: VmState::Error,
            // The next evacuation finds `error`, and must not start what was stopped.
            power_state: if migration.request.was() == VmState::Stopped {
                PowerState::Shutdown
            } else {
                server.power_state
            },
            fault: case.fault("The server could not be rebuilt."),
            ..settled(None)
        },
    }
}

/// The host that the guest was on its way to, or came from, and that has nothing of it any more:
/// neither what it said of it before counts, nor what it may be saying now.
pub fn cleaned_host<'a>(server: &ServerState, transition: &'a Transition) -> Option<&'a HostName> {
    let next = &transition.next;
    let host = match transition.server {
        Some(ServerChange::StaysAtSource | ServerChange::ReturnsToSource(_)) => next
            .destination()
            .filter(|_| transition.discrepancy.is_none()),
        // An evacuation settled its server before the dead host returned.
        None if (next.kind, next.status())
            == (MigrationKind::Evacuation, MigrationStatus::Completed) =>
        {
            Some(&next.source_compute)
        }
        None
        | Some(
            ServerChange::MovesToDestination
            | ServerChange::IsLost
            | ServerChange::Task(_)
            | ServerChange::GoesToDestination(_)
            | ServerChange::AwaitsConfirmation
            | ServerChange::IsConfirmed
            | ServerChange::GoesToSource
            | ServerChange::IsRebuilt(_)
            | ServerChange::IsBroken,
        ) => None,
    };
    host.filter(|host| server.host.as_ref() != Some(host))
}

/// How a host sees a guest of which its hypervisor says this.
const fn sighting(power: PowerState) -> Sighting {
    match power {
        PowerState::Shutdown | PowerState::Crashed | PowerState::Suspended => Sighting::Inactive,
        PowerState::NoState | PowerState::Running | PowerState::Paused => Sighting::Executing,
    }
}

fn seen(host: &HostName, power: PowerState) -> SightingChange {
    SightingChange::Seen(host.clone(), sighting(power), power)
}

/// A server, and the migration that changes it.
struct Case<'a> {
    server: &'a ServerState,
    migration: &'a Migration,
}

impl Case<'_> {
    /// The task, unless it is one that the migration may have set: somebody else's stays.
    fn task_of_others(&self) -> Option<TaskState> {
        let own = TaskState::of_migrations(self.migration.kind);
        self.server.task_state.filter(|task| !own.contains(task))
    }

    fn source(&self) -> Home {
        let host = self.migration.source_compute.clone();
        let is_there = self.server.host.as_ref() == Some(&host);
        let node = self.server.node.clone().filter(|_| is_there);
        Home { host, node }
    }

    fn destination(&self) -> Option<Home> {
        let placement = self.migration.placement.as_ref()?;
        Some(Home {
            host: placement.host.clone(),
            node: Some(placement.node.clone()),
        })
    }

    fn seen_at_destination(&self, sighting: Sighting, power: PowerState) -> Option<SightingChange> {
        let host = self.migration.destination()?.clone();
        Some(SightingChange::Seen(host, sighting, power))
    }

    fn fault(&self, otherwise: &str) -> FaultChange {
        FaultChange::Becomes(match &self.migration.failure {
            Some(failure) => failure.message.clone(),
            None => otherwise.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
