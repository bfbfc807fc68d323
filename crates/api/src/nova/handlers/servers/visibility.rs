//! What of servers the caller may see, found out once for an answer.

use std::collections::HashMap;
use std::time::Duration;

use godwit_core::ids::{HostName, ServerGroupUuid};
use godwit_core::time::Timestamp;
use godwit_policy::Target;
use godwit_store::{Server, Service, ServiceBinary};

use crate::nova::call::{Allowed, Call};
use crate::nova::handlers::{ApiError, rules};
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::views::server::{HostStatus, ServerVisibility};

/// How much of a host's status is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HostStatusVisibility {
    Nothing,
    /// Only that nobody knows.
    Unknown,
    Everything,
}

/// What every server of an answer is seen by.
pub(super) struct Visibility {
    version: Microversion,
    extended: bool,
    extra_specs: bool,
    admin: bool,
    alone: bool,
    host_status: HostStatusVisibility,
    group: Option<ServerGroupUuid>,
    services: HashMap<HostName, Service>,
    now: Timestamp,
    down_time: Duration,
}

impl Visibility {
    /// For a list: policy is asked about the caller's own project, once for all of them.
    pub(super) async fn of_list(call: &Call) -> Result<Self, ApiError> {
        Self::read(call, None).await
    }

    /// For one server, which policy allowed to be shown.
    pub(super) async fn of_one(call: &Call, shown: &Allowed<Server>) -> Result<Self, ApiError> {
        let visibility = Self::read(call, Some(&shown.target)).await?;
        let group = match call.version >= milestone::SERVER_GROUPS {
            true => {
                call.state
                    .store
                    .server_group_of(shown.resource.uuid)
                    .await?
            }
            false => None,
        };
        Ok(Self {
            group,
            ..visibility
        })
    }

    async fn read(call: &Call, one: Option<&Target>) -> Result<Self, ApiError> {
        let permits = |rule| match one {
            Some(target) => call.caller.permits(rule, target),
            None => call.caller.permits_own(rule),
        };
        let host_status = match call.version >= milestone::HOST_STATUS {
            true if permits(rules::HOST_STATUS) => HostStatusVisibility::Everything,
            true if permits(rules::HOST_STATUS_UNKNOWN) => HostStatusVisibility::Unknown,
            _ => HostStatusVisibility::Nothing,
        };
        let services = match host_status {
            HostStatusVisibility::Nothing => HashMap::new(),
            HostStatusVisibility::Unknown | HostStatusVisibility::Everything => {
                services(call).await?
            }
        };
        Ok(Self {
            version: call.version,
            extended: permits(rules::EXTENDED_ATTRIBUTES),
            extra_specs: permits(rules::SERVER_FLAVOR_EXTRA_SPECS),
            admin: call.caller.is_admin(),
            alone: one.is_some(),
            host_status,
            group: None,
            services,
            now: call.state.clock.now(),
            down_time: call.state.config.service_down_time,
        })
    }

    /// What `server` is seen by.
    pub(super) fn of(&self, server: &Server) -> ServerVisibility {
        ServerVisibility {
            version: self.version,
            extended: self.extended,
            extra_specs: self.extra_specs,
            admin: self.admin,
            alone: self.alone,
            host_status: self.host_status(server),
            group: self.group,
        }
    }

    fn host_status(&self, server: &Server) -> Option<HostStatus> {
        let status = match &server.host {
            None => HostStatus::NoHost,
            Some(host) => HostStatus::of(self.services.get(host), self.now, self.down_time),
        };
        match self.host_status {
            HostStatusVisibility::Everything => Some(status),
            HostStatusVisibility::Unknown => Some(status).filter(|it| *it == HostStatus::Unknown),
            HostStatusVisibility::Nothing => None,
        }
    }
}

async fn services(call: &Call) -> Result<HashMap<HostName, Service>, ApiError> {
    let services = call.state.store.service_list().await?;
    let compute = services
        .into_iter()
        .filter(|it| it.binary == ServiceBinary::Compute);
    Ok(compute
        .map(|service| (service.host.clone(), service))
        .collect())
}
