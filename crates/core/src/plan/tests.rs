use std::collections::BTreeSet;

use super::*;
use crate::fixtures::noon;

fn failure() -> Failure {
    Failure::new(FailureCode::NoValidHost, "No.")
}

fn events() -> [Event; 5] {
    [
        Event::Made { blocked: 0 },
        Event::Made { blocked: 2 },
        Event::NotMade(failure()),
        Event::RunBegun,
        Event::DeadlinePassed,
    ]
}

/// Every plan that events make of a new one; each is looked at when its time is over, or not.
fn walk(kind: PlanKind, options: &Options) -> Vec<(Plan, Event, bool, Result<Plan, Rejected>)> {
    let mut steps = Vec::new();
    let mut seen: Vec<Plan> = Vec::new();
    let mut ahead = vec![Plan::begun(kind, options, noon())];
    while let Some(before) = ahead.pop() {
        let before = Plan {
            generation: 1,
            ..before
        };
        if seen.contains(&before) {
            continue;
        }
        seen.push(before.clone());
        for event in events() {
            for late in [false, true] {
                let now = match late {
                    true => before.valid_until.unwrap_or(noon()),
                    false => noon(),
                };
                let outcome = before.step(&event, now);
                ahead.extend(outcome.iter().cloned());
                steps.push((before.clone(), event.clone(), late, outcome));
            }
        }
        assert!(seen.len() < 100, "the walk does not end");
    }
    steps
}

fn all_steps() -> Vec<(Plan, Event, bool, Result<Plan, Rejected>)> {
    let partial = Options {
        allow_partial: true,
        ..Options::default()
    };
    let mut steps = walk(PlanKind::Servers, &Options::default());
    steps.extend(walk(PlanKind::Servers, &partial));
    steps
}

#[test]
fn every_state_is_reached_and_every_event_is_good_for_something() {
    let steps = all_steps();
    let states: BTreeSet<_> = steps.iter().map(|(before, ..)| before.state).collect();
    assert_eq!(states, PlanState::ALL.iter().copied().collect());
    for name in Event::NAMES {
        let mut of_name = steps.iter().filter(|(_, event, ..)| event.name() == *name);
        assert!(of_name.any(|(.., outcome)| outcome.is_ok()), "{name}");
    }
}

#[test]
fn what_is_aborted_or_expired_stays_so() {
    for (before, event, _, outcome) in all_steps() {
        if matches!(before.state, PlanState::Aborted | PlanState::Expired) {
            assert!(outcome.is_err(), "{before:?} {event:?}");
        }
    }
}

#[test]
fn a_plan_is_ready_only_if_nothing_is_blocked_or_its_caller_allowed_it() {
    for (before, event, _, outcome) in all_steps() {
        let Ok(next) = outcome else { continue };
        if next.state == PlanState::Ready && before.state == PlanState::Initializing {
            let complete = event == Event::Made { blocked: 0 };
            assert!(complete || next.may_be_partial, "{event:?}");
        }
    }
}

#[test]
fn a_plan_is_run_once_and_only_before_its_time_is_over() {
    for (before, event, late, outcome) in all_steps() {
        if event == Event::RunBegun {
            let may = before
                .check(if late { far() } else { noon() }, no_change())
                .is_ok();
            assert_eq!(outcome.is_ok(), may, "{before:?}");
        }
    }
}

fn far() -> Timestamp {
    noon().plus(Duration::from_secs(86_400))
}

fn no_change() -> Vec<&'static str> {
    Vec::new()
}

#[test]
fn nothing_waits_past_its_time() {
    for (before, event, late, outcome) in all_steps() {
        let waits = before.state == PlanState::Initializing || before.state == PlanState::Ready;
        if waits && event == Event::DeadlinePassed {
            assert_eq!(outcome.is_ok(), late, "{before:?}");
        }
    }
}

#[test]
fn whoever_runs_it_is_told_the_first_reason_why_not() {
    let made = Plan::begun(PlanKind::Server, &Options::default(), noon());
    let code = |plan: &Plan, at, differences: Vec<&'static str>| {
        plan.check(at, differences).err().map(|why| why.code())
    };
    assert_eq!(code(&made, noon(), no_change()), Some("plan-not-ready"));
    let ready = made.step(&Event::Made { blocked: 0 }, noon()).unwrap();
    assert_eq!(code(&ready, noon(), no_change()), None);
    assert_eq!(code(&ready, noon(), vec!["memory"]), Some("plan-stale"));
    assert_eq!(code(&ready, far(), vec!["memory"]), Some("plan-expired"));
    let run = ready.step(&Event::RunBegun, noon()).unwrap();
    assert_eq!(code(&run, far(), vec!["memory"]), Some("plan-already-run"));
    let aborted = made.step(&Event::NotMade(failure()), noon()).unwrap();
    assert_eq!(code(&aborted, far(), no_change()), Some("plan-not-ready"));
}

#[test]
fn a_plan_is_valid_from_when_it_is_ready_for_as_long_as_was_asked() {
    let options = Options {
        valid_seconds: 5,
        ..Options::default()
    };
    let later = noon().plus(Duration::from_secs(300));
    let plan = Plan::begun(PlanKind::Server, &options, noon());
    let plan = plan.step(&Event::Made { blocked: 0 }, later).unwrap();
    assert_eq!(plan.valid_until, Some(later.plus(Duration::from_secs(5))));
}

#[test]
fn a_maintenance_that_waits_or_skips_may_be_partial_and_one_that_shuts_down_may_not() {
    use options::Immovable as I;
    for (immovable, may) in [
        (I::Wait, true),
        (I::Skip, true),
        (I::ShutdownRestart, false),
    ] {
        let options = Options {
            immovable,
            ..Options::default()
        };
        assert_eq!(options.may_be_partial(PlanKind::Maintenance), may);
        assert_eq!(options.may_be_partial(PlanKind::Rolling), may);
        assert!(!options.may_be_partial(PlanKind::Host));
    }
}
