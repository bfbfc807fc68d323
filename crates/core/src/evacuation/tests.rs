//! The table walked exhaustively; see the tests of [`crate::live`] and [`crate::cold`].

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::fixtures::{self, Step};
use crate::migration::{EvacuationRequest, Limits, StorageMode};
use crate::plan::options::Affinity;
use crate::status::MigrationKind;

fn begun(was: VmState, end_stopped: bool) -> Migration {
    let request = Request::Evacuation(EvacuationRequest {
        host: None,
        forced: false,
        was,
        end_stopped,
        affinity: Affinity::Strict,
    });
    let limits = Limits::default();
    fixtures::begun(MigrationKind::Evacuation, request, &limits)
}

fn phase_of(migration: &Migration) -> Option<Phase> {
    match migration.phase {
        crate::phase::Phase::Evacuation(phase) => Some(phase),
        _ => None,
    }
}

/// Every event, and the one reason that the table looks at.
fn events() -> Vec<Event> {
    let alive = Failure::new(FailureCode::StillInUse, "It did not work.");
    let mut events = fixtures::events(StorageMode::Shared, &Limits::default());
    events.push(Event::NotBooted(alive));
    events
}

fn walk(was: VmState, end_stopped: bool) -> Vec<Step> {
    let key = |it: &Migration| (it.phase, it.failure.as_ref().map(|failure| failure.code));
    fixtures::walk(begun(was, end_stopped), key, &events())
}

fn all() -> Vec<Step> {
    let states = [VmState::Active, VmState::Stopped, VmState::Error];
    let ways = states
        .into_iter()
        .flat_map(|was| [(was, false), (was, true)]);
    ways.flat_map(|(was, stopped)| walk(was, stopped)).collect()
}

fn for_each_transition(assert: impl Fn(&Migration, &Event, &Transition)) {
    for row in all() {
        if let Ok(transition) = row.outcome {
            assert(&row.before, &row.event, &transition);
        }
    }
}

#[test]
fn what_applies_is_this_and_nothing_else() {
    let mut applying: BTreeMap<Phase, BTreeSet<&str>> = BTreeMap::new();
    for_each_transition(|before, _, _| assert!(phase_of(before).is_some()));
    for row in all() {
        if let (Some(phase), Ok(_)) = (phase_of(&row.before), row.outcome) {
            applying.entry(phase).or_default().insert(row.event.name());
        }
    }
    let expected: [(Phase, &[&str]); 5] = [
        (
            Phase::Choosing,
            &[
                "placed",
                "not_placed",
                "source_returned",
                "source_silent",
                "superseded",
                "deadline_passed",
            ],
        ),
        (
            Phase::Waiting,
            &[
                "source_returned",
                "source_died",
                "superseded",
                "deadline_passed",
            ],
        ),
        (
            Phase::Booting,
            &[
                "booted",
                "not_booted",
                "destination_died",
                "superseded",
                "deadline_passed",
            ],
        ),
        (Phase::Done, &["source_returned"]),
        (Phase::Cleaning, &["source_returned", "withdrawn"]),
    ];
    let expected: BTreeMap<Phase, BTreeSet<&str>> = expected
        .into_iter()
        .map(|(phase, names)| (phase, names.iter().copied().collect()))
        .collect();
    assert_eq!(applying, expected);
}

#[test]
fn a_source_that_answers_in_time_changes_nothing_of_the_server() {
    for_each_transition(|before, event, transition| {
        let alive = match event {
            Event::SourceReturned => {
                matches!(phase_of(before), Some(Phase::Choosing | Phase::Waiting))
            }
            Event::NotBooted(failure) => failure.code == FailureCode::StillInUse,
            _ => false,
        };
        if alive {
            assert!(transition.next.status().is_terminal());
            assert_eq!(transition.server, Some(ServerChange::StaysAtSource));
            let code = transition.next.failure.as_ref().unwrap().code;
            assert_eq!(code, FailureCode::StillInUse);
            assert!(transition.effects.is_empty());
        }
    });
}

#[test]
fn only_a_rebuilt_server_is_recorded_elsewhere_and_only_once() {
    for_each_transition(|before, event, transition| {
        let rebuilt = matches!(transition.server, Some(ServerChange::IsRebuilt(_)));
        assert_eq!(rebuilt, event == &Event::Booted, "{}", event.name());
        if before.status() == Status::Done {
            assert_eq!(transition.server, None, "{}", event.name());
        }
    });
}

#[test]
fn a_guest_is_only_started_where_that_was_asked_for() {
    for was in [VmState::Active, VmState::Stopped, VmState::Error] {
        for (end_stopped, ends) in [(false, VmState::Active), (true, VmState::Stopped)] {
            assert_eq!(powers_on(&begun(was, end_stopped)), !end_stopped);
            let rebuilt = walk(was, end_stopped).into_iter().any(|row| {
                row.outcome
                    .is_ok_and(|to| to.server == Some(ServerChange::IsRebuilt(ends)))
            });
            assert!(rebuilt);
        }
    }
}

#[test]
fn the_source_is_cleaned_only_after_the_server_is_elsewhere() {
    for_each_transition(|before, _, transition| {
        for effect in &transition.effects {
            assert!(transition.next.phase.wants(*effect));
            if *effect == Effect::Withdraw {
                assert_eq!(before.status(), Status::Done);
            }
        }
    });
}

#[test]
fn what_frees_the_server_has_no_deadline_and_everything_else_has_one() {
    for_each_transition(|_, event, Transition { next, .. }| {
        assert_eq!(
            next.deadline.is_none(),
            next.status().has_ended(),
            "{}",
            event.name()
        );
    });
}

#[test]
fn a_failed_evacuation_says_why() {
    for_each_transition(|_, event, Transition { next, .. }| {
        let failed = matches!(next.status(), Status::Error | Status::Failed);
        let waits = phase_of(next) == Some(Phase::Waiting);
        assert_eq!(next.failure.is_some(), failed || waits, "{}", event.name());
    });
}

#[test]
fn what_ended_stays_as_it_ended() {
    for row in all() {
        let status = row.before.status();
        if status.is_terminal() {
            assert_eq!(row.outcome, Err(Rejected::Terminal(status)));
        }
    }
}
