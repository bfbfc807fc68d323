//! Nothing more goes wrong: what has begun ends, and what cannot be is said, with its reason.

use godwit_core::host::maintenance::{Left, State};
use godwit_core::ids::{RunUuid, ServerUuid};
use godwit_core::plan::options::Immovable;

use crate::world::World;

/// More than any drain needs.
const TURNS: usize = 400;
/// So often blockers are tried again before they are believed.
const RETRIES: usize = 2;

impl World {
    pub(crate) fn settle(&mut self) {
        self.hosts[0].host.up = true;
        self.answers.clear();
        self.arriving = 0;
        self.recount();
        let mut retries = 0;
        for _ in 0..TURNS {
            self.pass(5);
            if self.go_on() {
                continue;
            }
            self.look_twice();
            if self.go_on() {
                continue;
            }
            match self.maintenance.retry_at.filter(|_| retries < RETRIES) {
                Some(at) => {
                    retries += 1;
                    self.pass_until(at);
                    self.retry();
                }
                None => return self.ends(),
            }
        }
        panic!(
            "seed {}: it does not come to an end: {:#?}",
            self.seed, self.maintenance
        );
    }

    /// All that has begun goes on; `false`: nothing has.
    fn go_on(&mut self) -> bool {
        let mut went_on = !self.plans.is_empty();
        self.plan();
        let runs: Vec<RunUuid> = self.runs.keys().copied().collect();
        for run in runs {
            went_on |= self.drive(run, false);
        }
        self.notice_departures();
        went_on
    }

    fn is_on_dead_host(&self, server: ServerUuid) -> bool {
        let on = self.guests.get(&server).map(|it| &it.need.source);
        let mut hosts = self.hosts.iter();
        hosts.any(|it| Some(&it.host.name) == on && !it.host.up)
    }

    fn look_twice(&mut self) {
        for _ in 0..2 {
            self.pass(1);
            self.ask_host();
            self.hear();
        }
    }

    fn ends(&mut self) {
        let seed = self.seed;
        let it = &self.maintenance;
        assert_eq!(
            (it.work, it.next),
            (None, None),
            "seed {seed}: nobody does it"
        );
        // It is left once what is off was started: by somebody, where the way home was cancelled, or
        // when the host is back that it was taken to meanwhile.
        let mut off = it.shut_down();
        let waits = it.cancelled_by.is_some() || off.all(|server| self.is_on_dead_host(server));
        let still_waits = it.state == State::Leaving && waits;
        assert_eq!(
            self.wishes.is_empty(),
            self.is_free() || still_waits,
            "seed {seed}: {it:#?}"
        );
        match it.state {
            State::None => {
                self.seen.released += 1;
                self.seen.left_off += self.shut_down.len() as u64;
            }
            State::InMaintenance => {
                self.seen.in_maintenance += 1;
                let skipped = |server| it.left.get(server) == Some(&Left::Skipped);
                assert!(self.executing().iter().all(skipped), "seed {seed}");
            }
            State::Entering | State::Empty => {
                self.seen.blocked += 1;
                let late = it.deadline().is_some_and(|at| at <= self.now());
                assert!(
                    late || it.blockers().next().is_some(),
                    "seed {seed}: no reason: {it:#?}"
                );
                for server in it.blockers() {
                    let known = self.reasons.contains_key(&server);
                    assert!(
                        late || known,
                        "seed {seed}: {server} is blocked for no reason: {it:#?}"
                    );
                }
                // A plan that is to shut down whom it cannot move is made for all or for nobody.
                let all = it.immovable() == Immovable::ShutdownRestart;
                let known = |server| late || all || it.left.contains_key(server);
                assert!(self.executing().iter().all(known), "seed {seed}: {it:#?}");
            }
            State::Leaving if still_waits => {
                let mut off = it.shut_down();
                assert!(
                    off.all(|server| self.reasons.contains_key(&server)),
                    "seed {seed}: {it:#?}"
                );
            }
            State::Leaving => panic!("seed {seed}: it is left for ever: {it:#?}"),
        }
        self.seen.skipped += u64::from(self.is_left_as(Left::Skipped));
    }
}
