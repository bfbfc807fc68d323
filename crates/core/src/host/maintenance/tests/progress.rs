//! How far a host is, whatever runs it takes.

use proptest::prelude::*;

use super::*;
use crate::run::Progress;

fn work(purpose: Purpose) -> Work {
    Work {
        run: run(0),
        purpose,
        made: false,
        cancelling: false,
    }
}

fn in_state(state: State, work: Option<Work>) -> Maintenance {
    Maintenance {
        state,
        work,
        ..Maintenance::none(noon())
    }
}

fn at_percent(percent: u8) -> Progress {
    Progress::NONE.raised_to(percent)
}

#[test]
fn a_host_is_as_far_as_its_run_and_done_once_it_is_in_maintenance() {
    let percent = |it: &Maintenance, reached: u8, of_run: Option<u8>| {
        let of_run = of_run.map(at_percent);
        it.progress(at_percent(reached), of_run)
            .map(Progress::percent)
    };
    let entering = in_state(State::Entering, Some(work(Purpose::Emptying)));
    assert_eq!(percent(&entering, 0, Some(40)), Some(40));
    assert_eq!(
        percent(&entering, 70, Some(40)),
        Some(70),
        "it was so far already"
    );
    assert_eq!(percent(&entering, 0, None), None, "nobody knows");
    let all = entering.progress(Progress::NONE, Some(Progress::COMPLETED));
    assert_eq!(
        all.map(Progress::percent),
        Some(99),
        "it is yet to be seen empty"
    );
    let waits = in_state(State::Empty, None);
    assert_eq!(percent(&waits, 99, None), Some(99));
    assert_eq!(
        percent(&in_state(State::InMaintenance, None), 0, None),
        Some(100)
    );
    assert_eq!(percent(&in_state(State::None, None), 0, None), None);
    let home = in_state(State::Leaving, Some(work(Purpose::Returning)));
    assert_eq!(percent(&home, 0, Some(10)), Some(10));
    let cancelled = in_state(State::Leaving, Some(work(Purpose::Emptying)));
    assert_eq!(
        percent(&cancelled, 0, Some(90)),
        Some(0),
        "that was the way in"
    );
}

#[test]
fn a_run_that_another_one_follows_says_nothing_of_the_host() {
    let followed = Maintenance {
        next: Some(work(Purpose::Returning)),
        ..in_state(State::Leaving, Some(work(Purpose::Emptying)))
    };
    assert_eq!(followed.run_at_work(), None);
    assert!(!followed.ends_with_its_run());
    assert_eq!(
        followed.progress(Progress::NONE, Some(at_percent(9))),
        Some(Progress::NONE)
    );
    let alone = in_state(State::Leaving, Some(work(Purpose::Returning)));
    assert_eq!(alone.run_at_work(), alone.work);
    assert!(alone.ends_with_its_run());
}

/// What a run comes to while it is under way, and when it ends.
fn steps() -> impl Strategy<Value = Vec<(Event, u8)>> {
    let event = prop_oneof![
        Just(held("a", Immovable::Wait)),
        Just(held("b", Immovable::Skip)),
        Just(released("a", ReturnHome::Now)),
        Just(released("b", ReturnHome::Never)),
        Just(Event::RetryDue),
        (1..90_u64).prop_map(|second| seen(second, &[])),
        (1..90_u64).prop_map(|second| seen(second, &[guest()])),
        any::<bool>().prop_map(|blocked| Event::RunEnded {
            run: run(0),
            left: blocked
                .then(|| (guest(), Left::Blocked))
                .into_iter()
                .collect(),
        }),
    ];
    proptest::collection::vec((event, 0..=100_u8), 1..40)
}

proptest! {
    #[test]
    fn within_one_way_it_never_decreases_and_is_100_only_when_completed(steps in steps()) {
        let mut it = Maintenance::none(noon());
        let (mut reached, mut shown) = (Progress::NONE, None::<(Way, u8)>);
        for (number, (event, percent)) in steps.into_iter().enumerate() {
            // Whatever run is under way is meant, and each is a new one.
            let fresh = run(1 + number as u128);
            let event = match event {
                Event::RunEnded { left, .. } => {
                    let Some(work) = it.work else { continue };
                    Event::RunEnded { run: work.run, left }
                }
                other => other,
            };
            let of_run = it.work.map(|_| at_percent(percent));
            let Ok(transition) = step(&it, &event, fresh, at(LATE + number as u64)) else {
                continue;
            };
            let next = transition.next;
            let replaced = it.work.map(|work| work.run) != next.work.map(|work| work.run);
            reached = it.reached(&next, reached, of_run.filter(|_| replaced));
            it = next;
            let of_run = it.work.map(|_| at_percent(percent / 2));
            let now = it.progress(reached, of_run).map(|it| it.percent());
            let way = way(it.state);
            let Some(now) = now else { continue };
            prop_assert_eq!(now == 100, it.state == State::InMaintenance);
            // What a run says while it is under way only rises, which is not looked at here: what
            // those before it have come to is never lost.
            if let Some((before, floor)) = shown {
                prop_assert!(way != before || now >= floor, "{} after {}", now, floor);
            }
            shown = Some((way, reached.percent().max(if now == 100 { 100 } else { 0 })));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    None,
    In,
    Arrived,
    Out,
}

fn way(state: State) -> Way {
    match state {
        State::None => Way::None,
        State::Entering | State::Empty => Way::In,
        State::InMaintenance => Way::Arrived,
        State::Leaving => Way::Out,
    }
}
