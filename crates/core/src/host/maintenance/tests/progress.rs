//! How far a host is, whatever runs it takes.

use proptest::prelude::*;

use super::*;
use crate::host::maintenance::progress::Way;
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
fn a_run_that_another_one_follows_does_not_say_when_the_host_is_ready() {
    let followed = |state, work, next| Maintenance {
        next: Some(next),
        ..in_state(state, Some(work))
    };
    let (empties, returns) = (work(Purpose::Emptying), work(Purpose::Returning));
    let left = followed(State::Leaving, empties, returns);
    assert_eq!(left.run_at_work(), None);
    assert!(!left.ends_with_its_run());
    let percent = |it: &Maintenance| it.progress(Progress::NONE, Some(at_percent(9)));
    assert_eq!(percent(&left), Some(Progress::NONE));
    let again = followed(State::Entering, empties, empties);
    assert!(!again.ends_with_its_run());
    assert_eq!(percent(&again), Some(at_percent(9)), "it has come so far");
    let alone = in_state(State::Leaving, Some(returns));
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
            cancelled_by: None,
        }),
    ];
    proptest::collection::vec((event, 0..=100_u8), 1..40)
}

proptest! {
    #[test]
    fn within_one_way_it_never_decreases_and_is_100_only_when_completed(steps in steps()) {
        let mut it = Maintenance::none(noon());
        let (mut reached, mut shown) = (Progress::NONE, None::<(Way, Progress)>);
        // Of the run under way, which never decreases either.
        let mut of_run = Progress::NONE;
        for (number, (event, percent)) in (0_u64..).zip(steps) {
            of_run = of_run.raised_to(percent);
            let event = match (event, it.work) {
                // Whatever run is under way is meant.
                (Event::RunEnded { left, cancelled_by, .. }, Some(work)) => {
                    Event::RunEnded { run: work.run, left, cancelled_by }
                }
                (Event::RunEnded { .. }, None) => continue,
                (other, _) => other,
            };
            let fresh = run(1 + u128::from(number));
            let Ok(Transition { next, .. }) = step(&it, &event, fresh, at(LATE + number)) else {
                continue;
            };
            let under_way = |it: &Maintenance| it.work.map(|work| work.run);
            let is_replaced = under_way(&it).is_some() && under_way(&it) != under_way(&next);
            reached = it.reached(&next, reached, is_replaced.then_some(of_run));
            if under_way(&it) != under_way(&next) {
                of_run = Progress::NONE;
            }
            it = next;
            let Some(now) = it.progress(reached, it.work.map(|_| of_run)) else {
                prop_assert_eq!(it.state, State::None);
                shown = None;
                continue;
            };
            prop_assert_eq!(now == Progress::COMPLETED, it.state == State::InMaintenance);
            let way = Way::of(it.state);
            if let Some((_, before)) = shown.filter(|(before, _)| *before == way) {
                prop_assert!(now >= before, "{:?} after {:?}", now, before);
            }
            shown = Some((way, now));
        }
    }
}
