//! The table walked exhaustively, for a run of two operations and for one of two hosts.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use super::*;
use crate::failure::FailureCode;
use crate::fixtures::{host, noon};

mod promises;
mod stories;

pub(super) fn id(number: u128) -> OperationUuid {
    uuid::Uuid::from_u128(number).into()
}

pub(super) fn server(number: u128) -> ServerUuid {
    uuid::Uuid::from_u128(1_000 + number).into()
}

/// The live move of the server of the same number.
pub(super) fn moves(number: u128, source: &str) -> Operation {
    Operation::waiting(
        id(number),
        OperationKind::Live,
        server(number),
        (source, "z"),
    )
}

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "It did not work.")
}

/// Runs that differ in what a table may look at.
fn firsts() -> Vec<Run> {
    let two = || vec![moves(1, "a"), moves(2, "b")];
    let pending = |operations, constraints| {
        let run = Run::pending(PlanKind::Servers, operations, constraints).unwrap();
        Run {
            attempts_max: 2,
            deadline: Some(noon()),
            ..run
        }
    };
    let plain = pending(two(), vec![]);
    let apart = pending(
        two(),
        vec![Constraint::NotTogether(vec![server(1), server(2)])],
    );
    let ordered = pending(two(), vec![Constraint::Before(server(2), server(1))]);
    let blocked = Run {
        blocked: 1,
        ..pending(vec![moves(1, "a")], vec![])
    };
    let home = Run {
        kind: PlanKind::ReturnHome,
        ..pending(vec![moves(1, "a")], vec![])
    };
    let empty = pending(vec![], vec![]);
    let rolling = pending(two(), vec![]);
    let rolling = rolling
        .of_hosts(Rolling::of([host("a"), host("b")], 1))
        .unwrap();
    vec![plain, apart, ordered, blocked, home, empty, rolling]
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::RoomClaimed,
        Event::RoomRefused(failure(FailureCode::NoValidHost)),
        Event::CancelRequested {
            abort_running: false,
        },
        Event::CancelRequested {
            abort_running: true,
        },
        Event::DeadlinePassed,
    ];
    for number in 1..=2 {
        let id = id(number);
        events.extend([
            Event::OperationBegun(id, None),
            Event::OperationRefused(id, failure(FailureCode::DestinationFull)),
            Event::OperationEnded(id, Outcome::Completed),
            Event::OperationEnded(id, Outcome::Failed(failure(FailureCode::LinkLost))),
            Event::OperationEnded(id, Outcome::Failed(failure(FailureCode::GuestLost))),
            Event::OperationEnded(id, Outcome::Cancelled(failure(FailureCode::Aborted))),
            Event::OperationEnded(id, Outcome::Skipped(failure(FailureCode::Superseded))),
            Event::OperationRevised(id, "y".to_owned(), OperationKind::Live),
            Event::OperationNotRevised(id, failure(FailureCode::NoValidHost)),
            Event::OperationUnneeded(id, None),
            Event::OperationUnneeded(id, Some(failure(FailureCode::Superseded))),
            Event::SkipRequested(id),
        ]);
    }
    for name in ["a", "b"] {
        events.extend([
            Event::HostHeld(host(name)),
            Event::HostReleased(host(name)),
            Event::HostReady(host(name)),
            Event::HostDone(host(name)),
            Event::HostReturned(host(name)),
        ]);
    }
    events
}

/// Without what only counts and reports, so the walk ends.
fn plain(run: &Run) -> Run {
    let mut run = run.clone();
    run.generation = 1;
    run.revisions.clear();
    for operation in &mut run.operations {
        operation.revisions = 0;
        operation.failure = None;
        operation.destination = "z".to_owned();
    }
    run
}

/// Calls `assert` with every step that can be taken.
pub(super) fn walk(mut assert: impl FnMut(&Run, &Event, &Result<Transition, Rejected>)) {
    let events = events();
    for first in firsts() {
        let mut known = HashSet::new();
        let mut ahead = VecDeque::from([first]);
        while let Some(before) = ahead.pop_front() {
            for event in &events {
                let outcome = step(&before, event, noon());
                assert(&before, event, &outcome);
                if let Ok(transition) = &outcome {
                    let next = plain(&transition.next);
                    if known.insert(next.clone()) {
                        ahead.push_back(next);
                    }
                }
            }
        }
    }
}

/// Calls `assert` with every transition there is.
fn for_each_transition(mut assert: impl FnMut(&Run, &Event, &Transition)) {
    walk(|before, event, outcome| {
        if let Ok(transition) = outcome {
            assert(before, event, transition);
        }
    });
}
