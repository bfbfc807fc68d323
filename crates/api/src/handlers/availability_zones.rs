//! Availability zones, as the services of each say.

use godwit_policy::Target;

use super::services::pulse;
use crate::call::Call;
use crate::reply::Reply;
use crate::routes::Answer;
use crate::rules;
use crate::views::availability_zone::AvailabilityZones;

/// `GET /os-availability-zone`.
pub fn index(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        call.enforce(rules::ZONES_LIST, &Target::empty())?;
        let services = call.state.store.service_list().await?;
        Reply::json(&AvailabilityZones::short(&services))
    })
}

/// `GET /os-availability-zone/detail`.
pub fn detail(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        call.enforce(rules::ZONES_DETAIL, &Target::empty())?;
        let services = call.state.store.service_list().await?;
        Reply::json(&AvailabilityZones::detailed(&services, pulse(call)))
    })
}
