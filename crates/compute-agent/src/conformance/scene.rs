//! A scene as the cases see it: the steps of a move, and what must hold after each.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, Movable, Move, MoveKind, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::{Ended, Outcome, Progress};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Harness, Mishap, Scenery, Trouble, Wish};
use crate::driver::{Driver, DriverError, Job, JobState, Notes};

/// Longer than anything here takes on a slow machine that does other things, too.
const DEADLINE: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A promise was not kept, or the scene fell apart.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl From<DriverError> for Broken {
    fn from(error: DriverError) -> Self {
        Self(format!("the driver: {error:?}"))
    }
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        let causes = std::iter::successors(trouble.source(), |cause| cause.source());
        let causes: String = causes.map(|cause| format!(": {cause}")).collect();
        Self(format!("the scene: {trouble}{causes}"))
    }
}

/// How a case goes.
pub(super) type Case = Result<(), Broken>;

/// Unless this holds, the promise is broken.
pub(super) fn ensure(holds: bool, promise: &str, seen: impl fmt::Debug) -> Case {
    if holds {
        return Ok(());
    }
    Err(Broken(format!("{promise}, but: {seen:?}")))
}

/// A page of notes that lives as long as the test.
#[derive(Debug, Default)]
pub struct MemoryNotes(Mutex<Option<serde_json::Value>>);

#[async_trait]
impl Notes for MemoryNotes {
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

/// A move, with the notes of both sides.
pub(super) struct Trip {
    pub(super) leaving: Job,
    pub(super) arriving: Job,
    pub(super) guest: Domain,
}

pub(super) struct Scene {
    scenery: Box<dyn Scenery>,
    trips: u128,
}

impl Scene {
    pub(super) async fn new(harness: &dyn Harness, wish: Wish) -> Result<Self, Broken> {
        let scenery = harness.set_up(wish).await?;
        Ok(Self { scenery, trips: 0 })
    }

    pub(super) fn server(&self) -> ServerUuid {
        self.scenery.server()
    }

    pub(super) fn on(&self, side: Side) -> Arc<dyn Driver> {
        self.scenery.driver(side)
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
    pub(super) async fn plan(&mut self) -> Result<Trip, Broken> {
        self.plan_kind(MoveKind::Live).await
    }

    /// The same, of a guest that is powered off on the way.
    pub(super) async fn plan_kind(&mut self, kind: MoveKind) -> Result<Trip, Broken> {
        let movable = self.check_kind(BlockMigration::Auto, kind).await?;
        self.trips += 1;
        let what = Move {
            kind,
            // Differs between scenes, which may share their hosts.
            migration: MigrationUuid(Uuid::from_u128(self.server().0.as_u128() ^ self.trips)),
            server: self.server(),
            source: self.facts(Side::Source).await?.host,
            destination: self.facts(Side::Destination).await?.host,
            storage: movable.storage,
        };
        Ok(Trip::new(what, movable.guest))
    }

    pub(super) async fn prepare(&self, trip: &Trip) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let destination = self.destination();
        destination
            .prepare(&trip.arriving, &trip.guest, &never)
            .await
    }

    pub(super) async fn start(&self, trip: &Trip) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let facts = self.destination().facts().await?;
        self.source().start(&trip.leaving, &facts, &never).await
    }

    /// Pre-checks, prepares and starts.
    pub(super) async fn depart(&mut self) -> Result<Trip, Broken> {
        let trip = self.plan().await?;
        self.prepare(&trip).await?;
        self.start(&trip).await?;
        Ok(trip)
    }

    /// Pre-checks, prepares, and powers the guest off at its source.
    pub(super) async fn depart_cold(&mut self) -> Result<Trip, Broken> {
        let trip = self.plan_kind(MoveKind::Cold).await?;
        self.prepare(&trip).await?;
        self.start(&trip).await?;
        Ok(trip)
    }

    /// Starts the guest at its destination from what is known of it.
    pub(super) async fn boot(&self, trip: &Trip, power_on: bool) -> Result<(), DriverError> {
        let definition = trip.guest.definition.clone().unwrap_or_default();
        let destination = self.destination();
        destination
            .boot(&trip.arriving, &definition, power_on)
            .await
    }

    pub(super) async fn check_boot(&self, trip: &Trip) -> Result<(), DriverError> {
        let check = CheckBoot {
            migration: trip.arriving.what.migration,
            server: trip.arriving.what.server,
            definition: trip.guest.definition.clone().unwrap_or_default(),
        };
        self.destination().check_boot(&check).await
    }

    /// An evacuation of what `trip` describes.
    pub(super) fn evacuation(trip: &Trip) -> Trip {
        let what = Move {
            migration: MigrationUuid(Uuid::from_u128(
                trip.leaving.what.migration.0.as_u128() ^ 0xe0e0,
            )),
            kind: MoveKind::Evacuation,
            storage: StorageMode::Shared,
            ..trip.leaving.what.clone()
        };
        Trip::new(what, trip.guest.clone())
    }

    /// Departs, and waits until memory moves.
    pub(super) async fn get_going(&mut self) -> Result<Trip, Broken> {
        let trip = self.depart().await?;
        self.until(&trip, |progress, _| progress.memory.processed > 0)
            .await?;
        Ok(trip)
    }

    /// Looks until the move is as far as `enough` says; it must not end before.
    pub(super) async fn until(
        &self,
        trip: &Trip,
        enough: impl Fn(&Progress, bool) -> bool,
    ) -> Result<Progress, Broken> {
        let source = self.source();
        let looking = async {
            loop {
                match source.progress(&trip.leaving).await? {
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
    pub(super) async fn end(&self, trip: &Trip) -> Result<Option<Ended>, Broken> {
        let source = self.source();
        let looking = async {
            loop {
                match source.progress(&trip.leaving).await {
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

    pub(super) async fn ends_as(&self, trip: &Trip, wanted: &Outcome) -> Result<Ended, Broken> {
        let ended = self.end(trip).await?;
        match ended {
            Some(ended) if ended.outcome == *wanted => Ok(ended),
            other => Err(Broken(format!(
                "the move should end as {wanted:?}, but: {other:?}"
            ))),
        }
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
    pub(super) async fn finish(&self, trip: &Trip) -> Case {
        for _ in 0..2 {
            self.destination()
                .finish(&trip.arriving, Side::Destination)
                .await?;
            self.source().finish(&trip.leaving, Side::Source).await?;
        }
        let (from, to) = (
            self.seen(Side::Source).await?,
            self.seen(Side::Destination).await?,
        );
        ensure(
            from == Sighting::Absent,
            "a finished source has nothing left",
            from,
        )?;
        ensure(
            to == Sighting::Executing,
            "the guest is at its destination",
            to,
        )?;
        Ok(self.scenery.verify(Side::Destination).await?)
    }

    /// Rolls both sides back, twice, and sees the guest at its source and nothing else.
    pub(super) async fn roll_back(&self, trip: &Trip) -> Case {
        for _ in 0..2 {
            self.destination()
                .roll_back(&trip.arriving, Side::Destination, false)
                .await?;
            self.source()
                .roll_back(&trip.leaving, Side::Source, false)
                .await?;
        }
        self.unharmed().await
    }

    /// The guest is at its source and nowhere else.
    pub(super) async fn unharmed(&self) -> Case {
        let (from, to) = (
            self.seen(Side::Source).await?,
            self.seen(Side::Destination).await?,
        );
        ensure(
            from == Sighting::Executing,
            "the guest is at its source",
            from,
        )?;
        ensure(
            to == Sighting::Absent,
            "nothing is left at the destination",
            to,
        )?;
        Ok(self.scenery.verify(Side::Source).await?)
    }

    /// Another move works, forced if need be.
    pub(super) async fn moves_again(&mut self) -> Case {
        let trip = self.depart().await?;
        match self.source().force_complete(&trip.leaving).await {
            Ok(_) | Err(DriverError::NoJob | DriverError::TooLate) => {}
            Err(error) => return Err(error.into()),
        }
        self.ends_as(&trip, &Outcome::HandedOver).await?;
        self.finish(&trip).await
    }

    pub(super) async fn restart_agent(&mut self) -> Case {
        Ok(self.scenery.restart_agent().await?)
    }

    pub(super) async fn pause_guest(&self) -> Case {
        Ok(self.scenery.pause_guest().await?)
    }

    pub(super) async fn power_off_guest(&self) -> Case {
        Ok(self.scenery.power_off_guest().await?)
    }

    pub(super) async fn verify(&self, side: Side) -> Case {
        Ok(self.scenery.verify(side).await?)
    }

    pub(super) async fn befall(&self, mishap: Mishap) -> Result<bool, Broken> {
        Ok(self.scenery.befall(mishap).await?)
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

impl Trip {
    fn new(what: Move, guest: Domain) -> Self {
        let job = |what: Move| Job::new(what, Arc::new(MemoryNotes::default()));
        Self {
            leaving: job(what.clone()),
            arriving: job(what),
            guest,
        }
    }

    pub(super) fn storage(&self) -> StorageMode {
        self.leaving.what.storage
    }
}

async fn in_time<T>(
    what: &str,
    looking: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let looked = tokio::time::timeout(DEADLINE, looking).await;
    looked.unwrap_or_else(|_| Err(Broken(format!("waited {DEADLINE:?} for {what}"))))
}
