//! What somebody asks of a maintenance, on conditions that hold in the moment in which it is done.

use godwit_core::event_type::EventKind;
use godwit_core::host::maintenance::Event;
use godwit_core::ids::HostName;
use godwit_core::plan::options::ReturnHome;

use super::row::LockedMaintenance;
use super::step::{Hold, hold_locked};
use super::write::write;
use super::{FreshIds, MaintenanceError, MaintenanceRecord};
use crate::{ChangeNote, Store, StoreError, events};

/// Nothing was changed that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceRequestError<E> {
    /// Whoever asks refuses what is there.
    #[error("the request was refused")]
    Refused(E),
    /// It does not apply, or not yet.
    #[error(transparent)]
    Maintenance(MaintenanceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<MaintenanceError> for MaintenanceRequestError<E> {
    fn from(error: MaintenanceError) -> Self {
        match error {
            MaintenanceError::Store(error) => Self::Store(error),
            error @ (MaintenanceError::Rejected(_) | MaintenanceError::NotYet) => {
                Self::Maintenance(error)
            }
        }
    }
}

impl Store {
    /// The same as [`Store::maintenance_hold`], where `check` finds nothing wrong with the maintenance
    /// as it is then.
    ///
    /// # Errors
    /// Those of `maintenance_hold`, and what `check` says.
    pub async fn maintenance_enter<E: Send + 'static>(
        &self,
        host: HostName,
        wanted: Hold,
        fresh: FreshIds,
        note: ChangeNote,
        check: impl Fn(&MaintenanceRecord) -> Result<(), E> + Send + 'static,
    ) -> Result<MaintenanceRecord, MaintenanceRequestError<E>> {
        self.write(move |connection| {
            if !events::is_understood(connection, EventKind::Maintenance)? {
                return Err(MaintenanceError::NotYet.into());
            }
            let locked = LockedMaintenance::load_or_begin(connection, &host, note.at)?;
            check(&locked.0).map_err(MaintenanceRequestError::Refused)?;
            Ok(hold_locked(connection, locked, &wanted, fresh, &note)?)
        })
        .await
    }

    /// A holder releases a host, where `check` finds nothing wrong with the maintenance as it is then;
    /// `return_home` is what its entry says where nothing else is said.
    ///
    /// # Errors
    /// It does not hold the host, and what `check` says.
    pub async fn maintenance_leave<E: Send + 'static>(
        &self,
        (host, holder): (HostName, String),
        return_home: Option<ReturnHome>,
        fresh: FreshIds,
        note: ChangeNote,
        check: impl Fn(&MaintenanceRecord) -> Result<(), E> + Send + 'static,
    ) -> Result<MaintenanceRecord, MaintenanceRequestError<E>> {
        self.write(move |connection| {
            let locked = LockedMaintenance::load_or_begin(connection, &host, note.at)?;
            check(&locked.0).map_err(MaintenanceRequestError::Refused)?;
            let said = locked.0.maintenance.return_home_of(&holder);
            let event = Event::Released {
                holder: holder.clone(),
                return_home: return_home.unwrap_or(said),
            };
            let LockedMaintenance(record) =
                write(connection, locked, &event, (fresh, None), &note)?;
            Ok(record)
        })
        .await
    }
}
