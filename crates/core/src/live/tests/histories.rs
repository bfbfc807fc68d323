//! Histories at random: time passes between events, limits vary, reports come twice.

use proptest::prelude::*;

use super::*;

/// The longest that a limit is set to or time passes at once, in seconds.
const LONGEST: u64 = 100_000;

fn limits() -> impl Strategy<Value = Limits> {
    let span = || (1..LONGEST).prop_map(Duration::from_secs);
    let completion = prop_oneof![Just(Duration::ZERO), span()];
    let action = prop::sample::select(TimeoutAction::ALL);
    (span(), span(), span(), completion, span(), span(), action).prop_map(
        |(accepted, queued, preparing, completion, grace, rollback, timeout_action)| Limits {
            accepted,
            queued,
            preparing,
            completion,
            grace,
            rollback,
            timeout_action,
            ..Limits::default()
        },
    )
}

/// Which event, by its place in [`events`], and how many seconds after the one before.
fn happenings() -> impl Strategy<Value = Vec<(usize, u64)>> {
    let pause = prop_oneof![Just(0), 1..60_u64, 60..LONGEST];
    prop::collection::vec((0..events(&Limits::default()).len(), pause), 0..64)
}

proptest! {
    #[test]
    fn a_row_is_sound_after_any_history(
        first in limits(),
        placed in limits(),
        happenings in happenings(),
    ) {
        let events = events(&placed);
        let mut migration = accepted(&first);
        let mut now = noon();
        let mut sequence = migration.effect_sequence;
        let mut left_the_source = false;
        for (which, pause) in happenings {
            now = now.plus(Duration::from_secs(pause));
            let event = &events[which];
            let Ok(transition) = step(&migration, event, now) else {
                continue;
            };
            for (number, _) in transition.numbered_effects() {
                sequence += 1;
                prop_assert_eq!(number, sequence);
            }
            prop_assert_eq!(transition.next.generation, migration.generation + 1);

            let in_the_queue =
                (migration.status(), transition.next.status()) == (Status::Queued, Status::Queued);
            if in_the_queue {
                prop_assert_eq!(transition.next.deadline, migration.deadline);
            }
            migration = transition.next;

            if let Some(deadline) = migration.deadline {
                let longest = Duration::from_secs(LONGEST);
                prop_assert!(deadline <= now.plus(longest) || in_the_queue);
            }
            left_the_source |= matches!(
                event,
                Event::PostCopyStarted | Event::HandedOver | Event::FoundAtDestination
            );
            if left_the_source && migration.status().is_terminal() {
                prop_assert!(matches!(migration.status(), Status::Completed | Status::Error));
            }
            if migration.status() == Status::Completed {
                prop_assert!(left_the_source);
            }
        }
    }

    /// Whatever has happened, a deadline that has passed does something.
    #[test]
    fn nothing_waits_past_its_deadline(limits in limits(), happenings in happenings()) {
        let events = events(&limits);
        let mut migration = accepted(&limits);
        let mut now = noon();
        for (which, pause) in happenings {
            now = now.plus(Duration::from_secs(pause));
            if migration.deadline.is_some_and(|deadline| deadline <= now) {
                let outcome = step(&migration, &Event::DeadlinePassed, now);
                migration = outcome.expect("a passed deadline applies").next;
                prop_assert!(migration.deadline.is_none_or(|deadline| deadline > now));
            }
            if let Ok(transition) = step(&migration, &events[which], now) {
                migration = transition.next;
            }
        }
    }
}
