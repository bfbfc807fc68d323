//! What was done to services while they were named by host and program: the verbs of 2.1 to 2.52.

use godwit_core::ids::HostName;
use godwit_store::{Service, ServiceBinary, ServiceChange, ServiceKey, ServiceStatus};
use serde_json::Value;

use super::check_binary;
use super::update::apply;
use crate::nova::handlers::{ApiError, Call, Reply, milestone, rules};
use crate::nova::schema::body::is_true;
use crate::nova::views::service::ServiceChanged;

/// A verb, with what it needs from the body.
enum Verb {
    Enable,
    Disable,
    DisableWithReason(String),
    ForceDown(bool),
}

pub(super) async fn act(call: &Call, body: &Value) -> Result<Reply, ApiError> {
    call.caller.enforce_global(rules::SERVICES_UPDATE)?;
    let verb = read(call, body)?;
    let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    check_binary(text("binary"))?;
    let service = find(call, text("host")).await?;
    let (status, forced_down) = match &verb {
        Verb::Enable => (Some(ServiceStatus::Enabled), None),
        Verb::Disable => (Some(ServiceStatus::Disabled { reason: None }), None),
        Verb::DisableWithReason(reason) => {
            let reason = Some(reason.clone());
            (Some(ServiceStatus::Disabled { reason }), None)
        }
        Verb::ForceDown(down) => (None, Some(*down)),
    };
    let change = ServiceChange {
        status,
        forced_down,
        at: call.state.clock.now(),
    };
    let service = apply(call, service.uuid, change).await?;
    let service = match verb {
        Verb::Enable | Verb::Disable | Verb::DisableWithReason(_) => {
            ServiceChanged::status(&service)
        }
        Verb::ForceDown(_) => ServiceChanged::forced_down(&service),
    };
    Reply::document("service", &service)
}

fn read(call: &Call, body: &Value) -> Result<Verb, ApiError> {
    let missing = |field| ApiError::BadRequest(format!("Missing {field} field"));
    match call.ids.id.as_str() {
        "enable" => Ok(Verb::Enable),
        "disable" => Ok(Verb::Disable),
        "disable-log-reason" => {
            let reason = body.get("disabled_reason").and_then(Value::as_str);
            let reason = reason.ok_or_else(|| missing("disabled reason"))?;
            Ok(Verb::DisableWithReason(reason.to_owned()))
        }
        "force-down" if call.version >= milestone::FORCED_DOWN => {
            let down = body.get("forced_down");
            Ok(Verb::ForceDown(is_true(
                down.ok_or_else(|| missing("forced_down"))?,
            )))
        }
        _ => Err(ApiError::NotFound("Unknown action".to_owned())),
    }
}

async fn find(call: &Call, host: &str) -> Result<Service, ApiError> {
    let unknown = || ApiError::NotFound(format!("Host '{host}' is not mapped to any cell"));
    let name = HostName::new(host).map_err(|_| unknown())?;
    let key = ServiceKey::On(name, ServiceBinary::Compute);
    call.state
        .store
        .service_find(key)
        .await?
        .ok_or_else(unknown)
}
