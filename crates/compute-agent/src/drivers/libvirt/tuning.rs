//! Source: what is adjusted while a move goes on: the permitted downtime, and the bandwidth at
//! the hold point before the hand-over.
//!
//! A move cannot be stopped just before its end from outside. But one that may send a MiB a
//! second and stop the guest for a millisecond does not end while the guest keeps writing, and
//! that is the moment that tests want.

use std::sync::{Arc, Weak};
use std::time::Duration;

use godwit_core::migration::StorageMode;
use virt::error::Error;

use super::connection::{CallError, Live};
use super::downtime::{permitted, size_gib};
use super::observation::MoveSeen;
use super::outgoing::{Call, OutgoingMigration};
use super::{Domain, Host, Job, Receiver, ServerUuid};
use crate::checks;
use crate::holds::HoldPoint;

/// How often the move is looked at. Nova's interval.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// And while it is held.
const LOOK_AT_HELD_EVERY: Duration = Duration::from_millis(50);
/// What libvirt takes for "no limit", MiB/s: more would not fit in its bytes.
const UNLIMITED_MIB: u64 = (i64::MAX >> 20).unsigned_abs();

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tuning {
    downtime_ms: u64,
    /// `None`: as the move was begun.
    bandwidth_mib: Option<u64>,
}

/// As slow as can be.
const THROTTLED: Tuning = Tuning {
    downtime_ms: 1,
    bandwidth_mib: Some(1),
};

impl Host {
    /// Follows the move with a task of its own until it has ended.
    pub(super) fn tune(
        self: &Arc<Self>,
        job: &Job,
        outgoing: &Arc<OutgoingMigration>,
        guest: &Domain,
        receiver: &Receiver,
        throttled: bool,
    ) {
        let copied = match job.what.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => checks::disks_to_copy(guest, &receiver.pools)
                .map(|disk| disk.virtual_bytes)
                .collect(),
        };
        let gib = size_gib(guest.memory_bytes, copied.into_iter());
        self.tune_with(job.what.server, outgoing, gib, throttled);
    }

    /// The same, of a guest that carries `gib` GiB. `throttled`: was the move begun so?
    pub(super) fn tune_with(
        self: &Arc<Self>,
        server: ServerUuid,
        outgoing: &Arc<OutgoingMigration>,
        gib: f64,
        throttled: bool,
    ) {
        // Neither the driver nor the outgoing migration is kept alive by this task.
        let (host, outgoing) = (Arc::downgrade(self), Arc::downgrade(outgoing));
        tokio::spawn(async move {
            let mut applied = Applied {
                last: None,
                throttled,
            };
            while let Some(pause) = adjust(&host, &outgoing, server, gib, &mut applied).await {
                tokio::time::sleep(pause).await;
            }
        });
    }

    async fn trim(&self, server: ServerUuid, trim: Tuning) -> Result<(), CallError> {
        self.connection
            .call(move |live| set(live, server, trim))
            .await
    }
}

struct Applied {
    last: Option<Tuning>,
    /// The move was throttled some time, or began so; then its bandwidth has to be given back.
    throttled: bool,
}

/// One look, and what follows from it; `None` when the move has ended.
async fn adjust(
    host: &Weak<Host>,
    outgoing: &Weak<OutgoingMigration>,
    server: ServerUuid,
    gib: f64,
    applied: &mut Applied,
) -> Option<Duration> {
    let (host, outgoing) = (host.upgrade()?, outgoing.upgrade()?);
    let known = outgoing.known();
    let over = !matches!(known.call, Call::UnderWay | Call::NotOurs) || known.ended.is_some();
    if over || known.post_copy {
        return None;
    }
    let held = host.holds.is_held(HoldPoint::BeforeHandover).await;
    applied.throttled |= held;
    let pause = if held || applied.last == Some(THROTTLED) {
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
        THROTTLED
    } else {
        Tuning {
            downtime_ms: permitted(&host.config.downtime, gib, figures.elapsed),
            bandwidth_mib: applied.throttled.then_some(limit),
        }
    };
    if applied.last != Some(wanted) {
        match host.trim(server, wanted).await {
            Ok(()) => applied.last = Some(wanted),
            // It may just have ended; otherwise the next look tries again.
            Err(error) => tracing::debug!(%server, %error, "the move cannot be adjusted"),
        }
    }
    Some(pause)
}

fn set(live: &Live, server: ServerUuid, trim: Tuning) -> Result<(), Error> {
    let domain = live.connect.lookup_domain_by_uuid(server.0)?;
    domain.migrate_set_max_downtime(trim.downtime_ms, 0)?;
    match trim.bandwidth_mib {
        Some(limit) => domain.migrate_set_max_speed(limit, 0).map(drop),
        None => Ok(()),
    }
}
