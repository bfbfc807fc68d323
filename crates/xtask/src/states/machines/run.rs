//! The walk over runs, their operations, and the hosts of those that empty many.

use std::collections::BTreeSet;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::OperationUuid;
use godwit_core::plan::PlanKind;
use godwit_core::run::{
    Effect, Event, Operation, OperationKind, OperationState, Outcome, Rolling, RollingState, Run,
    RunState, Transition, step,
};
use uuid::Uuid;

use super::super::walk::{host, now};
use super::{Machine, Step, walk};

pub(super) fn machines() -> Vec<Machine> {
    let mut of = Steps::default();
    for first in firsts() {
        walk([first], plain, |before| {
            let mut next = Vec::new();
            for event in events() {
                if let Ok(transition) = step(before, &event, now()) {
                    of.add(before, &event, &transition);
                    next.push(transition.next);
                }
            }
            next
        });
    }
    vec![
        Machine {
            title: "Run",
            about: "Terminal only when nothing of it moves any more.",
            states: RunState::ALL.iter().map(|it| it.as_str()).collect(),
            ends: ends(RunState::ALL, |it| it.is_terminal(), |it| it.as_str()),
            steps: of.runs,
        },
        Machine {
            title: "Operation of a run",
            about: "What becomes of each operation by what happens to it or to its run.",
            states: OperationState::ALL.iter().map(|it| it.as_str()).collect(),
            ends: ends(OperationState::ALL, |it| it.is_terminal(), |it| it.as_str()),
            steps: of.operations,
        },
        Machine {
            title: "Host of a rolling run",
            about: "A host whose state changes while its run goes on to the next one is drawn by \
                    the event that let it.",
            states: RollingState::ALL.iter().map(|it| it.as_str()).collect(),
            ends: vec![RollingState::Done.as_str()],
            steps: of.hosts,
        },
    ]
}

fn ends<T: Copy>(
    all: &[T],
    ends: impl Fn(T) -> bool,
    name: impl Fn(T) -> &'static str,
) -> Vec<&'static str> {
    let ends = all.iter().filter(|it| ends(**it));
    ends.map(|it| name(*it)).collect()
}

#[derive(Default)]
struct Steps {
    runs: BTreeSet<Step>,
    operations: BTreeSet<Step>,
    hosts: BTreeSet<Step>,
}

impl Steps {
    fn add(&mut self, before: &Run, event: &Event, transition: &Transition) {
        let Transition { next, effects } = transition;
        let step = |from, to, effects: Vec<&'static str>| Step {
            from,
            event: event.name(),
            to,
            effects,
        };
        // What concerns one operation or one host stands with that.
        let own = effects.iter().filter(|effect| **effect == Effect::FreeRoom);
        let own = own.map(Effect::name).collect();
        let (from, to) = (before.state.as_str(), next.state.as_str());
        self.runs.insert(step(from, to, own));
        for (was, is) in before.operations.iter().zip(&next.operations) {
            let of_it = effects.iter().filter(|effect| match effect {
                Effect::Abort(id) | Effect::Replan(id) => *id == is.id,
                Effect::Hold(_) | Effect::Release(_) | Effect::FreeRoom => false,
            });
            if was != is {
                let (from, to) = (was.state.as_str(), is.state.as_str());
                let step = step(from, to, of_it.map(Effect::name).collect());
                self.operations.insert(step);
            }
        }
        let hosts = |run: &Run| run.rolling.iter().flat_map(|it| it.hosts.clone()).collect();
        let (was, is): (Vec<_>, Vec<_>) = (hosts(before), hosts(next));
        for (was, is) in was.iter().zip(&is) {
            let of_it = effects.iter().filter(|effect| match effect {
                Effect::Hold(host) | Effect::Release(host) => *host == is.host,
                Effect::Abort(_) | Effect::Replan(_) | Effect::FreeRoom => false,
            });
            let of_it: Vec<_> = of_it.map(Effect::name).collect();
            if was != is || !of_it.is_empty() {
                let step = step(was.state.as_str(), is.state.as_str(), of_it);
                self.hosts.insert(step);
            }
        }
    }
}

fn id(number: u128) -> OperationUuid {
    Uuid::from_u128(number).into()
}

fn operations() -> Vec<Operation> {
    let moves = |number, source| {
        let server = Uuid::from_u128(number).into();
        Operation::waiting(id(number), OperationKind::Live, server, (source, "z"))
    };
    vec![moves(1, "a"), moves(2, "b")]
}

/// Two operations of any hosts, and of two that are emptied one after the other.
fn firsts() -> [Run; 2] {
    let of = |kind| {
        let run = Run::pending(kind, operations(), Vec::new()).expect("nobody waits for another");
        Run {
            attempts_max: 2,
            deadline: Some(now()),
            ..run
        }
    };
    let rolling = Rolling::of([host("a"), host("b")], 1);
    let rolling = of(PlanKind::Rolling).of_hosts(rolling);
    [
        of(PlanKind::Servers),
        rolling.expect("nobody waits for another"),
    ]
}

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "as reported")
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::RoomClaimed,
        Event::RoomRefused(failure(FailureCode::NoValidHost)),
        Event::DeadlinePassed,
    ];
    for abort_running in [false, true] {
        events.push(Event::CancelRequested { abort_running });
    }
    for id in [id(1), id(2)] {
        let ended = |outcome| Event::OperationEnded(id, outcome);
        events.extend([
            Event::OperationBegun(id, None),
            Event::OperationRefused(id, failure(FailureCode::DestinationFull)),
            ended(Outcome::Completed),
            ended(Outcome::Failed(failure(FailureCode::LinkLost))),
            ended(Outcome::Failed(failure(FailureCode::GuestLost))),
            ended(Outcome::Cancelled(failure(FailureCode::Aborted))),
            ended(Outcome::Skipped(failure(FailureCode::Superseded))),
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

/// Without what only counts and reports.
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
