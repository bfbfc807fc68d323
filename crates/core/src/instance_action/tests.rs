//! What a client reads after whole histories.

use std::time::Duration;

use super::*;
use crate::effect::Effect;
use crate::failure::{Failure, FailureCode};
use crate::fixtures::{self, noon};
use crate::migration::{ColdRequest, EvacuationRequest, Limits, LiveRequest, StorageMode};
use crate::plan::options::Affinity;
use crate::server::VmState;
use crate::transition::step;

fn begun_as(kind: MigrationKind, request: Request) -> Migration {
    Migration {
        deadline: Some(noon().plus(Duration::from_secs(1))),
        ..fixtures::begun(kind, request, &Limits::default())
    }
}

fn live(synchronous: bool) -> Migration {
    let request = LiveRequest {
        synchronous,
        ..LiveRequest::anywhere()
    };
    begun_as(MigrationKind::LiveMigration, Request::Live(request))
}

fn cold() -> Migration {
    let request = ColdRequest {
        host: None,
        was: VmState::Active,
        affinity: Affinity::Strict,
    };
    begun_as(MigrationKind::Migration, Request::Cold(request))
}

fn evacuation(end_stopped: bool) -> Migration {
    let request = EvacuationRequest {
        host: None,
        forced: false,
        was: VmState::Active,
        end_stopped,
        affinity: Affinity::Strict,
    };
    begun_as(MigrationKind::Evacuation, Request::Evacuation(request))
}

fn placed() -> Event {
    Event::Placed(fixtures::placement(StorageMode::Shared), Limits::default())
}

fn failure() -> Failure {
    Failure::new(FailureCode::HypervisorError, "It broke.")
}

/// Steps as a client reads them: by action and event, with how each ended.
fn read(mut migration: Migration, history: &[Event]) -> Vec<(ActionName, &'static str, String)> {
    let mut rows: Vec<(ActionName, &'static str, String)> = vec![];
    let mut apply = |changes: Vec<ActionEventChange>| {
        for change in changes {
            let word = match &change.progress {
                ActionProgress::Started { .. } => {
                    rows.push((change.action, change.event, "open".to_owned()));
                    continue;
                }
                ActionProgress::Happened => {
                    rows.push((change.action, change.event, "Success".to_owned()));
                    continue;
                }
                ActionProgress::Finished { result, details } => {
                    let details = details.as_deref().unwrap_or_default();
                    format!("{} {details}", result.as_str()).trim().to_owned()
                }
            };
            let open = rows.iter_mut().find(|(action, event, state)| {
                (*action, *event, state.as_str()) == (change.action, change.event, "open")
            });
            if let Some((_, _, state)) = open {
                *state = word;
            }
        }
    };
    apply(begun(&migration).1);
    for event in history {
        let next = step(&migration, event, noon()).unwrap().next;
        apply(changes(&migration, event, &next));
        migration = next;
    }
    rows
}

fn expect(rows: &[(ActionName, &'static str, String)], expected: &[(ActionName, &str, &str)]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(action, event, state)| (*action, *event, state.as_str()))
        .collect();
    assert_eq!(rows, expected);
}

const LIVE: ActionName = ActionName::LiveMigration;
const COLD: ActionName = ActionName::Migrate;

#[test]
fn a_live_migration_reads_as_novas_does() {
    let history = [
        placed(),
        Event::Admitted,
        Event::Prepared,
        Event::ForceCompleteRequested,
        Event::HandedOver,
        Event::Finished { clean: true },
    ];
    let force = ActionName::LiveMigrationForceComplete;
    expect(
        &read(live(false), &history),
        &[
            (LIVE, "conductor_live_migrate_instance", "Success"),
            (
                LIVE,
                "compute_check_can_live_migrate_destination",
                "Success",
            ),
            (LIVE, "compute_check_can_live_migrate_source", "Success"),
            (LIVE, "compute_live_migration", "Success"),
            (LIVE, "compute_pre_live_migration", "Success"),
            (force, "compute_live_migration_force_complete", "Success"),
            (
                LIVE,
                "compute_post_live_migration_at_destination",
                "Success",
            ),
        ],
    );
}

#[test]
fn below_2_34_the_conductors_step_has_its_old_name() {
    expect(
        &read(live(true), &[Event::NotPlaced(failure())]),
        &[(LIVE, "conductor_migrate_server", "Error It broke.")],
    );
}

#[test]
fn a_cold_move_that_is_reverted_writes_into_both_actions() {
    let history = [
        placed(),
        Event::Prepared,
        Event::SourceStopped,
        Event::Booted,
        Event::RevertRequested,
        Event::Withdrawn,
        Event::RolledBack { clean: true },
    ];
    let revert = ActionName::RevertResize;
    expect(
        &read(cold(), &history),
        &[
            (COLD, "cold_migrate", "Success"),
            (COLD, "compute_prep_resize", "Success"),
            (COLD, "compute_resize_instance", "Success"),
            (COLD, "compute_finish_resize", "Success"),
            (revert, "compute_revert_resize", "Success"),
            (revert, "compute_finish_revert_resize", "Success"),
        ],
    );
}

#[test]
fn the_step_that_failed_says_why() {
    let history = [
        placed(),
        Event::Prepared,
        Event::SourceStopped,
        Event::NotBooted(failure()),
        Event::Withdrawn,
        Event::RolledBack { clean: true },
    ];
    let rows = read(cold(), &history);
    assert_eq!(
        rows.last().unwrap(),
        &(COLD, "compute_finish_resize", "Error It broke.".to_owned())
    );
}

#[test]
fn an_evacuation_that_leaves_the_guest_off_says_so() {
    let history = [
        placed(),
        Event::Booted,
        Event::SourceReturned,
        Event::Withdrawn,
    ];
    let name = ActionName::Evacuate;
    expect(
        &read(evacuation(true), &history),
        &[
            (name, "rebuild_server", "Success"),
            (name, "compute_rebuild_instance", "Success"),
            (name, "compute_stop_instance", "Success"),
        ],
    );
    assert_eq!(read(evacuation(false), &history).len(), 2);
}

#[test]
fn nothing_stays_open_when_a_migration_is_superseded() {
    let in_time: [(Migration, &[Event]); 6] = [
        (live(false), &[]),
        (live(false), &[placed(), Event::Admitted]),
        (cold(), &[]),
        (cold(), &[placed(), Event::Prepared]),
        (evacuation(false), &[]),
        (evacuation(false), &[placed()]),
    ];
    for (migration, history) in in_time {
        let mut history = history.to_vec();
        history.push(Event::Superseded(failure()));
        let rows = read(migration, &history);
        assert!(rows.iter().all(|(_, _, state)| state != "open"), "{rows:?}");
        assert_eq!(rows.last().unwrap().2, "Error It broke.");
    }
}

#[test]
fn an_effect_is_wanted_in_the_phase_that_handed_it_out() {
    assert!(cold().phase.wants(Effect::Schedule));
    assert!(!cold().phase.wants(Effect::Boot));
    assert!(evacuation(false).phase.wants(Effect::Schedule));
    assert!(!evacuation(false).phase.wants(Effect::Withdraw));
}
