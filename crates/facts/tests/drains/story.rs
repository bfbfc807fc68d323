//! One drain: what happens to it at random, and what becomes of it.

use std::collections::BTreeSet;
use std::iter::Sum;
use std::time::Duration;

use godwit_core::host::maintenance::Left;
use godwit_core::ids::RunUuid;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::run::{Event, OperationState};

use crate::blockers::{BLOCKERS, Blocker};
use crate::world::World;

/// What has come of drains.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    pub(crate) blockers: BTreeSet<Blocker>,
    pub(crate) plans: u64,
    pub(crate) operations: u64,
    pub(crate) failures: u64,
    pub(crate) replanned: u64,
    pub(crate) stopped_as_asked: u64,
    pub(crate) stopped_unasked: u64,
    /// Drains in which the host was safe to reboot at some time.
    pub(crate) safe: u64,
    /// That ended in maintenance, with servers that cannot leave, or released.
    pub(crate) in_maintenance: u64,
    pub(crate) blocked: u64,
    pub(crate) skipped: u64,
    pub(crate) released: u64,
    /// Servers that were shut down, as asked, and that a host that was left has not started again.
    pub(crate) left_off: u64,
}

impl Sum for Seen {
    fn sum<I: Iterator<Item = Self>>(seen: I) -> Self {
        seen.fold(Self::default(), |mut sum, it| {
            sum.blockers.extend(it.blockers);
            sum.plans += it.plans;
            sum.operations += it.operations;
            sum.failures += it.failures;
            sum.replanned += it.replanned;
            sum.stopped_as_asked += it.stopped_as_asked;
            sum.stopped_unasked += it.stopped_unasked;
            sum.safe += it.safe;
            sum.in_maintenance += it.in_maintenance;
            sum.blocked += it.blocked;
            sum.skipped += it.skipped;
            sum.released += it.released;
            sum.left_off += it.left_off;
            sum
        })
    }
}

impl Seen {
    /// A test in which nothing happens proves nothing.
    pub(crate) fn assert_everything_happens(&self, count: u64) {
        assert_eq!(self.blockers, BTreeSet::from(BLOCKERS));
        for (what, seen) in [("plans", self.plans), ("operations", self.operations)] {
            assert!(seen > count, "{what}: {seen}");
        }
        for (what, seen) in [
            ("failures", self.failures),
            ("another destination", self.replanned),
            ("stopped as asked", self.stopped_as_asked),
            ("safe to reboot", self.safe),
            ("in maintenance", self.in_maintenance),
            ("blocked", self.blocked),
            ("skipped", self.skipped),
            ("released", self.released),
        ] {
            assert!(seen > count / 50, "{what}: {seen}");
        }
    }
}

const HOLDERS: [&str; 3] = ["kernel", "fans", "memory"];

/// Things that happen while it lasts.
const HAPPENINGS: usize = 120;

pub(crate) fn story(seed: u64) -> Seen {
    let mut world = World::of(seed);
    world.somebody_holds();
    for _ in 0..HAPPENINGS {
        let seconds = world.random.i64(0..20);
        world.pass(seconds);
        world.happens();
        world.check();
    }
    world.settle();
    world.seen
}

impl World {
    fn somebody_holds(&mut self) {
        let holder = HOLDERS[self.random.usize(0..HOLDERS.len())];
        let immovable = match self.random.u8(0..7) {
            0..2 => Immovable::Wait,
            2..4 => Immovable::Skip,
            _ => Immovable::ShutdownRestart,
        };
        let late = self.random.u8(0..12) == 0;
        let deadline = late.then(|| self.now().plus(Duration::from_secs(600)));
        self.hold(holder, immovable, deadline);
    }

    fn somebody_releases(&mut self) {
        let holder = HOLDERS[self.random.usize(0..HOLDERS.len())];
        let return_home = match self.random.bool() {
            true => ReturnHome::Now,
            false => ReturnHome::Never,
        };
        self.release(holder, return_home);
    }

    fn some_run(&mut self) -> Option<RunUuid> {
        let runs: Vec<RunUuid> = self.runs.keys().copied().collect();
        (!runs.is_empty()).then(|| runs[self.random.usize(0..runs.len())])
    }

    /// One thing.
    fn happens(&mut self) {
        let run = self.some_run();
        match (self.random.u8(0..100), run) {
            (0..3, _) => self.somebody_holds(),
            (3..5, _) => self.somebody_releases(),
            (5..15, _) => self.plan(),
            (15..65, Some(run)) => {
                self.drive(run, true);
            }
            (65..72, _) => self.ask_host(),
            (72..82, _) => self.hear(),
            (82..86, _) => self.notice_departures(),
            (86..88, _) => self.somebody_lands(),
            (88..90, _) => self.a_host_comes_or_goes(),
            (90, _) => self.hosts[0].host.up ^= true,
            (91, Some(run)) => {
                let abort = self.random.bool();
                self.cancel(run, abort);
                if let Some(kept) = self.runs.get_mut(&run) {
                    kept.cancelled_by = Some("somebody".to_owned());
                }
            }
            (92, Some(run)) => self.somebody_skips(run),
            (93, _) => self.somebody_deletes(),
            (94, _) => self.somebody_moves(),
            (95..97, _) => self.somebody_frees_a_server(),
            _ => {
                if let Some(at) = self.maintenance.retry_at {
                    self.pass_until(at);
                }
                self.retry();
            }
        }
    }

    /// A placement from before ends here, or comes to nothing; one more begins where it may.
    fn somebody_lands(&mut self) {
        if self.arriving == 0 {
            if !self.maintenance.forbids_arrivals() {
                self.arriving += 1;
            }
            return;
        }
        self.arriving -= 1;
        let host = self.host();
        let others: Vec<_> = self
            .guests
            .values()
            .filter(|it| it.need.source != host)
            .map(|it| it.need.server)
            .collect();
        let moving = self
            .runs
            .values()
            .flat_map(|it| it.run.in_state(OperationState::Running));
        let moving: BTreeSet<_> = moving.map(|it| it.server).collect();
        let lands = others.into_iter().find(|it| !moving.contains(it));
        if let Some(server) = lands.filter(|_| self.random.bool()) {
            self.carry(server, &host, false);
        }
        self.recount();
    }

    fn a_host_comes_or_goes(&mut self) {
        if self.hosts.len() > 1 {
            let at = self.random.usize(1..self.hosts.len());
            let host = &mut self.hosts[at].host;
            host.up = !host.up || self.random.bool();
        }
    }

    fn somebody_skips(&mut self, run: RunUuid) {
        let waiting = self.runs[&run].run.in_state(OperationState::Waiting).next();
        if let Some(id) = waiting.map(|it| it.id) {
            self.run_step(run, &Event::SkipRequested(id));
        }
    }

    /// Of a server with which nothing is being done.
    fn somebodys_server(&mut self) -> Option<godwit_core::ids::ServerUuid> {
        let moving = self
            .runs
            .values()
            .flat_map(|it| it.run.in_state(OperationState::Running));
        let moving: BTreeSet<_> = moving.map(|it| it.server).collect();
        let host = self.host();
        let here = self
            .guests
            .values()
            .filter(|it| it.need.source == host && it.moving_to.is_none());
        let free: Vec<_> = here
            .map(|it| it.need.server)
            .filter(|it| !moving.contains(it))
            .collect();
        (!free.is_empty()).then(|| free[self.random.usize(0..free.len())])
    }

    fn somebody_deletes(&mut self) {
        if let Some(server) = self.somebodys_server() {
            self.guests.remove(&server);
            self.shut_down.remove(&server);
        }
    }

    fn somebody_moves(&mut self) {
        if self.hosts.len() > 1
            && let Some(server) = self.somebodys_server()
        {
            let to = self.hosts[1].host.name.clone();
            self.carry(server, &to, false);
        }
    }

    fn somebody_frees_a_server(&mut self) {
        if let Some(guest) = self.guests.values_mut().find(|it| it.moving_to.is_some()) {
            guest.moving_to = None;
        }
    }

    pub(crate) fn is_left_as(&self, why: Left) -> bool {
        self.maintenance.left.values().any(|it| *it == why)
    }
}
