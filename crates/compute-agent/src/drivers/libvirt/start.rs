//! Source: beginning a move.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::migration::StorageMode;
use godwit_core::server::PowerState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use virt::sys as raw;

use super::facts::MoveTarget;
use super::observation::MoveSeen;
use super::outgoing::{Call, OutgoingMigration};
use super::parameters::MigrationParameters;
use super::state::{DriverState, Started};
use super::{Domain, DriverError, Host, Job, MoveKind, Receiver};
use crate::checks;
use crate::holds::HoldPoint;

/// How often one looks whether libvirt's job has begun.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Host {
    pub(super) async fn start(
        self: &Arc<Self>,
        job: &Job,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        if self.outgoing.of(job).is_some() {
            return Ok(());
        }
        let mut state: DriverState = job.load()?.unwrap_or_default();
        if state.started.as_ref().is_some_and(|started| started.over) {
            return Err(DriverError::hypervisor("This move is over."));
        }
        if state.started.is_some() {
            // A crash left it open whether it began. If it did, `progress` finds it; if not,
            // nobody can know, and it is not begun a second time.
            self.attached(job).await?;
            return Ok(());
        }
        let server = job.what.server;
        let guest = self.describe(server, &self.pools().await?).await?;
        let guest = guest.ok_or(DriverError::UnknownServer(server))?;
        checks::guest_can_leave(&guest, MoveKind::Live)?;
        let held = self.holds.is_held(HoldPoint::BeforeHandover).await;
        let parameters = self.parameters(job, &guest, receiver, held)?;

        let copied = match job.what.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => checks::disks_to_copy(&guest, &receiver.pools)
                .map(|disk| PathBuf::from(&disk.path))
                .collect(),
        };
        state.started = Some(Started {
            copied,
            post_copy: parameters.permits_post_copy(),
            paused: false,
            over: false,
        });
        job.save(&state).await?;
        if cancel.is_cancelled() {
            state.started = None;
            job.save(&state).await?;
            return Err(DriverError::Cancelled);
        }

        let outgoing = self.outgoing.begin(job, Call::UnderWay);
        let connects_to = Some(parameters.target.libvirt.clone());
        outgoing.learn(|known| known.connects_to = connects_to);
        if let Err(error) = parameters.spawn(&self.connection, &outgoing, &self.changes) {
            self.outgoing.forget(job);
            state.started = None;
            job.save(&state).await?;
            return Err(DriverError::Unavailable(format!(
                "no thread for a move: {error}"
            )));
        }
        self.tune(job, &outgoing, &guest, receiver, held);
        self.wait_until_running(job, &outgoing, cancel).await
    }

    fn parameters(
        &self,
        job: &Job,
        guest: &Domain,
        receiver: &Receiver,
        held: bool,
    ) -> Result<MigrationParameters, DriverError> {
        let config = &self.config;
        let mut disks = checks::disks_to_copy(guest, &receiver.pools);
        let disks: Vec<String> = match job.what.storage {
            StorageMode::Copied => disks.map(|disk| disk.target.clone()).collect(),
            StorageMode::Shared => match disks.next() {
                None => Vec::new(),
                Some(disk) => {
                    return Err(DriverError::hypervisor(format!(
                        "{} is not on storage that both hosts see any more.",
                        disk.path
                    )));
                }
            },
        };
        let mut flags = raw::VIR_MIGRATE_LIVE
            | raw::VIR_MIGRATE_PEER2PEER
            | raw::VIR_MIGRATE_UNDEFINE_SOURCE
            | raw::VIR_MIGRATE_PERSIST_DEST;
        let mut flag = |wanted: bool, flag| {
            if wanted {
                flags |= flag;
            }
        };
        // Incremental: above what they are linked clones of.
        flag(!disks.is_empty(), raw::VIR_MIGRATE_NON_SHARED_INC);
        // A guest that does not run cannot fault pages in.
        let runs = guest.power_state == PowerState::Running;
        flag(config.permit_post_copy && runs, raw::VIR_MIGRATE_POSTCOPY);
        flag(config.permit_auto_converge, raw::VIR_MIGRATE_AUTO_CONVERGE);
        flag(config.parallel_connections > 1, raw::VIR_MIGRATE_PARALLEL);
        flag(config.encrypt, raw::VIR_MIGRATE_TLS);
        Ok(MigrationParameters {
            guest: job.what.server,
            target: MoveTarget::of(receiver)?,
            flags,
            disks,
            bandwidth_mib: if held { 1 } else { config.bandwidth_mib },
            parallel_connections: config.parallel_connections,
        })
    }

    /// Waits until libvirt's job runs or has ended; not longer than libvirt may take for
    /// anything. The destination may be slow: then the move is under way all the same.
    async fn wait_until_running(
        self: &Arc<Self>,
        job: &Job,
        outgoing: &OutgoingMigration,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        let deadline = Instant::now() + self.config.call_timeout();
        while outgoing.known().call == Call::UnderWay && Instant::now() < deadline {
            if cancel.is_cancelled() {
                // It began, so it ends like any other, and tells so.
                return match self.abort(job).await {
                    Err(DriverError::NoJob | DriverError::TooLate) | Ok(()) => Ok(()),
                    Err(error) => Err(error),
                };
            }
            if let Ok(Some(seen)) = self.look(job.what.server).await
                && matches!(seen.movement, MoveSeen::Outgoing(_))
            {
                return Ok(());
            }
            let returned = outgoing.until(|known| known.call != Call::UnderWay);
            // Either way the loop looks again.
            let _ = tokio::time::timeout(LOOK_EVERY, returned).await;
        }
        Ok(())
    }
}
