//! Runs that want the same room, driven by two conductors that get in each other's way as they like: all
//! end, no host ever gives more than it has, and nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join;
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, RunUuid};
use godwit_core::plan::Options;
use godwit_core::plan::options::Priority;
use godwit_core::plan::request::Target;
use godwit_core::run::order::startable;
use godwit_core::run::{Event, Operation, OperationState, Outcome, RunState};
use godwit_core::status::MigrationStatus;
use godwit_store::{
    BeginError, NewDestination, NewLiveMigration, NewPlan, OperationBeginError, OperationStart,
    PlannedOperation, RoomError, RunPart, RunRecord, RunStepError, Store,
};

use crate::bench::{
    Bench, ROOM, anybody, at, host, migration, new_migration, note_for, placed, server,
};
use crate::plans::{by_conductor, by_user, capacity, made, moves, operation, plan};
use crate::runs::{TEN, new_run, run};

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];
/// Servers of each host, of ten for which there is room.
const SERVERS: [(&str, usize); 4] = [("a", 8), ("b", 8), ("c", 6), ("d", 0)];

/// Numbers of plans, runs, operations and migrations: none is used twice.
fn number() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A run that has begun to wait for room: it moves some servers from where they are.
async fn ask(bench: &Bench, random: &mut fastrand::Rng) -> RunUuid {
    let (number, mut operations) = (number(), Vec::<PlannedOperation>::new());
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for _ in 0..random.usize(1..4) {
        let of = random.u128(1..=22);
        if operations.iter().any(|it| it.server == server(of)) {
            continue;
        }
        let from = bench.server(of).await.host.unwrap();
        let others: Vec<&str> = HOSTS
            .into_iter()
            .filter(|it| *it != from.as_str())
            .collect();
        let to = others[random.usize(0..others.len())];
        *wanted.entry(to).or_default() += 1;
        operations.push(PlannedOperation {
            id: operation(self::number()),
            ..moves(of, from.as_str(), to)
        });
    }
    let wanted: Vec<(&str, i64)> = wanted.into_iter().collect();
    let priorities = [Priority::Emergency, Priority::Drain, Priority::Rebalance];
    let new = NewPlan {
        uuid: plan(number),
        target: Target::Servers(operations.iter().map(|it| it.server).collect()),
        options: Options {
            priority: Some(priorities[random.usize(0..3)]),
            ..Options::default()
        },
        sources: Vec::new(),
    };
    bench.ask_for(new, 10).await;
    let ready = bench
        .store
        .plan_made(plan(number), made(operations, &wanted), by_conductor(20));
    ready.await.unwrap();
    let nothing = Vec::<()>::new();
    let begun = bench
        .store
        .plan_run(plan(number), new_run(number), nothing, by_user(30));
    begun.await.unwrap();
    run(number)
}

/// One of the two, with what it remembers of runs.
struct Conductor {
    store: Store,
    random: fastrand::Rng,
    seen: BTreeMap<RunUuid, RunRecord>,
}

fn applied(stepped: Result<RunPart, RunStepError>) -> Option<RunPart> {
    match stepped {
        Ok(part) => Some(part),
        Err(RunStepError::Rejected(_) | RunStepError::NotFound) => None,
        Err(error) => panic!("{error:?}"),
    }
}

impl Conductor {
    fn of(store: Store, random: &mut fastrand::Rng) -> Self {
        Self {
            store,
            random: random.fork(),
            seen: BTreeMap::new(),
        }
    }

    /// Looks at a run once; `false`: it only waits.
    async fn look(&mut self, of: RunUuid) -> bool {
        let version = self.store.run_version(of).await.unwrap().unwrap();
        let seen = self
            .seen
            .remove(&of)
            .filter(|it| it.run.generation == version.generation);
        let record = match seen {
            Some(record) => record,
            None => self.store.run_find(of, None).await.unwrap().unwrap(),
        };
        match record.run.state {
            RunState::Pending => {
                let claimed = self
                    .store
                    .run_claim_room(of, capacity(TEN), by_conductor(40));
                match claimed.await {
                    Ok(godwit_store::RoomAnswer::WaitsFor(others)) => {
                        assert!(!others.is_empty() && !others.contains(&of), "{record:?}");
                        false
                    }
                    Ok(_) | Err(RunStepError::Rejected(_)) => true,
                    Err(error) => panic!("{error:?}"),
                }
            }
            RunState::Running | RunState::Cancelling => {
                let part = self.go_on(&record).await;
                let went_on = part.is_some();
                if let Some(known) = part.flatten().and_then(|part| part.onto(record)) {
                    let now = self.store.run_find(of, None).await.unwrap();
                    let mut now = now.unwrap();
                    if now.run.generation == known.run.generation {
                        now.run.revisions.clone_from(&known.run.revisions);
                        assert_eq!(known, now, "what a conductor keeps is what is there");
                    }
                    self.seen.insert(of, known);
                }
                went_on
            }
            RunState::Completed | RunState::Partial | RunState::Failed | RunState::Cancelled => {
                true
            }
        }
    }

    /// Does one thing; `None`: there is none.
    async fn go_on(&mut self, record: &RunRecord) -> Option<Option<RunPart>> {
        let of = record.uuid;
        let running: Vec<Operation> = record
            .run
            .in_state(OperationState::Running)
            .cloned()
            .collect();
        for it in &running {
            if let Some(done) = self.follow(of, it).await {
                return Some(done);
            }
        }
        if let Some(it) = record.run.operations.iter().find(|it| it.replan) {
            return Some(self.replan(of, it).await);
        }
        let may = startable(&record.run, |_| true);
        if may.is_empty() {
            return None;
        }
        let chosen = may[self.random.usize(0..may.len())];
        Some(self.begin(of, record.run.operation(chosen).unwrap()).await)
    }

    /// One more step of its migration, or what it has come to.
    async fn follow(&mut self, of: RunUuid, it: &Operation) -> Option<Option<RunPart>> {
        let uuid = it.migration.unwrap();
        let found = self.store.migration_find(uuid).await.unwrap().unwrap();
        let migration = &found.migration;
        if let Some(outcome) = Outcome::of(migration.status(), migration.failure.as_ref()) {
            let event = Event::OperationEnded(it.id, outcome);
            return Some(applied(
                self.store.run_apply_part(of, event, by_conductor(60)).await,
            ));
        }
        let failure = || Failure::new(FailureCode::NoValidHost, "It does not want it.");
        let to = HostName::new(it.destination.clone()).unwrap();
        let event = match migration.status() {
            MigrationStatus::Accepted if self.random.u8(0..6) == 0 => {
                OfMigration::NotPlaced(failure())
            }
            MigrationStatus::Accepted => placed(to.as_str()),
            MigrationStatus::Queued => OfMigration::Admitted,
            MigrationStatus::Preparing => OfMigration::Prepared,
            _ => OfMigration::HandedOver,
        };
        let note = note_for(&event, at(50));
        let stepped = self.store.migration_apply(uuid, event.clone(), note).await;
        if stepped.is_err() {
            // Somebody else was quicker, or there is no room, or it is handed over.
            let other = match migration.status() {
                MigrationStatus::Accepted => OfMigration::NotPlaced(failure()),
                _ => OfMigration::Finished { clean: true },
            };
            let note = note_for(&other, at(51));
            let _ = self.store.migration_apply(uuid, other, note).await;
        }
        Some(None)
    }

    async fn replan(&mut self, of: RunUuid, it: &Operation) -> Option<RunPart> {
        let others: Vec<&str> = HOSTS
            .into_iter()
            .filter(|name| *name != it.source)
            .collect();
        let to = others[self.random.usize(0..others.len())];
        let to = NewDestination {
            host: host(to),
            capacity: capacity(TEN)[&host(to)],
            size: ROOM,
            kind: it.kind,
        };
        let revised = self.store.operation_revise(of, it.id, to, by_conductor(55));
        match revised.await {
            Ok(part) => Some(part),
            Err(RoomError::NoRoom(_)) => {
                let failure = Failure::new(FailureCode::NoValidHost, "Nowhere.");
                let event = Event::OperationNotRevised(it.id, failure);
                applied(self.store.run_apply_part(of, event, by_conductor(56)).await)
            }
            Err(RoomError::Step(error)) => applied(Err(error)),
        }
    }

    async fn begin(&mut self, of: RunUuid, it: &Operation) -> Option<RunPart> {
        let found = self.store.server_find(it.server).await.unwrap().unwrap();
        if found.host.as_ref().map(HostName::as_str) != Some(it.source.as_str()) {
            let failure = Failure::new(FailureCode::Superseded, "It is elsewhere.");
            let event = Event::OperationRefused(it.id, failure);
            return applied(self.store.run_apply_part(of, event, by_conductor(44)).await);
        }
        let new = NewLiveMigration {
            uuid: migration(number()),
            server: it.server,
            ..new_migration(1, at(45))
        };
        let start = OperationStart::Live(new);
        let begun = self
            .store
            .operation_begin(of, it.id, start, anybody, by_conductor(45));
        match begun.await {
            Ok(part) => Some(part),
            Err(OperationBeginError::Start(BeginError::NotFree)) => None,
            Err(OperationBeginError::Step(error)) => applied(Err(error)),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What is taken of each host, and held of it, is never more than it has.
async fn is_within(store: &Store) {
    for load in store.host_loads().await.unwrap() {
        let taken = load.servers.plus(load.claims);
        let name = &load.host.facts.name;
        assert!(taken.fits(capacity(TEN)[name]), "{name} gives {taken:?}");
        assert!(load.claims.memory_mb >= 0 && load.servers.memory_mb >= 0);
    }
}

async fn cancel(store: &Store, of: RunUuid) {
    let event = Event::CancelRequested {
        abort_running: false,
    };
    let _ = store.run_apply(of, event, by_user(52)).await;
}

async fn unfinished(store: &Store) -> Vec<RunUuid> {
    let runs = store.runs_unfinished().await.unwrap();
    runs.into_iter().map(|it| it.uuid).collect()
}

/// Some runs, driven until they have ended.
async fn all_end(bench: &Bench, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let stores = [bench.store.clone(), bench.another().await];
    let mut conductors = stores.map(|store| Conductor::of(store, &mut random));
    let mut asked = Vec::new();
    for _ in 0..random.usize(3..7) {
        asked.push(ask(bench, &mut random).await);
    }
    let mut waited = 0;
    loop {
        let open = unfinished(&bench.store).await;
        if open.is_empty() {
            break;
        }
        let mut went_on = false;
        for _ in 0..2 * open.len() {
            let (which, of) = (random.usize(0..2), open[random.usize(0..open.len())]);
            went_on |= conductors[which].look(of).await;
            if random.u8(0..60) == 0 {
                cancel(&bench.store, asked[random.usize(0..asked.len())]).await;
            }
        }
        is_within(&bench.store).await;
        waited = if went_on { 0 } else { waited + 1 };
        // So many rounds at random leave out none of so few.
        assert!(waited < 20, "seed {seed}: {open:?} wait for ever");
    }
    assert!(bench.held().is_empty(), "seed {seed}");
}

/// So many seeds, one after the other in one fleet.
async fn seeds(from: u64, count: u64) {
    let bench = Bench::sqlite().await;
    bench.fleet(&SERVERS).await;
    for seed in from..from + count {
        all_end(&bench, seed).await;
    }
    bench.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_end_whoever_drives_them_first_seeds() {
    seeds(0, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_end_whoever_drives_them_second_seeds() {
    seeds(1_000, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_end_whoever_drives_them_third_seeds() {
    seeds(2_000, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_end_whoever_drives_them_fourth_seeds() {
    seeds(3_000, 50).await;
}

/// Drives whatever there is until nothing is left.
async fn drive(mut conductor: Conductor) {
    for _ in 0..2_000 {
        let open = unfinished(&conductor.store).await;
        if open.is_empty() {
            return;
        }
        let of = open[conductor.random.usize(0..open.len())];
        conductor.look(of).await;
    }
    panic!("{:?} do not end", unfinished(&conductor.store).await);
}

on_both! {
    /// Both at the same time.
    async fn all_runs_end_that_two_conductors_drive_at_once(bench: Bench) {
        bench.fleet(&SERVERS).await;
        for seed in 0..8 {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..5 {
                ask(&bench, &mut random).await;
            }
            let stores = [bench.store.clone(), bench.another().await];
            let [one, other] = stores.map(|store| Conductor::of(store, &mut random));
            let drives = [one, other].map(|it| tokio::spawn(drive(it)));
            let [one, other] = drives;
            let (one, other) = join(one, other).await;
            one.unwrap();
            other.unwrap();
            is_within(&bench.store).await;
            assert!(bench.held().is_empty());
        }
        bench.assert_sound().await;
    }
}
