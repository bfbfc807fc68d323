//! Every kind of move, asked for every state of a server and every unfinished migration of it.

use std::time::Duration;

use super::*;
use crate::fixtures::{self, host, noon};
use crate::migration::LiveRequest;
use crate::plan::options::Affinity;
use crate::{cold, evacuation, live};

fn server(vm_state: VmState, task_state: Option<TaskState>) -> ServerState {
    ServerState {
        host: Some(host("source")),
        node: Some("source.node".to_owned()),
        vm_state,
        task_state,
        power_state: vm_state.power_state(),
    }
}

fn requests() -> [Request; 3] {
    [
        Request::Live(LiveRequest {
            host: Some(host("named")),
            ..LiveRequest::anywhere()
        }),
        Request::Cold(ColdRequest {
            host: Some(host("named")),
            was: VmState::Error,
            affinity: Affinity::Strict,
        }),
        Request::Evacuation(EvacuationRequest {
            host: Some(host("named")),
            forced: false,
            was: VmState::Active,
            end_stopped: false,
            affinity: Affinity::Strict,
        }),
    ]
}

fn asked(request: Request) -> Asked {
    Asked {
        uuid: uuid::Uuid::from_u128(3).into(),
        server: uuid::Uuid::from_u128(2).into(),
        request,
        limits: Limits::default(),
        at: noon(),
    }
}

/// One of each kind, in each phase and with each way to end.
fn unfinished() -> Vec<Migration> {
    let ended = Status::ALL.iter().copied().filter(|it| it.is_terminal());
    let mut all = Vec::new();
    for request in requests() {
        let (kind, ..) = first(&request);
        let phases: Vec<Phase> = match request {
            Request::Live(_) => live::Phase::ALL.iter().copied().map(Phase::from).collect(),
            Request::Cold(_) => cold::Phase::ALL.iter().copied().map(Phase::from).collect(),
            Request::Evacuation(_) => {
                let all = evacuation::Phase::ALL.iter().copied();
                all.map(Phase::from).collect()
            }
        };
        for phase in phases.into_iter().chain(ended.clone().map(Phase::Ended)) {
            let limits = Limits::default();
            let mut migration = fixtures::begun(kind, request.clone(), &limits);
            migration.phase = phase;
            all.push(migration);
        }
    }
    all
}

#[test]
fn what_begins_waits_for_its_destination_and_its_deadline() {
    for request in requests() {
        for vm_state in VmState::ALL {
            let begun = begin(&asked(request.clone()), &server(*vm_state, None), None).unwrap();
            let migration = &begun.migration;
            assert!(migration.phase.wants(begun.effect), "{migration:?}");
            let within = Limits::default().accepted;
            assert_eq!(migration.deadline, Some(noon().plus(within)));
            assert_eq!(migration.placement, None);
            assert_eq!(migration.source_compute, host("source"));
            let own = TaskState::of_migrations(migration.kind);
            assert!(own.contains(&begun.server.task_state.unwrap()));
            assert_eq!(begun.server.vm_state, *vm_state);
            assert_eq!((begun.server.home, begun.superseded), (None, None));
        }
    }
}

#[test]
fn a_server_without_a_host_is_not_free() {
    for request in requests() {
        let nowhere = ServerState {
            host: None,
            ..server(VmState::Active, None)
        };
        assert_eq!(begin(&asked(request), &nowhere, None), Err(NotFree::NoHost));
    }
}

#[test]
fn a_task_stops_everything_but_an_evacuation() {
    for request in requests() {
        for task in TaskState::ALL {
            let server = server(VmState::Active, Some(*task));
            let begun = begin(&asked(request.clone()), &server, None);
            match request {
                Request::Evacuation(_) => assert!(begun.is_ok()),
                Request::Live(_) | Request::Cold(_) => {
                    assert_eq!(begun, Err(NotFree::Task(*task)));
                }
            }
        }
    }
}

/// The rule, written out a second time.
#[test]
fn only_what_cannot_have_led_the_guest_away_is_superseded() {
    for request in requests() {
        for vm_state in VmState::ALL {
            for before in unfinished() {
                let begun = begin(
                    &asked(request.clone()),
                    &server(*vm_state, None),
                    Some(&before),
                );
                let ended = before.status().has_ended();
                let moving_live = before.kind == MigrationKind::LiveMigration
                    && matches!(before.status().as_str(), "running" | "running (post-copy)");
                let placed_evacuation =
                    before.kind == MigrationKind::Evacuation && before.status() != Status::Accepted;
                let may = ended
                    || match request {
                        Request::Evacuation(_) => !moving_live && !placed_evacuation,
                        Request::Live(_) | Request::Cold(_) => {
                            before.status() == Status::Finished && *vm_state != VmState::Resized
                        }
                    };
                assert_eq!(begun.is_ok(), may, "{request:?} {vm_state} {before:?}");
                match begun {
                    Ok(begun) => {
                        let ending = begun
                            .superseded
                            .map(|(_, transition)| transition.next.status());
                        assert_eq!(ending, (!ended).then_some(Status::Error));
                    }
                    Err(why) => assert_eq!(why, NotFree::Unfinished(before.status())),
                }
            }
        }
    }
}

#[test]
fn a_guest_that_was_off_stays_off_whatever_its_state_says() {
    for request in requests() {
        for vm_state in VmState::ALL {
            for power_state in PowerState::ALL {
                let server = ServerState {
                    power_state: *power_state,
                    ..server(*vm_state, None)
                };
                let begun = begin(&asked(request.clone()), &server, None).unwrap();
                let off = *vm_state == VmState::Stopped || power_state.is_off();
                match begun.migration.request {
                    Request::Live(_) => {}
                    Request::Cold(cold) => {
                        let was = if off { VmState::Stopped } else { *vm_state };
                        assert_eq!(cold.was, was);
                    }
                    Request::Evacuation(evacuation) => {
                        assert_eq!((evacuation.was, evacuation.end_stopped), (*vm_state, off));
                    }
                }
                assert_eq!(begun.server.power_state, *power_state);
            }
        }
    }
}

/// A cold move had powered the guest off when its host died: it ran, and shall run again.
#[test]
fn what_a_superseded_cold_move_powered_off_is_given_back() {
    let [_, _, evacuation] = requests();
    let off = ServerState {
        power_state: PowerState::Shutdown,
        ..server(VmState::Active, Some(TaskState::ResizeMigrating))
    };
    for (was, power, end_stopped) in [
        (VmState::Active, PowerState::Running, false),
        (VmState::Stopped, PowerState::Shutdown, true),
    ] {
        let request = Request::Cold(ColdRequest {
            host: None,
            was,
            affinity: Affinity::Strict,
        });
        let kind = MigrationKind::Migration;
        let mut cold = fixtures::begun(kind, request, &Limits::default());
        cold.phase = cold::Phase::Stopping.into();
        let begun = begin(&asked(evacuation.clone()), &off, Some(&cold)).unwrap();
        assert_eq!(begun.server.power_state, power);
        let Request::Evacuation(request) = begun.migration.request else {
            panic!("another request");
        };
        assert_eq!(request.end_stopped, end_stopped);
    }
}

#[test]
fn the_api_shows_what_nova_shows() {
    let [live, cold, evacuation] = requests();
    let forced = Request::Live(LiveRequest {
        host: Some(host("named")),
        forced: true,
        ..LiveRequest::anywhere()
    });
    let (node, named) = (Some("source.node".to_owned()), Some(host("named")));
    for (request, source_node, destination, flavor) in [
        (live, None, None, true),
        (forced, None, named.clone(), true),
        (cold, node.clone(), None, true),
        (evacuation, node, named, false),
    ] {
        let begun = begin(&asked(request), &server(VmState::Active, None), None).unwrap();
        assert_eq!(begun.source_node, source_node);
        assert_eq!(begun.shown_destination, destination);
        assert_eq!(begun.shows_flavor, flavor);
    }
}

#[test]
fn the_deadline_is_the_one_to_find_a_destination() {
    let mut asked = asked(Request::Live(LiveRequest::anywhere()));
    asked.limits.accepted = Duration::from_secs(7);
    let begun = begin(&asked, &server(VmState::Active, None), None).unwrap();
    assert_eq!(
        begun.migration.deadline,
        Some(noon().plus(asked.limits.accepted))
    );
}
