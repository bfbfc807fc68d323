//! Hosts that are held for maintenance, as Nova's answers show them: disabled, whatever the operator's
//! switch says. The switch itself stays as it is.

use std::collections::HashMap;

use godwit_core::host::maintenance::{Holder, reason};
use godwit_core::ids::HostName;
use godwit_store::{Service, ServiceBinary, StoreError};

use crate::nova::call::Call;

pub(super) struct Held(HashMap<HostName, Vec<Holder>>);

impl Held {
    pub(super) async fn load(call: &Call) -> Result<Self, StoreError> {
        call.state.store.maintenance_holders().await.map(Self)
    }

    /// A service as it is shown. What its operator said of it comes first.
    pub(super) fn shown(&self, service: Service) -> Service {
        if service.disabled || service.binary != ServiceBinary::Compute {
            return service;
        }
        let Some(holders) = self.0.get(&service.host) else {
            return service;
        };
        Service {
            disabled: true,
            disabled_reason: reason(holders).map(str::to_owned),
            ..service
        }
    }
}

/// All services, as they are shown.
pub(super) async fn services(call: &Call) -> Result<Vec<Service>, StoreError> {
    let held = Held::load(call).await?;
    let services = call.state.store.service_list().await?.into_iter();
    Ok(services.map(|service| held.shown(service)).collect())
}
