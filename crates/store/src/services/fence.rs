//! Hosts that are declared dead by somebody who says how that is known.

use godwit_core::ids::HostName;

use super::control::{load, write};
use super::{Service, ServiceBinary, ServiceChange, ServiceError, ServiceKey};
use crate::columns::text;
use crate::{ActionNote, Store, StoreError, dialect};

/// A host is dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fencing {
    /// How that is known.
    pub reason: String,
    /// Who says so, and when.
    pub note: ActionNote,
}

impl Store {
    /// Declares a host dead, as forcing its service down does, and returns that service as it is then.
    /// `check` sees inside the transaction what it was before.
    ///
    /// # Errors
    /// [`ServiceError`]; nothing has changed then.
    pub async fn host_fence<E: Send + 'static>(
        &self,
        host: &HostName,
        fencing: Fencing,
        check: impl Fn(&Service) -> Result<(), E> + Send + 'static,
    ) -> Result<Service, ServiceError<E>> {
        let key = ServiceKey::On(host.clone(), ServiceBinary::Compute);
        self.write(move |connection| {
            let found = load(connection, &key)?.ok_or(ServiceError::NoSuchService)?;
            dialect::lock_service(connection, &text(found.uuid)).map_err(StoreError::from)?;
            // It may have changed, or gone, until the row was locked.
            let service = load(connection, &key)?.ok_or(ServiceError::NoSuchService)?;
            check(&service).map_err(ServiceError::Refused)?;
            let change = ServiceChange {
                status: None,
                forced_down: Some(true),
                note: fencing.note.clone(),
            };
            Ok(write(connection, service, &change, Some(&fencing.reason))?)
        })
        .await
    }
}
