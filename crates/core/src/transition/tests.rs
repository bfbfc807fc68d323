//! What a migration holds of its hosts, at every step of every table.

use super::*;
use crate::fixtures::{begun, each_kind, events, walk};
use crate::migration::{Limits, StorageMode};

fn each(mut assert: impl FnMut(&Migration, &Event, &Transition)) {
    let limits = Limits::default();
    for (kind, request) in each_kind(VmState::Active) {
        let first = begun(kind, request, &limits);
        let key = |it: &Migration| (it.phase, it.intent, it.placement.is_some());
        for step in walk(first, key, &events(StorageMode::Shared, &limits)) {
            if let Ok(transition) = &step.outcome {
                assert(&step.before, &step.event, transition);
            }
        }
    }
}

#[test]
fn what_has_ended_holds_nothing_nor_does_what_went_back() {
    each(|_, event, transition| {
        let over = transition.next.status().has_ended()
            || transition.server == Some(ServerChange::GoesToSource);
        let ends = transition.reservation(event) == Reservation::Ends;
        assert_eq!(ends, over, "{event:?} {transition:?}");
    });
}

#[test]
fn room_is_claimed_where_it_is_placed() {
    let mut placed = 0;
    each(|_, event, transition| {
        let Event::Placed(placement, _) = event else {
            let reservation = transition.reservation(event);
            assert!(!matches!(reservation, Reservation::Claims(_)), "{event:?}");
            return;
        };
        if !transition.next.status().has_ended() {
            let claims = Reservation::Claims(&placement.host);
            assert_eq!(transition.reservation(event), claims);
            placed += 1;
        }
    });
    assert!(placed > 3, "each kind is placed, and a queued one anew");
}

#[test]
fn slots_are_taken_by_what_leaves_the_queue_to_be_prepared() {
    each(|before, event, transition| {
        let next = &transition.next;
        let admitted = (before.phase, next.phase)
            == (
                Phase::Live(live::Phase::Queued),
                Phase::Live(live::Phase::Preparing),
            );
        let takes = match (transition.reservation(event), next.destination()) {
            (Reservation::TakesSlots(source, destination), Some(placed)) => {
                assert_eq!((source, destination), (&next.source_compute, placed));
                true
            }
            _ => false,
        };
        assert_eq!(takes, admitted, "{event:?}");
    });
}

#[test]
fn a_server_that_left_before_its_move_has_ended_keeps_its_way_back() {
    each(|_, event, transition| {
        let left = matches!(transition.server, Some(ServerChange::GoesToDestination(_)));
        let way_back = Reservation::ClaimsWayBack(&transition.next.source_compute);
        assert_eq!(transition.reservation(event) == way_back, left, "{event:?}");
    });
}
