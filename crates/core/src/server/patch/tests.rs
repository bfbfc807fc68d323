//! Every change, for every state of a server and every kind of migration.

use super::*;
use crate::discrepancy::DiscrepancyKind;
use crate::failure::{Failure, FailureCode};
use crate::fixtures::{self, host};
use crate::migration::{Limits, Request, StorageMode};
use crate::phase::Phase;

const SHOWN: [VmState; 4] = [
    VmState::Active,
    VmState::Stopped,
    VmState::Paused,
    VmState::Error,
];

fn changes() -> Vec<ServerChange> {
    let mut changes = vec![
        ServerChange::StaysAtSource,
        ServerChange::MovesToDestination,
        ServerChange::IsLost,
        ServerChange::Task(TaskState::ResizeMigrating),
        ServerChange::GoesToDestination(TaskState::ResizeFinish),
        ServerChange::AwaitsConfirmation,
        ServerChange::IsConfirmed,
        ServerChange::GoesToSource,
        ServerChange::IsBroken,
    ];
    for state in SHOWN {
        changes.push(ServerChange::ReturnsToSource(state));
        changes.push(ServerChange::IsRebuilt(state));
    }
    changes
}

fn migrations() -> Vec<Migration> {
    let mut migrations = Vec::new();
    for was in SHOWN {
        for (kind, request) in fixtures::each_kind(was) {
            for placed in [true, false] {
                let limits = Limits::default();
                let mut migration = fixtures::begun(kind, request.clone(), &limits);
                migration.placement = placed.then(|| fixtures::placement(StorageMode::Shared));
                migrations.push(migration);
            }
        }
    }
    migrations
}

/// One of each kind of migration, one of somebody else, and none.
const TASKS: [Option<TaskState>; 5] = [
    Some(TaskState::Migrating),
    Some(TaskState::ResizeFinish),
    Some(TaskState::RebuildSpawning),
    Some(TaskState::PoweringOff),
    None,
];

fn servers() -> Vec<ServerState> {
    let mut servers = Vec::new();
    for vm_state in VmState::ALL {
        for task in TASKS {
            for power_state in PowerState::ALL {
                for at in [Some("source"), Some("destination"), None] {
                    servers.push(ServerState {
                        host: at.map(host),
                        node: at.map(|at| format!("{at}.old")),
                        vm_state: *vm_state,
                        task_state: task,
                        power_state: *power_state,
                    });
                }
            }
        }
    }
    servers
}

fn each(mut assert: impl FnMut(&ServerState, &Migration, ServerChange, &ServerPatch)) {
    let migrations = migrations();
    let changes = changes();
    for server in servers() {
        for migration in &migrations {
            for change in &changes {
                let patch = patch(&server, migration, *change);
                assert(&server, migration, *change, &patch);
            }
        }
    }
}

/// Does the move end with it, or wait for somebody?
fn comes_to_rest(change: ServerChange) -> bool {
    match change {
        ServerChange::Task(_) | ServerChange::GoesToDestination(_) | ServerChange::GoesToSource => {
            false
        }
        ServerChange::StaysAtSource
        | ServerChange::MovesToDestination
        | ServerChange::IsLost
        | ServerChange::AwaitsConfirmation
        | ServerChange::IsConfirmed
        | ServerChange::ReturnsToSource(_)
        | ServerChange::IsRebuilt(_)
        | ServerChange::IsBroken => true,
    }
}

#[test]
fn a_move_that_is_over_takes_its_task_away_and_nobody_elses() {
    each(|server, migration, change, patch| {
        assert_eq!(patch.settles, comes_to_rest(change), "{change:?}");
        assert_eq!(patch.clears_progress, comes_to_rest(change), "{change:?}");
        let own = TaskState::of_migrations(migration.kind);
        if comes_to_rest(change) {
            assert!(patch.task_state.is_none_or(|task| !own.contains(&task)));
        }
        if let ServerChange::StaysAtSource | ServerChange::MovesToDestination | ServerChange::IsLost =
            change
            && let Some(task) = server.task_state
            && !own.contains(&task)
        {
            assert_eq!(patch.task_state, Some(task));
        }
    });
}

#[test]
fn the_record_goes_to_one_of_the_moves_ends_and_only_when_the_change_says_so() {
    each(|_, migration, change, patch| {
        let home = patch.home.as_ref().map(|home| &home.host);
        match change {
            ServerChange::MovesToDestination
            | ServerChange::GoesToDestination(_)
            | ServerChange::IsRebuilt(_) => assert_eq!(home, migration.destination()),
            ServerChange::GoesToSource | ServerChange::ReturnsToSource(_) => {
                assert_eq!(home, Some(&migration.source_compute));
            }
            ServerChange::StaysAtSource
            | ServerChange::IsLost
            | ServerChange::Task(_)
            | ServerChange::AwaitsConfirmation
            | ServerChange::IsConfirmed
            | ServerChange::IsBroken => assert_eq!(home, None),
        }
    });
}

#[test]
fn a_node_is_the_migrations_or_the_one_that_the_server_had_there() {
    each(|server, migration, _, patch| {
        let Some(home) = &patch.home else { return };
        let of_migration = migration
            .placement
            .as_ref()
            .filter(|placement| placement.host == home.host)
            .map(|placement| &placement.node);
        let kept = server
            .node
            .as_ref()
            .filter(|_| server.host.as_ref() == Some(&home.host));
        assert_eq!(home.node.as_ref(), of_migration.or(kept));
    });
}

#[test]
fn no_patch_says_that_two_hosts_execute_the_guest() {
    each(|_, _, change, patch| {
        let executing = patch.sightings.iter().filter(|sighting| {
            matches!(
                sighting,
                SightingChange::Seen(_, Sighting::Executing, _) | SightingChange::CameToRest(_)
            )
        });
        assert!(executing.count() <= 1, "{change:?}");
    });
}

#[test]
fn what_was_stopped_is_recorded_as_off_wherever_it_ends() {
    each(|_, migration, change, patch| {
        let was = match &migration.request {
            Request::Live(_) => return,
            Request::Cold(request) => request.was,
            Request::Evacuation(request) => request.was,
        };
        let ends = match change {
            ServerChange::AwaitsConfirmation | ServerChange::IsBroken => was == VmState::Stopped,
            ServerChange::ReturnsToSource(state) | ServerChange::IsRebuilt(state) => {
                state == VmState::Stopped
            }
            ServerChange::GoesToDestination(_) | ServerChange::GoesToSource => true,
            ServerChange::StaysAtSource
            | ServerChange::MovesToDestination
            | ServerChange::IsLost
            | ServerChange::Task(_)
            | ServerChange::IsConfirmed => false,
        };
        if ends {
            assert_eq!(patch.power_state, PowerState::Shutdown, "{change:?}");
        }
    });
}

#[test]
fn a_state_changes_only_where_the_change_says_so_and_an_error_has_its_fault() {
    each(|server, _, change, patch| {
        let becomes = match change {
            ServerChange::IsLost | ServerChange::IsBroken => VmState::Error,
            ServerChange::AwaitsConfirmation => VmState::Resized,
            ServerChange::ReturnsToSource(state) | ServerChange::IsRebuilt(state) => state,
            ServerChange::IsConfirmed => match server.power_state {
                PowerState::Shutdown | PowerState::Crashed => VmState::Stopped,
                PowerState::NoState
                | PowerState::Running
                | PowerState::Paused
                | PowerState::Suspended => VmState::Active,
            },
            ServerChange::StaysAtSource
            | ServerChange::MovesToDestination
            | ServerChange::Task(_)
            | ServerChange::GoesToDestination(_)
            | ServerChange::GoesToSource => server.vm_state,
        };
        assert_eq!(patch.vm_state, becomes, "{change:?}");
        let fails = matches!(change, ServerChange::IsLost | ServerChange::IsBroken);
        let has_fault = matches!(patch.fault, FaultChange::Becomes(_));
        assert_eq!(has_fault, fails, "{change:?}");
        let rebuilt = matches!(change, ServerChange::IsRebuilt(_));
        assert_eq!(patch.fault == FaultChange::Cleared, rebuilt, "{change:?}");
    });
}

#[test]
fn a_fault_is_the_migrations_failure_where_it_has_one() {
    let server = &servers()[0];
    for mut migration in migrations() {
        migration.failure = Some(Failure::new(FailureCode::BootFailed, "No."));
        for change in [ServerChange::IsLost, ServerChange::IsBroken] {
            let fault = patch(server, &migration, change).fault;
            assert_eq!(fault, FaultChange::Becomes("No.".to_owned()));
        }
    }
}

#[test]
fn a_host_is_cleaned_of_a_guest_that_is_recorded_elsewhere_or_it_is_not_said() {
    let at_rest = |server: &ServerState| {
        server.task_state.is_none() && server.power_state == PowerState::Running
    };
    for server in servers().into_iter().filter(at_rest) {
        for migration in migrations() {
            for change in changes().into_iter().map(Some).chain([None]) {
                for discrepancy in [None, Some(DiscrepancyKind::DestinationNotClean)] {
                    for phase in [migration.phase, Phase::Ended(MigrationStatus::Completed)] {
                        let transition = Transition {
                            next: Migration {
                                phase,
                                ..migration.clone()
                            },
                            server: change,
                            effects: Vec::new(),
                            supersedes: false,
                            discrepancy,
                        };
                        let Some(cleaned) = cleaned_host(&server, &transition) else {
                            continue;
                        };
                        assert_ne!(server.host.as_ref(), Some(cleaned));
                        if change.is_some() {
                            assert_eq!(Some(cleaned), migration.destination());
                            assert_eq!(discrepancy, None);
                        } else {
                            assert_eq!(cleaned, &migration.source_compute);
                            assert_eq!(migration.kind, MigrationKind::Evacuation);
                        }
                    }
                }
            }
        }
    }
}
