use std::collections::BTreeSet;
use std::time::Duration;

use godwit_core::plan::options::Priority;
use proptest::prelude::*;

use super::*;
use crate::table::Number;

const NO_LIMITS: Limits = Limits {
    slots: SlotLimits {
        per_source: None,
        per_destination: None,
    },
    streams: None,
};

/// What each host's link carries.
struct Speeds(Vec<f64>);

impl Links for Speeds {
    fn bytes_per_second(&self, host: HostNo) -> f64 {
        self.0.get(host.at()).copied().unwrap_or(f64::INFINITY)
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

fn stream(source: usize, destination: usize, limit: f64) -> Stream {
    Stream {
        source: HostNo::new(source),
        destination: HostNo::new(destination),
        limit,
        dirty: 0.0,
        seconds_left: 10.0,
        last_rounds: false,
    }
}

fn candidate(id: usize, queue: usize, stream: Stream) -> Candidate<usize, usize> {
    Candidate {
        id,
        waiting: Waiting {
            queue,
            goes_on: false,
            priority: Priority::Drain,
            since: at(1),
            served: 0,
        },
        since: at(1),
        stream,
    }
}

fn with(mut candidate: Candidate<usize, usize>, priority: Priority) -> Candidate<usize, usize> {
    candidate.waiting.priority = priority;
    candidate
}

fn chosen(
    speeds: &Speeds,
    limits: Limits,
    moving: &[Stream],
    waiting: Vec<Candidate<usize, usize>>,
    now: i64,
) -> Vec<usize> {
    let mut schedule = Schedule::new(speeds, 1.0, limits, moving);
    let begun = choose(&mut schedule, waiting, at(now), usize::MAX);
    begun.into_iter().map(|it| it.id).collect()
}

fn of_one_queue(speeds: &Speeds, limits: Limits, streams: &[Stream]) -> usize {
    let waiting = streams.iter().enumerate();
    let waiting = waiting.map(|(id, it)| candidate(id, 0, *it)).collect();
    chosen(speeds, limits, &[], waiting, 2).len()
}

#[test]
fn as_few_begin_as_fill_the_link() {
    let speeds = Speeds(vec![10.0; 8]);
    let begin = |limit| {
        let streams: Vec<_> = (1..7).map(|to| stream(0, to, limit)).collect();
        of_one_queue(&speeds, NO_LIMITS, &streams)
    };
    assert_eq!(
        [10.0, 9.0, 5.0, 4.5, 3.0, 2.5].map(begin),
        [1, 1, 2, 2, 3, 4]
    );
    // What one leaves is more than half of what another could carry.
    assert_eq!([6.0, 4.0].map(begin), [2, 3]);
}

#[test]
fn the_narrower_link_counts() {
    let speeds = Speeds(vec![100.0, 10.0, 10.0]);
    let streams = [stream(0, 1, 10.0), stream(0, 1, 10.0), stream(0, 2, 10.0)];
    assert_eq!(of_one_queue(&speeds, NO_LIMITS, &streams), 2);
}

#[test]
fn whoever_needs_its_rate_keeps_it() {
    let speeds = Speeds(vec![10.0; 4]);
    let quiet = stream(0, 1, 6.0);
    let begins = |moving: Stream, new: Stream| {
        let waiting = vec![candidate(0, 0, new)];
        !chosen(&speeds, NO_LIMITS, &[moving], waiting, 2).is_empty()
    };
    assert!(begins(quiet, stream(0, 2, 6.0)));
    let last_rounds = true;
    assert!(!begins(
        Stream {
            last_rounds,
            ..quiet
        },
        stream(0, 2, 6.0)
    ));
    assert!(!begins(
        Stream {
            dirty: 2.0,
            ..quiet
        },
        stream(0, 2, 6.0)
    ));
    // It takes nothing from it.
    assert!(begins(
        Stream {
            dirty: 2.0,
            ..quiet
        },
        stream(0, 2, 4.0)
    ));
    // It would send what it has again and again.
    let busy = Stream {
        dirty: 2.0,
        ..stream(0, 2, 6.0)
    };
    assert!(!begins(quiet, busy));
}

#[test]
fn links_of_unknown_speed_have_slots_and_known_ones_a_limit_of_streams() {
    let limits = Limits {
        slots: SlotLimits {
            per_source: Some(1),
            per_destination: Some(2),
        },
        streams: Some(3),
    };
    let unknown = Speeds(Vec::new());
    let from_one: Vec<_> = (1..6).map(|to| stream(0, to, 1.0)).collect();
    let to_one: Vec<_> = (1..6).map(|from| stream(from, 0, 1.0)).collect();
    assert_eq!(of_one_queue(&unknown, limits, &from_one), 1);
    assert_eq!(of_one_queue(&unknown, limits, &to_one), 2);
    let known = Speeds(vec![10.0; 6]);
    assert_eq!(of_one_queue(&known, limits, &from_one), 3);
    // Only what it is sent from is known.
    assert_eq!(of_one_queue(&Speeds(vec![10.0]), limits, &from_one), 3);
}

#[test]
fn what_is_left_of_a_link_is_kept_for_whoever_comes_first_and_lacks_it() {
    let speeds = Speeds(vec![10.0; 4]);
    let moving = [stream(1, 0, 6.0)];
    let busy = Stream {
        dirty: 3.0,
        ..stream(2, 0, 10.0)
    };
    let emergency = with(candidate(1, 1, busy), Priority::Emergency);
    let small = candidate(2, 2, stream(3, 0, 4.0));
    let both = vec![emergency.clone(), small.clone()];
    assert_eq!(chosen(&speeds, NO_LIMITS, &moving, both, 2), [0_usize; 0]);
    assert_eq!(chosen(&speeds, NO_LIMITS, &moving, vec![small], 2), [2]);
    // What it does not lack is nobody's.
    let other = candidate(2, 2, stream(2, 3, 10.0));
    let both = vec![emergency, other];
    assert_eq!(chosen(&speeds, NO_LIMITS, &moving, both.clone(), 2), [2]);
    // But for one that has waited for very long.
    assert_eq!(chosen(&speeds, NO_LIMITS, &moving, both, 700), [0_usize; 0]);
}

#[test]
fn of_equal_queues_the_one_is_next_that_was_served_the_longest_ago() {
    let speeds = Speeds(vec![10.0; 4]);
    let (mut one, mut other) = (
        candidate(1, 1, stream(1, 0, 10.0)),
        candidate(2, 2, stream(2, 0, 10.0)),
    );
    (one.waiting.served, other.waiting.served) = (7, 5);
    let both = vec![one.clone(), other.clone()];
    assert_eq!(chosen(&speeds, NO_LIMITS, &[], both, 2), [2]);
    (one.waiting.served, other.waiting.served) = (5, 7);
    assert_eq!(chosen(&speeds, NO_LIMITS, &[], vec![one, other], 2), [1]);
}

#[test]
fn a_long_queue_gets_one_of_two_places() {
    let speeds = Speeds(vec![10.0; 4]);
    let mut all: Vec<_> = (1..=5)
        .map(|id| candidate(id, 1, stream(1, 0, 5.0)))
        .collect();
    all.push(candidate(9, 2, stream(2, 0, 5.0)));
    assert_eq!(chosen(&speeds, NO_LIMITS, &[], all, 2), [1, 9]);
}

/// Each of a long queue of users' moves would always fit.
#[test]
fn a_long_queue_of_users_does_not_keep_a_drain_waiting() {
    let speeds = Speeds(vec![10.0; 4]);
    let mut moving = vec![stream(1, 0, 3.0); 3];
    let busy = Stream {
        dirty: 4.0,
        ..stream(2, 0, 10.0)
    };
    let mut all = vec![candidate(0, 0, busy)];
    for id in 1..50 {
        let mut user = with(candidate(id, 1, stream(1, 0, 3.0)), Priority::User);
        // One of them has begun just before.
        user.waiting.served = 10;
        all.push(user);
    }
    // Each time one of theirs ends, none takes its place, until the drain's turn has come.
    while !moving.is_empty() {
        let begin = chosen(&speeds, NO_LIMITS, &moving, all.clone(), 2);
        assert_eq!(begin, [0_usize; 0]);
        moving.pop();
    }
    assert_eq!(chosen(&speeds, NO_LIMITS, &moving, all, 2), [0]);
}

fn streams(most: usize) -> impl Strategy<Value = Vec<Stream>> {
    let one = (
        0..4_usize,
        4..8_usize,
        1..=100_u32,
        0..=30_u32,
        any::<bool>(),
    );
    let one = one.prop_map(|(source, destination, limit, dirty, last_rounds)| Stream {
        dirty: f64::from(dirty) / 10.0,
        last_rounds,
        ..stream(source, destination, f64::from(limit) / 10.0)
    });
    prop::collection::vec(one, 0..=most)
}

fn candidates() -> impl Strategy<Value = Vec<Candidate<usize, usize>>> {
    let queues = prop::collection::vec((0..4_usize, 0..4_usize, 0..900_i64), 30);
    (streams(30), queues).prop_map(|(streams, queues)| {
        let priorities = [
            Priority::Emergency,
            Priority::Drain,
            Priority::User,
            Priority::Rebalance,
        ];
        let both = streams.into_iter().zip(queues).enumerate();
        both.map(|(id, (stream, (queue, priority, since)))| {
            let mut it = with(candidate(id, queue, stream), priorities[priority]);
            it.waiting.since = at(since);
            it.since = at(since);
            it
        })
        .collect()
    })
}

fn sum(streams: &[(Stream, f64)], end: End) -> f64 {
    let here = streams.iter().filter(|(it, _)| ends(it).contains(&end));
    here.map(|(_, rate)| rate).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_that_begins_exceeds_a_link(waiting in candidates(), tens in 1..=3_u32) {
        let whole = 10.0 * f64::from(tens);
        let speeds = Speeds(vec![whole; 8]);
        let mut schedule = Schedule::new(&speeds, 1.0, NO_LIMITS, &[]);
        let streams: Vec<_> = waiting.iter().map(|it| it.stream).collect();
        let begun = choose(&mut schedule, waiting, at(900), usize::MAX);
        let taken: Vec<_> = begun.iter().map(|it| (streams[it.id], it.rate)).collect();
        for (stream, rate) in &taken {
            prop_assert!(*rate <= stream.limit && *rate >= stream.limit * LEAST_SHARE);
        }
        for end in taken.iter().flat_map(|(it, _)| ends(it)) {
            prop_assert!(sum(&taken, end) <= whole + 1e-6);
        }
    }

    /// Where there is one queue, nobody waits for another.
    #[test]
    fn nothing_that_fits_waits(mut waiting in candidates(), moving in streams(4)) {
        let speeds = Speeds(vec![10.0; 8]);
        for it in &mut waiting {
            it.waiting.queue = 0;
            it.waiting.since = at(900);
            it.since = at(900);
        }
        let mut schedule = Schedule::new(&speeds, 1.0, NO_LIMITS, &moving);
        let begun = choose(&mut schedule, waiting.clone(), at(900), usize::MAX);
        let begun: BTreeSet<_> = begun.into_iter().map(|it| it.id).collect();
        for it in waiting.iter().filter(|it| !begun.contains(&it.id)) {
            prop_assert_eq!(schedule.rate(&it.stream), None);
        }
    }

    /// Whoever waits though it would fit waits for one that comes before it and lacks the same link.
    #[test]
    fn whoever_waits_though_it_fits_waits_for_one_before_it(
        waiting in candidates(),
        moving in streams(4),
    ) {
        let speeds = Speeds(vec![10.0; 8]);
        let mut schedule = Schedule::new(&speeds, 1.0, NO_LIMITS, &moving);
        let begun = choose(&mut schedule, waiting.clone(), at(900), usize::MAX);
        let begun: BTreeSet<_> = begun.into_iter().map(|it| it.id).collect();
        let waits = || waiting.iter().filter(|it| !begun.contains(&it.id));
        for it in waits().filter(|it| schedule.rate(&it.stream).is_some()) {
            let mut others = waits().filter(|other| other.id != it.id);
            let same_link = |other: &Candidate<usize, usize>| {
                ends(&other.stream).iter().any(|end| ends(&it.stream).contains(end))
            };
            prop_assert!(others.any(|other| same_link(other)
                && schedule.rate(&other.stream).is_none()));
        }
    }
}

proptest! {
    // Each is a long story.
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Some of what moves ends, as much as may begin does, and new moves of users come for ever.
    #[test]
    fn nobody_waits_for_ever(
        waiting in candidates(),
        seed in any::<u64>(),
    ) {
        let speeds = Speeds(vec![10.0; 8]);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut open: BTreeSet<_> = waiting.iter().map(|it| it.id).collect();
        let mut waiting = waiting;
        let mut moving: Vec<Stream> = Vec::new();
        let mut served = [0_u64; 5];
        let mut next = 1_000;
        for turn in 0..3_000_usize {
            let now = at(900).plus(Duration::from_secs(turn as u64 * 10));
            // Users from and to anywhere, whose moves are small.
            while waiting.iter().filter(|it| it.waiting.queue == 4).count() < 8 {
                let limit = 1.0 + 2.0 * random.f64();
                let new = stream(random.usize(0..4), random.usize(4..8), limit);
                let mut it = with(candidate(next, 4, new), Priority::User);
                it.waiting.since = now;
                it.since = now;
                next += 1;
                waiting.push(it);
            }
            for it in &mut waiting {
                it.waiting.served = served[it.waiting.queue];
            }
            let mut schedule = Schedule::new(&speeds, 1.0, NO_LIMITS, &moving);
            let begun = choose(&mut schedule, waiting.clone(), now, usize::MAX);
            for it in begun {
                let at = waiting.iter().position(|other| other.id == it.id).unwrap();
                let it = waiting.remove(at);
                served[it.waiting.queue] = now.as_micros() as u64;
                open.remove(&it.id);
                moving.push(it.stream);
            }
            if open.is_empty() {
                return Ok(());
            }
            if !moving.is_empty() {
                moving.swap_remove(random.usize(0..moving.len()));
            }
        }
        prop_assert!(open.is_empty(), "{open:?} never began");
    }
}
