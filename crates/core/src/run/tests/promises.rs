//! What the table promises, over every step of the walk.

use super::*;

fn states(run: &Run) -> Vec<OperationState> {
    run.operations.iter().map(|it| it.state).collect()
}

fn count(effects: &[Effect], wanted: &Effect) -> usize {
    effects.iter().filter(|effect| *effect == wanted).count()
}

#[test]
fn the_walk_visits_every_state_and_every_event_is_good_for_something() {
    let (mut runs, mut operations) = (BTreeSet::new(), BTreeSet::new());
    let mut good = BTreeSet::new();
    walk(|before, event, outcome| {
        runs.insert(before.state);
        operations.extend(states(before));
        if outcome.is_ok() {
            good.insert(event.name());
        }
    });
    assert_eq!(runs, RunState::ALL.iter().copied().collect());
    assert_eq!(operations, OperationState::ALL.iter().copied().collect());
    assert_eq!(good, Event::NAMES.iter().copied().collect());
}

#[test]
fn what_has_ended_stays_as_it_is() {
    walk(|before, event, outcome| {
        if before.state.is_terminal() {
            assert_eq!(*outcome, Err(Rejected::Ended(before.state)), "{event:?}");
        }
        let Ok(Transition { next, .. }) = outcome else {
            return;
        };
        for (was, is) in states(before).into_iter().zip(states(next)) {
            assert!(
                !was.is_terminal() || was == is,
                "{was} to {is} by {event:?}"
            );
        }
    });
}

#[test]
fn a_run_that_has_ended_has_nothing_that_runs_or_may_yet() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.state.is_terminal() {
            let ended = states(next).into_iter().all(OperationState::is_terminal);
            assert!(ended, "{} by {event:?}", next.state);
            assert!(next.ended_at.is_some());
        }
    });
}

#[test]
fn completed_means_that_all_was_done() {
    for_each_transition(|_, event, Transition { next, .. }| {
        let all = states(next)
            .into_iter()
            .all(|it| it == OperationState::Completed);
        if next.state == RunState::Completed {
            assert!(all && next.blocked == 0, "{event:?}");
        }
        let done = next.progress == Progress::COMPLETED;
        assert_eq!(done, next.state == RunState::Completed);
    });
}

#[test]
fn progress_never_decreases() {
    for_each_transition(|before, event, Transition { next, .. }| {
        assert!(next.progress >= before.progress, "{event:?}");
    });
}

#[test]
fn nothing_begins_once_the_run_is_to_end_or_late() {
    for_each_transition(|before, event, Transition { next, .. }| {
        let begins = states(before).into_iter().zip(states(next));
        let begins = begins.filter(|it| *it == (OperationState::Waiting, OperationState::Running));
        let may = before.state == RunState::Running
            && before.cancel_requested_at.is_none()
            && !before.is_late;
        assert!(may || begins.count() == 0, "{event:?}");
        let waits = states(next).contains(&OperationState::Waiting);
        let over = next.cancel_requested_at.is_some() || next.is_late;
        assert!(!(waits && over), "{event:?}");
    });
}

#[test]
fn operations_begin_only_as_constraints_permit() {
    for_each_transition(|before, event, Transition { next, .. }| {
        let running: Vec<_> = next
            .in_state(OperationState::Running)
            .map(|it| it.server)
            .collect();
        for constraint in &next.constraints {
            match constraint {
                Constraint::Before(first, second) => {
                    let open = |it: &&Operation| !it.state.is_terminal() && it.server == *first;
                    let first_open = before.operations.iter().any(|it| open(&it));
                    assert!(!(first_open && running.contains(second)), "{event:?}");
                }
                Constraint::NotTogether(servers) | Constraint::AtMost(_, servers) => {
                    let together = servers.iter().filter(|it| running.contains(it));
                    let most = constraint.limit().unwrap() as usize;
                    assert!(together.count() <= most, "{event:?}");
                }
            }
        }
    });
}

#[test]
fn an_operation_is_tried_so_many_times_and_no_more() {
    for_each_transition(|_, event, Transition { next, effects }| {
        for operation in &next.operations {
            assert!(operation.attempts <= next.attempts_max, "{event:?}");
            let asked = effects.contains(&Effect::Replan(operation.id));
            let waits = operation.replan && operation.state == OperationState::Waiting;
            assert!(!asked || waits);
            assert_eq!(operation.replan, waits, "{event:?}");
        }
    });
}

#[test]
fn room_is_given_back_exactly_once_and_only_if_it_was_claimed() {
    for_each_transition(|before, event, Transition { next, effects }| {
        let ends = next.state.is_terminal() && next.started_at.is_some();
        assert_eq!(
            count(effects, &Effect::FreeRoom),
            usize::from(ends),
            "{before:?} {event:?}"
        );
    });
}

#[test]
fn what_runs_is_aborted_only_on_request_and_once() {
    for_each_transition(|before, event, Transition { next, effects }| {
        for (was, is) in before.operations.iter().zip(&next.operations) {
            let asked = count(effects, &Effect::Abort(is.id));
            assert_eq!(
                asked,
                usize::from(is.aborting && !was.aborting),
                "{event:?}"
            );
            let requested = *event
                == Event::CancelRequested {
                    abort_running: true,
                };
            assert!(asked == 0 || requested);
        }
    });
}

#[test]
fn a_host_is_held_and_released_once_and_no_more_than_permitted_are() {
    for_each_transition(|before, event, Transition { next, effects }| {
        let (Some(was), Some(is)) = (&before.rolling, &next.rolling) else {
            return;
        };
        assert!(is.unavailable().count() <= is.max_unavailable as usize);
        for (was, is) in was.hosts.iter().zip(&is.hosts) {
            let begins = was.state == RollingState::Waiting && is.state == RollingState::Emptying;
            let held = count(effects, &Effect::Hold(is.host.clone()));
            assert_eq!(held, usize::from(begins), "{event:?}");
            let gives_up =
                next.state.is_terminal() && is.state == RollingState::Emptying && !is.released;
            let releases = is.released && !was.released || gives_up;
            let released = count(effects, &Effect::Release(is.host.clone()));
            assert_eq!(released, usize::from(releases), "{event:?}");
        }
    });
}

/// Without slots to wait for, something runs or may begin, or is being planned anew.
#[test]
fn a_run_is_never_stuck() {
    walk(|before, _, _| {
        if before.state == RunState::Running && before.rolling.is_none() {
            let running = before.in_state(OperationState::Running).next().is_some();
            let begins = !order::startable(before, |_| true).is_empty();
            let replans = before.operations.iter().any(|it| it.replan);
            assert!(running || begins || replans, "{before:?}");
        }
        if before.state == RunState::Cancelling {
            let running = before.in_state(OperationState::Running).next().is_some();
            assert!(running || guests_return(before), "{before:?}");
        }
    });
}

fn guests_return(run: &Run) -> bool {
    let hosts = run.rolling.iter().flat_map(|it| &it.hosts);
    let mut hosts = hosts.filter(|it| it.released);
    hosts.any(|it| it.state != RollingState::Done)
}

/// And a run of many hosts can always be ended by hand.
#[test]
fn a_cancelled_run_ends_as_soon_as_nothing_of_it_moves_and_not_before() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.cancel_requested_at.is_some() {
            let runs = next.in_state(OperationState::Running).next().is_some();
            let moves = runs || guests_return(next);
            assert_eq!(next.state == RunState::Cancelling, moves, "{event:?}");
        }
    });
}

#[test]
fn no_run_ends_while_guests_return_to_one_of_its_hosts() {
    for_each_transition(|_, event, Transition { next, .. }| {
        assert!(
            !next.state.is_terminal() || !guests_return(next),
            "{event:?}"
        );
    });
}

#[test]
fn what_may_begin_is_accepted_and_nothing_else_is() {
    walk(|before, event, outcome| {
        if let Event::OperationBegun(id, _) = event {
            let may = order::startable(before, |_| true);
            let alone = before
                .operation(*id)
                .is_some_and(|it| order::may_start(before, it));
            assert_eq!(outcome.is_ok(), alone);
            assert!(alone || !may.contains(id));
        }
    });
}
