//! What the table promises, over every step of the walk.

use super::*;

/// Who may execute the guest, as far as the row tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Source,
    Destination,
    /// The guest is gone.
    Nobody,
}

fn owner(migration: &Migration, server: Option<ServerChange>) -> Owner {
    match (phase_of(migration), server) {
        (
            Some(
                Phase::Accepted
                | Phase::Queued
                | Phase::Preparing
                | Phase::Running
                | Phase::Unwinding { .. },
            ),
            None,
        )
        | (None, Some(ServerChange::StaysAtSource)) => Owner::Source,
        (Some(Phase::PostCopy | Phase::Finishing { .. }), None)
        | (None, Some(ServerChange::MovesToDestination)) => Owner::Destination,
        (None, Some(ServerChange::IsLost)) => Owner::Nobody,
        (_, Some(change)) => panic!(
            "{change:?} in a live migration that is {}",
            migration.status()
        ),
        (None, None) => panic!("{} ended, and nobody owns the guest", migration.status()),
    }
}

#[test]
fn there_is_one_owner_and_it_changes_only_at_the_hand_over() {
    for_each_transition(|before, event, transition| {
        let from = owner(before, None);
        let to = owner(&transition.next, transition.server);
        let allowed = match event {
            Event::PostCopyStarted | Event::HandedOver | Event::FoundAtDestination => {
                to == Owner::Destination
            }
            Event::GuestLost(_) => to == Owner::Nobody,
            _ => to == from,
        };
        assert!(allowed, "{}: {from:?} to {to:?}", event.name());
    });
}

#[test]
fn past_post_copy_nothing_leads_to_the_source() {
    for limits in all_limits() {
        let steps = walk(&limits);
        let ends = outcomes(&steps);
        for Step { before, .. } in &steps {
            if matches!(
                phase_of(before),
                Some(Phase::PostCopy | Phase::Finishing { .. })
            ) {
                let expected = BTreeSet::from([Status::Completed, Status::Error]);
                assert_eq!(ends[&key(before)], expected, "{before:?}");
            }
        }
    }
}

#[test]
fn the_destination_is_recorded_before_anything_moves() {
    for_each_transition(|_, event, Transition { next, effects, .. }| {
        let placed = next.placement.is_some();
        let needs_one = effects.iter().any(|effect| match effect {
            Effect::Prepare
            | Effect::Start
            | Effect::Watch
            | Effect::Abort
            | Effect::ForceComplete
            | Effect::Finish
            | Effect::RollBack
            | Effect::Boot
            | Effect::Withdraw => true,
            Effect::Schedule | Effect::Cancel => false,
        });
        assert!(placed || !needs_one, "{}: {effects:?}", event.name());
        assert!(placed || next.status() != Status::Completed);
    });
}

#[test]
fn only_what_has_ended_waits_for_nothing() {
    for_each_transition(|_, event, Transition { next, .. }| {
        let what = format!("{} to {}", event.name(), next.status());
        assert_eq!(
            next.deadline.is_none(),
            next.status().is_terminal(),
            "{what}"
        );
    });
}

#[test]
fn every_wait_has_a_way_out() {
    for limits in all_limits() {
        let steps = walk(&limits);
        let ends = outcomes(&steps);
        for Step { before, .. } in steps {
            assert!(
                before.status().is_terminal() || !ends[&key(&before)].is_empty(),
                "no way out of {before:?}"
            );
        }
    }
}

#[test]
fn a_deadline_applies_once_it_has_passed_and_not_before() {
    for limits in all_limits() {
        for Step { before, .. } in walk(&limits) {
            let Some(deadline) = before.deadline else {
                continue;
            };
            let early = Timestamp::from_micros(deadline.as_micros() - 1).unwrap();
            assert_eq!(
                step(&before, &Event::DeadlinePassed, early),
                Err(Rejected::TooEarly)
            );
            let Transition { next, .. } = step(&before, &Event::DeadlinePassed, deadline).unwrap();
            assert!(
                next.deadline.is_none_or(|next| next > deadline),
                "{before:?} would be overdue at once again"
            );
        }
    }
}

/// If no agent ever answers, the deadlines alone end everything that has not begun to move;
/// a guest that moves is never given up, but somebody is told.
#[test]
fn silence_ends_what_has_not_begun_and_opens_discrepancies_about_the_rest() {
    for limits in all_limits() {
        for Step { before, .. } in walk(&limits) {
            let Some(phase) = phase_of(&before) else {
                continue;
            };
            let untimed = limits.completion.is_zero() && before.intent.is_none();
            let mut migration = before;
            let mut opened = Vec::new();
            for _ in 0..5 {
                let Some(deadline) = migration.deadline else {
                    break;
                };
                let transition = step(&migration, &Event::DeadlinePassed, deadline).unwrap();
                opened.extend(transition.discrepancy);
                migration = transition.next;
            }
            match phase {
                Phase::Accepted | Phase::Queued => {
                    assert!(migration.status().is_terminal());
                    assert_eq!(opened, []);
                }
                Phase::Preparing | Phase::Unwinding { .. } => {
                    assert!(migration.status().is_terminal());
                    assert_eq!(opened, [DiscrepancyKind::DestinationNotClean]);
                }
                Phase::Running if untimed => {
                    assert!(!migration.status().is_terminal());
                    assert_eq!(opened, [], "there is no time-out to exceed");
                }
                Phase::Running | Phase::PostCopy | Phase::Finishing { .. } => {
                    assert!(!migration.status().is_terminal());
                    assert!(
                        opened.contains(&DiscrepancyKind::Overdue),
                        "{phase:?}: {opened:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn without_a_time_out_only_a_user_aborts() {
    for_each_transition(|before, event, transition| {
        if before.limits.completion.is_zero()
            && before.intent != Some(Intent::Abort)
            && *event != Event::AbortRequested
        {
            assert_ne!(transition.next.intent, Some(Intent::Abort), "{before:?}");
        }
    });
}

#[test]
fn what_has_ended_stays_so() {
    for limits in all_limits() {
        for row in walk(&limits) {
            let status = row.before.status();
            if status.is_terminal() {
                assert_eq!(row.outcome, Err(Rejected::Terminal(status)));
            }
        }
    }
}

#[test]
fn the_server_changes_exactly_at_the_end() {
    for_each_transition(|_, event, transition| {
        let expected = match (transition.next.status(), event) {
            (Status::Completed, _) => Some(ServerChange::MovesToDestination),
            (Status::Error, Event::GuestLost(_)) => Some(ServerChange::IsLost),
            (Status::Cancelled | Status::Failed | Status::Error, _) => {
                Some(ServerChange::StaysAtSource)
            }
            _ => None,
        };
        assert_eq!(transition.server, expected, "{}", event.name());
    });
}

#[test]
fn generations_and_effects_are_numbered_without_gaps() {
    for_each_transition(|before, _, transition| {
        assert_eq!(transition.next.generation, before.generation + 1);
        let numbers: Vec<_> = transition.numbered_effects().collect();
        let expected: Vec<_> = (before.effect_sequence + 1..)
            .zip(transition.effects.iter().copied())
            .collect();
        assert_eq!(numbers, expected);
        assert_eq!(
            transition.next.effect_sequence,
            numbers.last().map_or(before.effect_sequence, |last| last.0)
        );
    });
}

#[test]
fn an_ending_asks_for_nothing_more_and_drops_what_was_asked() {
    for_each_transition(|_, _, transition| {
        if transition.next.status().is_terminal() {
            assert!(transition.supersedes);
            assert_eq!(transition.effects, []);
            assert_eq!(transition.next.phase.settling(), None);
        }
    });
}

/// What leads to the hosts' being settled also tells them to settle, so no migration waits
/// in `unwinding` or `finishing` for something that nobody was asked to do.
#[test]
fn settling_is_always_ordered() {
    for_each_transition(|before, event, transition| {
        let expected: &[Effect] = match (before.phase.settling(), transition.next.phase.settling())
        {
            (None, Some(Settling::Finishing)) => &[Effect::Finish],
            (None, Some(Settling::Cancelling | Settling::Failing)) => &[Effect::RollBack],
            (Some(Settling::Cancelling | Settling::Failing), Some(Settling::Finishing)) => {
                &[Effect::Finish]
            }
            (Some(_), _) => &[],
            (None, None) => return,
        };
        assert_eq!(transition.effects, expected, "{}", event.name());
        assert!(transition.supersedes || before.phase.settling().is_some());
    });
}

/// P5: cancelled, completed when it came too late, an error only when the guest is lost.
#[test]
fn an_abort_has_an_outcome() {
    for limits in all_limits() {
        let steps = walk(&limits);
        let ends = outcomes(&steps);
        for Step {
            before,
            event,
            outcome,
        } in &steps
        {
            let (Event::AbortRequested, Ok(transition)) = (event, outcome) else {
                continue;
            };
            let expected: &[Status] = match phase_of(before) {
                Some(Phase::Accepted | Phase::Queued) => &[Status::Cancelled],
                Some(Phase::Unwinding { moving: true, .. }) => {
                    &[Status::Completed, Status::Cancelled, Status::Error]
                }
                Some(Phase::Preparing | Phase::Unwinding { .. }) => {
                    &[Status::Cancelled, Status::Error]
                }
                Some(Phase::Running) => &[Status::Completed, Status::Cancelled, Status::Error],
                Some(Phase::Finishing { .. }) => &[Status::Completed, Status::Error],
                Some(Phase::PostCopy) | None => panic!("no abort applies to {before:?}"),
            };
            let ends: Vec<_> = ends[&key(&transition.next)].iter().copied().collect();
            assert_eq!(ends, expected, "{before:?}");
        }
    }
    for_each_transition(|before, event, transition| {
        if before.intent == Some(Intent::Abort) && transition.next.status() == Status::Error {
            assert!(matches!(event, Event::GuestLost(_)), "{}", event.name());
        }
    });
}

#[test]
fn an_abort_is_never_taken_back() {
    for_each_transition(|before, event, Transition { next, effects, .. }| {
        if before.intent == Some(Intent::Abort) {
            assert_eq!(next.intent, Some(Intent::Abort), "{}", event.name());
            let undone_by = [
                Effect::Schedule,
                Effect::Prepare,
                Effect::Start,
                Effect::ForceComplete,
            ];
            assert!(!effects.iter().any(|effect| undone_by.contains(effect)));
        }
    });
}

#[test]
fn a_user_may_abort_wherever_the_guest_has_not_left() {
    for limits in all_limits() {
        for row in walk(&limits) {
            if let (Some(phase), Event::AbortRequested) = (phase_of(&row.before), &row.event) {
                // One that has failed already keeps its reason.
                let failing = row.before.phase.settling() == Some(Settling::Failing);
                let may = phase != Phase::PostCopy && !failing;
                assert_eq!(row.outcome.is_ok(), may, "{phase:?}");
            }
        }
    }
}

#[test]
fn there_is_a_reason_unless_it_completed() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.status().is_terminal() {
            let what = format!("{} to {}", event.name(), next.status());
            let completed = next.status() == Status::Completed;
            assert_eq!(next.failure.is_none(), completed, "{what}");
        }
    });
}

#[test]
fn a_reason_is_only_ever_replaced_by_the_loss_of_the_guest() {
    for_each_transition(|before, event, Transition { next, .. }| {
        if before.failure.is_some()
            && next.status() != Status::Completed
            && !matches!(event, Event::GuestLost(_))
        {
            assert_eq!(next.failure, before.failure, "{}", event.name());
        }
    });
}

#[test]
fn identity_request_and_source_never_change() {
    for_each_transition(|before, _, Transition { next, .. }| {
        assert_eq!(
            (next.uuid, next.server, next.kind),
            (before.uuid, before.server, before.kind)
        );
        assert_eq!(next.request, before.request);
        assert_eq!(next.source_compute, before.source_compute);
    });
}

#[test]
fn a_placement_changes_only_until_slots_are_taken() {
    for_each_transition(|before, event, Transition { next, .. }| {
        if matches!(event, Event::Placed(..)) {
            assert!(matches!(before.status(), Status::Accepted | Status::Queued));
        } else {
            assert_eq!(next.placement, before.placement);
            assert_eq!(next.limits, before.limits);
        }
    });
}
