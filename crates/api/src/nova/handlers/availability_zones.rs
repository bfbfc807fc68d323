//! Availability zones, as the services of each say.

use super::services::liveness;
use super::{Answer, Call, Reply, rules};
use crate::nova::views::availability_zone::AvailabilityZone;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::ZONES_LIST)?;
    let services = call.state.store.service_list().await?;
    let zones = AvailabilityZone::short(&services);
    Reply::document("availabilityZoneInfo", &zones)
}

pub async fn detail(call: &Call) -> Answer {
    call.caller.enforce_global(rules::ZONES_DETAIL)?;
    let services = call.state.store.service_list().await?;
    let zones = AvailabilityZone::detailed(&services, liveness(call));
    Reply::document("availabilityZoneInfo", &zones)
}
