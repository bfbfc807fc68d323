//! What each command does around the driver's step: hold points, the journal, time limits.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{Boot, MoveKind, Prepare, Receiver, RollBack, Side, Start, Withdraw};
use godwit_rpc::progress::{Ended, Outcome};
use godwit_rpc::refusal::Refusal;
use tokio_util::sync::CancellationToken;

use super::follower;
use super::shared::{Shared, refusal};
use super::worker::{Answer, MoveCommand, Reply};
use crate::driver::{DriverError, Job, JobState};
use crate::holds::HoldPoint;
use crate::journal::{Entry, JournalError, Stage};

/// Performs one command that the journal has taken.
pub(super) async fn perform(
    shared: Arc<Shared>,
    command: MoveCommand,
    cancel: CancellationToken,
) -> Answer {
    let name = command.name();
    let began = tokio::time::Instant::now();
    let migration = command.command().what.migration;
    let Some(entry) = shared.journal.find(migration) else {
        return Err(Refusal::UnknownMigration(migration));
    };
    let step = Step {
        job: shared.job(&entry),
        shared,
        entry,
        cancel,
    };
    let done = |()| Reply::Done;
    let answer = match command {
        MoveCommand::Prepare(prepare) => step.prepare(&prepare).await.map(Reply::Prepared),
        MoveCommand::Start(start) => step.start(&start).await.map(done),
        MoveCommand::Abort(_) => step.abort().await.map(done),
        MoveCommand::ForceComplete(_) => step.force_complete().await,
        MoveCommand::Finish(_) => step.finish().await.map(done),
        MoveCommand::RollBack(roll_back) => step.roll_back(&roll_back).await.map(done),
        MoveCommand::Boot(boot) => step.boot(&boot).await.map(done),
        MoveCommand::Withdraw(withdraw) => step.withdraw(&withdraw).await.map(done),
    };
    step.shared.performed(name, began, &answer);
    answer
}

struct Step {
    shared: Arc<Shared>,
    entry: Entry,
    job: Job,
    cancel: CancellationToken,
}

impl Step {
    async fn prepare(&self, prepare: &Prepare) -> Result<Receiver, Refusal> {
        self.only(Side::Destination)?;
        match self.entry.stage {
            Stage::Known | Stage::Preparing | Stage::Prepared => {}
            Stage::Settled
            | Stage::Cleared
            | Stage::Booting
            | Stage::Booted
            | Stage::Starting
            | Stage::Moving => return Err(Refusal::NoJob),
        }
        self.hold(HoldPoint::BeforePrepare).await?;
        let definition = match self.entry.what.kind {
            MoveKind::Cold => prepare.guest.definition.clone(),
            MoveKind::Live | MoveKind::Evacuation => None,
        };
        self.amend(|entry| {
            entry.stage = Stage::Preparing;
            entry.definition = definition;
        })
        .await?;
        let driver = &self.shared.driver;
        let prepared = driver.prepare(&self.job, &prepare.guest, &self.cancel);
        let receiver = self
            .within(self.shared.pace.prepare_timeout, prepared)
            .await?;
        self.enter(Stage::Prepared).await?;
        self.hold(HoldPoint::Prepared).await?;
        Ok(receiver)
    }

    /// At most once: where a crash left it open, the hypervisor decides whether a job was
    /// begun, and if there is none, none will be. But a guest that is powered off twice is off,
    /// so a cold move goes on.
    async fn start(&self, start: &Start) -> Result<(), Refusal> {
        self.only(Side::Source)?;
        if self.entry.outcome.is_some() {
            return Ok(());
        }
        match self.entry.stage {
            Stage::Known => {}
            Stage::Starting | Stage::Moving => match self.rejoin().await {
                Err(Refusal::NoJob) if self.entry.what.kind == MoveKind::Cold => {}
                rejoined => return rejoined,
            },
            Stage::Settled
            | Stage::Cleared
            | Stage::Preparing
            | Stage::Prepared
            | Stage::Booting
            | Stage::Booted => return Err(Refusal::NoJob),
        }
        self.hold(HoldPoint::BeforeStart).await?;
        let trace = godwit_telemetry::current();
        self.amend(|entry| {
            entry.stage = Stage::Starting;
            entry.trace = trace;
        })
        .await?;
        let driver = &self.shared.driver;
        let started = driver.start(&self.job, &start.receiver, &self.cancel);
        // Given up, it may have begun all the same, and the stage goes on saying so.
        let started = self.limited(self.shared.pace.step_timeout, started).await?;
        if let Err(error) = started {
            self.enter(Stage::Known).await?;
            return Err(self.refusal(error));
        }
        self.enter(Stage::Moving).await?;
        follower::follow(&self.shared, &self.entry);
        // The job runs, whatever becomes of the hold.
        drop(self.hold(HoldPoint::Started).await);
        Ok(())
    }

    /// A start that came before: is its job there?
    async fn rejoin(&self) -> Result<(), Refusal> {
        match self.progress().await? {
            JobState::Moving { .. } | JobState::Ended(_) => {
                self.enter(Stage::Moving).await?;
                follower::follow(&self.shared, &self.entry);
                Ok(())
            }
            JobState::NoJob => Err(Refusal::NoJob),
        }
    }

    async fn abort(&self) -> Result<(), Refusal> {
        // At a destination all there is to abort is a preparation, which was stopped to get here.
        if self.entry.outcome.is_some() || self.entry.side == Side::Destination {
            return Ok(());
        }
        match self.entry.stage {
            Stage::Known => self.cancelled_before_start().await,
            Stage::Settled
            | Stage::Cleared
            | Stage::Preparing
            | Stage::Prepared
            | Stage::Booting
            | Stage::Booted => Err(Refusal::NoJob),
            Stage::Starting | Stage::Moving => self.abort_job().await,
        }
    }

    async fn abort_job(&self) -> Result<(), Refusal> {
        let aborted = self.shared.driver.abort(&self.job);
        let aborted = self.in_time(aborted).await;
        let aborted = match aborted {
            // It may have ended a moment ago, which is what was wanted.
            Err(Refusal::NoJob) => match self.progress().await? {
                JobState::Moving { .. } | JobState::Ended(_) => Ok(()),
                JobState::NoJob => Err(Refusal::NoJob),
            },
            other => other,
        };
        follower::follow(&self.shared, &self.entry);
        aborted
    }

    /// Nothing began, and by this command's rank nothing will. If the guest is where it was,
    /// that is an outcome.
    async fn cancelled_before_start(&self) -> Result<(), Refusal> {
        let domains = self.shared.driver.domains();
        let domains = self.in_time(domains).await?;
        let guest = domains
            .iter()
            .find(|domain| domain.server == self.entry.what.server);
        let cold = self.entry.what.kind == MoveKind::Cold;
        let as_it_was = guest.is_some_and(|guest| {
            guest.sighting == Sighting::Executing || cold && guest.sighting == Sighting::Inactive
        });
        if !as_it_was {
            return Err(Refusal::NoJob);
        }
        let ended = Ended {
            outcome: Outcome::Cancelled,
            progress: None,
        };
        let concluded = follower::conclude(&self.shared, &self.entry, ended).await;
        concluded.map_err(unavailable)
    }

    async fn force_complete(&self) -> Answer {
        if self.entry.outcome.is_some() {
            return Err(Refusal::TooLate);
        }
        if !self.entry.is_open() {
            return Err(Refusal::NoJob);
        }
        let forced = self.shared.driver.force_complete(&self.job);
        let means = self.in_time(forced).await?;
        follower::follow(&self.shared, &self.entry);
        Ok(Reply::Forced(means))
    }

    async fn finish(&self) -> Result<(), Refusal> {
        self.hold(HoldPoint::BeforeFinish).await?;
        let finished = self.shared.driver.finish(&self.job, self.entry.side);
        self.in_time(finished).await?;
        self.enter(Stage::Settled).await
    }

    async fn roll_back(&self, roll_back: &RollBack) -> Result<(), Refusal> {
        self.hold(HoldPoint::BeforeRollback).await?;
        let driver = &self.shared.driver;
        let resume = roll_back.resume && self.entry.side == Side::Source;
        let rolled_back = driver.roll_back(&self.job, self.entry.side, resume);
        self.in_time(rolled_back).await?;
        self.enter(match self.entry.side {
            Side::Source => Stage::Settled,
            Side::Destination => Stage::Cleared,
        })
        .await
    }

    /// Once: a guest that was booted is its user's to power off, and is not started again.
    async fn boot(&self, boot: &Boot) -> Result<(), Refusal> {
        self.only(Side::Destination)?;
        if self.entry.what.kind == MoveKind::Live {
            return Err(not_of_live("boots nothing"));
        }
        match self.entry.stage {
            Stage::Known | Stage::Preparing | Stage::Prepared | Stage::Booting => {}
            Stage::Booted => return Ok(()),
            Stage::Settled | Stage::Cleared | Stage::Starting | Stage::Moving => {
                return Err(Refusal::NoJob);
            }
        }
        let given = boot.definition.as_deref();
        let Some(definition) = given.or(self.entry.definition.as_deref()) else {
            return Err(Refusal::Failed(Failure::new(
                FailureCode::NoDefinition,
                format!(
                    "Nobody knows what instance {} is made of.",
                    self.entry.what.server
                ),
            )));
        };
        self.hold(HoldPoint::BeforeBoot).await?;
        self.enter(Stage::Booting).await?;
        let driver = &self.shared.driver;
        let booted = driver.boot(&self.job, definition, boot.power_on);
        self.in_time(booted).await?;
        self.enter(Stage::Booted).await?;
        self.hold(HoldPoint::Booted).await
    }

    async fn withdraw(&self, withdraw: &Withdraw) -> Result<(), Refusal> {
        // A source whose guest was handed over may have started it again as it came back to life.
        let source_of_live = self.entry.what.kind == MoveKind::Live;
        if source_of_live && self.entry.side == Side::Destination {
            return Err(not_of_live("withdraws nothing from its destination"));
        }
        match self.entry.stage {
            Stage::Cleared => return Ok(()),
            Stage::Settled if source_of_live => {}
            Stage::Settled => return Err(self.left_alone("its migration was settled here")),
            Stage::Known
            | Stage::Preparing
            | Stage::Prepared
            | Stage::Starting
            | Stage::Moving
            | Stage::Booting
            | Stage::Booted => {}
        }
        let ours = &self.entry.what;
        let others = self.shared.journal.select(|other| {
            other.what.server == ours.server
                && other.what.migration != ours.migration
                && other.arrived_since(withdraw.began_at)
        });
        if let Some(other) = others.first() {
            let why = format!("migration {} brought it here since", other.what.migration);
            return Err(self.left_alone(&why));
        }
        self.hold(HoldPoint::BeforeWithdraw).await?;
        let withdrawn = self.shared.driver.withdraw(&self.job, self.entry.side);
        self.in_time(withdrawn).await?;
        self.enter(Stage::Cleared).await
    }

    fn left_alone(&self, why: &str) -> Refusal {
        Refusal::Failed(Failure::new(
            FailureCode::HypervisorError,
            format!(
                "{} is not withdrawn from {}: {why}.",
                self.entry.what.server, self.shared.host
            ),
        ))
    }

    fn only(&self, side: Side) -> Result<(), Refusal> {
        if self.entry.side == side {
            return Ok(());
        }
        let (here, what) = (self.entry.side.as_str(), self.entry.what.migration);
        Err(Refusal::Forbidden(format!(
            "this host is the {here} of migration {what}"
        )))
    }

    async fn progress(&self) -> Result<JobState, Refusal> {
        let progress = self.shared.driver.progress(&self.job);
        self.in_time(progress).await
    }

    async fn enter(&self, stage: Stage) -> Result<(), Refusal> {
        self.amend(|entry| entry.stage = stage).await
    }

    async fn amend(&self, change: impl FnOnce(&mut Entry)) -> Result<(), Refusal> {
        let shared = &self.shared;
        let amended = shared
            .journal
            .amend(self.entry.what.migration, shared.now(), change);
        amended.await.map_err(unavailable)
    }

    async fn hold(&self, point: HoldPoint) -> Result<(), Refusal> {
        let passed = self.shared.holds.pass(point, &self.cancel).await;
        passed.map_err(|error| self.refusal(error))
    }

    /// [`Self::within`] the time that most steps get.
    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, Refusal> {
        self.within(self.shared.pace.step_timeout, step).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, Refusal> {
        let done = self.limited(limit, step).await?;
        done.map_err(|error| self.refusal(error))
    }

    async fn limited<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        let done = self.shared.limited(limit, &self.cancel, step).await;
        done.map_err(|error| self.refusal(error))
    }

    /// Only a newer command cancels.
    fn refusal(&self, error: DriverError) -> Refusal {
        refusal(error, || {
            let newest = self.shared.journal.find(self.entry.what.migration);
            let newest = newest.map_or(self.entry.rank, |entry| entry.rank);
            Refusal::Stale { newest }
        })
    }
}

fn not_of_live(what: &str) -> Refusal {
    Refusal::Malformed {
        field: "kind".to_owned(),
        problem: format!("a live move {what}"),
    }
}

fn unavailable(error: JournalError) -> Refusal {
    Refusal::Unavailable(error.explain())
}
