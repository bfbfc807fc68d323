use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixtures::noon;

fn waiting(queue: usize, priority: Priority) -> Waiting<usize> {
    Waiting {
        queue,
        goes_on: false,
        priority,
        since: noon(),
        served: 0,
    }
}

fn at(seconds: u64) -> Timestamp {
    noon().plus(Duration::from_secs(seconds))
}

#[test]
fn what_runs_comes_first_and_then_each_priority_in_its_order() {
    let mut order: Vec<_> = Priority::ALL
        .iter()
        .rev()
        .map(|it| waiting(1, *it))
        .collect();
    order.push(Waiting {
        goes_on: true,
        ..waiting(2, Priority::Rebalance)
    });
    order.sort_by(|one, other| compare(one, other, noon()));
    assert!(order[0].goes_on);
    let rest: Vec<_> = order[1..].iter().map(|it| it.priority).collect();
    assert_eq!(rest, Priority::ALL);
}

#[test]
fn whoever_waits_is_raised_but_never_above_what_runs() {
    let old = waiting(1, Priority::Rebalance);
    let goes_on = Waiting {
        goes_on: true,
        since: at(86_400),
        ..waiting(2, Priority::Rebalance)
    };
    assert_eq!(compare(&goes_on, &old, at(86_400)), Ordering::Less);
    for (spans, equal) in [
        (1, Priority::User),
        (2, Priority::Drain),
        (3, Priority::Emergency),
    ] {
        let now = at(spans * AGEING.as_secs());
        let just = |priority| Waiting {
            since: now,
            ..waiting(2, priority)
        };
        assert_eq!(compare(&old, &just(equal), now), Ordering::Less, "{equal}");
        let before = at(spans * AGEING.as_secs() - 1);
        assert_eq!(
            compare(&just(equal), &old, before),
            Ordering::Less,
            "{equal}"
        );
    }
}

/// Queues whose heads are served one at a time by [`compare`], as the one slot that they share
/// becomes free.
struct Queues {
    heads: BTreeMap<usize, Waiting<usize>>,
    number: u64,
}

impl Queues {
    fn serve(&mut self, now: Timestamp) -> Option<usize> {
        let heads = self.heads.values();
        let next = heads.min_by(|one, other| compare(one, other, now))?.queue;
        self.number += 1;
        let head = self.heads.get_mut(&next)?;
        head.served = self.number;
        // The next of the queue might have begun at the same time.
        Some(next)
    }
}

/// However many emergencies come, the least urgent begins in the end.
#[test]
fn nothing_starves() {
    for emergencies in [1, 7] {
        let mut queues = Queues {
            heads: BTreeMap::from([(0, waiting(0, Priority::Rebalance))]),
            number: 0,
        };
        let spans = 3 * AGEING.as_secs();
        let began = (0..spans + 100).find(|turn| {
            for queue in 1..=emergencies {
                let served = queues.heads.get(&queue).map_or(0, |head| head.served);
                let head = Waiting {
                    since: at(*turn),
                    served,
                    ..waiting(queue, Priority::Emergency)
                };
                queues.heads.insert(queue, head);
            }
            queues.serve(at(*turn)) == Some(0)
        });
        assert!(began.is_some_and(|turn| turn <= spans + emergencies as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As the promise has it: a host's drain begins after at most one operation of each other
    /// host's, whenever it comes and however long their queues are.
    #[test]
    fn no_queue_is_served_twice_while_another_of_its_priority_waits(
        arrivals in prop::collection::vec(0..40_u64, 2..8),
        served in 0..200_u64,
    ) {
        let mut queues = Queues { heads: BTreeMap::new(), number: 0 };
        let mut since_last: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for turn in 0..40 + served {
            for (queue, arrival) in arrivals.iter().enumerate() {
                if *arrival == turn {
                    let (since, served) = (at(turn), queues.number);
                    let head = Waiting { since, served, ..waiting(queue, Priority::Drain) };
                    queues.heads.insert(queue, head);
                }
            }
            let Some(next) = queues.serve(at(turn)) else { continue };
            for other in queues.heads.keys().copied().filter(|other| *other != next) {
                let count = since_last.entry((other, next)).or_default();
                *count += 1;
                prop_assert!(*count <= 1, "{next} twice, while {other} waits");
            }
            since_last.retain(|(waits, _), _| *waits != next);
        }
    }

    /// However many queues come, one that has begun something already begins more.
    #[test]
    fn newcomers_do_not_go_first_for_ever(newcomers in 1..4_usize) {
        let mut queues = Queues { heads: BTreeMap::new(), number: 0 };
        queues.heads.insert(0, waiting(0, Priority::Drain));
        let mut began = 0;
        for turn in 0..100_usize {
            for nth in 1..=newcomers {
                let head = waiting(turn * newcomers + nth, Priority::Drain);
                let (since, served) = (at(turn as u64), queues.number);
                queues.heads.insert(head.queue, Waiting { since, served, ..head });
            }
            began += usize::from(queues.serve(at(turn as u64)) == Some(0));
        }
        prop_assert!(began >= 2, "{began}");
    }

    #[test]
    fn it_is_a_total_order(
        heads in prop::collection::vec(
            (any::<bool>(), prop::sample::select(Priority::ALL), 0..4_000_u64, 0..3_u64), 3,
        ),
        now in 0..8_000_u64,
    ) {
        let heads: Vec<_> = heads.into_iter().enumerate().map(|(queue, it)| Waiting {
            queue, goes_on: it.0, priority: it.1, since: at(it.2), served: it.3,
        }).collect();
        let of = |one: usize, other: usize| compare(&heads[one], &heads[other], at(now));
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            prop_assert_eq!(of(one, other), of(other, one).reverse());
            prop_assert_ne!(of(one, other), Ordering::Equal);
        }
        if of(0, 1) == of(1, 2) {
            prop_assert_eq!(of(0, 2), of(0, 1));
        }
    }
}
