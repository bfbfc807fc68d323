use proptest::prelude::*;

use super::*;
use crate::failure::{Failure, FailureCode};
use crate::fixtures::{host, noon};
use crate::plan::PlanKind;
use crate::plan::options::Constraint;
use crate::run::tests::{id, moves, server, walk};
use crate::run::{OperationKind, Outcome, Rolling, RunState, Transition, step};

fn is_about(about: About<'_>, run: &Run, it: &Operation) -> bool {
    match about {
        About::Nothing => false,
        About::Operation(id) => it.id == id,
        About::Beginning(id) => {
            let begins = run.operation(id);
            let after = begins.is_some_and(|begins| begins.after.contains(&it.id));
            it.id == id || after || it.state == OperationState::Running
        }
        About::Source(host) => it.source == host.as_str(),
        About::Everything => true,
    }
}

/// Only what the event is about.
fn part(run: &Run, event: &Event) -> Run {
    let about = event.about(!run.constraints.is_empty());
    let is_about = |it: &&Operation| is_about(about, run, it);
    let (known, others) = run.operations.iter().partition::<Vec<_>, _>(is_about);
    Run {
        operations: known.into_iter().cloned().collect(),
        others: Tally::of(others),
        ..run.clone()
    }
}

/// The run with what became of the part.
fn joined(before: &Run, after: Run) -> Run {
    let changed = |it: &Operation| after.operation(it.id).unwrap_or(it).clone();
    Run {
        operations: before.operations.iter().map(changed).collect(),
        others: Tally::default(),
        ..after
    }
}

fn assert_same(run: &Run, event: &Event) {
    let whole = step(run, event, noon());
    let of_part = step(&part(run, event), event, noon());
    if let (Ok(whole), Ok(part)) = (&whole, &of_part) {
        assert_eq!(part.next.tally(), whole.next.tally(), "{event:?}");
    }
    let joined = of_part.map(|it| Transition {
        next: joined(run, it.next),
        effects: it.effects,
    });
    assert_eq!(joined, whole, "{run:?} {event:?}");
}

#[test]
fn of_small_runs_what_follows_from_a_part_is_what_follows_from_all() {
    walk(|before, event, _| assert_same(before, event));
}

fn failed(code: FailureCode) -> Outcome {
    Outcome::Failed(Failure::new(code, "It did not work."))
}

fn events(number: u128, name: &str) -> Vec<Event> {
    let id = id(number);
    vec![
        Event::OperationBegun(id, None),
        Event::OperationRefused(id, Failure::new(FailureCode::DestinationFull, "full")),
        Event::OperationEnded(id, Outcome::Completed),
        Event::OperationEnded(id, failed(FailureCode::LinkLost)),
        Event::OperationEnded(id, failed(FailureCode::GuestLost)),
        Event::OperationRevised(id, "y".to_owned(), OperationKind::Live),
        Event::OperationUnneeded(id, None),
        Event::OperationNotRevised(id, Failure::new(FailureCode::NoValidHost, "none")),
        Event::SkipRequested(id),
        Event::HostHeld(host(name)),
        Event::HostReleased(host(name)),
        Event::HostReady(host(name)),
        Event::HostDone(host(name)),
        Event::HostReturned(host(name)),
    ]
}

prop_compose! {
    fn runs()(
        states in prop::collection::vec(prop::sample::select(OperationState::ALL), 1..9),
        weights in prop::collection::vec(0..9_u32, 9),
        after in prop::collection::vec(prop::option::of(0..8_usize), 9),
        rolling in any::<bool>(),
        constrained in any::<bool>(),
        state in prop::sample::select(&[RunState::Running, RunState::Cancelling][..]),
    ) -> Run {
        let operations = states.iter().enumerate().map(|(place, state)| {
            let earlier = after[place].filter(|it| *it < place && !rolling);
            let name = ["a", "b", "c"][place % 3];
            Operation {
                state: *state,
                weight: weights[place],
                after: earlier.map(|it| id(it as u128 + 1)).into_iter().collect(),
                ..moves(place as u128 + 1, name)
            }
        });
        let operations = operations.collect();
        let apart = Constraint::NotTogether(vec![server(1), server(2), server(3)]);
        let constraints = if constrained { vec![apart] } else { Vec::new() };
        let run = Run::pending(PlanKind::Servers, operations, constraints).unwrap();
        let hosts = Rolling::of([host("a"), host("b"), host("c")], 2);
        let run = match rolling {
            true => run.of_hosts(hosts).unwrap(),
            false => run,
        };
        Run { state, started_at: Some(noon()), ..run }
    }
}

proptest! {
    #[test]
    fn what_follows_from_a_part_is_what_follows_from_all(
        run in runs(), number in 1..10_u128, name in prop::sample::select(&["a", "b", "c", "d"][..]),
    ) {
        for event in events(number, name) {
            assert_same(&run, &event);
        }
    }
}
