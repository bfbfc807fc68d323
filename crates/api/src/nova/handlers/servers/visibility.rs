//! What of servers the caller may see, found out once for an answer.

use std::collections::HashMap;

use godwit_core::ids::HostName;
use godwit_policy::Target;
use godwit_store::{Server, Service, ServiceBinary};

use crate::nova::call::{Allowed, Call};
use crate::nova::handlers::services::liveness;
use crate::nova::handlers::{ApiError, held, milestone, rules};
use crate::nova::views::server::{HostStatus, ServerVisibility};
use crate::nova::views::service::Liveness;

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
    /// The same for all of them, but for the status of their hosts.
    common: ServerVisibility,
    host_status: HostStatusVisibility,
    services: HashMap<HostName, Service>,
    liveness: Liveness,
}

impl Visibility {
    /// For a list: policy is asked about the caller's own project, once for all of them.
    pub(super) async fn of_list(call: &Call) -> Result<Self, ApiError> {
        Self::read(call, None).await
    }

    /// For one server, which policy allowed to be shown.
    pub(super) async fn of_one(call: &Call, shown: &Allowed<Server>) -> Result<Self, ApiError> {
        let mut visibility = Self::read(call, Some(&shown.target)).await?;
        if call.version >= milestone::SERVER_GROUPS {
            let group = call.state.store.server_group_of(shown.resource.uuid);
            visibility.common.group = group.await?;
        }
        Ok(visibility)
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
        let common = ServerVisibility {
            version: call.version,
            extended: permits(rules::EXTENDED_ATTRIBUTES),
            extra_specs: permits(rules::SERVER_FLAVOR_EXTRA_SPECS),
            admin: call.caller.is_admin(),
            alone: one.is_some(),
            host_status: None,
            group: None,
        };
        Ok(Self {
            common,
            host_status,
            services,
            liveness: liveness(call),
        })
    }

    /// What `server` is seen by.
    pub(super) fn of(&self, server: &Server) -> ServerVisibility {
        ServerVisibility {
            host_status: self.host_status(server),
            ..self.common
        }
    }

    fn host_status(&self, server: &Server) -> Option<HostStatus> {
        let status = match &server.host {
            None => HostStatus::NoHost,
            Some(host) => HostStatus::of(self.services.get(host), self.liveness),
        };
        match self.host_status {
            HostStatusVisibility::Everything => Some(status),
            HostStatusVisibility::Unknown => Some(status).filter(|it| *it == HostStatus::Unknown),
            HostStatusVisibility::Nothing => None,
        }
    }
}

async fn services(call: &Call) -> Result<HashMap<HostName, Service>, ApiError> {
    let services = held::services(call).await?;
    let compute = services
        .into_iter()
        .filter(|it| it.binary == ServiceBinary::Compute);
    Ok(compute
        .map(|service| (service.host.clone(), service))
        .collect())
}
