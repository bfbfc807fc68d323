//! A service as it shall be, named by its uuid.

use godwit_store::{Service, ServiceChange, ServiceError, ServiceKey, ServiceStatus, ServiceUse};
use serde_json::Value;
use uuid::Uuid;

use super::{check_binary, invalid_uuid, liveness};
use crate::nova::call::{Call, read_uuid_like};
use crate::nova::handlers::held::Held;
use crate::nova::handlers::{ApiError, Reply, rules};
use crate::nova::schema::body::is_true;
use crate::nova::views::service::ServiceView;

pub(super) async fn update(call: &Call, body: &Value) -> Result<Reply, ApiError> {
    let id = &call.ids.id;
    // What the path says is looked at before policy is.
    let uuid = read_uuid_like(id).ok_or_else(|| invalid_uuid(id))?;
    call.caller.enforce_global(rules::SERVICES_UPDATE)?;
    let key = ServiceKey::Uuid(uuid);
    let service = call.state.store.service_find(key).await?;
    let service = service.ok_or_else(|| no_such_service(id))?;
    check_binary(service.binary.as_str())?;
    let service = apply(call, uuid, wanted(call, body)?).await?;
    let service = Held::load(call).await?.shown(service);
    let service = ServiceView::new(&service, call.version, liveness(call));
    Reply::document("service", &service)
}

fn no_such_service(id: &str) -> ApiError {
    ApiError::NotFound(format!("Service {id} could not be found."))
}

/// What a body that is valid by its schema wants.
fn wanted(call: &Call, body: &Value) -> Result<ServiceChange, ApiError> {
    let reason = body.get("disabled_reason").and_then(Value::as_str);
    let status = match (body.get("status").and_then(Value::as_str), reason) {
        (Some("enabled"), Some(_)) => {
            let text = "Specifying 'disabled_reason' with status 'enabled' is invalid.";
            return Err(ApiError::BadRequest(text.to_owned()));
        }
        (Some("enabled"), None) => Some(ServiceStatus::Enabled),
        (Some(_), reason) => Some(ServiceStatus::Disabled {
            reason: reason.map(str::to_owned),
        }),
        (None, _) => None,
    };
    let forced_down = body.get("forced_down").map(is_true);
    if status.is_none() && forced_down.is_none() {
        let text = "No updates were requested. Fields 'status' or 'forced_down' should be \
                    specified.";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    Ok(ServiceChange {
        status,
        forced_down,
        note: call.note(),
    })
}

pub(super) async fn apply(
    call: &Call,
    uuid: Uuid,
    change: ServiceChange,
) -> Result<Service, ApiError> {
    let rises = change.forced_down == Some(false);
    let check = move |service: &Service, used: &ServiceUse| check_rise(rises, service, used);
    let changed = call.state.store.service_update(uuid, change, check).await;
    changed.map_err(|error| match error {
        ServiceError::NoSuchService => no_such_service(&uuid.to_string()),
        ServiceError::Refused(error) => error,
        ServiceError::Store(error) => error.into(),
    })
}

/// A host that was dead still has what was evacuated from it. Until its agent has cleaned that
/// up, nobody may say that it is alive, whatever was said before.
fn check_rise(rises: bool, service: &Service, used: &ServiceUse) -> Result<(), ApiError> {
    if !rises || used.done_evacuations == 0 {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "Unable to force up host {} as `done` evacuation migration records remain associated \
         with the host. Ensure the compute service has been restarted, allowing these records \
         to move to `completed` before retrying this request.",
        service.host
    )))
}
