//! What lists can do by themselves since 2.53, and what there is no more since 2.88.

use godwit_store::HypervisorPage;

use super::super::services::liveness;
use super::{hosted, lookup, matching};
use crate::nova::handlers::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::hypervisor::{HypervisorEntry, Statistics, Uptime};

/// `GET /os-hypervisors/statistics`: all of them together.
pub async fn statistics(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_STATISTICS)?;
    let all = lookup::page(call, &HypervisorPage::default()).await?;
    Reply::document("hypervisor_statistics", &Statistics::of(&all))
}

/// `GET /os-hypervisors/{id}/uptime`: agents do not say, so nobody knows.
///
/// Clients take the text apart without asking whether there is one, so it is never null here.
pub async fn uptime(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_UPTIME)?;
    let hypervisor = lookup::one(call).await?;
    let host = &hypervisor.host;
    let liveness = liveness(call);
    if !host.service.is_up(liveness.now, liveness.down_time) {
        let name = &host.facts.name;
        let text = format!("Compute service of {name} is unavailable at this time.");
        return Err(ApiError::BadRequest(text));
    }
    Reply::document("hypervisor", &Uptime::new(host, call.version, liveness))
}

pub async fn search(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_SEARCH)?;
    let found = matching(call, &call.ids.id).await?;
    let liveness = liveness(call);
    let view = |it| HypervisorEntry::new(it, None, call.version, liveness);
    Reply::list("hypervisors", found.iter().map(|it| view(&it.host)))
}

pub async fn servers(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_SERVERS)?;
    let found = matching(call, &call.ids.id).await?;
    let hosted = hosted(call, &found).await?;
    let liveness = liveness(call);
    let entries = found
        .iter()
        .map(|it| HypervisorEntry::new(&it.host, hosted.of(it), call.version, liveness));
    Reply::list("hypervisors", entries)
}
