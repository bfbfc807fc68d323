use proptest::prelude::*;

use super::*;
use crate::run::tests::moves;

#[test]
fn an_operation_counts_by_how_long_it_was_to_take() {
    let mut operations = vec![moves(1, "a"), moves(2, "a")];
    operations[0].weight = 3;
    operations[0].state = OperationState::Completed;
    let progress = Progress::NONE.after(&operations, Tally::default(), |_| 0);
    assert_eq!(progress.percent(), 75);
    operations[1].state = OperationState::Running;
    assert_eq!(
        progress
            .after(&operations, Tally::default(), |_| 50)
            .percent(),
        87
    );
    assert_eq!(
        progress
            .after(&operations, Tally::default(), |_| 255)
            .percent(),
        99
    );
}

#[test]
fn what_is_cancelled_is_not_done() {
    let mut operations = vec![moves(1, "a"), moves(2, "a")];
    operations[0].state = OperationState::Completed;
    operations[1].state = OperationState::Running;
    let progress = Progress::NONE.after(&operations, Tally::default(), |_| 20);
    operations[1].state = OperationState::Cancelled;
    assert_eq!(progress.percent(), 60);
    assert_eq!(
        Progress::NONE
            .after(&operations, Tally::default(), |_| 0)
            .percent(),
        50
    );
    assert_eq!(
        progress
            .after(&operations, Tally::default(), |_| 0)
            .percent(),
        60
    );
}

#[test]
fn a_run_of_nothing_has_no_progress_until_it_is_completed() {
    assert_eq!(
        Progress::NONE.after(&[], Tally::default(), |_| 0),
        Progress::NONE
    );
}

proptest! {
    #[test]
    fn it_never_decreases_and_is_100_only_when_completed(
        steps in prop::collection::vec(
            (prop::sample::select(OperationState::ALL), any::<u8>(), any::<u32>()), 1..20,
        ),
    ) {
        let mut progress = Progress::NONE;
        for (state, percent, weight) in steps {
            let operations = [
                Operation { state, weight, ..moves(1, "a") },
                Operation { weight: u32::MAX, ..moves(2, "a") },
            ];
            let next = progress.after(&operations, Tally::default(), |_| percent);
            prop_assert!(next >= progress && next < Progress::COMPLETED);
            progress = next;
        }
        prop_assert_eq!(Progress::COMPLETED.after(&[], Tally::default(), |_| 0), Progress::COMPLETED);
    }
}
