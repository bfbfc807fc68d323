//! `evacuate`: a server whose host died is rebuilt elsewhere (`contract: actions.md §4`).
//!
//! That the host is dead is its operator's word; whoever drives the evacuation asks it once more
//! before anything is started, and waits where it is only silent. A live migration that the host
//! died under is waited for here, for as long as for pre-checks: it may have led the guest to a
//! host that lives.

mod body;

use actix_web::http::StatusCode;
use godwit_core::ids::HostName;
use godwit_core::migration::EvacuationRequest;
use godwit_core::plan::options::Affinity;
use godwit_core::server::VmState;
use godwit_store::{BeginError, Server};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::body::{EvacuationBody, Password};
use super::preconditions::{States, flavor};
use super::{Answer, ApiError, Call, Reply, compute_hosts, new_migration, rules};

/// What its texts call the action.
const ACTION: &str = "evacuate";

/// Whatever else is being done to the server died with its host. A lock is not looked at.
static STATES: States = States {
    action: ACTION,
    vm: &[VmState::Active, VmState::Stopped, VmState::Error],
    busy: true,
};

pub async fn evacuate(call: &Call) -> Answer {
    let found = call.server().await?.with_user();
    let server = found.allow(call, rules::EVACUATE)?.resource;
    let body = EvacuationBody::read(&call.body, call.version)?;
    let host = match body.host {
        Some(name) => Some(destination(call, name).await?),
        None => None,
    };
    // A server without a host is refused with the same words.
    if server.host == host {
        let text = "The target host can't be the same one.";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    flavor::without_tpm(&server, ACTION, None)?;
    STATES.check(&server)?;
    abandoned(call, &server).await?;
    begin(call, &server, &body, host).await?;
    (call.state.wake)();
    answer(call, &body)
}

async fn destination(call: &Call, name: &str) -> Result<HostName, ApiError> {
    let gone = || ApiError::NotFound(format!("Compute host {name} not found."));
    let host = compute_hosts::find(call, name).await?.ok_or_else(gone)?;
    Ok(host.facts.name)
}

fn in_use(host: &HostName) -> ApiError {
    ApiError::BadRequest(format!("Compute service of {host} is still in use."))
}

/// Is the server's host as dead as the request claims?
async fn abandoned(call: &Call, server: &Server) -> Result<(), ApiError> {
    match &server.host {
        Some(host) if compute_hosts::is_up(call, host).await? => Err(in_use(host)),
        _ => Ok(()),
    }
}

async fn begin(
    call: &Call,
    server: &Server,
    body: &EvacuationBody<'_>,
    host: Option<HostName>,
) -> Result<(), ApiError> {
    let request = EvacuationRequest {
        host,
        forced: body.forced,
        was: server.vm_state,
        end_stopped: body.end_stopped,
        affinity: Affinity::Strict,
    };
    let deadline = Instant::now() + call.state.config.precheck_wait;
    let mut home = server.host.clone();
    loop {
        let new = new_migration::build(call, server, request.clone());
        let seen = home.clone();
        let check = move |now: &Server| {
            STATES.check(now).map_err(NotBegun::Wrong)?;
            match &now.host {
                Some(host) if Some(host) != seen.as_ref() => Err(NotBegun::Moved(host.clone())),
                _ => Ok(()),
            }
        };
        let begun = call.state.store.evacuation_begin(new, check).await;
        let next = Instant::now() + call.state.config.precheck_poll;
        match begun {
            Ok(_) => return Ok(()),
            Err(BeginError::Refused(NotBegun::Wrong(error))) => return Err(error),
            Err(BeginError::Refused(NotBegun::Moved(host))) if next < deadline => {
                is_settling(call, server).await?;
                home = Some(host);
            }
            Err(BeginError::NotFree) if next < deadline && is_settling(call, server).await? => {
                sleep_until(next).await;
            }
            // No evacuation starts a guest where it is.
            Err(
                BeginError::Refused(NotBegun::Moved(_))
                | BeginError::NotFree
                | BeginError::InMaintenance,
            ) => {
                return Err(ApiError::invalid_state(server.uuid, ACTION));
            }
            Err(BeginError::NoSuchServer) => return Err(call.no_such_server()),
            Err(BeginError::Store(error)) => return Err(error.into()),
        }
    }
}

/// Why an evacuation does not begin now.
enum NotBegun {
    /// The server's state does not allow it.
    Wrong(ApiError),
    /// A live migration has been settled since the host was looked at: the server is on this one.
    Moved(HostName),
}

/// Does a live migration of the server find out where it led, now that the source is declared
/// dead? Where it led to another host, that is the answer: nothing is to be evacuated.
async fn is_settling(call: &Call, server: &Server) -> Result<bool, ApiError> {
    let store = &call.state.store;
    let now = store.server_find(server.uuid).await?;
    let Some(host) = now.and_then(|now| now.host) else {
        return Ok(false);
    };
    if compute_hosts::is_up(call, &host).await? {
        return Err(in_use(&host));
    }
    let known = store.host_find(&host).await?;
    Ok(known.is_some_and(|known| known.service.forced_down))
}

/// 200, and where the version has it, a password.
fn answer(call: &Call, body: &EvacuationBody<'_>) -> Result<Reply, ApiError> {
    let shown = call.state.config.enable_instance_password;
    let Some(password) = body.password.filter(|_| shown) else {
        return Ok(Reply::empty(StatusCode::OK));
    };
    let text = match password {
        Password::Given(given) => Some(given.to_owned()),
        Password::New => Some(call.state.ids.password()),
        Password::Kept => None,
    };
    Reply::json(&json!({ "adminPass": text }))
}
