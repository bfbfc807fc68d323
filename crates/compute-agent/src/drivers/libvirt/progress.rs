//! Source: following a move, and what it has come to.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::migration::StorageMode;
use godwit_rpc::progress::{Amounts, Ended, Outcome, Progress};

use super::downtime::size_gib;
use super::observation::MoveSeen;
use super::outgoing::{Call, OutgoingMigration};
use super::state::DriverState;
use super::status::{MoveStatus, move_status};
use super::sys::JobStatistics;
use super::{DriverError, Host, Job, JobState};

/// How long the event with the final figures may come after libvirt's call returned.
const FIGURES_WITHIN: Duration = Duration::from_millis(500);

impl Host {
    pub(super) async fn progress(self: &Arc<Self>, job: &Job) -> Result<JobState, DriverError> {
        let Some(outgoing) = self.attached(job).await? else {
            return Ok(JobState::NoJob);
        };
        if let Some(ended) = outgoing.known().ended {
            return Ok(JobState::Ended(ended));
        }
        let server = job.what.server;
        // What is known first, then the look: a call that returns in between is seen next time.
        let known = outgoing.known();
        let seen = match known.call == Call::HandedOver {
            true => None,
            false => self.look(server).await?,
        };
        let outcome = match move_status(&known, seen, paused_by_move(job)?) {
            MoveStatus::Moving { figures, post_copy } => {
                let figures = figures.unwrap_or(known.last);
                outgoing.learn(|known| {
                    known.last = figures;
                    known.post_copy |= post_copy;
                });
                let progress = progress_of(&figures, job.what.storage);
                return Ok(JobState::Moving {
                    progress,
                    post_copy,
                });
            }
            MoveStatus::HandedOver => Outcome::HandedOver,
            MoveStatus::Stayed(failure) => failure.map_or(Outcome::Cancelled, Outcome::Failed),
            MoveStatus::StayedPaused(failure) => {
                self.resume(server).await?;
                failure.map_or(Outcome::Cancelled, Outcome::Failed)
            }
            MoveStatus::Unknown => return Ok(JobState::NoJob),
        };
        let handed_over = outcome == Outcome::HandedOver;
        let ended = Ended {
            outcome,
            progress: self
                .final_figures(&outgoing, handed_over, job.what.storage)
                .await,
        };
        outgoing.learn(|known| known.ended = Some(ended.clone()));
        Ok(JobState::Ended(ended))
    }

    /// The outgoing migration of a job: the one this process began, or, after a restart, one for a job that
    /// libvirt carried on with.
    pub(super) async fn attached(
        self: &Arc<Self>,
        job: &Job,
    ) -> Result<Option<Arc<OutgoingMigration>>, DriverError> {
        if let Some(outgoing) = self.outgoing.of(job) {
            return Ok(Some(outgoing));
        }
        let server = job.what.server;
        let Some(seen) = self.look(server).await? else {
            return Ok(None);
        };
        let MoveSeen::Outgoing(figures) = seen.movement else {
            return Ok(None);
        };
        tracing::info!(%server, migration = %job.what.migration,
            "libvirt has carried on with the move; following it again");
        let outgoing = self.outgoing.begin(job, Call::NotOurs);
        self.tune_with(
            server,
            &outgoing,
            size_gib(figures.memory_total, std::iter::empty()),
            false,
        );
        Ok(Some(outgoing))
    }

    async fn final_figures(
        &self,
        outgoing: &OutgoingMigration,
        handed_over: bool,
        storage: StorageMode,
    ) -> Option<Progress> {
        if handed_over {
            // Without the event the last figures seen have to do.
            let completed = outgoing.until(|known| known.completed.is_some());
            let _ = tokio::time::timeout(FIGURES_WITHIN, completed).await;
        }
        let known = outgoing.known();
        let figures = known.completed.unwrap_or(known.last);
        (figures != JobStatistics::default()).then(|| progress_of(&figures, storage))
    }
}

/// Did we pause the guest to get its move over with?
pub(super) fn paused_by_move(job: &Job) -> Result<bool, DriverError> {
    let state: DriverState = job.load()?.unwrap_or_default();
    Ok(state.started.is_some_and(|started| started.paused))
}

/// libvirt's figures in the words of the protocol.
fn progress_of(figures: &JobStatistics, storage: StorageMode) -> Progress {
    Progress {
        memory: Amounts {
            total: figures.memory_total,
            processed: figures.memory_processed,
            remaining: figures.memory_remaining,
        },
        disk: match storage {
            StorageMode::Shared => None,
            StorageMode::Copied => Some(Amounts {
                total: figures.disk_total,
                processed: figures.disk_processed,
                remaining: figures.disk_remaining,
            }),
        },
        dirty_rate: figures.dirty_rate,
        throughput: figures.throughput,
        downtime: (!figures.downtime.is_zero()).then_some(figures.downtime),
        iteration: u32::try_from(figures.iteration).unwrap_or(u32::MAX),
    }
}
