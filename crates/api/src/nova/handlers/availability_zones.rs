//! Availability zones, as the services of each say.

use godwit_store::Service;

use super::services::liveness;
use super::{Answer, ApiError, Call, Reply, held, rules};
use crate::nova::views::availability_zone::AvailabilityZone;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::ZONES_LIST)?;
    let (services, disabled) = seen(call).await?;
    let zones = AvailabilityZone::short(&services, &disabled);
    Reply::document("availabilityZoneInfo", &zones)
}

pub async fn detail(call: &Call) -> Answer {
    call.caller.enforce_global(rules::ZONES_DETAIL)?;
    let (services, disabled) = seen(call).await?;
    let zones = AvailabilityZone::detailed(&services, &disabled, liveness(call));
    Reply::document("availabilityZoneInfo", &zones)
}

/// The services of the zones that the caller sees, and which of those were disabled.
async fn seen(call: &Call) -> Result<(Vec<Service>, Vec<String>), ApiError> {
    let store = &call.state.store;
    let mut services = held::services(call).await?;
    let disabled = store.zones_disabled().await?;
    if !call.caller.permits_own(rules::SCOPES_SEE_DISABLED) {
        services.retain(|service| !disabled.contains(&service.zone));
    }
    Ok((services, disabled))
}
