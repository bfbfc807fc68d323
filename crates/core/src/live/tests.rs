//! The table walked exhaustively.
//!
//! [`walk`] visits every migration that events can make of a new one, with every event in each.
//! So what a test below asserts holds for all histories, not for those somebody thought of.
//! [`histories`] adds what the walk leaves out: time that passes, and limits that vary.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::fixtures::{self, Step, noon};
use crate::ids::HostName;
use crate::migration::{Limits, LiveRequest, Request, StorageMode};
use crate::status::MigrationKind;
use crate::transition::{ServerChange, step};

mod histories;
mod promises;

fn accepted(limits: &Limits) -> Migration {
    let request = Request::Live(LiveRequest::anywhere());
    Migration {
        deadline: Some(noon().plus(limits.accepted)),
        ..fixtures::begun(MigrationKind::LiveMigration, request, limits)
    }
}

fn phase_of(migration: &Migration) -> Option<Phase> {
    match migration.phase {
        crate::phase::Phase::Live(phase) => Some(phase),
        _ => None,
    }
}

/// Every event but the one that ends any migration without looking at its table.
fn events(limits: &Limits) -> Vec<Event> {
    let mut events = fixtures::events(StorageMode::Shared, limits);
    events.retain(|event| !matches!(event, Event::Superseded(_)));
    events
}

/// Both time-out actions, each with and without a completion time-out.
fn all_limits() -> Vec<Limits> {
    let mut all = Vec::new();
    for action in TimeoutAction::ALL {
        for completion in [Duration::ZERO, Duration::from_secs(1_600)] {
            all.push(Limits {
                completion,
                timeout_action: *action,
                ..Limits::default()
            });
        }
    }
    all
}

/// What tells two migrations of the walk apart: all but counters and instants.
type Key = (
    crate::phase::Phase,
    Option<Intent>,
    Option<FailureCode>,
    Option<HostName>,
);

fn key(migration: &Migration) -> Key {
    (
        migration.phase,
        migration.intent,
        migration.failure.as_ref().map(|failure| failure.code),
        migration.destination().cloned(),
    )
}

/// Every step that can be taken under `limits`, terminal migrations included.
fn walk(limits: &Limits) -> Vec<Step> {
    fixtures::walk(accepted(limits), key, &events(limits))
}

/// Calls `assert` with every transition there is.
fn for_each_transition(assert: impl Fn(&Migration, &Event, &Transition)) {
    for limits in all_limits() {
        for Step {
            before,
            event,
            outcome,
        } in walk(&limits)
        {
            if let Ok(transition) = outcome {
                assert(&before, &event, &transition);
            }
        }
    }
}

/// The terminal statuses that can still come of each migration of the walk.
fn outcomes(steps: &[Step]) -> BTreeMap<Key, BTreeSet<Status>> {
    let mut outcomes: BTreeMap<Key, BTreeSet<Status>> = BTreeMap::new();
    loop {
        let mut grown = false;
        for Step {
            before, outcome, ..
        } in steps
        {
            let Ok(transition) = outcome else { continue };
            let mut ends = outcomes
                .get(&key(&transition.next))
                .cloned()
                .unwrap_or_default();
            if transition.next.status().is_terminal() {
                ends.insert(transition.next.status());
            }
            let known = outcomes.entry(key(before)).or_default();
            let size = known.len();
            known.extend(ends);
            grown |= known.len() > size;
        }
        if !grown {
            return outcomes;
        }
    }
}

#[test]
fn the_walk_visits_the_whole_table() {
    for limits in all_limits() {
        let visited: BTreeSet<_> = walk(&limits)
            .iter()
            .map(|step| step.before.status())
            .collect();
        let expected = BTreeSet::from([
            Status::Accepted,
            Status::Queued,
            Status::Preparing,
            Status::Running,
            Status::RunningPostCopy,
            Status::Completed,
            Status::Cancelled,
            Status::Failed,
            Status::Error,
        ]);
        assert_eq!(visited, expected);
    }
}

/// What belongs to the other tables.
const FOREIGN: [&str; 8] = [
    "source_stopped",
    "booted",
    "not_booted",
    "confirm_requested",
    "revert_requested",
    "withdrawn",
    "source_returned",
    "source_silent",
];

#[test]
fn every_event_is_good_for_something() {
    for limits in all_limits() {
        let steps = walk(&limits);
        for event in events(&limits) {
            let applies = steps
                .iter()
                .any(|step| step.event == event && step.outcome.is_ok());
            let foreign = FOREIGN.contains(&event.name());
            assert_eq!(applies, !foreign, "{}", event.name());
        }
    }
}
