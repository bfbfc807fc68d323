//! `migrate`: a cold move (`contract: actions.md §2`). It ends with a server that waits to be
//! confirmed; see [`super::resize`].

use godwit_core::ids::HostName;
use godwit_core::migration::ColdRequest;
use godwit_core::plan::options::Affinity;
use godwit_core::server::VmState;
use godwit_store::Server;

use super::preconditions::{States, flavor};
use super::{Answer, ApiError, Call, Reply, compute_hosts, milestone, new_migration, rules};

static STATES: States = States {
    action: "migrate",
    vm: &[VmState::Active, VmState::Stopped],
    busy: false,
};

pub async fn migrate(call: &Call) -> Answer {
    // Before it could name a host, nobody looked at the body.
    let named = call.body["host"]
        .as_str()
        .filter(|_| call.version >= milestone::MIGRATE_HOST);
    let rule = match named {
        Some(_) => rules::MIGRATE_HOST,
        None => rules::MIGRATE,
    };
    let server = call.allowed_server(rule).await?;
    flavor::without_accelerators(&server)?;
    STATES.check_unlocked(&server, call.caller.is_admin())?;
    let source = server
        .host
        .as_ref()
        .ok_or_else(|| ApiError::not_ready(server.uuid))?;
    compute_hosts::demand_up(call, source).await?;
    let host = match named {
        Some(name) => Some(destination(call, source, name).await?),
        None => None,
    };
    begin(call, &server, host).await?;
    (call.state.wake)();
    Ok(Reply::accepted())
}

async fn destination(call: &Call, source: &HostName, name: &str) -> Result<HostName, ApiError> {
    if source.as_str() == name {
        let text = "Cannot migrate to the host where the server exists.";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    compute_hosts::known(call, name).await
}

async fn begin(call: &Call, server: &Server, host: Option<HostName>) -> Result<(), ApiError> {
    let was = server.vm_state;
    let new = new_migration::build(
        call,
        server,
        ColdRequest {
            host,
            was,
            affinity: Affinity::Strict,
        },
    );
    let admin = call.caller.is_admin();
    let check = move |server: &Server| STATES.check_unlocked(server, admin);
    let begun = call.state.store.cold_migration_begin(new, check).await;
    begun.map_err(|error| new_migration::refusal(call, server, STATES.action, error))?;
    Ok(())
}
