//! A host that really executes guests, and word of it that comes late, twice or not at all.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Happening {
    Hold(bool),
    Release(bool),
    /// A placement towards the host is decided, if it may be.
    Place,
    /// One of them lands, or comes to nothing.
    Land(bool),
    /// A guest leaves the host, or ends.
    Leave,
    /// The hypervisor is asked; the answer is on its way.
    Ask,
    /// One of the answers arrives; perhaps again.
    Answer(prop::sample::Index),
    Die,
    EndRun(prop::sample::Index),
    Retry,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        2 => any::<bool>().prop_map(H::Hold),
        1 => any::<bool>().prop_map(H::Release),
        2 => Just(H::Place),
        3 => any::<bool>().prop_map(H::Land),
        3 => Just(H::Leave),
        6 => Just(H::Ask),
        6 => any::<prop::sample::Index>().prop_map(H::Answer),
        1 => Just(H::Die),
        4 => any::<prop::sample::Index>().prop_map(H::EndRun),
        1 => Just(H::Retry),
    ]
}

struct Host {
    executing: BTreeSet<ServerUuid>,
    in_flight: u32,
    answers: Vec<Inventory>,
    agent_lives: bool,
    maintenance: Maintenance,
    clock: u64,
}

impl Host {
    fn step(&mut self, event: &Event) {
        let fresh = run(u128::from(self.clock));
        if let Ok(transition) = step(&self.maintenance, event, fresh, at(self.clock)) {
            self.maintenance = transition.next;
        }
    }

    fn happens(&mut self, happening: &Happening) {
        self.clock += 1;
        match happening {
            Happening::Hold(first) => {
                let holder = holder(if *first { "a" } else { "b" }, Immovable::Skip);
                self.step(&Event::Held {
                    holder,
                    guests: self.executing.clone(),
                    placements_in_flight: self.in_flight,
                    run: self
                        .clock
                        .is_multiple_of(5)
                        .then(|| run(u128::from(self.clock) + 500)),
                });
            }
            Happening::Release(first) => {
                let holder = if *first { "a" } else { "b" };
                self.step(&released(holder, ReturnHome::Now));
            }
            Happening::Place if !self.maintenance.forbids_arrivals() => {
                self.in_flight += 1;
                self.step(&Event::PlacementsChanged(self.in_flight));
            }
            Happening::Land(arrives) if self.in_flight > 0 => {
                self.in_flight -= 1;
                if *arrives {
                    let number = u128::from(self.clock) + 1_000;
                    self.executing.insert(uuid::Uuid::from_u128(number).into());
                }
                self.step(&Event::PlacementsChanged(self.in_flight));
            }
            Happening::Leave => {
                if let Some(server) = self.executing.pop_first() {
                    let by_maintenance = self.clock.is_multiple_of(2);
                    self.step(&Event::ServerLeft {
                        server,
                        by_maintenance,
                    });
                }
            }
            Happening::Ask => {
                self.agent_lives = true;
                let executing = self.executing.clone();
                let began_at = at(self.clock);
                self.answers.push(Inventory {
                    began_at,
                    executing,
                });
            }
            Happening::Answer(which) if !self.answers.is_empty() => {
                let answer = which.get(&self.answers).clone();
                self.step(&Event::Seen(answer));
            }
            Happening::Die => {
                self.agent_lives = false;
                self.step(&Event::AgentDied);
            }
            Happening::EndRun(which) => {
                let Some(run) = self.maintenance.work.map(|work| work.run) else {
                    return;
                };
                let why = which.get(Left::ALL);
                let left = self
                    .executing
                    .iter()
                    .map(|server| (*server, *why))
                    .collect();
                self.step(&Event::RunEnded {
                    run,
                    left,
                    cancelled_by: which.index(7).eq(&0).then(|| "anna".to_owned()),
                });
            }
            Happening::Retry => self.step(&Event::RetryDue),
            Happening::Place | Happening::Land(_) | Happening::Answer(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_host_that_is_safe_to_reboot_executes_nothing_and_nothing_comes(
        guests in 0..3_u128,
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let guests = (0..guests).map(|number| uuid::Uuid::from_u128(number).into());
        let mut host = Host {
            executing: guests.collect(),
            in_flight: 0,
            answers: Vec::new(),
            agent_lives: true,
            maintenance: Maintenance::none(at(0)),
            clock: 0,
        };
        for happening in &happenings {
            host.happens(happening);
            if host.maintenance.safe_to_reboot() {
                prop_assert!(host.executing.is_empty(), "{happening:?}");
                prop_assert_eq!(host.in_flight, 0);
                prop_assert!(host.agent_lives);
            }
        }
    }
}
