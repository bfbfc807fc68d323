//! Whole runs, told from the beginning.

use super::*;
use crate::status::MigrationStatus;

fn then(run: &Run, events: impl IntoIterator<Item = Event>) -> Run {
    events.into_iter().fold(run.clone(), |run, event| {
        step(&run, &event, noon())
            .unwrap_or_else(|why| panic!("{event:?}: {why}"))
            .next
    })
}

fn two() -> Run {
    let operations = vec![moves(1, "a"), moves(2, "a")];
    Run::pending(PlanKind::Host, operations, vec![]).unwrap()
}

fn begun(number: u128) -> Event {
    Event::OperationBegun(id(number), None)
}

fn completed(number: u128) -> Event {
    Event::OperationEnded(id(number), Outcome::Completed)
}

fn failed(number: u128, code: FailureCode) -> Event {
    Event::OperationEnded(id(number), Outcome::Failed(failure(code)))
}

const CANCEL: Event = Event::CancelRequested {
    abort_running: false,
};

#[test]
fn a_run_whose_operations_are_all_done_is_completed() {
    let run = then(
        &two(),
        [Event::RoomClaimed, begun(1), begun(2), completed(2)],
    );
    assert_eq!((run.state, run.progress.percent()), (RunState::Running, 50));
    let run = then(&run, [completed(1)]);
    assert_eq!(
        (run.state, run.progress.percent()),
        (RunState::Completed, 100)
    );
}

#[test]
fn a_failed_operation_is_planned_anew_and_the_revision_says_so() {
    let run = then(&two(), [Event::RoomClaimed, begun(1)]);
    let transition = step(&run, &failed(1, FailureCode::LinkLost), noon()).unwrap();
    assert_eq!(transition.effects, [Effect::Replan(id(1))]);
    let run = then(
        &transition.next,
        [Event::OperationRevised(
            id(1),
            "y".to_owned(),
            OperationKind::Live,
        )],
    );
    let revision = run.revisions.first().unwrap();
    assert_eq!((revision.from.as_str(), revision.to.as_str()), ("z", "y"));
    assert_eq!(
        revision.because.as_ref().unwrap().code,
        FailureCode::LinkLost
    );
    let run = then(&run, [begun(1), completed(1), begun(2), completed(2)]);
    assert_eq!(run.state, RunState::Completed);
}

#[test]
fn what_another_destination_cannot_help_is_not_tried_again() {
    for code in [
        FailureCode::GuestLost,
        FailureCode::Superseded,
        FailureCode::StopFailed,
    ] {
        let run = then(&two(), [Event::RoomClaimed, begun(1), failed(1, code)]);
        assert_eq!(run.operations[0].state, OperationState::Failed);
    }
}

#[test]
fn a_run_with_one_destination_does_not_try_another() {
    let run = Run {
        attempts_max: 1,
        ..two()
    };
    let run = then(
        &run,
        [
            Event::RoomClaimed,
            begun(1),
            failed(1, FailureCode::LinkLost),
        ],
    );
    assert_eq!(run.operations[0].state, OperationState::Failed);
}

#[test]
fn some_done_and_some_failed_is_partial_and_none_done_is_failed() {
    let lost = FailureCode::GuestLost;
    let run = then(
        &two(),
        [Event::RoomClaimed, begun(1), begun(2), failed(1, lost)],
    );
    assert_eq!(then(&run, [completed(2)]).state, RunState::Partial);
    assert_eq!(then(&run, [failed(2, lost)]).state, RunState::Failed);
}

/// As xen-orchestra's 10260 has it: return home onto full hosts.
#[test]
fn what_cannot_return_home_makes_the_run_partial() {
    let run = Run {
        kind: PlanKind::ReturnHome,
        attempts_max: 1,
        ..two()
    };
    let full = |number| Event::OperationRefused(id(number), failure(FailureCode::DestinationFull));
    let run = then(&run, [Event::RoomClaimed, full(1), full(2)]);
    assert_eq!(run.state, RunState::Partial);
}

#[test]
fn a_way_home_for_which_there_is_no_room_is_partial_too() {
    let run = Run {
        kind: PlanKind::ReturnHome,
        ..two()
    };
    let refused = || Event::RoomRefused(failure(FailureCode::NoValidHost));
    assert_eq!(then(&run, [refused()]).state, RunState::Partial);
    assert_eq!(then(&two(), [refused()]).state, RunState::Failed);
}

#[test]
fn what_has_not_begun_is_cancelled_at_once_and_what_runs_may_end() {
    let run = then(&two(), [Event::RoomClaimed, begun(1), CANCEL]);
    assert_eq!(run.state, RunState::Cancelling);
    assert_eq!(run.operations[1].state, OperationState::Cancelled);
    let late = step(&run, &begun(2), noon());
    assert!(matches!(late, Err(Rejected::OutOfPlace { .. })));
    let run = then(&run, [completed(1)]);
    assert_eq!(run.state, RunState::Cancelled);
}

#[test]
fn a_cancellation_that_comes_too_late_leaves_the_run_completed() {
    let run = then(&two(), [Event::RoomClaimed, begun(1), begun(2), CANCEL]);
    let run = then(&run, [completed(1), completed(2)]);
    assert_eq!(run.state, RunState::Completed);
    assert!(run.cancel_requested_at.is_some());
}

#[test]
fn whoever_cancels_may_ask_for_an_abort_later() {
    let run = then(&two(), [Event::RoomClaimed, begun(1), CANCEL]);
    let abort = Event::CancelRequested {
        abort_running: true,
    };
    let transition = step(&run, &abort, noon()).unwrap();
    assert_eq!(transition.effects, [Effect::Abort(id(1))]);
    let again = step(&transition.next, &abort, noon()).unwrap();
    assert_eq!(again.effects, []);
}

#[test]
fn at_the_deadline_nothing_new_starts_and_the_run_is_partial() {
    let run = Run {
        deadline: Some(noon()),
        ..two()
    };
    let early = step(
        &run,
        &Event::DeadlinePassed,
        noon().minus(Duration::from_secs(1)),
    );
    assert_eq!(early, Err(Rejected::TooEarly));
    let run = then(&run, [Event::RoomClaimed, begun(1), Event::DeadlinePassed]);
    assert_eq!(run.operations[1].state, OperationState::Skipped);
    assert_eq!(then(&run, [completed(1)]).state, RunState::Partial);
    assert_eq!(
        then(&run, [failed(1, FailureCode::LinkLost)]).state,
        RunState::Partial
    );
}

#[test]
fn an_operation_that_has_begun_cannot_be_skipped() {
    let run = then(&two(), [Event::RoomClaimed, begun(1)]);
    let skip = |run: &Run, number| step(run, &Event::SkipRequested(id(number)), noon());
    let code = |run: &Run, number| skip(run, number).unwrap_err().code();
    assert_eq!(code(&run, 1), Some("operation-started"));
    let run = then(&run, [completed(1)]);
    assert_eq!(code(&run, 1), Some("already-ended"));
    assert_eq!(skip(&run, 9), Err(Rejected::UnknownOperation(id(9))));
    let run = then(&run, [Event::SkipRequested(id(2))]);
    assert_eq!(run.state, RunState::Partial);
    assert_eq!(code(&run, 2), Some("already-ended"));
}

#[test]
fn a_destination_is_changed_so_many_times_and_no_more() {
    let run = then(&two(), [Event::RoomClaimed]);
    let revised = || Event::OperationRevised(id(1), "y".to_owned(), OperationKind::Live);
    let run = then(
        &run,
        std::iter::repeat_with(revised).take(REVISIONS_MAX as usize),
    );
    let once_more = step(&run, &revised(), noon());
    assert_eq!(once_more, Err(Rejected::RevisedTooOften(id(1))));
    assert!(run.revisions.iter().all(|it| it.because.is_none()));
}

#[test]
fn an_operation_ends_with_its_migration_and_not_before() {
    for status in MigrationStatus::ALL.iter().copied() {
        let outcome = Outcome::of(status, None);
        assert_eq!(outcome.is_some(), status.has_ended(), "{status}");
    }
    assert_eq!(
        Outcome::of(MigrationStatus::Done, None),
        Some(Outcome::Completed)
    );
}

fn rolling() -> Run {
    let operations = vec![moves(1, "a"), moves(2, "b")];
    let run = Run::pending(PlanKind::Rolling, operations, vec![]).unwrap();
    run.of_hosts(Rolling::of([host("a"), host("b")], 1))
        .unwrap()
}

#[test]
fn hosts_are_emptied_one_after_the_other_and_only_once_the_guests_are_back() {
    let transition = step(&rolling(), &Event::RoomClaimed, noon()).unwrap();
    assert_eq!(transition.effects, [Effect::Hold(host("a"))]);
    let run = transition.next;
    assert_eq!(order::startable(&run, |_| true), [id(1)]);
    let run = then(&run, [begun(1), completed(1), Event::HostReady(host("a"))]);
    assert_eq!(order::startable(&run, |_| true), []);
    let transition = step(&run, &Event::HostDone(host("a")), noon()).unwrap();
    assert_eq!(transition.effects, [Effect::Release(host("a"))]);
    let transition = step(&transition.next, &Event::HostReturned(host("a")), noon()).unwrap();
    assert_eq!(transition.effects, [Effect::Hold(host("b"))]);
    let run = then(
        &transition.next,
        [
            begun(2),
            completed(2),
            Event::HostReady(host("b")),
            Event::HostDone(host("b")),
            Event::HostReturned(host("b")),
        ],
    );
    assert_eq!(run.state, RunState::Completed);
}

#[test]
fn a_host_that_cannot_be_emptied_is_given_up_by_hand_but_not_while_something_leaves_it() {
    let run = then(&rolling(), [Event::RoomClaimed, begun(1)]);
    let done = Event::HostDone(host("a"));
    assert!(matches!(
        step(&run, &done, noon()),
        Err(Rejected::Host { .. })
    ));
    let run = then(&run, [failed(1, FailureCode::GuestLost), done]);
    let run = then(&run, [Event::HostReturned(host("a"))]);
    assert_eq!(order::startable(&run, |_| true), [id(2)]);
}

#[test]
fn a_host_that_somebody_has_released_is_left_alone_and_the_next_one_begins() {
    let held = || Event::HostHeld(host("a"));
    let released = || Event::HostReleased(host("a"));
    let run = then(&rolling(), [Event::RoomClaimed]);
    assert!(
        step(&run, &released(), noon()).is_err(),
        "it is not held yet"
    );
    let run = then(&run, [held()]);
    assert!(step(&run, &held(), noon()).is_err(), "it is not held again");
    let waited = step(&run, &released(), noon()).unwrap();
    assert_eq!(waited.effects, [Effect::Release(host("a"))]);
    assert_eq!(waited.next.operations[0].state, OperationState::Skipped);
    assert!(waited.next.operations[0].failure.is_some());
    let next = step(&waited.next, &Event::HostReturned(host("a")), noon()).unwrap();
    assert_eq!(next.effects, [Effect::Hold(host("b"))]);

    let moving = then(&run, [begun(1)]);
    assert!(step(&moving, &released(), noon()).is_err(), "it goes on");
    let moved = then(&moving, [completed(1), released()]);
    assert_eq!(order::startable(&moved, |_| true), []);
    let ready = then(
        &run,
        [
            begun(1),
            completed(1),
            Event::HostReady(host("a")),
            released(),
        ],
    );
    let back = step(&ready, &Event::HostReturned(host("a")), noon()).unwrap();
    assert_eq!(back.effects, [Effect::Hold(host("b"))]);
}

#[test]
fn a_cancelled_run_keeps_hold_of_the_host_that_somebody_works_on() {
    let ready = [
        Event::RoomClaimed,
        begun(1),
        completed(1),
        Event::HostReady(host("a")),
    ];
    let transition = step(&then(&rolling(), ready), &CANCEL, noon()).unwrap();
    assert_eq!(transition.next.state, RunState::Cancelled);
    assert_eq!(transition.effects, [Effect::FreeRoom]);
    let emptying = then(&rolling(), [Event::RoomClaimed]);
    let transition = step(&emptying, &CANCEL, noon()).unwrap();
    assert_eq!(
        transition.effects,
        [Effect::Release(host("a")), Effect::FreeRoom]
    );
}

#[test]
fn a_run_is_not_cancelled_before_the_guests_of_a_released_host_are_back() {
    let returning = [
        Event::RoomClaimed,
        begun(1),
        completed(1),
        Event::HostReady(host("a")),
        Event::HostDone(host("a")),
        CANCEL,
    ];
    let run = then(&rolling(), returning);
    assert_eq!(run.state, RunState::Cancelling);
    let run = then(&run, [Event::HostReturned(host("a"))]);
    assert_eq!(run.state, RunState::Cancelled);
}

#[test]
fn an_operation_that_would_wait_for_itself_is_no_run() {
    let mut operations = vec![moves(1, "a"), moves(2, "a")];
    operations[0].after = vec![id(2)];
    let before = vec![Constraint::Before(server(1), server(2))];
    assert!(Run::pending(PlanKind::Host, operations.clone(), vec![]).is_ok());
    assert!(Run::pending(PlanKind::Host, operations, before).is_err());
}

#[test]
fn an_operation_that_would_wait_for_a_later_host_is_no_run() {
    let mut operations = vec![moves(1, "a"), moves(2, "b")];
    operations[0].after = vec![id(2)];
    let run = Run::pending(PlanKind::Rolling, operations, vec![]).unwrap();
    let of = |hosts: [&str; 2]| run.clone().of_hosts(Rolling::of(hosts.map(host), 1));
    assert!(of(["a", "b"]).is_err());
    assert!(of(["b", "a"]).is_ok());
}

#[test]
fn a_run_is_as_its_plan_was_asked_for() {
    let options = Options {
        deadline: Some(noon()),
        constraints: vec![Constraint::NotTogether(vec![server(1), server(2)])],
        ..Options::default()
    };
    let of = |target| Run::of_plan(&target, &options, vec![moves(1, "a")], 2).unwrap();
    let run = of(Target::Server(server(1), None));
    assert_eq!((run.kind, run.blocked), (PlanKind::Server, 2));
    assert_eq!((run.attempts_max, run.rolling), (ATTEMPTS_MAX, None));
    assert_eq!(
        (run.deadline, run.constraints),
        (Some(noon()), options.constraints.clone())
    );
    let named = of(Target::Server(server(1), Some(host("z"))));
    assert_eq!(named.attempts_max, 1, "there is no other destination");
    let rolling = of(Target::Rolling {
        hosts: vec![host("a"), host("b")],
        max_unavailable: 2,
    });
    assert_eq!(
        rolling.rolling,
        Some(Rolling::of([host("a"), host("b")], 2))
    );
}

fn named(fallback: Fallback) -> Run {
    let run = Run {
        attempts_max: 1,
        fallback,
        ..two()
    };
    then(&run, [Event::RoomClaimed, begun(1)])
}

#[test]
fn a_move_that_did_not_end_is_a_cold_one_where_that_is_permitted_and_once() {
    for code in [FailureCode::Stalled, FailureCode::TimedOut] {
        let run = then(&named(Fallback::None), [failed(1, code)]);
        assert_eq!(run.operations[0].state, OperationState::Failed);
        let run = then(&named(Fallback::Cold), [failed(1, code)]);
        assert!(run.operations[0].replan);
        let cold = Event::OperationRevised(id(1), "z".to_owned(), OperationKind::Cold);
        let run = then(&run, [cold, begun(1)]);
        assert_eq!(run.operations[0].kind, OperationKind::Cold);
        let run = then(&run, [failed(1, code)]);
        assert_eq!(run.operations[0].state, OperationState::Failed);
    }
    let run = then(&named(Fallback::Cold), [failed(1, FailureCode::LinkLost)]);
    assert_eq!(run.operations[0].state, OperationState::Failed);
}

#[test]
fn no_operation_becomes_what_nobody_has_asked_for() {
    let waiting = |fallback| {
        let run = Run { fallback, ..two() };
        then(
            &run,
            [
                Event::RoomClaimed,
                begun(1),
                failed(1, FailureCode::LinkLost),
            ],
        )
    };
    let revised = |fallback, kind| {
        let event = Event::OperationRevised(id(1), "y".to_owned(), kind);
        step(&waiting(fallback), &event, noon()).map(|it| it.next.operations[0].kind)
    };
    let (live, cold) = (OperationKind::Live, OperationKind::Cold);
    assert_eq!(
        revised(Fallback::None, cold),
        Err(Rejected::OtherKind(id(1), cold))
    );
    assert_eq!(revised(Fallback::Cold, cold), Ok(cold));
    assert_eq!(revised(Fallback::Cold, live), Ok(live));
    let evacuate = OperationKind::Evacuate;
    assert_eq!(
        revised(Fallback::Cold, evacuate),
        Err(Rejected::OtherKind(id(1), evacuate))
    );
}

#[test]
fn whoever_is_tried_again_keeps_to_the_constraints_of_its_plan() {
    let apart = Constraint::NotTogether(vec![server(1), server(2)]);
    let first = Constraint::Before(server(1), server(2));
    let most = Constraint::AtMost(1, vec![server(1), server(2)]);
    for constraint in [apart, first, most] {
        let run = Run {
            constraints: vec![constraint.clone()],
            ..two()
        };
        let run = then(
            &run,
            [
                Event::RoomClaimed,
                begun(1),
                failed(1, FailureCode::LinkLost),
            ],
        );
        let elsewhere = Event::OperationRevised(id(1), "y".to_owned(), OperationKind::Live);
        let before = matches!(constraint, Constraint::Before(..));
        // Meanwhile the other one may go, unless it was to come later.
        let other = order::startable(&run, |_| true);
        assert_eq!(other.is_empty(), before, "{constraint:?}");
        let run = then(&run, [elsewhere]);
        let may = order::startable(&run, |_| true);
        assert_eq!(may, [id(1)], "{constraint:?}");
        let run = then(&run, [begun(1)]);
        assert_eq!(order::startable(&run, |_| true), [], "{constraint:?}");
        let run = then(&run, [completed(1)]);
        assert_eq!(order::startable(&run, |_| true), [id(2)], "{constraint:?}");
    }
}

#[test]
fn what_has_nothing_to_do_is_done_and_what_has_nobody_is_left_out() {
    let run = then(
        &two(),
        [Event::RoomClaimed, Event::OperationUnneeded(id(1), None)],
    );
    assert_eq!(run.operations[0].state, OperationState::Completed);
    let gone = failure(FailureCode::Superseded);
    let unneeded = Event::OperationUnneeded(id(2), Some(gone.clone()));
    let waits = then(&run, [unneeded]);
    let outcome = Event::OperationEnded(id(2), Outcome::Skipped(gone.clone()));
    for run in [waits, then(&run, [begun(2), outcome])] {
        let operation = &run.operations[1];
        assert_eq!(operation.state, OperationState::Skipped);
        assert_eq!(operation.failure, Some(gone.clone()));
        assert_eq!(run.state, RunState::Partial);
    }
}

#[test]
fn a_move_that_did_not_end_in_time_has_failed_and_one_that_was_aborted_has_not() {
    let late = failure(FailureCode::TimedOut);
    let cancelled = Outcome::of(MigrationStatus::Cancelled, Some(&late));
    assert_eq!(cancelled, Some(Outcome::Failed(late)));
    let aborted = failure(FailureCode::Aborted);
    let of = |failure: &Failure| Outcome::of(MigrationStatus::Error, Some(failure));
    assert_eq!(of(&aborted), Some(Outcome::Cancelled(aborted.clone())));
    let lost = failure(FailureCode::LinkLost);
    assert_eq!(of(&lost), Some(Outcome::Failed(lost.clone())));
}
