//! Hypervisors: the compute hosts, how full they are and what runs there
//! (`contract: actions.md §10`).

mod list;
mod lookup;
mod old;

use std::collections::HashMap;

use godwit_core::ids::HostName;
use godwit_store::{HostedServer, Hypervisor, HypervisorPage};

pub use self::list::{detail, index};
pub use self::old::{search, servers, statistics, uptime};
use super::services::liveness;
use super::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::hypervisor::HypervisorView;

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_SHOW)?;
    let found = lookup::one(call).await?;
    let found = [found];
    let hosted = hosted_if_asked(call, &found).await?;
    let [hypervisor] = &found;
    let hosted = hosted.of(hypervisor);
    let hypervisor = HypervisorView::new(hypervisor, hosted, call.version, liveness(call));
    Reply::document("hypervisor", &hypervisor)
}

/// The servers on the hosts of an answer; `None` where nobody asked for them.
struct Hosted(Option<HashMap<HostName, Vec<HostedServer>>>);

impl Hosted {
    fn of(&self, hypervisor: &Hypervisor) -> Option<&[HostedServer]> {
        let by_host = self.0.as_ref()?;
        let servers = by_host.get(&hypervisor.host.facts.name);
        Some(servers.map_or(&[], Vec::as_slice))
    }
}

async fn hosted_if_asked(call: &Call, on: &[Hypervisor]) -> Result<Hosted, ApiError> {
    match lookup::with_servers(call) {
        true => hosted(call, on).await,
        false => Ok(Hosted(None)),
    }
}

async fn hosted(call: &Call, on: &[Hypervisor]) -> Result<Hosted, ApiError> {
    let names = on.iter().map(|it| it.host.facts.name.clone()).collect();
    let by_host = call.state.store.servers_by_host(names).await?;
    Ok(Hosted(Some(by_host)))
}

/// Those whose hostname contains `pattern`; none at all is an error.
async fn matching(call: &Call, pattern: &str) -> Result<Vec<Hypervisor>, ApiError> {
    let page = HypervisorPage {
        pattern: Some(pattern.to_owned()),
        ..HypervisorPage::default()
    };
    let found = lookup::page(call, &page).await?;
    if found.is_empty() {
        return Err(ApiError::NotFound(format!(
            "No hypervisor matching '{pattern}' could be found."
        )));
    }
    Ok(found)
}
