//! A testbed as the cases see it: the steps of a move, and what must hold after each.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, ForceMeans, Movable, Move, MoveKind, Receiver, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::{Ended, Outcome, Progress};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Fixture, Harness, HarnessError, HostFault, Setup};
use crate::driver::{Driver, DriverError, DriverStateStore, Job, JobState};

/// Longer than anything here takes on a slow machine that does other things, too.
const DEADLINE: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A guest that changes little of its memory, on shared storage.
pub(super) const ORDINARY: Setup = Setup {
    busy: false,
    local_disk: false,
    post_copy: false,
};
/// One that does not let itself be moved easily.
pub(super) const BUSY: Setup = Setup {
    busy: true,
    ..ORDINARY
};

/// Of a destination that was never prepared.
const NOWHERE: Receiver = Receiver {
    target: String::new(),
    pools: Vec::new(),
};

/// A promise was not kept, or the testbed fell apart.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

impl From<DriverError> for Broken {
    fn from(error: DriverError) -> Self {
        Self(format!("the driver: {error:?}"))
    }
}

impl From<HarnessError> for Broken {
    fn from(error: HarnessError) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let causes: String = causes.map(|cause| format!(": {cause}")).collect();
        Self(format!("the testbed: {error}{causes}"))
    }
}

pub(super) type Case = Result<(), Broken>;

/// Unless this holds, the promise is broken.
pub(super) fn ensure(holds: bool, promise: &str, seen: impl fmt::Debug) -> Case {
    if holds {
        return Ok(());
    }
    Err(Broken(format!("{promise}, but: {seen:?}")))
}

/// Unless what is seen is what is wanted, the promise is broken.
pub(super) fn same<T: PartialEq + fmt::Debug>(seen: T, wanted: T, promise: &str) -> Case {
    ensure(seen == wanted, promise, seen)
}

/// Unless it was looked into and refused, the promise is broken.
pub(super) fn refused<T: fmt::Debug>(answer: Result<T, DriverError>, promise: &str) -> Case {
    ensure(
        matches!(answer, Err(DriverError::Failed(_))),
        promise,
        answer,
    )
}

/// What a driver saves, for as long as the test lives.
#[derive(Debug, Default)]
pub struct MemoryStateStore(Mutex<Option<serde_json::Value>>);

#[async_trait]
impl DriverStateStore for MemoryStateStore {
    fn read(&self) -> Option<serde_json::Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn write(&self, page: serde_json::Value) -> Result<(), DriverError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        Ok(())
    }
}

/// A move, with what the drivers of both sides save.
pub(super) struct TestMove {
    pub(super) at_source: Job,
    pub(super) at_destination: Job,
    pub(super) guest: Domain,
    /// What the destination answered when it was prepared.
    receiver: OnceLock<Receiver>,
}

pub(super) struct TestBed {
    pub(super) fixture: Box<dyn Fixture>,
    moves: u128,
}

impl TestBed {
    pub(super) async fn new(harness: &dyn Harness, setup: Setup) -> Result<Self, Broken> {
        let fixture = harness.set_up(setup).await?;
        Ok(Self { fixture, moves: 0 })
    }

    pub(super) fn server(&self) -> ServerUuid {
        self.fixture.server()
    }

    pub(super) fn on(&self, side: Side) -> Arc<dyn Driver> {
        self.fixture.driver(side)
    }

    pub(super) fn source(&self) -> Arc<dyn Driver> {
        self.on(Side::Source)
    }

    pub(super) fn destination(&self) -> Arc<dyn Driver> {
        self.on(Side::Destination)
    }

    pub(super) async fn facts(&self, side: Side) -> Result<HostFacts, Broken> {
        Ok(self.on(side).facts().await?)
    }

    pub(super) async fn check(&self, wanted: BlockMigration) -> Result<Movable, Broken> {
        self.check_kind(wanted, MoveKind::Live).await
    }

    async fn check_kind(&self, wanted: BlockMigration, kind: MoveKind) -> Result<Movable, Broken> {
        let mut check = self.source_check(wanted).await?;
        check.kind = kind;
        let movable = self.source().check_source(&check).await?;
        let check = CheckDestination {
            migration: check.migration,
            guest: movable.guest.clone(),
            source: self.facts(Side::Source).await?,
            storage: movable.storage,
            disk_over_commit: None,
        };
        self.destination().check_destination(&check).await?;
        Ok(movable)
    }

    pub(super) async fn source_check(&self, wanted: BlockMigration) -> Result<CheckSource, Broken> {
        Ok(CheckSource {
            migration: MigrationUuid(Uuid::from_u128(0xc0)),
            server: self.server(),
            kind: MoveKind::Live,
            block_migration: wanted,
            destination: self.facts(Side::Destination).await?,
        })
    }

    /// Pre-checks, and names a new move.
    pub(super) async fn plan(&mut self) -> Result<TestMove, Broken> {
        self.plan_kind(MoveKind::Live).await
    }

    /// The same, of a guest that is powered off on the way.
    pub(super) async fn plan_kind(&mut self, kind: MoveKind) -> Result<TestMove, Broken> {
        let movable = self.check_kind(BlockMigration::Auto, kind).await?;
        self.moves += 1;
        let what = Move {
            kind,
            // Differs between cases, which may share their hosts.
            migration: MigrationUuid(Uuid::from_u128(self.server().0.as_u128() ^ self.moves)),
            server: self.server(),
            source: self.facts(Side::Source).await?.host,
            destination: self.facts(Side::Destination).await?.host,
            storage: movable.storage,
        };
        Ok(TestMove::new(what, movable.guest))
    }

    pub(super) async fn prepare(&self, test_move: &TestMove) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let destination = self.destination();
        let receiver = destination
            .prepare(&test_move.at_destination, &test_move.guest, &never)
            .await?;
        // Repeated, it answers the same.
        test_move.receiver.get_or_init(|| receiver);
        Ok(())
    }

    pub(super) async fn start(&self, test_move: &TestMove) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let receiver = test_move.receiver.get().cloned().unwrap_or(NOWHERE);
        self.source()
            .start(&test_move.at_source, &receiver, &never)
            .await
    }

    pub(super) async fn start_move(&mut self) -> Result<TestMove, Broken> {
        let test_move = self.plan().await?;
        self.prepare(&test_move).await?;
        self.start(&test_move).await?;
        Ok(test_move)
    }

    /// Pre-checks, prepares, and powers the guest off at its source.
    pub(super) async fn start_cold_move(&mut self) -> Result<TestMove, Broken> {
        let test_move = self.plan_kind(MoveKind::Cold).await?;
        self.prepare(&test_move).await?;
        self.start(&test_move).await?;
        Ok(test_move)
    }

    /// Starts the guest at its destination from what is known of it.
    pub(super) async fn boot(
        &self,
        test_move: &TestMove,
        power_on: bool,
    ) -> Result<(), DriverError> {
        let definition = test_move.guest.definition.clone().unwrap_or_default();
        let destination = self.destination();
        destination
            .boot(&test_move.at_destination, &definition, power_on)
            .await
    }

    pub(super) async fn check_boot(&self, test_move: &TestMove) -> Result<(), DriverError> {
        let check = CheckBoot {
            migration: test_move.at_destination.what.migration,
            server: test_move.at_destination.what.server,
            definition: test_move.guest.definition.clone().unwrap_or_default(),
        };
        self.destination().check_boot(&check).await
    }

    /// An evacuation of what `test_move` describes.
    pub(super) fn evacuation(test_move: &TestMove) -> TestMove {
        let what = Move {
            migration: MigrationUuid(Uuid::from_u128(
                test_move.at_source.what.migration.0.as_u128() ^ 0xe0e0,
            )),
            kind: MoveKind::Evacuation,
            storage: StorageMode::Shared,
            ..test_move.at_source.what.clone()
        };
        TestMove::new(what, test_move.guest.clone())
    }

    /// Departs, and waits until memory moves.
    pub(super) async fn get_going(&mut self) -> Result<TestMove, Broken> {
        let test_move = self.start_move().await?;
        self.until(&test_move, |progress, _| progress.memory.processed > 0)
            .await?;
        Ok(test_move)
    }

    /// Looks until the move is as far as `enough` says; it must not end before.
    pub(super) async fn until(
        &self,
        test_move: &TestMove,
        enough: impl Fn(&Progress, bool) -> bool,
    ) -> Result<Progress, Broken> {
        let source = self.source();
        let looking = async {
            loop {
                match source.progress(&test_move.at_source).await? {
                    JobState::Moving {
                        progress,
                        post_copy,
                    } if enough(&progress, post_copy) => return Ok(progress),
                    JobState::Moving { .. } => tokio::time::sleep(LOOK_EVERY).await,
                    other => ensure(false, "the move goes on", other)?,
                }
            }
        };
        in_time("the move to get on", looking).await
    }

    /// Looks until the job is no longer under way; `None` when the driver cannot say how it
    /// ended.
    pub(super) async fn end(&self, test_move: &TestMove) -> Result<Option<Ended>, Broken> {
        let source = self.source();
        let looking = async {
            loop {
                match source.progress(&test_move.at_source).await {
                    Ok(JobState::Ended(ended)) => return Ok(Some(ended)),
                    Ok(JobState::NoJob) => return Ok(None),
                    Ok(JobState::Moving { .. }) | Err(DriverError::Unavailable(_)) => {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        in_time("the move to end", looking).await
    }

    pub(super) async fn ends_as(
        &self,
        test_move: &TestMove,
        wanted: &Outcome,
    ) -> Result<Ended, Broken> {
        let ended = self.end(test_move).await?;
        match ended {
            Some(ended) if ended.outcome == *wanted => Ok(ended),
            other => Err(Broken(format!(
                "the move should end as {wanted:?}, but: {other:?}"
            ))),
        }
    }

    pub(super) async fn abort(&self, test_move: &TestMove) -> Result<(), DriverError> {
        self.source().abort(&test_move.at_source).await
    }

    pub(super) async fn force(&self, test_move: &TestMove) -> Result<ForceMeans, DriverError> {
        self.source().force_complete(&test_move.at_source).await
    }

    pub(super) async fn finish_on(&self, side: Side, what: &TestMove) -> Result<(), DriverError> {
        self.on(side).finish(what.at(side), side).await
    }

    pub(super) async fn roll_back_on(
        &self,
        side: Side,
        what: &TestMove,
        resume: bool,
    ) -> Result<(), DriverError> {
        self.on(side).roll_back(what.at(side), side, resume).await
    }

    pub(super) async fn withdraw_from(
        &self,
        side: Side,
        what: &TestMove,
    ) -> Result<(), DriverError> {
        self.on(side).withdraw(what.at(side), side).await
    }

    /// Both hosts testify this of the guest.
    pub(super) async fn sees(&self, source: Sighting, destination: Sighting) -> Case {
        let from = self.seen(Side::Source).await?;
        let seen = (from, self.seen(Side::Destination).await?);
        let wanted = (source, destination);
        same(seen, wanted, &format!("the guest is seen {wanted:?}"))
    }

    /// What a host testifies of the guest.
    pub(super) async fn seen(&self, side: Side) -> Result<Sighting, Broken> {
        Ok(self
            .domain(side)
            .await?
            .map_or(Sighting::Absent, |domain| domain.sighting))
    }

    pub(super) async fn domain(&self, side: Side) -> Result<Option<Domain>, Broken> {
        let domains = self.on(side).domains().await?;
        Ok(domains
            .into_iter()
            .find(|domain| domain.server == self.server()))
    }

    /// Finishes both sides, twice, and sees the guest at its destination and nothing else.
    pub(super) async fn finish(&self, test_move: &TestMove) -> Case {
        for _ in 0..2 {
            self.finish_on(Side::Destination, test_move).await?;
            self.finish_on(Side::Source, test_move).await?;
        }
        self.sees(Sighting::Absent, Sighting::Executing).await?;
        Ok(self.fixture.verify(Side::Destination).await?)
    }

    /// Rolls both sides back, twice, and sees the guest at its source and nothing else.
    pub(super) async fn roll_back(&self, test_move: &TestMove) -> Case {
        for _ in 0..2 {
            self.roll_back_on(Side::Destination, test_move, false)
                .await?;
            self.roll_back_on(Side::Source, test_move, false).await?;
        }
        self.unharmed().await
    }

    /// The guest is at its source and nowhere else.
    pub(super) async fn unharmed(&self) -> Case {
        self.sees(Sighting::Executing, Sighting::Absent).await?;
        Ok(self.fixture.verify(Side::Source).await?)
    }

    /// Another move works, forced if need be.
    pub(super) async fn moves_again(&mut self) -> Case {
        let test_move = self.start_move().await?;
        match self.force(&test_move).await {
            Ok(_) | Err(DriverError::NoJob | DriverError::TooLate) => {}
            Err(error) => return Err(error.into()),
        }
        self.ends_as(&test_move, &Outcome::HandedOver).await?;
        self.finish(&test_move).await
    }

    pub(super) async fn inject(&self, fault: HostFault) -> Result<bool, Broken> {
        Ok(self.fixture.inject(fault).await?)
    }

    /// Until a host reports the guest as `wanted`.
    pub(super) async fn until_seen(&self, side: Side, wanted: Sighting) -> Case {
        let looking = async {
            while self.seen(side).await? != wanted {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        in_time(&format!("{wanted:?} at the {}", side.as_str()), looking).await
    }
}

impl TestMove {
    fn new(what: Move, guest: Domain) -> Self {
        let job = |what: Move| Job::new(what, Arc::new(MemoryStateStore::default()));
        Self {
            at_source: job(what.clone()),
            at_destination: job(what),
            guest,
            receiver: OnceLock::new(),
        }
    }

    fn at(&self, side: Side) -> &Job {
        match side {
            Side::Source => &self.at_source,
            Side::Destination => &self.at_destination,
        }
    }

    pub(super) fn storage(&self) -> StorageMode {
        self.at_source.what.storage
    }
}

async fn in_time<T>(
    what: &str,
    looking: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let looked = tokio::time::timeout(DEADLINE, looking).await;
    looked.unwrap_or_else(|_| Err(Broken(format!("waited {DEADLINE:?} for {what}"))))
}
