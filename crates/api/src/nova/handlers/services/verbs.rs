//! What was done to services while they were named by host and program: the verbs of 2.1 to 2.52.

use godwit_core::ids::HostName;
use godwit_store::{Service, ServiceBinary, ServiceChange, ServiceKey, ServiceStatus};
use serde_json::Value;

use super::check_binary;
use super::update::apply;
use crate::nova::handlers::{ApiError, Call, Reply, milestone, rules};
use crate::nova::schema::body::is_true;
use crate::nova::views::service::ServiceChanged;

pub(super) async fn act(call: &Call, body: &Value) -> Result<Reply, ApiError> {
    call.caller.enforce_global(rules::SERVICES_UPDATE)?;
    let change = read(call, body)?;
    let forced = change.forced_down.is_some();
    let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    check_binary(text("binary"))?;
    let service = find(call, text("host")).await?;
    let service = apply(call, service.uuid, change).await?;
    let service = match forced {
        true => ServiceChanged::forced_down(&service),
        false => ServiceChanged::status(&service),
    };
    Reply::document("service", &service)
}

/// What the verb changes, with what it needs from the body.
fn read(call: &Call, body: &Value) -> Result<ServiceChange, ApiError> {
    let missing = |field| ApiError::BadRequest(format!("Missing {field} field"));
    let disabled = |reason| Some(ServiceStatus::Disabled { reason });
    let (status, forced_down) = match call.ids.id.as_str() {
        "enable" => (Some(ServiceStatus::Enabled), None),
        "disable" => (disabled(None), None),
        "disable-log-reason" => {
            let reason = body.get("disabled_reason").and_then(Value::as_str);
            let reason = reason.ok_or_else(|| missing("disabled reason"))?;
            (disabled(Some(reason.to_owned())), None)
        }
        "force-down" if call.version >= milestone::FORCED_DOWN => {
            let down = body.get("forced_down");
            let down = down.ok_or_else(|| missing("forced_down"))?;
            (None, Some(is_true(down)))
        }
        _ => return Err(ApiError::NotFound("Unknown action".to_owned())),
    };
    Ok(ServiceChange {
        status,
        forced_down,
        note: call.note(),
    })
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
