//! Source: beginning a move.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::failure::FailureCode;
use godwit_core::migration::StorageMode;
use godwit_core::server::PowerState;
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use virt::error::Error;
use virt::sys as raw;

use super::Host;
use super::connection::Connection;
use super::facts::MoveTarget;
use super::flight::{Call, Flight};
use super::note::{Departure, Note};
use super::sys::{self, Params};
use super::verdict::call_failed;
use super::witness::MoveSeen;
use crate::checks;
use crate::driver::{DriverError, Job};
use crate::holds::HoldPoint;

/// How often one looks whether libvirt's job has begun.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The move as libvirt's call needs it.
struct Itinerary {
    guest: Uuid,
    target: MoveTarget,
    flags: u32,
    /// Targets of the disks that are copied.
    disks: Vec<String>,
    bandwidth_mib: u64,
    parallel_connections: u16,
}

impl Host {
    /// See [`crate::driver::Driver::start`].
    pub(super) async fn start(
        self: &Arc<Self>,
        job: &Job,
        destination: &HostFacts,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        if self.flights.of(job).is_some() {
            return Ok(());
        }
        let mut note: Note = job.note()?.unwrap_or_default();
        if note.departure.is_some() {
            // A crash left it open whether it began. If it did, `progress` finds it; if not,
            // nobody can know, and it is not begun a second time.
            self.attached(job).await?;
            return Ok(());
        }
        let server = job.what.server;
        let guest = self.describe(server, &self.pools().await?).await?;
        let guest = guest.ok_or(DriverError::UnknownServer(server))?;
        checks::guest_can_leave(&guest).map_err(DriverError::Failed)?;
        let itinerary = self.itinerary(job, &guest, destination).await?;

        let copied = match job.what.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => checks::disks_to_copy(&guest, destination)
                .map(|disk| PathBuf::from(&disk.path))
                .collect(),
        };
        note.departure = Some(Departure {
            copied,
            post_copy: itinerary.flags & raw::VIR_MIGRATE_POSTCOPY != 0,
        });
        job.set_note(&note).await?;
        if cancel.is_cancelled() {
            note.departure = None;
            job.set_note(&note).await?;
            return Err(DriverError::Cancelled);
        }

        let flight = self.flights.begin(job, Call::UnderWay);
        if let Err(error) = depart(&self.connection, itinerary, Arc::clone(&flight)) {
            self.flights.forget(job);
            note.departure = None;
            job.set_note(&note).await?;
            return Err(DriverError::Unavailable(format!("no thread for a move: {error}")));
        }
        self.steer(job, &flight, &guest, destination);
        self.departed(job, &flight, cancel).await
    }

    async fn itinerary(
        &self,
        job: &Job,
        guest: &Domain,
        destination: &HostFacts,
    ) -> Result<Itinerary, DriverError> {
        let config = &self.config;
        let disks: Vec<String> = match job.what.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => {
                checks::disks_to_copy(guest, destination).map(|disk| disk.target.clone()).collect()
            }
        };
        if let (StorageMode::Shared, Some(disk)) =
            (job.what.storage, checks::disks_to_copy(guest, destination).next())
        {
            let message = format!("{} is not on storage that both hosts see any more.", disk.path);
            return Err(DriverError::failed(FailureCode::HypervisorError, message));
        }
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
        let held = self.holds.is_held(HoldPoint::BeforeHandover).await;
        Ok(Itinerary {
            guest: job.what.server.0,
            target: MoveTarget::of(destination)?,
            flags,
            disks,
            bandwidth_mib: if held { 1 } else { config.bandwidth_mib },
            parallel_connections: config.parallel_connections,
        })
    }

    /// Waits until libvirt's job runs or has ended; not longer than libvirt may take for
    /// anything. The destination may be slow: then the move is under way all the same.
    async fn departed(
        self: &Arc<Self>,
        job: &Job,
        flight: &Flight,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        let deadline = Instant::now() + self.config.call_timeout();
        while flight.known().call == Call::UnderWay && Instant::now() < deadline {
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
            let returned = flight.until(|known| known.call != Call::UnderWay);
            // Either way the loop looks again.
            let _ = tokio::time::timeout(LOOK_EVERY, returned).await;
        }
        Ok(())
    }
}

/// Makes libvirt's call, on a thread and a connection of its own: it returns when the move has
/// ended.
fn depart(
    connection: &Connection,
    itinerary: Itinerary,
    flight: Arc<Flight>,
) -> std::io::Result<()> {
    let connection = connection.clone();
    let thread = std::thread::Builder::new().name("libvirt-move".into());
    let made = thread.spawn(move || {
        let call = match travel(&connection, &itinerary) {
            Ok(()) => Call::HandedOver,
            Err(error) => {
                tracing::info!(server = %itinerary.guest, error = error.message(),
                    "libvirt ended the move without a hand-over");
                call_failed(&error)
            }
        };
        flight.learn(|known| known.call = call);
    });
    made.map(drop)
}

fn travel(connection: &Connection, itinerary: &Itinerary) -> Result<(), Error> {
    let connect = connection.open_another()?;
    let domain = connect.lookup_domain_by_uuid(itinerary.guest)?;
    let mut params = Params::new();
    if itinerary.bandwidth_mib > 0 {
        params.add_u64(raw::VIR_MIGRATE_PARAM_BANDWIDTH, itinerary.bandwidth_mib)?;
    }
    if itinerary.parallel_connections > 1 {
        let connections = itinerary.parallel_connections.into();
        params.add_int(raw::VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, connections)?;
    }
    for disk in &itinerary.disks {
        params.add_text(raw::VIR_MIGRATE_PARAM_MIGRATE_DISKS, disk)?;
    }
    if let Some(data) = &itinerary.target.data {
        params.add_text(raw::VIR_MIGRATE_PARAM_URI, data)?;
    }
    if let Some(listen) = &itinerary.target.listen {
        params.add_text(raw::VIR_MIGRATE_PARAM_LISTEN_ADDRESS, listen)?;
    }
    sys::migrate(&domain, &itinerary.target.libvirt, itinerary.flags, params)
}
