//! Which hypervisors a request is about.

use godwit_store::{Host, Hypervisor, HypervisorKey, HypervisorListError, HypervisorPage};
use serde_json::Value;

use crate::nova::call::{Call, read_uuid_like};
use crate::nova::handlers::held::Held;
use crate::nova::handlers::paging::no_such_marker;
use crate::nova::handlers::{ApiError, milestone};
use crate::nova::schema::body::is_true;

pub(super) async fn one(call: &Call) -> Result<Hypervisor, ApiError> {
    let id = &call.ids.id;
    if call.version >= milestone::UUID_IDS && read_uuid_like(id).is_none() {
        return Err(ApiError::BadRequest(format!("Invalid uuid {id}")));
    }
    let key = key(id).filter(|key| match key {
        HypervisorKey::Id(_) => true,
        HypervisorKey::Uuid(_) => call.version >= milestone::UUID_IDS,
    });
    let found = match key {
        Some(key) => call.state.store.hypervisor_find(key).await?,
        None => None,
    };
    let none = || ApiError::NotFound(format!("Hypervisor with ID '{id}' could not be found."));
    let found = found.ok_or_else(none)?;
    Ok(shown(&Held::load(call).await?, found))
}

/// Its service is shown like the others.
fn shown(held: &Held, hypervisor: Hypervisor) -> Hypervisor {
    let Hypervisor { host, .. } = hypervisor;
    Hypervisor {
        host: Host {
            service: held.shown(host.service),
            ..host
        },
        ..hypervisor
    }
}

/// Markers were always told apart by how they look.
pub(super) fn key(text: &str) -> Option<HypervisorKey> {
    let uuid = read_uuid_like(text).map(HypervisorKey::Uuid);
    uuid.or_else(|| text.parse().ok().map(HypervisorKey::Id))
}

/// Are the servers on them asked for? The query is valid by its schema.
pub(super) fn with_servers(call: &Call) -> bool {
    let asked = call.query.last("with_servers");
    asked.is_some_and(|word| is_true(&Value::from(word)))
}

pub(super) async fn page(call: &Call, page: &HypervisorPage) -> Result<Vec<Hypervisor>, ApiError> {
    let found = call.state.store.hypervisor_list(page).await;
    let found = found.map_err(|error| match error {
        HypervisorListError::MarkerNotFound => {
            no_such_marker(call.query.last("marker").unwrap_or_default())
        }
        HypervisorListError::Store(error) => error.into(),
    })?;
    let held = Held::load(call).await?;
    Ok(found.into_iter().map(|it| shown(&held, it)).collect())
}
