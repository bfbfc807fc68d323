//! Services: list, enable, disable, declare dead, delete (`contract: actions.md §9`).

mod delete;
mod update;
mod verbs;

use godwit_store::{Service, ServiceBinary};

pub use self::delete::delete;

use super::{Answer, ApiError, Call, Reply, held, milestone, rules};
use crate::nova::views::service::{Liveness, ServiceView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::SERVICES_LIST)?;
    let services = held::services(call).await?;
    let liveness = liveness(call);
    let wanted = services.iter().filter(|service| is_wanted(call, service));
    let view = |service| ServiceView::new(service, call.version, liveness);
    Reply::list("services", wanted.map(view))
}

/// An empty filter is none.
fn is_wanted(call: &Call, service: &Service) -> bool {
    let asked = |name| call.query.last(name).filter(|value| !value.is_empty());
    asked("host").is_none_or(|host| host == service.host.as_str())
        && asked("binary").is_none_or(|binary| binary == service.binary.as_str())
}

/// `PUT /os-services/{id}`: once the path named a verb and the body a service; from 2.53 on the
/// path names the service and the body says how it shall be.
pub async fn update(call: &Call) -> Answer {
    let body = &call.body;
    if call.version < milestone::UUID_IDS {
        verbs::act(call, body).await
    } else {
        update::update(call, body).await
    }
}

/// What tells whether services count as up, for one answer.
pub(super) fn liveness(call: &Call) -> Liveness {
    Liveness {
        now: call.state.clock.now(),
        down_time: call.state.config.service_down_time,
    }
}

/// Only agents are told what to do.
fn check_binary(binary: &str) -> Result<(), ApiError> {
    if binary == ServiceBinary::Compute.as_str() {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "Updating a {binary} service is not supported. Only nova-compute services can be updated."
    )))
}

/// The path's id, where it has to be a uuid.
fn invalid_uuid(id: &str) -> ApiError {
    ApiError::BadRequest(format!("Invalid uuid {id}"))
}
