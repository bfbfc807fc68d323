//! A service that is gone for good, and its host with it.

use godwit_store::{Service, ServiceError, ServiceKey, ServiceUse};

use super::invalid_uuid;
use crate::nova::call::{Call, read_uuid_like};
use crate::nova::handlers::{Answer, ApiError, Reply, milestone, rules};

pub async fn delete(call: &Call) -> Answer {
    call.caller.enforce_global(rules::SERVICES_DELETE)?;
    let store = &call.state.store;
    let service = store.service_find(key(call)?).await?;
    let service = service.ok_or_else(|| not_found(call))?;
    let deleted = store.service_delete(service.uuid, call.note(), check);
    let deleted = deleted.await;
    deleted.map_err(|error| match error {
        ServiceError::NoSuchService => not_found(call),
        ServiceError::Refused(error) => error,
        ServiceError::Store(error) => error.into(),
    })?;
    Ok(Reply::no_content())
}

fn key(call: &Call) -> Result<ServiceKey, ApiError> {
    let id = &call.ids.id;
    if call.version >= milestone::UUID_IDS {
        let uuid = read_uuid_like(id);
        return uuid.map(ServiceKey::Uuid).ok_or_else(|| invalid_uuid(id));
    }
    let number = id.parse().map(ServiceKey::Id);
    number.map_err(|_| {
        ApiError::BadRequest("Invalid input received: id must be an integer".to_owned())
    })
}

fn not_found(call: &Call) -> ApiError {
    ApiError::NotFound(format!("Service {} not found.", call.ids.id))
}

fn check(_: &Service, used: &ServiceUse) -> Result<(), ApiError> {
    let text = if used.servers > 0 {
        "Unable to delete compute service that is hosting instances. Migrate or delete the \
         instances first."
    } else if used.unfinished_migrations > 0 {
        "Unable to delete compute service that has in-progress migrations. Complete the \
         migrations or delete the instances first."
    } else {
        return Ok(());
    };
    Err(ApiError::Conflict(text.to_owned()))
}
