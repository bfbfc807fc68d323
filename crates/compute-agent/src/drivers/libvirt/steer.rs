//! Source: what is adjusted while a move goes on: the permitted downtime, and the brake of the
//! hold point before the hand-over.
//!
//! A move cannot be stopped just before its end from outside. But one that may send a MiB a
//! second and stop the guest for a millisecond does not end while the guest keeps writing, and
//! that is the moment that tests want.

use std::sync::{Arc, Weak};
use std::time::Duration;

use godwit_core::ids::ServerUuid;
use godwit_core::migration::StorageMode;
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use virt::error::Error;

use super::Host;
use super::connection::{CallError, Live};
use super::downtime::{permitted, weight};
use super::flight::{Call, Flight};
use super::witness::MoveSeen;
use crate::checks;
use crate::driver::Job;
use crate::holds::HoldPoint;

/// How often the move is looked at. Nova's interval.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// And while it is held.
const LOOK_AT_HELD_EVERY: Duration = Duration::from_millis(50);
/// What libvirt takes for "no limit", MiB/s: more would not fit in its bytes.
const UNLIMITED_MIB: u64 = (i64::MAX >> 20).unsigned_abs();

/// How a move is adjusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Trim {
    downtime_ms: u64,
    /// `None`: as the move was begun.
    bandwidth_mib: Option<u64>,
}

/// As slow as can be.
const BRAKED: Trim = Trim {
    downtime_ms: 1,
    bandwidth_mib: Some(1),
};

impl Host {
    /// Follows the move with a task of its own until it has ended.
    pub(super) fn steer(
        self: &Arc<Self>,
        job: &Job,
        flight: &Arc<Flight>,
        guest: &Domain,
        destination: &HostFacts,
        braked: bool,
    ) {
        let copied = match job.what.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => checks::disks_to_copy(guest, destination)
                .map(|disk| disk.virtual_bytes)
                .collect(),
        };
        let weight = weight(guest.memory_bytes, copied.into_iter());
        self.steer_with(job.what.server, flight, weight, braked);
    }

    /// The same, of a guest that carries `weight` GiB. `braked`: was the move begun at the
    /// brake?
    pub(super) fn steer_with(
        self: &Arc<Self>,
        server: ServerUuid,
        flight: &Arc<Flight>,
        weight: f64,
        braked: bool,
    ) {
        // Neither the driver nor the flight is kept alive by being steered.
        let (host, flight) = (Arc::downgrade(self), Arc::downgrade(flight));
        tokio::spawn(async move {
            let mut trimmed = Trimmed { last: None, braked };
            while let Some(pause) = turn(&host, &flight, server, weight, &mut trimmed).await {
                tokio::time::sleep(pause).await;
            }
        });
    }

    async fn trim(&self, server: ServerUuid, trim: Trim) -> Result<(), CallError> {
        self.connection
            .call(move |live| set(live, server, trim))
            .await
    }
}

/// What was adjusted so far.
struct Trimmed {
    last: Option<Trim>,
    /// The move was braked some time, or began so; then its bandwidth has to be given back.
    braked: bool,
}

/// One look, and what follows from it; `None` when the move has ended.
async fn turn(
    host: &Weak<Host>,
    flight: &Weak<Flight>,
    server: ServerUuid,
    weight: f64,
    trimmed: &mut Trimmed,
) -> Option<Duration> {
    let (host, flight) = (host.upgrade()?, flight.upgrade()?);
    let known = flight.known();
    let over = !matches!(known.call, Call::UnderWay | Call::NotOurs) || known.ended.is_some();
    if over || known.post_copy {
        return None;
    }
    let held = host.holds.is_held(HoldPoint::BeforeHandover).await;
    trimmed.braked |= held;
    let pause = if held || trimmed.last == Some(BRAKED) {
        LOOK_AT_HELD_EVERY
    } else {
        LOOK_EVERY
    };
    let Ok(Some(seen)) = host.look(server).await else {
        return Some(pause);
    };
    let MoveSeen::Outgoing(figures) = seen.movement else {
        return Some(LOOK_AT_HELD_EVERY);
    };
    let limit = match host.config.bandwidth_mib {
        0 => UNLIMITED_MIB,
        limit => limit,
    };
    let wanted = if held {
        BRAKED
    } else {
        Trim {
            downtime_ms: permitted(&host.config.downtime, weight, figures.elapsed),
            bandwidth_mib: trimmed.braked.then_some(limit),
        }
    };
    if trimmed.last != Some(wanted) {
        match host.trim(server, wanted).await {
            Ok(()) => trimmed.last = Some(wanted),
            // It may just have ended; otherwise the next look tries again.
            Err(error) => tracing::debug!(%server, %error, "the move cannot be adjusted"),
        }
    }
    Some(pause)
}

fn set(live: &Live, server: ServerUuid, trim: Trim) -> Result<(), Error> {
    let domain = live.connect.lookup_domain_by_uuid(server.0)?;
    domain.migrate_set_max_downtime(trim.downtime_ms, 0)?;
    match trim.bandwidth_mib {
        Some(limit) => domain.migrate_set_max_speed(limit, 0).map(drop),
        None => Ok(()),
    }
}
