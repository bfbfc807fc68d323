//! What is counted and seen of hosts that are held, written in the transaction that counts.

use diesel::prelude::*;
use godwit_core::host::maintenance::{Event, Inventory};
use godwit_core::ids::{HostName, PlanUuid, RunUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::count::placements_in_flight;
use super::row::{LockedMaintenance, find};
use super::write::write;
use super::{FreshIds, MaintenanceError, MaintenanceRecord};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::servers;
use crate::{BeginError, ChangeNote, Server, Store, StoreError, dialect};

/// What a host that is held said it executes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighted {
    /// Which host.
    pub host: HostName,
    /// Since when inventories counted ([`godwit_core::host::maintenance::Evidence`]), as read before
    /// the host was asked. If that is otherwise by now, something may have arrived while it looked.
    pub counts_after: Timestamp,
    /// What it said.
    pub inventory: Inventory,
}

/// Says how many placements may still lead a guest here, if that has changed.
fn recount(
    connection: &mut Database,
    locked: LockedMaintenance,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<(LockedMaintenance, bool), MaintenanceError> {
    let host = &locked.0.host;
    dialect::lock_hosts(connection, &[host.as_str()]).map_err(StoreError::from)?;
    let placements = placements_in_flight(connection, host)?;
    let it = &locked.0.maintenance;
    if !it.forbids_arrivals() || it.evidence.placements_in_flight == placements {
        return Ok((locked, false));
    }
    let event = Event::PlacementsChanged(placements);
    let locked = write(connection, locked, &event, (fresh, None), note)?;
    Ok((locked, true))
}

fn see(
    connection: &mut Database,
    seen: &Sighted,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
    let Some(locked) = LockedMaintenance::load(connection, &seen.host)? else {
        return Ok(None);
    };
    if !locked.0.maintenance.forbids_arrivals() {
        return Ok(None);
    }
    let (locked, _) = recount(connection, locked, fresh, note)?;
    if locked.0.maintenance.evidence.counts_after != seen.counts_after {
        return Ok(Some(locked.0));
    }
    let event = Event::Seen(seen.inventory.clone());
    let LockedMaintenance(record) = write(connection, locked, &event, (fresh, None), note)?;
    Ok(Some(record))
}

/// Locks the maintenance of the host that a server is on: before the server, as everybody locks.
pub(crate) fn lock_of_server(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<Option<LockedMaintenance>, StoreError> {
    let host: Option<Option<HostName>> = servers::table
        .filter(servers::uuid.eq(text(server)))
        .select(servers::host)
        .first(connection)
        .optional()?;
    match host.flatten() {
        Some(host) => LockedMaintenance::load(connection, &host),
        None => Ok(None),
    }
}

/// A server's guest is to be started where it is, as is written down by now. What is said of its host
/// is true in the same transaction: nobody was told that it is safe, or is told so any more.
///
/// # Errors
/// [`BeginError::InMaintenance`] if somebody was told that the host may be switched off.
pub(crate) fn guest_starts<E>(
    connection: &mut Database,
    held: Option<LockedMaintenance>,
    server: &Server,
    note: &ChangeNote,
) -> Result<(), BeginError<E>> {
    let Some(host) = &server.host else {
        return Ok(());
    };
    dialect::lock_hosts(connection, &[host.as_str()]).map_err(StoreError::from)?;
    let Some(locked) = held.filter(|it| it.0.host == *host) else {
        // Whoever holds it since then counts what is written here; or it is held, and not locked.
        let held = find(connection, host)?;
        return match held.is_some_and(|it| it.maintenance.forbids_arrivals()) {
            true => Err(BeginError::NotFree),
            false => Ok(()),
        };
    };
    if locked.0.maintenance.safe_to_reboot() {
        return Err(BeginError::InMaintenance);
    }
    // What is counted asks for no run.
    let fresh = FreshIds {
        plan: PlanUuid(server.uuid.0),
        run: RunUuid(server.uuid.0),
    };
    match recount(connection, locked, fresh, note) {
        Ok(_) => Ok(()),
        Err(MaintenanceError::Store(error)) => Err(BeginError::Store(error)),
        // It is locked, and what was counted applies to whatever is held.
        Err(MaintenanceError::Rejected(_) | MaintenanceError::NotYet) => Err(BeginError::NotFree),
    }
}

impl Store {
    /// Counts the placements that may still lead a guest to a host, and says so to its maintenance if
    /// there are more or fewer than it knows; `None`: there are not, or nobody holds it.
    pub async fn maintenance_recount(
        &self,
        host: HostName,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
        self.write(move |connection| {
            let Some(locked) = LockedMaintenance::load(connection, &host)? else {
                return Ok(None);
            };
            let (LockedMaintenance(record), changed) = recount(connection, locked, fresh, &note)?;
            Ok(changed.then_some(record))
        })
        .await
    }

    /// Takes what a host said, together with a new count of the placements that may still lead a
    /// guest there, and returns its maintenance as it is then; `None`: nobody holds it. What was
    /// begun before something could arrive that was not known then is not taken.
    pub async fn maintenance_see(
        &self,
        seen: Sighted,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
        self.write(move |connection| see(connection, &seen, fresh, &note))
            .await
    }
}
