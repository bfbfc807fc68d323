//! Moves of every kind, by core's own tables, and what is told of them.

use std::collections::BTreeSet;
use std::path::Path;

use godwit_core::event::Event;
use godwit_core::event_type::{self, EventKind};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::Migration;
use godwit_core::phase::Phase;
use godwit_core::time::Timestamp;
use godwit_core::{cold, evacuation, live, transition};
use godwit_test_support::fleet::at;

use super::*;
use crate::fixtures::Told;

/// When an event of a story happens: behind the deadline that the one before it has set.
fn late(index: usize) -> Timestamp {
    at(i64::try_from(index + 1).unwrap() * 1_000_000)
}

fn failure() -> Failure {
    Failure::new(FailureCode::HypervisorError, "It broke.")
}

fn placed(migration: &Migration) -> Event {
    let placement = migration.placement.clone().unwrap();
    Event::Placed(placement, migration.limits.clone())
}

/// What is told of these events, one after the other, without `instance.` and what live migrations
/// have in common.
fn story(mut migration: Migration, phase: impl Into<Phase>, events: &[Event]) -> Vec<String> {
    migration.phase = phase.into();
    let mut told = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let step = transition::step(&migration, event, late(index));
        let next = step.unwrap_or_else(|error| panic!("{error}")).next;
        let new = next.failure.is_some() && next.failure != migration.failure;
        let happening = Happening {
            kind: migration.kind,
            name: event.name(),
            from: Some(migration.status()),
            to: next.status(),
            has_reason: new,
        };
        told.extend(notices(happening).iter().map(short));
        migration = next;
    }
    told
}

fn short(notice: &Notice) -> String {
    let name = notice.event_type.trim_start_matches("instance.");
    name.trim_start_matches("live_migration_").to_owned()
}

fn live_story(phase: live::Phase, events: &[Event]) -> Vec<String> {
    story(Told::live("").record.migration, Phase::Live(phase), events)
}

fn cold_story(phase: cold::Phase, events: &[Event]) -> Vec<String> {
    story(Told::cold("").record.migration, Phase::Cold(phase), events)
}

#[test]
fn a_live_migration_that_gets_there() {
    let migration = Told::live("").record.migration;
    let events = [
        placed(&migration),
        Event::Admitted,
        Event::Prepared,
        Event::HandedOver,
        Event::Finished { clean: true },
    ];
    assert_eq!(
        live_story(live::Phase::Accepted, &events),
        [
            "pre.start",
            "pre.end",
            "post.start",
            "post_dest.start",
            "post_dest.end",
            "post.end"
        ]
    );
}

#[test]
fn a_live_migration_that_fails_or_is_aborted() {
    let rolled_back = Event::RolledBack { clean: true };
    let undone = [
        "rollback.start",
        "rollback_dest.start",
        "rollback_dest.end",
        "rollback.end",
    ];
    for (phase, event) in [
        (live::Phase::Running, Event::MoveFailed(failure())),
        (live::Phase::Preparing, Event::NotPrepared(failure())),
        (live::Phase::Preparing, Event::SourceDied(failure())),
        (live::Phase::Preparing, Event::DestinationDied(failure())),
        (live::Phase::Preparing, Event::DeadlinePassed),
    ] {
        let events = [event, rolled_back.clone()];
        assert_eq!(live_story(phase, &events), undone, "{events:?}");
    }
    let asked = [
        Event::AbortRequested,
        Event::MoveCancelled,
        rolled_back.clone(),
    ];
    let aborted = ["abort.start", "abort.end"].into_iter().chain(undone);
    let aborted: Vec<_> = aborted.collect();
    assert_eq!(live_story(live::Phase::Running, &asked), aborted);
    // A second request is told as Nova tells it, and undoes nothing twice.
    let twice = [Event::AbortRequested, Event::AbortRequested, rolled_back];
    let mut told = live_story(live::Phase::Preparing, &twice);
    assert_eq!(told.drain(4..6).collect::<Vec<_>>(), aborted[..2]);
    assert_eq!(told, aborted);
    let unstarted = [Event::AbortRequested, Event::CancelledUnstarted];
    assert_eq!(live_story(live::Phase::Queued, &unstarted), aborted[..2]);
}

#[test]
fn a_live_migration_whose_destination_is_never_clean() {
    let events = [Event::MoveFailed(failure()), Event::DeadlinePassed];
    assert_eq!(
        live_story(live::Phase::Running, &events),
        ["rollback.start", "rollback_dest.start", "rollback.end"]
    );
}

#[test]
fn a_live_migration_that_waits_and_is_forced() {
    let events = [
        Event::ForceCompleteRequested,
        Event::PostCopyStarted,
        Event::DeadlinePassed,
        Event::DestinationDied(failure()),
    ];
    assert_eq!(
        live_story(live::Phase::Running, &events),
        ["force_complete.start", "post.start", "post_dest.start"]
    );
    // A deadline of a move under way aborts it, which is nobody's request.
    let overdue = [Event::DeadlinePassed, Event::DeadlinePassed];
    assert_eq!(live_story(live::Phase::Running, &overdue), [""; 0]);
}

#[test]
fn a_move_for_which_there_is_no_host() {
    let none = [Event::NotPlaced(failure())];
    let told = ["compute_task.migrate_server.error"];
    assert_eq!(live_story(live::Phase::Accepted, &none), told);
    assert_eq!(
        live_story(live::Phase::Queued, &[Event::DeadlinePassed]),
        told
    );
    assert_eq!(cold_story(cold::Phase::Choosing, &none), told);
    let migration = Told::evacuation("").record.migration;
    let choosing = Phase::Evacuation(evacuation::Phase::Choosing);
    assert_eq!(
        story(migration.clone(), choosing, &none),
        ["compute_task.rebuild_server.error"]
    );
    let superseded = [Event::Superseded(failure())];
    assert_eq!(live_story(live::Phase::Accepted, &superseded), [""; 0]);
    assert_eq!(story(migration, choosing, &superseded), [""; 0]);
}

#[test]
fn a_cold_move_that_is_confirmed() {
    let migration = Told::cold("").record.migration;
    let events = [
        placed(&migration),
        Event::Prepared,
        Event::SourceStopped,
        Event::Booted,
        Event::ConfirmRequested,
        Event::Finished { clean: true },
    ];
    assert_eq!(
        cold_story(cold::Phase::Choosing, &events),
        [
            "resize_prep.start",
            "resize_prep.end",
            "resize.start",
            "resize.end",
            "resize_finish.start",
            "resize_finish.end",
            "resize_confirm.start",
            "resize_confirm.end",
        ]
    );
}

#[test]
fn a_cold_move_that_is_reverted() {
    let events = [
        Event::RevertRequested,
        Event::DeadlinePassed,
        Event::Withdrawn,
        Event::DeadlinePassed,
        Event::RolledBack { clean: true },
    ];
    assert_eq!(
        cold_story(cold::Phase::Finished, &events),
        ["resize_revert.start", "resize_revert.end"]
    );
}

#[test]
fn a_cold_move_that_fails_says_so_once() {
    let back = [Event::DeadlinePassed, Event::RolledBack { clean: true }];
    let with = |event: Event| [vec![event], back.to_vec()].concat();
    assert_eq!(
        cold_story(cold::Phase::Preparing, &with(Event::NotPrepared(failure()))),
        ["resize.error", "resize_prep.end"]
    );
    assert_eq!(
        cold_story(cold::Phase::Stopping, &with(Event::MoveFailed(failure()))),
        ["resize.error"]
    );
    let not_booted = [
        Event::NotBooted(failure()),
        Event::DeadlinePassed,
        Event::Withdrawn,
    ];
    let events = [not_booted.to_vec(), back.to_vec()].concat();
    assert_eq!(cold_story(cold::Phase::Booting, &events), ["resize.error"]);
}

#[test]
fn an_evacuation_is_told_when_it_is_asked_for() {
    let asked = Happening {
        kind: MigrationKind::Evacuation,
        name: "requested",
        from: None,
        to: Status::Accepted,
        has_reason: false,
    };
    let told: Vec<_> = notices(asked).iter().map(short).collect();
    assert_eq!(told, ["evacuate"]);
    for kind in [MigrationKind::LiveMigration, MigrationKind::Migration] {
        assert!(notices(Happening { kind, ..asked }).is_empty());
    }
}

#[test]
fn what_operators_do_to_hosts_is_told_of_their_services() {
    let told = |it: HostEvent| of_host(it.as_str());
    for it in [
        HostEvent::Disabled,
        HostEvent::Enabled,
        HostEvent::ForcedDown,
        HostEvent::ForcedUp,
    ] {
        assert_eq!(told(it), Some("service.update"), "{it}");
    }
    assert_eq!(told(HostEvent::Registered), Some("service.create"));
    assert_eq!(told(HostEvent::Removed), Some("service.delete"));
    assert_eq!((told(HostEvent::Down), told(HostEvent::Up)), (None, None));
    assert_eq!(of_host("placed"), None);
}

/// Every notification that some event in some status is told as.
fn every() -> BTreeSet<&'static str> {
    let mut every = BTreeSet::new();
    for &kind in MigrationKind::ALL {
        for &from in Status::ALL {
            for &to in Status::ALL {
                for name in names() {
                    let happening = Happening {
                        kind,
                        name,
                        from: Some(from),
                        to,
                        has_reason: true,
                    };
                    let told = notices(happening).iter();
                    every.extend(told.map(|notice| notice.event_type));
                }
            }
        }
    }
    every.extend(HostEvent::ALL.iter().filter_map(|it| of_host(it.as_str())));
    every
}

/// What happens to migrations.
fn names() -> impl Iterator<Item = &'static str> {
    let of_migrations = event_type::all().filter(|it| it.kind == EventKind::Migration);
    of_migrations.map(|it| it.event)
}

#[test]
fn the_page_names_every_notification_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/notifications.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, every());
}

/// Every event in every status: whatever is told is one of Nova's, and belongs to its kind.
#[test]
fn nothing_is_told_that_nova_does_not_tell() {
    let phases = ["start", "end", "error", "evacuate"];
    for &kind in MigrationKind::ALL {
        for &from in Status::ALL {
            for &to in Status::ALL {
                for name in names() {
                    let happening = Happening {
                        kind,
                        name,
                        from: Some(from),
                        to,
                        has_reason: true,
                    };
                    for notice in notices(happening) {
                        let (first, last) = notice.event_type.split_once('.').unwrap();
                        assert!(matches!(first, "instance" | "compute_task"));
                        let phase = last.rsplit('.').next().unwrap();
                        assert!(phases.contains(&phase), "{}", notice.event_type);
                        let is_error = notice.priority == Priority::Error;
                        assert_eq!(is_error, phase == "error", "{}", notice.event_type);
                        let is_live = last.starts_with("live_migration_");
                        assert!(!is_live || kind == MigrationKind::LiveMigration);
                        assert!(!is_live || !is_error, "Nova has no such notification");
                    }
                }
            }
        }
    }
}
