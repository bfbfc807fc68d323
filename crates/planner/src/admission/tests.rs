use godwit_core::slots::SlotRole;
use proptest::prelude::*;

use super::*;

fn host(number: u8) -> HostName {
    HostName::new(format!("host-{number}")).unwrap()
}

fn queue(moves: &[(u8, u8)]) -> Vec<Waiting<usize>> {
    moves
        .iter()
        .enumerate()
        .map(|(id, (source, destination))| Waiting {
            id,
            source: host(*source),
            destination: host(*destination),
        })
        .collect()
}

fn slots(moves: &[(u8, u8)]) -> SlotsTaken {
    let mut slots = SlotsTaken::default();
    for (source, destination) in moves {
        slots.take(SlotRole::Source, &host(*source), 1);
        slots.take(SlotRole::Destination, &host(*destination), 1);
    }
    slots
}

const ONE_OFF: SlotLimits = SlotLimits {
    per_source: Some(1),
    per_destination: None,
};

#[test]
fn a_blocked_move_does_not_hold_up_others() {
    let queue = queue(&[(1, 2), (1, 3), (2, 3)]);
    assert_eq!(admit(&queue, &mut SlotsTaken::default(), ONE_OFF), [0, 2]);
}

#[test]
fn moves_under_way_count() {
    let queue = queue(&[(1, 2), (2, 3)]);
    assert_eq!(admit(&queue, &mut slots(&[(1, 3)]), ONE_OFF), [1]);
}

#[test]
fn destinations_have_limits_of_their_own() {
    let queue = queue(&[(1, 9), (2, 9), (3, 9)]);
    let limits = SlotLimits {
        per_source: None,
        per_destination: Some(2),
    };
    assert_eq!(admit(&queue, &mut SlotsTaken::default(), limits), [0, 1]);
}

#[test]
fn a_limit_of_none_admits_everything() {
    let limits = SlotLimits {
        per_source: None,
        per_destination: None,
    };
    let queue = queue(&[(1, 2); 20]);
    assert_eq!(admit(&queue, &mut SlotsTaken::default(), limits).len(), 20);
}

fn limits() -> impl Strategy<Value = SlotLimits> {
    (prop::option::of(0_u32..4), prop::option::of(0_u32..4)).prop_map(
        |(per_source, per_destination)| SlotLimits {
            per_source,
            per_destination,
        },
    )
}

fn moves(most: usize) -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec((0_u8..5, 0_u8..5), 0..most)
}

proptest! {
    /// Whoever is admitted finds a slot at the time, counted with all who were before; whoever
    /// is not did not. The first half keeps the limits, the second leaves no slot idle, and
    /// both together give every slot to the oldest that can use it.
    #[test]
    fn each_is_admitted_exactly_if_the_older_ones_leave_room(
        waiting in moves(40), under_way in moves(8), limits in limits()
    ) {
        let queue = queue(&waiting);
        let admitted = admit(&queue, &mut slots(&under_way), limits);
        let mut taken = slots(&under_way);
        for each in &queue {
            let room = taken.has_free(&each.source, &each.destination, limits);
            prop_assert_eq!(admitted.contains(&each.id), room, "{}", each.id);
            if room {
                taken.take(SlotRole::Source, &each.source, 1);
                taken.take(SlotRole::Destination, &each.destination, 1);
            }
        }
        prop_assert!(admitted.is_sorted(), "the order of the queue is kept");
    }

    /// The limits hold afterwards wherever they held before.
    #[test]
    fn limits_hold(waiting in moves(40), limits in limits()) {
        let queue = queue(&waiting);
        let admitted = admit(&queue, &mut SlotsTaken::default(), limits);
        let mut taken = SlotsTaken::default();
        for id in admitted {
            taken.take(SlotRole::Source, &queue[id].source, 1);
            taken.take(SlotRole::Destination, &queue[id].destination, 1);
        }
        for number in 0..5 {
            prop_assert!(limits.per_source.is_none_or(|most| taken.taken(SlotRole::Source, &host(number)) <= most));
            prop_assert!(
                limits.per_destination.is_none_or(|most| taken.taken(SlotRole::Destination, &host(number)) <= most)
            );
        }
    }

    /// When the admitted have ended the rest gets its turn: the queue drains.
    #[test]
    fn the_queue_drains(waiting in moves(30), source in 1_u32..4, destination in 1_u32..4) {
        let limits = SlotLimits { per_source: Some(source), per_destination: Some(destination) };
        let mut queue = queue(&waiting);
        for _ in 0..=waiting.len() {
            let admitted = admit(&queue, &mut SlotsTaken::default(), limits);
            queue.retain(|each| !admitted.contains(&each.id));
        }
        prop_assert!(queue.is_empty());
    }
}
