//! Compute hosts, as actions ask about them.

use godwit_core::ids::HostName;
use godwit_store::Host;

use super::{ApiError, Call};

/// The host that a request calls `name`, which may be no host's name at all.
pub(super) async fn find(call: &Call, name: &str) -> Result<Option<Host>, ApiError> {
    match HostName::new(name) {
        Ok(name) => Ok(call.state.store.host_find(&name).await?),
        Err(_) => Ok(None),
    }
}

/// [`find`] for a destination, where it has to exist.
pub(super) async fn known(call: &Call, name: &str) -> Result<HostName, ApiError> {
    let gone = || ApiError::BadRequest(format!("Compute host {name} could not be found."));
    let host = find(call, name).await?.ok_or_else(gone)?;
    Ok(host.facts.name)
}

/// Is the compute service of `host` up? A host that nobody knows has none.
pub(super) async fn is_up(call: &Call, host: &HostName) -> Result<bool, ApiError> {
    let (now, down_time) = (call.state.clock.now(), call.state.config.service_down_time);
    let found = call.state.store.host_find(host).await?;
    Ok(found.is_some_and(|host| host.service.is_up(now, down_time)))
}

/// 409 unless the compute service of `host` is up.
pub(super) async fn demand_up(call: &Call, host: &HostName) -> Result<(), ApiError> {
    if is_up(call, host).await? {
        return Ok(());
    }
    Err(ApiError::service_down())
}
