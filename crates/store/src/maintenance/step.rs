//! How a maintenance changes from outside.

use godwit_core::event_type::EventKind;
use godwit_core::host::maintenance::{Event, Holder};
use godwit_core::ids::{HostName, RunUuid};

use super::count::{guests, placements_in_flight};
use super::row::LockedMaintenance;
use super::standing::is_off;
use super::write::write;
use super::{FreshIds, LeftReasons, MaintenanceError, MaintenanceRecord};
use crate::connection::Database;
use crate::dialect::locks::{Lockable, lock};
use crate::events::is_understood;
use crate::{ChangeNote, Store, StoreError, dialect, runs};

/// Somebody holds a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Who, and how.
    pub holder: Holder,
    /// A run that empties the host anyway, and holds it for that.
    pub run: Option<RunUuid>,
}

/// What happens to a maintenance.
#[derive(Clone, PartialEq, Debug)]
pub struct MaintenanceChange {
    /// What.
    pub event: Event,
    /// Why servers that are left now cannot leave.
    pub reasons: Option<LeftReasons>,
}

impl From<Event> for MaintenanceChange {
    fn from(event: Event) -> Self {
        Self {
            event,
            reasons: None,
        }
    }
}

pub(crate) fn hold(
    connection: &mut Database,
    host: &HostName,
    hold: &Hold,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<MaintenanceRecord, MaintenanceError> {
    if !is_understood(connection, EventKind::Maintenance)? {
        return Err(MaintenanceError::NotYet);
    }
    let locked = LockedMaintenance::load_or_begin(connection, host, note.at)?;
    hold_locked(connection, locked, hold, fresh, note)
}

/// The same, of one that is locked already.
pub(super) fn hold_locked(
    connection: &mut Database,
    locked: LockedMaintenance,
    hold: &Hold,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<MaintenanceRecord, MaintenanceError> {
    let host = locked.0.host.clone();
    // What may have to be cancelled, before the host, as everybody locks.
    let it = &locked.0.maintenance;
    for work in it.work.iter().chain(&it.beside).chain(&it.next) {
        let run = work.run.to_string();
        lock(connection, Lockable::Run, &run).map_err(StoreError::from)?;
    }
    // Nobody is on his way there from now on whom this does not count. With the hosts of what may have
    // to be cancelled, as hosts are locked in their order.
    let works = it.work.iter().chain(&it.beside).chain(&it.next);
    let works = works.map(|it| it.run);
    let mut hosts = runs::ends_of_waiting(connection, works)?;
    hosts.insert(host.to_string());
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    dialect::lock_hosts(connection, &hosts).map_err(StoreError::from)?;
    let event = Event::Held {
        holder: hold.holder.clone(),
        guests: guests(connection, &host)?,
        placements_in_flight: placements_in_flight(connection, &host)?,
        run: hold.run,
    };
    let LockedMaintenance(record) = write(connection, locked, &event, (fresh, None), note)?;
    Ok(record)
}

impl Store {
    /// Somebody holds a host, or changes how: nothing arrives there from now on, and the run that
    /// empties it is there ([`godwit_core::host::maintenance::Maintenance::run`]), or follows the one
    /// under way.
    ///
    /// # Errors
    /// Only the store's, once the upgrade has ended: a host can always be held.
    pub async fn maintenance_hold(
        &self,
        host: HostName,
        wanted: Hold,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<MaintenanceRecord, MaintenanceError> {
        self.write(move |connection| hold(connection, &host, &wanted, fresh, &note))
            .await
    }

    /// Something happens to a host's maintenance. Somebody who holds it is
    /// [`Store::maintenance_hold`]'s.
    ///
    /// # Errors
    /// It does not apply. What nobody has ever held is as what nobody holds.
    pub async fn maintenance_apply(
        &self,
        host: HostName,
        change: impl Into<MaintenanceChange>,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<MaintenanceRecord, MaintenanceError> {
        let change = change.into();
        self.write(move |connection| {
            let locked = LockedMaintenance::load_or_begin(connection, &host, note.at)?;
            if let Event::NoLongerShutDown(server) = &change.event
                && is_off(connection, *server)?
            {
                return Ok(locked.0);
            }
            let beside = (fresh, change.reasons.clone());
            let LockedMaintenance(record) =
                write(connection, locked, &change.event, beside, &note)?;
            Ok(record)
        })
        .await
    }
}
