//! Source: giving up, and getting it over with.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use virt::error::ErrorNumber;

use super::observation::{MoveSeen, Observation};
use super::outgoing::{Call, OutgoingMigration};
use super::state::DriverState;
use super::sys::{self, DomainState, JobStatistics};
use super::{DriverError, ForceMeans, Host, Job, ServerUuid, connecting};

/// How often one looks whether libvirt has done as it was told.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a switch to post-copy may take. The guest has been stopped by then, or it failed.
const SWITCH_WITHIN: Duration = Duration::from_secs(10);

impl Host {
    pub(super) async fn abort(self: &Arc<Self>, job: &Job) -> Result<(), DriverError> {
        let server = job.what.server;
        let outgoing = self.attached(job).await?.ok_or(DriverError::NoJob)?;
        let deadline = Instant::now() + self.config.call_timeout();
        while Instant::now() < deadline {
            let known = outgoing.known();
            if known.ended.is_some() {
                return Err(DriverError::NoJob);
            }
            if known.call != Call::UnderWay && known.call != Call::NotOurs {
                // It has ended by itself, and `progress` tells how.
                return Ok(());
            }
            let seen = self.look(server).await?;
            if known.post_copy || seen.is_some_and(Observation::is_post_copy) {
                return Err(DriverError::TooLate);
            }
            let job_runs = seen.is_some_and(|seen| matches!(seen.movement, MoveSeen::Outgoing(_)));
            if known.call == Call::NotOurs && !job_runs {
                return Err(DriverError::NoJob);
            }
            outgoing.learn(|known| known.abort_asked = true);
            let aborted = self
                .connection
                .call(move |live| sys::abort_job(&live.connect.lookup_domain_by_uuid(server.0)?));
            match aborted.await {
                Ok(()) => {
                    if let Some(uri) = &known.connects_to {
                        connecting::give_up(uri).await;
                    }
                    return Ok(());
                }
                // It has just ended, or not begun yet, or switched to post-copy: look again.
                Err(error)
                    if matches!(
                        error.number(),
                        Some(ErrorNumber::OperationInvalid | ErrorNumber::NoDomain)
                    ) => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(DriverError::Unavailable("libvirt takes no abort".into()))
    }

    pub(super) async fn force_complete(
        self: &Arc<Self>,
        job: &Job,
    ) -> Result<ForceMeans, DriverError> {
        let server = job.what.server;
        let outgoing = self.attached(job).await?.ok_or(DriverError::NoJob)?;
        let Some(seen) = self.under_way(&outgoing, server).await? else {
            return Ok(ForceMeans::PostCopy);
        };
        let mut state: DriverState = job.load()?.unwrap_or_default();
        let started = state.started.as_mut().ok_or(DriverError::NoJob)?;
        if started.post_copy && seen.state == DomainState::Running {
            match self.switch_to_post_copy(&outgoing, server).await {
                Ok(()) => return Ok(ForceMeans::PostCopy),
                Err(error) => {
                    tracing::warn!(%server, %error, "no post-copy; pausing the guest instead");
                }
            }
        }
        if seen.state == DomainState::Running {
            started.paused = true;
            job.save(&state).await?;
            self.pause(server).await?;
        }
        // What does not run, its user paused: then nothing is left to do but to wait.
        Ok(ForceMeans::Pause)
    }

    /// The guest while it is being sent, waiting for that where libvirt is between two steps;
    /// `None`: the guest executes at its destination already.
    async fn under_way(
        &self,
        outgoing: &OutgoingMigration,
        server: ServerUuid,
    ) -> Result<Option<Observation>, DriverError> {
        let deadline = Instant::now() + self.config.call_timeout();
        loop {
            let known = outgoing.known();
            if known.post_copy {
                return Ok(None);
            }
            if known.ended.is_some() || known.call == Call::HandedOver {
                return Err(DriverError::NoJob);
            }
            let seen = self.look(server).await?;
            if seen.is_some_and(Observation::is_post_copy) {
                return Ok(None);
            }
            if let Some(seen) = seen
                && let MoveSeen::Outgoing(figures) = seen.movement
                && has_begun(&figures)
            {
                return Ok(Some(seen));
            }
            let job_runs = seen.is_some_and(|seen| matches!(seen.movement, MoveSeen::Outgoing(_)));
            if known.call != Call::UnderWay && !job_runs {
                return Err(DriverError::NoJob);
            }
            if Instant::now() >= deadline {
                return Err(DriverError::Unavailable(
                    "libvirt does not begin the move".into(),
                ));
            }
            let returned = outgoing.until(|known| known.call != Call::UnderWay);
            // Either way the loop looks again.
            let _ = tokio::time::timeout(LOOK_EVERY, returned).await;
        }
    }

    /// Switches, and verifies that the switch took place.
    async fn switch_to_post_copy(
        &self,
        outgoing: &OutgoingMigration,
        server: ServerUuid,
    ) -> Result<(), DriverError> {
        self.connection
            .call(move |live| sys::start_post_copy(&live.connect.lookup_domain_by_uuid(server.0)?))
            .await?;
        let deadline = Instant::now() + SWITCH_WITHIN;
        while Instant::now() < deadline {
            let known = outgoing.known();
            if known.post_copy || known.call == Call::HandedOver || known.completed.is_some() {
                outgoing.learn(|known| known.post_copy = true);
                return Ok(());
            }
            let seen = self.look(server).await?;
            if seen.is_some_and(Observation::is_post_copy) {
                outgoing.learn(|known| known.post_copy = true);
                return Ok(());
            }
            let switched = outgoing.until(|known| known.post_copy);
            // Either way the loop looks again.
            let _ = tokio::time::timeout(LOOK_EVERY, switched).await;
        }
        Err(DriverError::Unavailable(
            "the switch to post-copy does not take place".into(),
        ))
    }

    async fn pause(&self, server: ServerUuid) -> Result<(), DriverError> {
        let paused = self.connection.call(move |live| {
            live.connect
                .lookup_domain_by_uuid(server.0)?
                .suspend()
                .map(drop)
        });
        match paused.await {
            Ok(()) => Ok(()),
            // Handed over meanwhile.
            Err(error) if error.number() == Some(ErrorNumber::NoDomain) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the guest run (again).
    pub(super) async fn resume(&self, server: ServerUuid) -> Result<(), DriverError> {
        let resumed = self.connection.call(move |live| {
            let domain = live.connect.lookup_domain_by_uuid(server.0)?;
            if sys::domain_state(&domain)? == DomainState::Running {
                return Ok(());
            }
            domain.resume().map(drop)
        });
        Ok(resumed.await?)
    }
}

/// Does QEMU send? Before it does, libvirt still asks the destination to expect the guest, and
/// whoever pauses the guest by then is taken for its user: it would stay paused over there.
fn has_begun(figures: &JobStatistics) -> bool {
    figures.memory_total > 0 || figures.disk_total > 0
}
