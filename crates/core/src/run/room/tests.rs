use proptest::prelude::*;

use super::*;
use crate::fixtures::{host, noon};

fn run(number: usize) -> RunUuid {
    uuid::Uuid::from_u128(number as u128 + 1).into()
}

fn memory(memory_mb: i64) -> Resources {
    Resources {
        memory_mb,
        ..Resources::default()
    }
}

fn room(hosts: &[(&str, i64)]) -> Room {
    let hosts = hosts.iter().map(|(name, mib)| (host(name), memory(*mib)));
    Room {
        hosts: hosts.collect(),
        servers: BTreeSet::new(),
    }
}

fn free(hosts: &[(&str, i64)]) -> BTreeMap<HostName, Resources> {
    room(hosts).hosts
}

fn claimant(number: usize, hosts: &[(&str, i64)]) -> Claimant {
    Claimant {
        run: run(number),
        room: room(hosts),
    }
}

fn waits_for(numbers: &[usize]) -> Decision {
    Decision::WaitFor(numbers.iter().map(|it| run(*it)).collect())
}

#[test]
fn all_is_claimed_or_nothing_and_whoever_waits_says_for_whom() {
    let wanted = room(&[("a", 4), ("b", 4)]);
    let holding = [claimant(1, &[("b", 2)]), claimant(2, &[("c", 2)])];
    let of = |b| decide(&wanted, &free(&[("a", 4), ("b", b)]), &holding, &[]);
    assert_eq!(of(4), Decision::Claim);
    assert_eq!(of(3), waits_for(&[1]));
    assert_eq!(of(1), Decision::Refuse(BTreeSet::from([host("b")])));
}

#[test]
fn nobody_is_overtaken() {
    let ahead = [claimant(1, &[("a", 4)])];
    let of = |a| decide(&room(&[("a", 2)]), &free(&[("a", a)]), &[], &ahead);
    assert_eq!(of(3), waits_for(&[1]));
    assert_eq!(of(6), Decision::Claim);
}

#[test]
fn two_runs_never_move_the_same_server() {
    let with_server = |number| {
        let mut claimant = claimant(number, &[]);
        claimant
            .room
            .servers
            .insert(uuid::Uuid::from_u128(9).into());
        claimant
    };
    let wanted = with_server(1).room;
    assert_eq!(
        decide(&wanted, &free(&[]), &[with_server(2)], &[]),
        waits_for(&[2])
    );
    assert_eq!(
        decide(&wanted, &free(&[]), &[], &[with_server(3)]),
        waits_for(&[3])
    );
    assert_eq!(
        decide(&wanted, &free(&[]), &[claimant(2, &[])], &[]),
        Decision::Claim
    );
}

#[test]
fn of_what_is_not_wanted_there_may_be_too_little() {
    let full = BTreeMap::from([(
        host("a"),
        Resources {
            vcpus: -2,
            memory_mb: 8,
            disk_gb: 0,
        },
    )]);
    assert_eq!(decide(&room(&[("a", 8)]), &full, &[], &[]), Decision::Claim);
}

#[test]
fn room_that_is_only_taken_for_a_moment_is_waited_for_so_long_and_no_longer() {
    let now = noon();
    let wanted = room(&[("a", 4)]);
    let holding = [claimant(1, &[("a", 1)])];
    let of = |free_now, passing, since| {
        let free_now = free(&[("a", free_now)]);
        let decision = decide(&wanted, &free_now, &holding, &[]);
        let passing = free(&[("a", passing)]);
        decision.or_later(&wanted, (&free_now, &passing), &holding, (since, now))
    };
    let on_a = || BTreeSet::from([host("a")]);
    assert_eq!(of(1, 2, None), Decision::Later(on_a()));
    assert_eq!(of(1, 1, None), Decision::Refuse(on_a()));
    let before = |span| Some(now.minus(span));
    let short = Duration::from_secs(1);
    assert_eq!(of(1, 2, before(PATIENCE - short)), Decision::Later(on_a()));
    assert_eq!(of(1, 2, before(PATIENCE)), Decision::Refuse(on_a()));
    // Who waits for others, or for nobody, does not lack anything.
    assert_eq!(of(3, 2, before(PATIENCE)), waits_for(&[1]));
    assert_eq!(of(4, 2, before(PATIENCE)), Decision::Claim);
}

/// Of each run, how much it wants of each of three hosts, and which of four servers it moves.
fn wishes() -> impl Strategy<Value = Vec<([i64; 3], u8)>> {
    let hosts = [0..6_i64, 0..6_i64, 0..6_i64];
    prop::collection::vec((hosts, 0..16_u8), 1..7)
}

fn room_of((hosts, servers): ([i64; 3], u8)) -> Room {
    let moved = (0..4_u32).filter(|bit| servers & (1 << bit) != 0);
    Room {
        servers: moved
            .map(|bit| uuid::Uuid::from_u128(u128::from(bit)).into())
            .collect(),
        ..room(&[("a", hosts[0]), ("b", hosts[1]), ("c", hosts[2])])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whoever wants the same room, in whatever order those that hold it end: each run begins, or
    /// was refused because there is too little, and no host ever gives more than it has.
    #[test]
    fn runs_that_want_the_same_room_never_deadlock(
        wishes in wishes(),
        has in [0..8_i64, 0..8_i64, 0..8_i64],
        ends in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let names = ["a", "b", "c"];
        let total = free(&[("a", has[0]), ("b", has[1]), ("c", has[2])]);
        let fits = |room: &Room| room.hosts.iter().all(|(host, it)| it.fits(total[host]));
        let mut waiting: Vec<_> = wishes.iter().enumerate().map(|(number, wish)| Claimant {
            run: run(number),
            room: room_of(*wish),
        }).collect();
        let mut holding: Vec<Claimant> = Vec::new();
        let mut ends = ends.iter().cycle();
        while !waiting.is_empty() || !holding.is_empty() {
            let mut ahead: Vec<Claimant> = Vec::new();
            for claimant in std::mem::take(&mut waiting) {
                let free = total.iter().map(|(host, total)| {
                    (host.clone(), total.less(sum_of(&holding, host)))
                }).collect();
                match decide(&claimant.room, &free, &holding, &ahead) {
                    Decision::Claim => holding.push(claimant),
                    Decision::Refuse(_) => prop_assert!(!fits(&claimant.room)),
                    // Nothing else holds anything.
                    Decision::Later(hosts) => prop_assert!(false, "{hosts:?}"),
                    Decision::WaitFor(others) => {
                        prop_assert!(fits(&claimant.room) && !others.is_empty());
                        let known = holding.iter().chain(&ahead).map(|it| it.run);
                        prop_assert!(others.is_subset(&known.collect()));
                        ahead.push(claimant);
                    }
                }
            }
            waiting = ahead;
            for name in names {
                prop_assert!(sum_of(&holding, &host(name)).fits(total[&host(name)]));
            }
            prop_assert!(waiting.is_empty() || !holding.is_empty(), "deadlock: {waiting:?}");
            if !holding.is_empty() {
                let ended = ends.next().unwrap().index(holding.len());
                holding.remove(ended);
            }
        }
    }
}

mod returning;

mod held {
    use super::*;
    use crate::plan::PlanKind;
    use crate::run::RunState;
    use crate::run::tests::{id, moves};

    /// The first goes from a to z, the second from b to a, the third from c to a.
    fn swap(states: [OperationState; 3]) -> Run {
        let mut operations = vec![moves(1, "a"), moves(2, "b"), moves(3, "c")];
        for (operation, state) in operations.iter_mut().zip(states) {
            operation.state = state;
        }
        for operation in &mut operations[1..] {
            operation.destination = "a".to_owned();
        }
        let run = Run::pending(PlanKind::Servers, operations, vec![]).unwrap();
        Run {
            state: RunState::Running,
            ..run
        }
    }

    fn size(operation: OperationUuid) -> Resources {
        let number = (1..=3).find(|it| id(*it) == operation).unwrap();
        memory(i64::try_from(number).unwrap())
    }

    fn left(held: &[(&str, i64)], next: [OperationState; 3]) -> BTreeMap<HostName, Resources> {
        use OperationState::Waiting;
        let before = swap([OperationState::Running, Waiting, Waiting]);
        let next = swap(next);
        let needed = needed(&next.operations, size);
        held_after(&free(held), (&before, &next), &needed, size)
    }

    #[test]
    fn room_that_a_server_leaves_is_kept_for_whom_the_run_brings_there() {
        use OperationState::{Completed, Failed, Running, Waiting};
        let held = [("a", 3), ("z", 1)];
        let kept = left(&held, [Completed, Waiting, Waiting]);
        assert_eq!(kept, free(&[("a", 4)]), "and z has it now");
        let kept = left(&held, [Failed, Waiting, Waiting]);
        assert_eq!(kept, free(&[("a", 3)]));
        let kept = left(&held, [Running, Failed, Waiting]);
        assert_eq!(kept, free(&[("a", 3), ("z", 1)]));
        let kept = left(&held, [Running, Waiting, Failed]);
        assert_eq!(kept, free(&[("a", 2), ("z", 1)]), "no more than is needed");
        assert_eq!(left(&held, [Completed, Failed, Failed]), free(&[]));
    }

    proptest! {
        /// It holds no more of a host than what is still to come there needs, nothing of another, and
        /// never less than it held unless it needs less.
        #[test]
        fn it_holds_what_it_may_need_and_no_more(
            held in prop::collection::vec(0_i64..9, 2),
            next in prop::collection::vec(prop::sample::select(OperationState::ALL), 3),
        ) {
            let held = [("a", held[0]), ("z", held[1])];
            let next = [next[0], next[1], next[2]];
            let kept = left(&held, next);
            let run = swap(next);
            for (name, before) in held {
                let needed = needed(&run.operations, size).get(&host(name)).map_or(0, |it| it.memory_mb);
                let kept = kept.get(&host(name)).map_or(0, |it| it.memory_mb);
                prop_assert!(kept <= needed);
                prop_assert!(kept >= before.min(needed));
            }
            prop_assert!(kept.len() <= 2);
        }
    }
}
