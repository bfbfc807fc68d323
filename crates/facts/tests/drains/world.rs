//! A fleet, one of whose hosts is held, and all that is on its way.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use godwit_core::host::maintenance::{
    Effect, Event, Holder, Inventory, Maintenance, Standing, State, step,
};
use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::run::{OperationState, Run};
use godwit_core::time::Timestamp;
use godwit_planner::fleet::{Fleet, FleetHost, FleetServer, Group};
use godwit_planner::generate;
use uuid::Uuid;

use crate::blockers::BLOCKERS;
use crate::story::Seen;

/// A run, and what there is of its plan.
pub(crate) struct Kept {
    pub(crate) run: Run,
    pub(crate) is_return: bool,
    pub(crate) planned: bool,
    pub(crate) reported: bool,
    /// Who wanted it to end.
    pub(crate) cancelled_by: Option<String>,
    pub(crate) blocked: BTreeMap<ServerUuid, String>,
    /// As its plan was made.
    pub(crate) immovable: Immovable,
    /// Where each of its operations was to go before.
    pub(crate) tried: BTreeSet<(OperationUuid, String)>,
}

/// What a host said, on its way.
pub(crate) struct Answer {
    counts_after: Timestamp,
    inventory: Inventory,
}

pub(crate) struct World {
    pub(crate) random: Rng,
    pub(crate) seed: u64,
    micros: i64,
    ids: u128,
    /// The one that is emptied is the first.
    pub(crate) hosts: Vec<FleetHost>,
    pub(crate) guests: BTreeMap<ServerUuid, FleetServer>,
    groups: Vec<Group>,
    pub(crate) maintenance: Maintenance,
    /// What each holder has asked for, by this test's own account.
    pub(crate) wishes: BTreeMap<String, Immovable>,
    /// Why servers that are left cannot leave.
    pub(crate) reasons: BTreeMap<ServerUuid, String>,
    pub(crate) runs: BTreeMap<RunUuid, Kept>,
    pub(crate) plans: Vec<RunUuid>,
    pub(crate) arriving: u32,
    pub(crate) answers: Vec<Answer>,
    /// Servers that the last move of which was a run's of a maintenance.
    pub(crate) by_maintenance: BTreeSet<ServerUuid>,
    /// Servers that maintenance has shut down and not started again.
    pub(crate) shut_down: BTreeSet<ServerUuid>,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let (hosts, servers) = (random.usize(3..6), random.usize(8..40));
        let link = generate::link(25, 10);
        let fleet = generate::fleet(seed, hosts, servers, link).unwrap();
        let (mut hosts, mut guests, groups) = fleet.into_parts();
        let mut seen = Seen::default();
        for _ in 0..random.usize(0..4) {
            let blocker = BLOCKERS[random.usize(0..BLOCKERS.len())];
            let first = hosts[0].host.name.clone();
            let mut here: Vec<&mut FleetServer> = guests
                .iter_mut()
                .filter(|it| it.need.source == first)
                .collect();
            blocker.apply(&mut random, &mut hosts, &mut here);
            guests.retain(|it| hosts.iter().any(|host| host.host.name == it.need.source));
            seen.blockers.insert(blocker);
        }
        let arriving = random.u32(0..3).saturating_sub(1);
        Self {
            seed,
            micros: 1_000_000,
            ids: 1,
            hosts,
            guests: guests.into_iter().map(|it| (it.need.server, it)).collect(),
            groups,
            maintenance: Maintenance::none(Timestamp::from_micros(1_000_000).unwrap()),
            wishes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            runs: BTreeMap::new(),
            plans: Vec::new(),
            arriving,
            answers: Vec::new(),
            by_maintenance: BTreeSet::new(),
            shut_down: BTreeSet::new(),
            seen,
            random,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros).unwrap()
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.micros += seconds * 1_000_000 + 1;
    }

    pub(crate) fn pass_until(&mut self, at: Timestamp) {
        self.micros = self.micros.max(at.as_micros()) + 1;
    }

    pub(crate) fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// The host that is emptied.
    pub(crate) fn host(&self) -> HostName {
        self.hosts[0].host.name.clone()
    }

    /// What it executes.
    pub(crate) fn executing(&self) -> BTreeSet<ServerUuid> {
        let here = self
            .guests
            .values()
            .filter(|it| it.running && it.need.source == self.host());
        here.map(|it| it.need.server).collect()
    }

    /// The fleet as a plan of `run` finds it.
    pub(crate) fn fleet(&self, run: Option<RunUuid>) -> Fleet {
        let mut hosts = self.hosts.clone();
        let mut guests: Vec<FleetServer> = self.guests.values().cloned().collect();
        for (other, kept) in &self.runs {
            for it in kept.run.in_state(OperationState::Running) {
                if run == Some(*other) || !it.kind.moves_server() {
                    continue;
                }
                let to = HostName::new(it.destination.clone()).unwrap();
                let moving = guests
                    .iter_mut()
                    .find(|guest| guest.need.server == it.server);
                if let Some(moving) = moving {
                    moving.moving_to = Some(to.clone());
                    if let Some(host) = hosts.iter_mut().find(|host| host.host.name == to) {
                        host.host.used = host.host.used.plus(moving.need.room);
                    }
                }
            }
        }
        if self.maintenance.forbids_arrivals() {
            hosts[0].host.holders = self.wishes.keys().cloned().collect();
        }
        Fleet::new(hosts, guests, self.groups.clone()).unwrap()
    }

    /// Moves a guest, with the room that it takes.
    pub(crate) fn carry(&mut self, server: ServerUuid, to: &HostName, by_maintenance: bool) {
        let Some(guest) = self.guests.get_mut(&server) else {
            return;
        };
        let room = guest.need.room;
        let from = std::mem::replace(&mut guest.need.source, to.clone());
        for host in &mut self.hosts {
            if host.host.name == from {
                host.host.used = host.host.used.less(room);
            }
            if host.host.name == *to {
                host.host.used = host.host.used.plus(room);
            }
        }
        match by_maintenance {
            true => self.by_maintenance.insert(server),
            false => self.by_maintenance.remove(&server),
        };
    }

    pub(crate) fn maintenance_step(&mut self, event: &Event) -> bool {
        let (fresh, now) = (RunUuid(self.id()), self.now());
        let Ok(transition) = step(&self.maintenance, event, fresh, now) else {
            return false;
        };
        self.maintenance = transition.next;
        let left = &self.maintenance.left;
        self.reasons.retain(|server, _| left.contains_key(server));
        if let Some(by) = &self.maintenance.cancelled_by {
            for server in left.keys() {
                let because = || format!("cancelled by {by}");
                self.reasons.entry(*server).or_insert_with(because);
            }
        }
        for effect in transition.effects {
            match effect {
                Effect::MakePlan(run) => self.promise(run, false),
                Effect::PlanReturn(run) => self.promise(run, true),
                Effect::CancelRun(run) => self.cancel(run, false),
            }
        }
        self.check();
        true
    }

    /// Nobody is told that the host may be switched off while it executes something, or may soon.
    pub(crate) fn check(&mut self) {
        if !self.maintenance.safe_to_reboot() {
            return;
        }
        self.seen.safe = 1;
        assert_eq!(self.executing(), BTreeSet::new(), "seed {}", self.seed);
        assert_eq!(self.arriving, 0, "seed {}", self.seed);
        let host = self.host();
        for kept in self.runs.values() {
            let mut running = kept.run.in_state(OperationState::Running);
            let comes = running.any(|it| it.kind.moves_server() && it.destination == host.as_str());
            assert!(!comes, "seed {}: somebody comes", self.seed);
        }
    }

    pub(crate) fn hold(&mut self, holder: &str, immovable: Immovable, deadline: Option<Timestamp>) {
        let now = self.now();
        let homes = self
            .guests
            .values()
            .filter(|it| it.need.source == self.host());
        let event = Event::Held {
            holder: Holder {
                holder: holder.to_owned(),
                reason: None,
                by: holder.to_owned(),
                since: now,
                deadline,
                immovable,
                return_home: ReturnHome::Never,
            },
            guests: homes.map(|it| it.need.server).collect(),
            placements_in_flight: self.arriving + self.coming(),
            run: None,
        };
        // Before what follows from it.
        self.wishes.insert(holder.to_owned(), immovable);
        assert!(
            self.maintenance_step(&event),
            "seed {}: a host can always be held",
            self.seed
        );
    }

    /// Moves of runs that end here.
    pub(crate) fn coming(&self) -> u32 {
        let host = self.host();
        let runs = self
            .runs
            .values()
            .flat_map(|it| it.run.in_state(OperationState::Running));
        let coming = runs.filter(|it| it.kind.moves_server() && it.destination == host.as_str());
        coming.count() as u32
    }

    pub(crate) fn recount(&mut self) {
        let placements = self.arriving + self.coming();
        if self.maintenance.forbids_arrivals()
            && self.maintenance.evidence.placements_in_flight != placements
        {
            self.maintenance_step(&Event::PlacementsChanged(placements));
        }
    }

    pub(crate) fn release(&mut self, holder: &str, return_home: ReturnHome) {
        if self.wishes.remove(holder).is_some() {
            let event = Event::Released {
                holder: holder.to_owned(),
                return_home,
            };
            assert!(
                self.maintenance_step(&event),
                "seed {}: {holder} holds it",
                self.seed
            );
        }
    }

    pub(crate) fn ask_host(&mut self) {
        let (now, counts_after) = (self.now(), self.maintenance.evidence.counts_after);
        if self.hosts[0].host.up {
            self.answers.push(Answer {
                counts_after,
                inventory: Inventory {
                    began_at: now,
                    executing: self.executing(),
                },
            });
        } else if self.maintenance.evidence.counts() {
            self.maintenance_step(&Event::AgentDied);
        }
    }

    /// What it said arrives, late or in another order; it counts where nothing came in between.
    pub(crate) fn hear(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.answers.len());
        let answer = self.answers.swap_remove(at);
        self.recount();
        if self.maintenance.evidence.counts_after == answer.counts_after {
            self.maintenance_step(&Event::Seen(answer.inventory));
        }
    }

    /// Those that are elsewhere by now.
    pub(crate) fn notice_departures(&mut self) {
        let host = self.host();
        for server in self.maintenance.known() {
            let standing = Standing {
                host: self.guests.get(&server).map(|it| it.need.source.clone()),
                by_maintenance: self.by_maintenance.contains(&server),
                is_off: self.guests.get(&server).is_some_and(|it| !it.running),
            };
            if let Some(event) = self.maintenance.departure(&host, server, &standing) {
                self.maintenance_step(&event);
            }
        }
    }

    pub(crate) fn retry(&mut self) {
        self.maintenance_step(&Event::RetryDue);
    }

    pub(crate) fn is_free(&self) -> bool {
        self.maintenance.state == State::None
    }
}
