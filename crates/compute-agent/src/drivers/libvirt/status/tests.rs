//! Every combination of what may be known with what may be seen.

use super::*;

fn failure() -> Failure {
    Failure::new(FailureCode::HypervisorError, "It broke.")
}

fn known(call: Call) -> Known {
    Known {
        call,
        post_copy: false,
        connects_to: None,
        abort_asked: false,
        last: JobStatistics::default(),
        completed: None,
        ended: None,
    }
}

fn seen(state: DomainState, movement: MoveSeen) -> Option<Observation> {
    Some(Observation { state, movement })
}

fn calls() -> [Call; 6] {
    [
        Call::NotOurs,
        Call::UnderWay,
        Call::HandedOver,
        Call::Cancelled,
        Call::Failed(failure()),
        Call::Unheard(failure()),
    ]
}

fn everything() -> impl Iterator<Item = (Known, Option<Observation>, bool)> {
    let movements = [
        MoveSeen::None,
        MoveSeen::Incoming,
        MoveSeen::Outgoing(JobStatistics::default()),
    ];
    let sights = DomainState::ALL
        .into_iter()
        .flat_map(move |state| movements.map(|movement| seen(state, movement)).into_iter());
    let sights: Vec<_> = sights.chain([None]).collect();
    calls().into_iter().flat_map(move |call| {
        let sights = sights.clone();
        let flags = [false, true];
        let completed = [None, Some(JobStatistics::default())];
        sights.into_iter().flat_map(move |seen| {
            let call = call.clone();
            flags.into_iter().flat_map(move |paused| {
                let call = call.clone();
                completed.into_iter().map(move |completed| {
                    let known = Known {
                        completed,
                        ..known(call.clone())
                    };
                    (known, seen, paused)
                })
            })
        })
    })
}

#[test]
fn a_success_needs_libvirts_word() {
    for (known, seen, paused) in everything() {
        if move_status(&known, seen, paused) == MoveStatus::HandedOver {
            let said = known.call == Call::HandedOver || known.completed.is_some();
            assert!(said, "{known:?} {seen:?}");
            let here = seen.is_some_and(|observed| observed.state == DomainState::Running);
            assert!(
                !here || known.call == Call::HandedOver,
                "{known:?} {seen:?}"
            );
        }
    }
}

#[test]
fn a_failure_needs_the_guest_in_sight() {
    for (known, seen, paused) in everything() {
        let stayed = move_status(&known, seen, paused);
        if matches!(stayed, MoveStatus::Stayed(_) | MoveStatus::StayedPaused(_)) {
            let observed = seen.unwrap();
            assert!(!matches!(observed.movement, MoveSeen::Outgoing(_)));
            assert!(
                matches!(
                    observed.state,
                    DomainState::Running
                        | DomainState::Asleep
                        | DomainState::Paused(Stopped::Otherwise)
                ),
                "{known:?} {seen:?}: {stayed:?}"
            );
            assert_ne!(known.call, Call::UnderWay);
        }
    }
}

#[test]
fn our_pause_is_lifted_only_when_libvirt_said_that_the_guest_stayed() {
    for (known, seen, paused) in everything() {
        if let MoveStatus::StayedPaused(_) = move_status(&known, seen, paused) {
            assert!(paused);
            assert!(matches!(known.call, Call::Cancelled | Call::Failed(_)));
        }
    }
}

#[test]
fn an_abort_that_worked_is_no_failure() {
    let running = seen(DomainState::Running, MoveSeen::None);
    for call in [
        Call::Failed(failure()),
        Call::Unheard(failure()),
        Call::NotOurs,
    ] {
        let asked = Known {
            abort_asked: true,
            ..known(call.clone())
        };
        assert_eq!(
            move_status(&asked, running, false),
            MoveStatus::Stayed(None)
        );
        assert!(matches!(
            move_status(&known(call), running, false),
            MoveStatus::Stayed(Some(_))
        ));
    }
    assert_eq!(
        move_status(&known(Call::Cancelled), running, false),
        MoveStatus::Stayed(None)
    );
}

#[test]
fn a_guest_whose_post_copy_broke_is_neither_here_nor_there() {
    for movement in [MoveSeen::None, MoveSeen::Outgoing(JobStatistics::default())] {
        let stopped = seen(DomainState::Paused(Stopped::PostCopyFailed), movement);
        for call in [Call::NotOurs, Call::Failed(failure())] {
            assert_eq!(
                move_status(&known(call), stopped, false),
                MoveStatus::Unknown
            );
        }
        // While libvirt has not given up, it goes on.
        let goes_on = move_status(&known(Call::UnderWay), stopped, false);
        let post_copy = true;
        assert!(matches!(goes_on, MoveStatus::Moving { post_copy: p, .. } if p == post_copy));
    }
}

#[test]
fn a_source_that_vanished_without_a_word_is_asked_about() {
    assert_eq!(
        move_status(&known(Call::NotOurs), None, false),
        MoveStatus::Unknown
    );
    let off = seen(DomainState::Off, MoveSeen::None);
    let failed = known(Call::Failed(failure()));
    assert_eq!(move_status(&failed, off, false), MoveStatus::Unknown);
}

#[test]
fn texts_become_sentences() {
    assert_eq!(
        Sentence("operation failed: x").to_string(),
        "Operation failed: x."
    );
    assert_eq!(
        Sentence(" Unsafe migration. ").to_string(),
        "Unsafe migration."
    );
    assert_eq!(Sentence("").to_string(), "");
}
