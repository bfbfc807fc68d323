//! The table walked exhaustively: every move that events can make of a new one, with every
//! event in each. So what a test asserts holds for all histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::failure::FailureCode;
use crate::fixtures::{self, Step, events, noon};
use crate::migration::{ColdRequest, Limits, Request};
use crate::plan::options::Affinity;
use crate::server::VmState;
use crate::status::MigrationKind;
use crate::transition::step;

fn begun(was: VmState, limits: &Limits) -> Migration {
    let request = Request::Cold(ColdRequest {
        host: None,
        was,
        affinity: Affinity::Strict,
    });
    fixtures::begun(MigrationKind::Migration, request, limits)
}

fn phase_of(migration: &Migration) -> Option<Phase> {
    match migration.phase {
        crate::phase::Phase::Cold(phase) => Some(phase),
        _ => None,
    }
}

type Key = (crate::phase::Phase, bool, Option<FailureCode>);

fn key(migration: &Migration) -> Key {
    let code = migration.failure.as_ref().map(|failure| failure.code);
    (migration.phase, migration.placement.is_some(), code)
}

/// Every step there is, of a guest that `was`, under each kind of limits and storage.
fn walk(was: VmState, storage: StorageMode, confirm: Duration) -> Vec<Step> {
    let limits = Limits {
        confirm,
        ..Limits::default()
    };
    fixtures::walk(begun(was, &limits), key, &events(storage, &limits))
}

fn all() -> Vec<Step> {
    let mut steps = vec![];
    for was in [VmState::Active, VmState::Stopped] {
        for storage in StorageMode::ALL {
            for confirm in [Duration::ZERO, Duration::from_secs(60)] {
                steps.extend(walk(was, *storage, confirm));
            }
        }
    }
    steps
}

fn for_each_transition(assert: impl Fn(&Migration, &Event, &Transition)) {
    for step in all() {
        if let Ok(transition) = &step.outcome {
            assert(&step.before, &step.event, transition);
        }
    }
}

/// Who may start the guest, as far as the row tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Source,
    Destination,
}

fn owner(phase: Phase) -> Owner {
    match phase {
        Phase::Choosing | Phase::Preparing | Phase::Stopping | Phase::RollingBack(_) => {
            Owner::Source
        }
        Phase::Booting
        | Phase::Finished
        | Phase::Confirming
        | Phase::Reverting
        | Phase::Withdrawing => Owner::Destination,
    }
}

#[test]
fn the_walk_visits_every_phase() {
    let steps = walk(VmState::Active, StorageMode::Shared, Duration::ZERO);
    let visited: BTreeSet<_> = steps
        .iter()
        .filter_map(|step| phase_of(&step.before))
        .collect();
    assert_eq!(visited, Phase::ALL.iter().copied().collect());
}

#[test]
fn what_applies_is_this_and_nothing_else() {
    let mut applying: BTreeMap<Phase, Vec<&str>> = BTreeMap::new();
    let steps = walk(VmState::Active, StorageMode::Shared, Duration::from_secs(1));
    for Step {
        before,
        event,
        outcome,
    } in &steps
    {
        if let (Some(phase), Ok(_)) = (phase_of(before), outcome) {
            let names = applying.entry(phase).or_default();
            if !names.contains(&event.name()) {
                names.push(event.name());
            }
        }
    }
    let expected: [(Phase, &[&str]); 11] = [
        (
            Phase::Choosing,
            &["abort_requested", "placed", "not_placed", "source_died"],
        ),
        (
            Phase::Preparing,
            &[
                "abort_requested",
                "prepared",
                "not_prepared",
                "source_died",
                "destination_died",
            ],
        ),
        (
            Phase::Stopping,
            &[
                "move_failed",
                "source_stopped",
                "source_died",
                "destination_died",
            ],
        ),
        (
            Phase::Booting,
            &["booted", "not_booted", "destination_died"],
        ),
        (Phase::Finished, &["confirm_requested", "revert_requested"]),
        (Phase::Confirming, &["guest_lost", "finished"]),
        (Phase::Reverting, &["withdrawn", "destination_died"]),
        (Phase::Withdrawing, &["withdrawn", "destination_died"]),
        (
            Phase::RollingBack(Undone::Preparation),
            &["guest_lost", "rolled_back"],
        ),
        (
            Phase::RollingBack(Undone::Move),
            &["guest_lost", "rolled_back"],
        ),
        (
            Phase::RollingBack(Undone::Finished),
            &["guest_lost", "rolled_back"],
        ),
    ];
    for (phase, names) in expected {
        let always = ["superseded", "deadline_passed"];
        let names: Vec<_> = names.iter().copied().chain(always).collect();
        assert_eq!(applying[&phase], names, "{phase:?}");
    }
}

#[test]
fn the_guest_changes_hands_only_on_the_word_of_who_had_it() {
    for_each_transition(|before, event, transition| {
        let (Some(from), Some(to)) = (phase_of(before), phase_of(&transition.next)) else {
            return;
        };
        match (owner(from), owner(to)) {
            (Owner::Source, Owner::Destination) => assert_eq!(event, &Event::SourceStopped),
            (Owner::Destination, Owner::Source) => assert!(matches!(
                event,
                Event::Withdrawn | Event::DestinationDied(_)
            )),
            (Owner::Source, Owner::Source) | (Owner::Destination, Owner::Destination) => {}
        }
    });
}

#[test]
fn an_effect_that_may_start_the_guest_goes_to_its_owner() {
    for_each_transition(|_, event, transition| {
        let phase = phase_of(&transition.next);
        for effect in &transition.effects {
            assert!(
                transition.next.phase.wants(*effect),
                "{} {effect}",
                event.name()
            );
            match effect {
                Effect::Boot => assert_eq!(phase.map(owner), Some(Owner::Destination)),
                Effect::RollBack | Effect::Start => {
                    assert_eq!(phase.map(owner), Some(Owner::Source));
                }
                Effect::Schedule
                | Effect::Cancel
                | Effect::Prepare
                | Effect::Watch
                | Effect::Abort
                | Effect::ForceComplete
                | Effect::Finish
                | Effect::Withdraw => {}
            }
        }
    });
}

#[test]
fn the_record_follows_the_owner() {
    for_each_transition(|before, event, transition| {
        let from = phase_of(before).map(owner);
        let to = phase_of(&transition.next).map(owner);
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        let goes = matches!(transition.server, Some(ServerChange::GoesToDestination(_)));
        let returns = transition.server == Some(ServerChange::GoesToSource);
        let name = event.name();
        assert_eq!(
            goes,
            (from, to) == (Owner::Source, Owner::Destination),
            "{name}"
        );
        assert_eq!(
            returns,
            (from, to) == (Owner::Destination, Owner::Source),
            "{name}"
        );
    });
}

#[test]
fn a_move_that_failed_or_was_undone_leaves_the_server_as_it_was() {
    for_each_transition(|before, event, transition| {
        let Request::Cold(ColdRequest { was, .. }) = &before.request else {
            panic!("a cold move");
        };
        let expected = match transition.next.status() {
            Status::Reverted => Some(ServerChange::ReturnsToSource(*was)),
            Status::Confirmed => Some(ServerChange::IsConfirmed),
            Status::Error => match (phase_of(before), event) {
                (_, Event::Superseded(_)) => None,
                (Some(Phase::Choosing), _) => Some(ServerChange::StaysAtSource),
                (Some(Phase::Confirming), _) => Some(ServerChange::IsLost),
                (_, Event::GuestLost(_)) => Some(ServerChange::IsBroken),
                _ => Some(ServerChange::ReturnsToSource(*was)),
            },
            _ => return,
        };
        assert_eq!(transition.server, expected, "{}", event.name());
        assert!(transition.supersedes);
        assert!(transition.next.status() != Status::Error || transition.next.failure.is_some());
    });
}

#[test]
fn what_has_not_been_stopped_can_be_aborted_and_leaves_the_server_alone() {
    for Step {
        before,
        event,
        outcome,
    } in all()
    {
        if event != Event::AbortRequested {
            continue;
        }
        let (phase, next) = (phase_of(&before), outcome.map(|it| it.next));
        let begins = matches!(phase, Some(Phase::Choosing | Phase::Preparing));
        assert_eq!(next.is_ok(), begins, "{before:?}");
        let Ok(next) = next else { continue };
        assert_eq!(next.failure.as_ref().unwrap().code, FailureCode::Aborted);
        let undone = Phase::RollingBack(Undone::Preparation);
        match phase {
            Some(Phase::Preparing) => assert_eq!(phase_of(&next), Some(undone)),
            _ => assert_eq!(next.status(), Status::Error),
        }
    }
}

#[test]
fn only_what_waits_for_somebody_has_no_deadline() {
    for_each_transition(|_, event, Transition { next, .. }| {
        let open = next.status() == Status::Finished && next.limits.confirm.is_zero();
        let without = next.status().is_terminal() || open;
        assert_eq!(
            next.deadline.is_none(),
            without,
            "{} to {}",
            event.name(),
            next.status()
        );
    });
}

#[test]
fn every_wait_has_a_way_out() {
    let steps = all();
    let mut ends: BTreeSet<Key> = BTreeSet::new();
    loop {
        let known = ends.len();
        for Step {
            before, outcome, ..
        } in &steps
        {
            if let Ok(Transition { next, .. }) = outcome
                && (next.status().is_terminal() || ends.contains(&key(next)))
            {
                ends.insert(key(before));
            }
        }
        if ends.len() == known {
            break;
        }
    }
    for Step { before, .. } in &steps {
        assert!(
            before.status().is_terminal() || ends.contains(&key(before)),
            "{before:?}"
        );
    }
}

#[test]
fn time_confirms_only_where_it_was_told_to() {
    for confirm in [Duration::ZERO, Duration::from_secs(60)] {
        let mut finished = begun(
            VmState::Active,
            &Limits {
                confirm,
                ..Limits::default()
            },
        );
        finished.phase = Phase::Booting.into();
        finished.placement = Some(fixtures::placement(StorageMode::Shared));
        let finished = step(&finished, &Event::Booted, noon()).unwrap().next;
        let passed = |at| step(&finished, &Event::DeadlinePassed, at).map(|to| to.next.status());
        assert_eq!(passed(noon()), Err(Rejected::TooEarly));
        let later = passed(noon().plus(Duration::from_secs(60)));
        if confirm.is_zero() {
            assert_eq!(later, Err(Rejected::TooEarly));
        } else {
            assert_eq!(later, Ok(Status::Confirming));
        }
    }
}

#[test]
fn what_ended_stays_as_it_ended() {
    for Step {
        before,
        event,
        outcome,
    } in all()
    {
        if before.status().is_terminal() {
            assert_eq!(
                outcome,
                Err(Rejected::Terminal(before.status())),
                "{}",
                event.name()
            );
        }
    }
}

proptest! {
    #[test]
    fn a_row_is_sound_after_any_history(
        confirm in prop_oneof![Just(0), 1..10_000_u64],
        happenings in prop::collection::vec((0..24_usize, 0..1_000_u64), 0..64),
    ) {
        let limits = Limits { confirm: Duration::from_secs(confirm), ..Limits::default() };
        let events = events(StorageMode::Shared, &limits);
        let mut migration = begun(VmState::Active, &limits);
        let mut now = noon();
        let (mut sequence, mut at_source) = (migration.effect_sequence, true);
        for (which, pause) in happenings {
            now = now.plus(Duration::from_secs(pause));
            let Ok(transition) = step(&migration, &events[which], now) else { continue };
            for (number, effect) in transition.numbered_effects() {
                sequence += 1;
                prop_assert_eq!(number, sequence);
                // Whoever may start it has been told that the other one cannot.
                if effect == Effect::Boot {
                    prop_assert!(at_source && events[which] == Event::SourceStopped);
                    at_source = false;
                }
                if effect == Effect::RollBack && !at_source {
                    prop_assert_eq!(&events[which], &Event::Withdrawn);
                    at_source = true;
                }
            }
            prop_assert_eq!(transition.next.generation, migration.generation + 1);
            prop_assert_eq!(transition.next.effect_sequence, sequence);
            migration = transition.next;
        }
    }
}
