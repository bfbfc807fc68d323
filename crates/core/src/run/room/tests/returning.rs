//! Runs of many hosts, which wait for those that bring the guests of a host back.

use super::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Ordinary,
    /// It ends when its guests are back.
    Rolling,
    /// It brings those of that run back.
    Return(usize),
    /// The same, when nobody else wants to begin.
    Idle(usize),
}

/// Some runs, each with what it wants; a rolling one also with what the way home of its guests wants,
/// and whether that is in no hurry.
type Wish = ([i64; 3], u8, bool, [i64; 3], u8, bool);

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let hosts = || [0..6_i64, 0..6_i64, 0..6_i64];
    let wish = (
        hosts(),
        0..16_u8,
        any::<bool>(),
        hosts(),
        0..16_u8,
        any::<bool>(),
    );
    prop::collection::vec(wish, 1..6)
}

struct World {
    total: BTreeMap<HostName, Resources>,
    kinds: BTreeMap<RunUuid, Kind>,
    /// In the order of their turns; those in no hurry come last.
    waiting: Vec<Claimant>,
    holding: Vec<Claimant>,
    waits: Waits,
    ended: BTreeSet<RunUuid>,
}

impl World {
    fn kind(&self, run: RunUuid) -> Kind {
        self.kinds[&run]
    }

    /// Whom everybody waits for by now, as far as they are still there.
    fn waits(&self) -> Waits {
        let mut waits = self.waits.clone();
        for (run, kind) in &self.kinds {
            let (Kind::Return(of) | Kind::Idle(of)) = kind else {
                continue;
            };
            if !self.ended.contains(run) {
                waits.entry(super::run(*of)).or_default().insert(*run);
            }
        }
        waits
    }

    fn others(&self, place: usize) -> Others {
        let own = &self.waiting[place];
        let is_idle = |it: &&Claimant| matches!(self.kind(it.run), Kind::Idle(_));
        let idle = is_idle(&own);
        let (before, after) = self.waiting.split_at(place);
        let others = before.iter().chain(&after[1..]);
        let first = others.filter(|it| idle && !is_idle(it));
        let mut seen = Others {
            holding: self.holding.clone(),
            ahead: before.to_vec(),
            first: first.map(|it| it.run).collect(),
        };
        if matches!(self.kind(own.run), Kind::Return(_) | Kind::Idle(_)) {
            seen.let_pass(&waiting_for(own.run, &self.waits()));
        }
        seen
    }

    fn free(&self) -> BTreeMap<HostName, Resources> {
        let free = self.total.iter().map(|(host, total)| {
            let held = sum_of(&self.holding, host);
            (host.clone(), total.less(held))
        });
        free.collect()
    }

    fn end(&mut self, run: RunUuid) {
        self.waits.remove(&run);
        self.ended.insert(run);
    }

    /// Everybody who waits looks once; says whether anything has changed.
    fn round(&mut self) -> bool {
        let mut place = 0;
        let mut changed = false;
        while let Some(own) = self.waiting.get(place).cloned() {
            match self.others(place).decide(&own.room, &self.free()) {
                Decision::WaitFor(others) => {
                    assert!(!others.is_empty());
                    self.waits.insert(own.run, others);
                    place += 1;
                    continue;
                }
                Decision::Claim => {
                    self.waits.remove(&own.run);
                    self.holding.push(own);
                }
                // What cannot return stays where it is.
                Decision::Refuse(_) | Decision::Later(_) => self.end(own.run),
            }
            self.waiting.remove(place);
            changed = true;
        }
        changed
    }

    fn may_end(&self, run: RunUuid) -> bool {
        let back = |(way, kind): (&RunUuid, &Kind)| match kind {
            Kind::Return(of) | Kind::Idle(of) if super::run(*of) == run => self.ended.contains(way),
            Kind::Ordinary | Kind::Rolling | Kind::Return(_) | Kind::Idle(_) => true,
        };
        self.kinds.iter().all(back)
    }
}

#[test]
fn whoever_waits_for_one_that_waits_is_found() {
    let waits = |of: &[(usize, &[usize])]| -> Waits {
        let each = of
            .iter()
            .map(|(one, others)| (run(*one), others.iter().map(|it| run(*it)).collect()));
        each.collect()
    };
    let found = |of, waits: &Waits| waiting_for(run(of), waits);
    let chain = waits(&[(1, &[2]), (2, &[3, 4]), (5, &[6])]);
    assert_eq!(found(3, &chain), [run(1), run(2)].into());
    assert_eq!(found(1, &chain), [].into());
    let circle = waits(&[(1, &[2]), (2, &[1])]);
    assert_eq!(found(1, &circle), [run(1), run(2)].into());
}

/// As the way home of a rolling run finds it: the run moves one of its servers once more.
#[test]
fn a_way_home_does_not_wait_for_the_run_that_waits_for_it() {
    let server = BTreeSet::from([uuid::Uuid::from_u128(9).into()]);
    let with_server = |number, hosts: &[(&str, i64)]| {
        let mut claimant = claimant(number, hosts);
        claimant.room.servers.clone_from(&server);
        claimant
    };
    let mut others = Others {
        holding: vec![with_server(1, &[("a", 2)])],
        ahead: vec![with_server(2, &[])],
        first: [run(3)].into(),
    };
    let room = with_server(4, &[("a", 1)]).room;
    let free = free(&[("a", 1)]);
    assert_eq!(others.decide(&room, &free), waits_for(&[1, 2, 3]));
    let waits = Waits::from([(run(1), [run(4)].into()), (run(2), [run(1)].into())]);
    others.let_pass(&waiting_for(run(4), &waits));
    assert_eq!(others.decide(&room, &free), waits_for(&[3]));
    others.let_pass(&[run(3)].into());
    assert_eq!(others.decide(&room, &free), Decision::Claim);
    let more = with_server(4, &[("a", 2)]).room;
    let refused = Decision::Refuse([host("a")].into());
    assert_eq!(
        others.decide(&more, &free),
        refused,
        "it is not given back before"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever runs of many hosts, their ways home and other runs want, nobody ends up waiting for
    /// himself, and all of them end.
    #[test]
    fn runs_and_the_ways_home_that_they_wait_for_never_deadlock(
        wishes in wishes(),
        has in [0..8_i64, 0..8_i64, 0..8_i64],
        picks in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let mut world = World {
            total: free(&[("a", has[0]), ("b", has[1]), ("c", has[2])]),
            kinds: BTreeMap::new(),
            waiting: Vec::new(),
            holding: Vec::new(),
            waits: Waits::new(),
            ended: BTreeSet::new(),
        };
        for (number, (hosts, servers, rolls, ..)) in wishes.iter().enumerate() {
            let kind = if *rolls { Kind::Rolling } else { Kind::Ordinary };
            world.kinds.insert(run(number), kind);
            let room = room_of((*hosts, *servers));
            world.waiting.push(Claimant { run: run(number), room });
        }
        let mut picks = picks.iter().cycle();
        while !world.waiting.is_empty() || !world.holding.is_empty() {
            while world.round() {}
            // Once more, as each may have looked before the others.
            prop_assert!(!world.round());
            let waits = world.waits();
            for run in waits.keys() {
                prop_assert!(!waiting_for(*run, &waits).contains(run), "{run} waits for itself");
            }
            // A run of many hosts is done with one, or a run ends.
            let begun = |world: &World, number: usize| {
                let begun = world.holding.iter().any(|it| it.run == run(number));
                begun && world.kind(run(number)) == Kind::Rolling
            };
            let returns = |number: usize| run(100 + number);
            let due = (0..wishes.len())
                .find(|it| begun(&world, *it) && !world.kinds.contains_key(&returns(*it)));
            if let Some(number) = due {
                let (.., hosts, servers, idle) = wishes[number];
                let room = room_of((hosts, servers));
                let way = Claimant { run: returns(number), room };
                let kind = if idle { Kind::Idle(number) } else { Kind::Return(number) };
                world.kinds.insert(way.run, kind);
                let hurry = |it: &Claimant| !matches!(world.kind(it.run), Kind::Idle(_));
                let hurried = world.waiting.iter().filter(|it| hurry(it)).count();
                let place = match idle {
                    true => world.waiting.len(),
                    false => picks.next().unwrap().index(hurried + 1),
                };
                world.waiting.insert(place, way);
                continue;
            }
            let ends: Vec<_> = world.holding.iter().map(|it| it.run).collect();
            let ends: Vec<_> = ends.into_iter().filter(|it| world.may_end(*it)).collect();
            prop_assert!(!ends.is_empty() || world.waiting.is_empty(), "deadlock");
            if let Some(run) = ends.get(picks.next().unwrap().index(ends.len().max(1))) {
                let run = *run;
                world.holding.retain(|it| it.run != run);
                world.end(run);
            }
        }
    }
}
