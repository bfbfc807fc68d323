//! Runs of the host's maintenance: promised, planned, carried out and reported.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::maintenance::{Event as OfMaintenance, left};
use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::Immovable;
use godwit_core::plan::request::Target as Wanted;
use godwit_core::run::order::startable;
use godwit_core::run::{
    Event, Operation, OperationKind, OperationState, Outcome, Run, RunState, step,
};
use godwit_facts::planning::{self, Homes};
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::Target;
use godwit_planner::lint::lint;
use godwit_planner::plan::{Plan, PlanState, make};

use crate::world::{Kept, World};

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "It did not work.")
}

impl World {
    fn target(&self, is_return: bool) -> Wanted {
        match is_return {
            true => Wanted::ReturnHome(self.host()),
            false => Wanted::Maintenance(self.host()),
        }
    }

    /// Somebody was told of a run whose plan is to be made.
    pub(crate) fn promise(&mut self, run: RunUuid, is_return: bool) {
        let options = self.maintenance.plan_options();
        let target = self.target(is_return);
        let kept = Kept {
            run: Run::of_plan(&target, &options, Vec::new(), 0).unwrap(),
            is_return,
            planned: false,
            reported: false,
            cancelled_by: None,
            blocked: BTreeMap::new(),
            immovable: options.immovable,
            tried: BTreeSet::new(),
        };
        self.runs.insert(run, kept);
        self.plans.push(run);
    }

    pub(crate) fn cancel(&mut self, run: RunUuid, abort_running: bool) {
        self.run_step(run, &Event::CancelRequested { abort_running });
    }

    pub(crate) fn run_step(&mut self, run: RunUuid, event: &Event) -> bool {
        let now = self.now();
        let Some(kept) = self.runs.get_mut(&run) else {
            return false;
        };
        let Ok(transition) = step(&kept.run, event, now) else {
            return false;
        };
        kept.run = transition.next;
        true
    }

    /// The plan of one of the runs that were promised, by its options then, is made now.
    pub(crate) fn plan(&mut self) {
        if self.plans.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.plans.len());
        let run = self.plans.swap_remove(at);
        let (immovable, is_return) = match self.runs.get(&run) {
            Some(kept) if kept.run.ended_at.is_none() => (kept.immovable, kept.is_return),
            _ => return,
        };
        self.seen.plans += 1;
        let (target, fleet) = (self.target(is_return), self.fleet(Some(run)));
        let options = godwit_core::plan::Options {
            immovable,
            ..self.maintenance.plan_options()
        };
        let homes = match is_return {
            true => Homes {
                home: self.maintenance.returning(),
                shut_down: self.maintenance.shut_down().collect(),
            },
            false => Homes::default(),
        };
        let wanted = planning::Wanted {
            target: &target,
            options: &options,
            homes: &homes,
        };
        let Ok(asked) = wanted.ask(&fleet) else {
            self.run_step(
                run,
                &Event::RoomRefused(failure(FailureCode::SourceNotFenced)),
            );
            return;
        };
        let plan = asked.wish.as_ref().map(|wish| {
            let plan = make(&fleet, wish, &asked.options).unwrap();
            let findings = lint(&fleet, wish, &asked.options, &plan);
            assert!(findings.is_empty(), "seed {}: {findings:?}", self.seed);
            plan
        });
        let mut blocked: BTreeMap<ServerUuid, String> = BTreeMap::new();
        let of_plan = plan.iter().flat_map(|it| &it.blocked);
        for it in asked.blocked.iter().chain(of_plan) {
            assert!(
                !it.reasons.is_empty(),
                "seed {}: blocked for no reason",
                self.seed
            );
            blocked.insert(it.server, it.reasons[0].text.clone());
        }
        let ready = plan.as_ref().is_none_or(|it| it.state == PlanState::Ready);
        let mut operations = plan.map(|it| self.operations(&it)).unwrap_or_default();
        if ready {
            let start = asked.start.iter().map(|server| {
                // Somebody may have moved it while it was off.
                let home = self.host();
                let host = self.guests.get(server).map(|it| it.need.source.clone());
                let (id, host) = (OperationUuid(self.id()), host.unwrap_or(home));
                Operation::waiting(
                    id,
                    OperationKind::Start,
                    *server,
                    (host.as_str(), host.as_str()),
                )
            });
            let start: Vec<Operation> = start.collect();
            operations.extend(start);
        }
        self.planned(run, (&target, &options), operations, (ready, blocked));
    }

    fn planned(
        &mut self,
        run: RunUuid,
        (target, options): (&Wanted, &godwit_core::plan::Options),
        operations: Vec<Operation>,
        (ready, blocked): (bool, BTreeMap<ServerUuid, String>),
    ) {
        let now = Run::of_plan(target, options, operations, blocked.len()).unwrap();
        let names: Vec<ServerUuid> = blocked.keys().copied().collect();
        let Some(kept) = self.runs.get_mut(&run) else {
            return;
        };
        kept.blocked.clone_from(&blocked);
        if !ready {
            self.run_step(run, &Event::RoomRefused(failure(FailureCode::NoValidHost)));
            return;
        }
        kept.planned = true;
        kept.run = Run {
            generation: kept.run.generation + 1,
            ..now
        };
        let immovable = self.maintenance.immovable();
        let event = OfMaintenance::Planned {
            run,
            left: left::of_plan(names, immovable),
        };
        if self.maintenance_step(&event) {
            self.reasons.extend(blocked);
        }
    }

    fn operations(&mut self, plan: &Plan) -> Vec<Operation> {
        let rows = plan.operations.rows();
        let ids: Vec<OperationUuid> = rows.iter().map(|_| OperationUuid(self.id())).collect();
        let id_of = |no| rows.iter().position(|it| it.id == no).map(|at| ids[at]);
        let operations = rows.iter().zip(&ids).map(|(it, id)| {
            let to = it.destination.as_ref().unwrap_or(&it.source);
            Operation {
                after: it.after.iter().filter_map(|no| id_of(*no)).collect(),
                after_done: it.after_done.clone(),
                ..Operation::waiting(*id, it.kind, it.server, (it.source.as_str(), to.as_str()))
            }
        });
        operations.collect()
    }

    /// Whoever drives runs looks at one of them; `fails`: what it begins may come to nothing.
    pub(crate) fn drive(&mut self, run: RunUuid, fails: bool) -> bool {
        let kept = &self.runs[&run];
        if kept.run.ended_at.is_some() {
            return self.report(run);
        }
        let late = kept.run.deadline.is_some_and(|at| at <= self.now()) && !kept.run.is_late;
        if late && self.run_step(run, &Event::DeadlinePassed) {
            return true;
        }
        match self.runs[&run].run.state {
            RunState::Pending => self.runs[&run].planned && self.run_step(run, &Event::RoomClaimed),
            RunState::Running | RunState::Cancelling => {
                self.end_one(run, fails) || self.replan_one(run) || self.begin_one(run)
            }
            RunState::Completed | RunState::Partial | RunState::Failed | RunState::Cancelled => {
                false
            }
        }
    }

    fn begin_one(&mut self, run: RunUuid) -> bool {
        let kept = &self.runs[&run];
        let slots = 3_usize.saturating_sub(kept.run.in_state(OperationState::Running).count());
        let may = startable(&kept.run, |_| slots > 0);
        let Some(id) = may.first() else { return false };
        let operation = kept.run.operation(*id).unwrap().clone();
        let event = match self.against(&operation) {
            Some(code) => Event::OperationRefused(*id, failure(code)),
            None => Event::OperationBegun(*id, None),
        };
        let begins = matches!(event, Event::OperationBegun(..));
        assert!(self.run_step(run, &event), "seed {}: {event:?}", self.seed);
        if begins {
            self.begun(&operation);
        }
        true
    }

    /// What the conductor's check, or the store's, has against its beginning.
    fn against(&self, it: &Operation) -> Option<FailureCode> {
        let Some(guest) = self.guests.get(&it.server) else {
            return Some(FailureCode::Superseded);
        };
        let permits = it.kind != OperationKind::Shutdown || self.maintenance.permits_shutdown();
        let is_here = guest.need.source.as_str() == it.source;
        let runs = match it.kind {
            OperationKind::Live | OperationKind::Shutdown => guest.running,
            OperationKind::Start | OperationKind::Cold => !guest.running,
            OperationKind::Evacuate | OperationKind::Storage => true,
        };
        if !permits || !runs {
            return Some(FailureCode::PowerState);
        }
        if !is_here {
            return Some(FailureCode::Superseded);
        }
        let fits = !it.kind.moves_server()
            || self
                .suitable(it, &BTreeSet::new())
                .contains(&it.destination);
        (!fits).then_some(FailureCode::NoValidHost)
    }

    /// Where an operation's server fits by now.
    fn suitable(
        &self,
        it: &Operation,
        tried: &BTreeSet<(OperationUuid, String)>,
    ) -> BTreeSet<String> {
        let fleet = self.fleet(None);
        let hosts: Vec<_> = fleet
            .hosts()
            .rows()
            .iter()
            .map(|it| it.host.clone())
            .collect();
        let (fitting, _) = candidates(&hosts, &self.guests[&it.server].need, &Target::Any);
        let names = fitting.into_iter().map(|it| it.to_string());
        names
            .filter(|name| !tried.contains(&(it.id, name.clone())))
            .collect()
    }

    /// What begins stops nobody who runs, unless all who hold the host have asked for it.
    fn begun(&mut self, it: &Operation) {
        let runs = self.guests.get(&it.server).is_some_and(|it| it.running);
        let wanted = !self.wishes.is_empty()
            && self
                .wishes
                .values()
                .all(|it| *it == Immovable::ShutdownRestart);
        let stops = match it.kind {
            OperationKind::Shutdown | OperationKind::Cold | OperationKind::Evacuate => runs,
            OperationKind::Live | OperationKind::Storage | OperationKind::Start => false,
        };
        self.seen.operations += 1;
        if stops && wanted {
            self.seen.stopped_as_asked += 1;
        } else if stops {
            self.seen.stopped_unasked += 1;
            eprintln!(
                "seed {}: {it:?} stops a guest that nobody asked to stop",
                self.seed
            );
        }
        self.recount();
    }

    fn end_one(&mut self, run: RunUuid, fails: bool) -> bool {
        let running: Vec<Operation> = self.runs[&run]
            .run
            .in_state(OperationState::Running)
            .cloned()
            .collect();
        if running.is_empty() || fails && self.random.u8(0..3) > 0 {
            return false;
        }
        let it = &running[self.random.usize(0..running.len())];
        let outcome = match self.random.u8(0..8) {
            0 if fails => Outcome::Failed(failure(FailureCode::LinkLost)),
            1 if fails => Outcome::Failed(failure(FailureCode::TimedOut)),
            2 if fails => Outcome::Failed(failure(FailureCode::PreCheck)),
            3 if it.aborting => Outcome::Cancelled(failure(FailureCode::Aborted)),
            _ if !self.arrives(it) => Outcome::Failed(failure(FailureCode::DestinationDead)),
            _ => Outcome::Completed,
        };
        match &outcome {
            Outcome::Completed => self.do_it(it),
            Outcome::Failed(_) | Outcome::Cancelled(_) | Outcome::Skipped(_) => {
                self.seen.failures += 1;
            }
        }
        assert!(
            self.run_step(run, &Event::OperationEnded(it.id, outcome)),
            "seed {}",
            self.seed
        );
        self.recount();
        true
    }

    /// Is there still where it goes to?
    fn arrives(&self, it: &Operation) -> bool {
        let to = self
            .hosts
            .iter()
            .find(|host| host.host.name.as_str() == it.destination);
        !it.kind.moves_server() || to.is_some_and(|host| host.host.up)
    }

    fn do_it(&mut self, it: &Operation) {
        let to = HostName::new(it.destination.clone()).unwrap();
        match it.kind {
            OperationKind::Live | OperationKind::Cold | OperationKind::Evacuate => {
                self.carry(it.server, &to, true);
            }
            OperationKind::Shutdown | OperationKind::Start => {
                let on = it.kind == OperationKind::Start;
                if let Some(guest) = self.guests.get_mut(&it.server) {
                    guest.running = on;
                }
                match on {
                    true => self.shut_down.remove(&it.server),
                    false => self.shut_down.insert(it.server),
                };
            }
            OperationKind::Storage => {}
        }
    }

    fn replan_one(&mut self, run: RunUuid) -> bool {
        let kept = &self.runs[&run];
        let Some(it) = kept.run.operations.iter().find(|it| it.replan).cloned() else {
            return false;
        };
        let mut tried = kept.tried.clone();
        tried.insert((it.id, it.destination.clone()));
        let known = self.guests.contains_key(&it.server);
        let suitable = if known {
            self.suitable(&it, &tried)
        } else {
            BTreeSet::new()
        };
        let event = match suitable.first() {
            Some(to) => Event::OperationRevised(it.id, to.clone(), it.kind),
            None => Event::OperationNotRevised(it.id, failure(FailureCode::NoValidHost)),
        };
        assert!(self.run_step(run, &event), "seed {}: {event:?}", self.seed);
        self.runs.get_mut(&run).unwrap().tried = tried;
        self.seen.replanned += 1;
        true
    }

    /// What it has come to is said once.
    fn report(&mut self, run: RunUuid) -> bool {
        let host = self.host();
        let shut_down: Vec<ServerUuid> = self.maintenance.shut_down().collect();
        let kept = self.runs.get_mut(&run).unwrap();
        if std::mem::replace(&mut kept.reported, true) {
            return false;
        }
        let blocked = kept.blocked.keys().copied();
        let left = match kept.is_return {
            true => left::of_returning(&kept.run, shut_down),
            false => left::of_emptying(&kept.run, &host, blocked, kept.immovable),
        };
        let mut reasons = kept.blocked.clone();
        let failed = kept
            .run
            .operations
            .iter()
            .filter(|it| it.state != OperationState::Completed);
        reasons.extend(
            failed.filter_map(|it| Some((it.server, it.failure.as_ref()?.message.clone()))),
        );
        let ended = OfMaintenance::RunEnded {
            run,
            left,
            cancelled_by: kept.cancelled_by.clone(),
        };
        if self.maintenance_step(&ended) {
            let left = &self.maintenance.left;
            let known = reasons
                .into_iter()
                .filter(|(server, _)| left.contains_key(server));
            self.reasons.extend(known.collect::<Vec<_>>());
        }
        true
    }
}
