//! Two hosts, a guest on the first, and its moves, as a conductor would drive them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use godwit_compute_agent::driver::{Driver, DriverError, Job, JobState};
use godwit_compute_agent::drivers::libvirt::LibvirtConfig;
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::failure::Failure;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{CheckDestination, CheckSource, Movable, Move, MoveKind, Receiver, Side};
use godwit_rpc::progress::{Ended, Outcome, Progress};
use godwit_test_support::fleet::MIGRATION;
use godwit_test_support::testbed::{Guest, GuestSpec, Host, Options, Testbed};
use godwit_test_support::wait_for;
use tokio_util::sync::CancellationToken;

use crate::hosts::{Inside, Page, config};

/// Generous, for a machine that does other things too: an emulated guest looks through all its
/// memory in this time.
pub(crate) const SOON: Duration = Duration::from_secs(150);

/// Two hosts with a driver each, and a guest that runs on the first.
pub(crate) struct MoveTest {
    pub(crate) testbed: Testbed,
    pub(crate) guest: Guest,
    pub(crate) source: Arc<Inside>,
    pub(crate) destination: Arc<Inside>,
}

/// One move of the guest.
pub(crate) struct PlannedMove {
    pub(crate) source_job: Job,
    pub(crate) destination_job: Job,
    pub(crate) movable: Movable,
    receiver: OnceLock<Receiver>,
}

impl PlannedMove {
    /// What the destination answered when it was prepared.
    pub(crate) fn receiver(&self) -> &Receiver {
        self.receiver.get().expect("it was prepared")
    }
}

impl MoveTest {
    /// With drivers that are configured as `change` leaves them.
    pub(crate) fn new(spec: GuestSpec, change: impl Fn(&mut LibvirtConfig)) -> Result<Self> {
        Self::with(Options::default(), spec, change, BTreeMap::new())
    }

    /// With everything.
    pub(crate) fn with(
        options: Options,
        spec: GuestSpec,
        change: impl Fn(&mut LibvirtConfig),
        holds: BTreeMap<HoldPoint, PathBuf>,
    ) -> Result<Self> {
        Self::on(Testbed::temporary(options)?, spec, change, holds)
    }

    /// On hosts that are up.
    pub(crate) fn on(
        testbed: Testbed,
        spec: GuestSpec,
        change: impl Fn(&mut LibvirtConfig),
        holds: BTreeMap<HoldPoint, PathBuf>,
    ) -> Result<Self> {
        // What the driver says, in the order of what happened; shown when a test fails.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_test_writer()
            .try_init();
        let driver = |host: &Host| {
            let mut config = config(&testbed, host);
            change(&mut config);
            Inside::new(host, config, holds.clone()).map(Arc::new)
        };
        let (from, to) = (&testbed.hosts()[0], &testbed.hosts()[1]);
        let (source, destination) = (driver(from)?, driver(to)?);
        let guest = testbed.create_guest(from, spec)?;
        testbed.await_line(&guest, from, SOON, |_| true)?;
        Ok(Self {
            testbed,
            guest,
            source,
            destination,
        })
    }

    pub(crate) fn from(&self) -> &Host {
        &self.testbed.hosts()[0]
    }

    pub(crate) fn to(&self) -> &Host {
        &self.testbed.hosts()[1]
    }

    pub(crate) fn server(&self) -> ServerUuid {
        ServerUuid(self.guest.uuid)
    }

    /// The source dies, with all that runs on it.
    pub(crate) fn lose_source(&self) -> Result<()> {
        self.from().kill_libvirtd()?;
        self.from().kill_guest(self.guest.name())
    }

    /// Pre-checks on both sides, as a conductor has them made.
    pub(crate) async fn check(&self, wanted: BlockMigration) -> Result<PlannedMove, DriverError> {
        self.check_with(MoveKind::Live, wanted, None).await
    }

    pub(crate) async fn check_with(
        &self,
        kind: MoveKind,
        wanted: BlockMigration,
        disk_over_commit: Option<bool>,
    ) -> Result<PlannedMove, DriverError> {
        let destination = self.destination.facts().await?;
        let check = CheckSource {
            migration: MIGRATION,
            server: self.server(),
            kind,
            block_migration: wanted,
            destination: destination.clone(),
        };
        let movable = self.source.check_source(&check).await?;
        let source = self.source.facts().await?;
        let check = CheckDestination {
            migration: MIGRATION,
            guest: movable.guest.clone(),
            source: source.clone(),
            storage: movable.storage,
            disk_over_commit,
        };
        self.destination.check_destination(&check).await?;
        let what = Move {
            migration: MIGRATION,
            kind,
            server: self.server(),
            source: source.host,
            destination: destination.host,
            storage: movable.storage,
        };
        Ok(PlannedMove {
            source_job: Job::new(what.clone(), Arc::new(Page::default())),
            destination_job: Job::new(what, Arc::new(Page::default())),
            movable,
            receiver: OnceLock::new(),
        })
    }

    /// Pre-checks, makes ready and begins.
    pub(crate) async fn start_move(&self, wanted: BlockMigration) -> Result<PlannedMove> {
        let planned = self.check(wanted).await?;
        self.prepare(&planned).await?;
        self.start(&planned).await?;
        Ok(planned)
    }

    pub(crate) async fn prepare(&self, planned: &PlannedMove) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let receiver = self
            .destination
            .prepare(&planned.destination_job, &planned.movable.guest, &never)
            .await?;
        // Repeated, it answers the same.
        planned.receiver.get_or_init(|| receiver);
        Ok(())
    }

    pub(crate) async fn start(&self, planned: &PlannedMove) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        self.source
            .start(&planned.source_job, planned.receiver(), &never)
            .await
    }

    /// Follows the move until it is as far as `enough` says.
    pub(crate) async fn until(
        &self,
        planned: &PlannedMove,
        what: &str,
        enough: impl Fn(&Progress, bool) -> bool,
    ) -> Result<Progress> {
        wait_for(what, SOON, async || {
            match self.source.progress(&planned.source_job).await? {
                JobState::Moving {
                    progress,
                    post_copy,
                } if enough(&progress, post_copy) => Ok(Some(progress)),
                other => bail!("{other:?}"),
            }
        })
        .await
    }

    /// Follows the move to its end.
    pub(crate) async fn end(&self, planned: &PlannedMove) -> Result<Ended> {
        wait_for("the move to end", SOON, async || {
            match self.source.progress(&planned.source_job).await? {
                JobState::Ended(ended) => Ok(Some(ended)),
                other => bail!("{other:?}"),
            }
        })
        .await
    }

    /// Follows the move to its end, which is a failure.
    pub(crate) async fn failure(&self, planned: &PlannedMove) -> Result<Failure> {
        match self.end(planned).await?.outcome {
            Outcome::Failed(failure) => Ok(failure),
            other => bail!("{other:?}"),
        }
    }

    /// After a success: settles both sides, and sees the guest where it belongs.
    pub(crate) async fn finish(&self, planned: &PlannedMove) -> Result<()> {
        self.finish_both(planned).await?;
        ensure!(
            self.from().domains()?.is_empty(),
            "{:?}",
            self.from().domains()?
        );
        ensure!(
            self.from().emulators()?.is_empty(),
            "QEMU runs at the source"
        );
        let info = self.to().virsh(["dominfo", self.guest.name()])?;
        ensure!(
            info.lines()
                .any(|l| l.starts_with("Persistent:") && l.ends_with("yes")),
            "{info}"
        );
        self.testbed.await_scan(&self.guest, self.to(), SOON)?;
        self.testbed
            .verify(&self.guest, &[self.from(), self.to()])?;
        Ok(())
    }

    pub(crate) async fn finish_both(&self, planned: &PlannedMove) -> Result<(), DriverError> {
        self.destination
            .finish(&planned.destination_job, Side::Destination)
            .await?;
        self.source.finish(&planned.source_job, Side::Source).await
    }

    /// After a failure: settles both sides, and sees the guest unharmed on its source.
    pub(crate) async fn roll_back(&self, planned: &PlannedMove) -> Result<()> {
        self.destination
            .roll_back(&planned.destination_job, Side::Destination, false)
            .await?;
        self.source
            .roll_back(&planned.source_job, Side::Source, false)
            .await?;
        self.unharmed().await
    }

    pub(crate) async fn unharmed(&self) -> Result<()> {
        ensure!(
            self.to().domains()?.is_empty(),
            "{:?}",
            self.to().domains()?
        );
        ensure!(
            self.to().emulators()?.is_empty(),
            "QEMU runs at the destination"
        );
        ensure!(self.sighted(&self.source).await? == Sighting::Executing);
        self.testbed.await_scan(&self.guest, self.from(), SOON)?;
        self.testbed.verify(&self.guest, &[self.from()])?;
        Ok(())
    }

    /// What a host testifies of the guest.
    pub(crate) async fn sighted(&self, host: &Inside) -> Result<Sighting> {
        let domains = host.domains().await?;
        let found = domains
            .into_iter()
            .find(|domain| domain.server == self.server());
        Ok(found.map_or(Sighting::Absent, |domain| domain.sighting))
    }

    /// Another move, which has to work, by force if need be.
    pub(crate) async fn moves_again(&self) -> Result<()> {
        let planned = self.start_move(BlockMigration::Auto).await?;
        let forced = self.source.force_complete(&planned.source_job).await;
        ensure!(
            matches!(forced, Ok(_) | Err(DriverError::NoJob)),
            "{forced:?}"
        );
        let outcome = self.end(&planned).await?.outcome;
        ensure!(outcome == Outcome::HandedOver, "{outcome:?}");
        self.finish(&planned).await
    }
}

impl PlannedMove {
    pub(crate) fn storage(&self) -> StorageMode {
        self.movable.storage
    }
}
