use proptest::prelude::*;

use super::*;
use crate::failure::{Failure, FailureCode};
use crate::fixtures::{host, noon};
use crate::plan::PlanKind;
use crate::run::tests::{id, moves, server};
use crate::run::{Event, Outcome, step};

/// The most operations of a run here.
const MANY: usize = 12;

#[derive(Clone, Debug)]
struct Shape {
    /// Of each operation, which earlier ones it waits for.
    after: Vec<Vec<prop::sample::Index>>,
    constraints: Vec<(u8, Vec<prop::sample::Index>)>,
    slots: usize,
}

fn shape() -> impl Strategy<Value = Shape> {
    let index = || any::<prop::sample::Index>();
    let after = prop::collection::vec(prop::collection::vec(index(), 0..3), 1..MANY);
    let some = prop::collection::vec(index(), 2..5);
    let constraints = prop::collection::vec((0..4_u8, some), 0..4);
    (after, constraints, 1..5_usize).prop_map(|(after, constraints, slots)| Shape {
        after,
        constraints,
        slots,
    })
}

fn run_of(shape: &Shape) -> Run {
    let count = shape.after.len();
    let mut operations = Vec::new();
    for (number, after) in shape.after.iter().enumerate() {
        let mut operation = moves(number as u128, "a");
        if number > 0 {
            let earlier = after.iter().map(|it| id(it.index(number) as u128));
            operation.after = earlier.collect();
        }
        operations.push(operation);
    }
    let constraints = shape.constraints.iter().map(|(kind, servers)| {
        let servers: BTreeSet<_> = servers.iter().map(|it| it.index(count)).collect();
        let servers: Vec<_> = servers.into_iter().map(|it| server(it as u128)).collect();
        match (kind, servers.as_slice()) {
            // From a lower number to a higher one, as `after` has it: so there is no circle.
            (0, [first, .., last]) => Constraint::Before(*first, *last),
            (1, _) => Constraint::NotTogether(servers),
            // At most none would never move any, and is no request.
            (most, _) => Constraint::AtMost(u32::from(*most).max(1), servers),
        }
    });
    Run::pending(PlanKind::Servers, operations, constraints.collect()).unwrap()
}

proptest! {
    /// However slots are given and operations end, all come to their turn, and no constraint is
    /// broken on the way.
    #[test]
    fn every_operation_gets_its_turn(
        shape in shape(),
        ends in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 64),
    ) {
        let mut run = run_of(&shape);
        let apply = |run: &mut Run, event: Event| *run = step(run, &event, noon()).unwrap().next;
        apply(&mut run, Event::RoomClaimed);
        let mut ends = ends.iter().cycle();
        for _ in 0..10 * MANY {
            if run.state != RunState::Running {
                break;
            }
            let mut slots = shape.slots - run.in_state(OperationState::Running).count();
            let begun = startable(&run, |_| {
                let free = slots > 0;
                slots = slots.saturating_sub(1);
                free
            });
            for id in begun {
                apply(&mut run, Event::OperationBegun(id, None));
            }
            let running: Vec<_> = run.in_state(OperationState::Running).map(|it| it.id).collect();
            prop_assert!(!running.is_empty(), "nothing runs, and nothing may: {run:?}");
            if slots > 0 {
                prop_assert_eq!(startable(&run, |_| true), [], "a slot is free");
            }
            let (which, works) = ends.next().unwrap();
            let outcome = match works {
                true => Outcome::Completed,
                false => Outcome::Failed(Failure::new(FailureCode::GuestLost, "No.")),
            };
            apply(&mut run, Event::OperationEnded(*which.get(&running), outcome));
        }
        prop_assert!(run.state.is_terminal(), "{run:?}");
    }
}

#[test]
fn an_operation_that_finds_no_slot_holds_up_nobody() {
    let operations = vec![moves(1, "a"), moves(2, "b"), moves(3, "a")];
    let run = Run::pending(PlanKind::Servers, operations, vec![]).unwrap();
    let run = step(&run, &Event::RoomClaimed, noon()).unwrap().next;
    assert_eq!(startable(&run, |it| it.source == "b"), [id(2)]);
    assert_eq!(startable(&run, |it| it.source == "a"), [id(1), id(3)]);
}

#[test]
fn what_begins_together_keeps_to_the_constraints_together() {
    let operations = vec![moves(1, "a"), moves(2, "a"), moves(3, "a")];
    let constraint = Constraint::AtMost(2, vec![server(1), server(2), server(3)]);
    let run = Run::pending(PlanKind::Servers, operations, vec![constraint]).unwrap();
    let run = step(&run, &Event::RoomClaimed, noon()).unwrap().next;
    assert_eq!(startable(&run, |_| true), [id(1), id(2)]);
}

#[test]
fn one_server_is_in_one_operation_at_a_time() {
    let again = Operation {
        id: id(2),
        ..moves(1, "a")
    };
    let run = Run::pending(PlanKind::Servers, vec![moves(1, "a"), again], vec![]).unwrap();
    let run = step(&run, &Event::RoomClaimed, noon()).unwrap().next;
    assert_eq!(startable(&run, |_| true), [id(1)]);
}

/// Of a, then b; the second brings a server of b to a.
fn rolling(after_done: Option<&str>) -> Result<Run, crate::run::Circle> {
    let mut second = moves(2, "b");
    second.after_done = after_done.map(host);
    let run = Run::pending(PlanKind::Rolling, vec![moves(1, "a"), second], vec![]).unwrap();
    run.of_hosts(Rolling::of([host("a"), host("b")], 2))
}

#[test]
fn what_waits_for_a_host_begins_when_that_is_done() {
    let mut run = rolling(Some("a")).unwrap();
    for event in [
        Event::RoomClaimed,
        Event::OperationBegun(id(1), None),
        Event::OperationEnded(id(1), Outcome::Completed),
        Event::HostReady(host("a")),
        Event::HostDone(host("a")),
    ] {
        run = step(&run, &event, noon()).unwrap().next;
        assert!(!startable(&run, |_| true).contains(&id(2)), "{event:?}");
    }
    let event = Event::HostReturned(host("a"));
    run = step(&run, &event, noon()).unwrap().next;
    assert_eq!(startable(&run, |_| true), [id(2)]);
}

#[test]
fn a_host_that_an_operation_waits_for_has_its_turn_before() {
    assert!(rolling(None).is_ok() && rolling(Some("a")).is_ok());
    for never in ["b", "c"] {
        assert_eq!(
            rolling(Some(never)),
            Err(crate::run::Circle(id(2))),
            "{never}"
        );
    }
}
