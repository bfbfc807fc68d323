//! `os-stop`, `os-start` and `reboot`: a server is powered off and on where it is.

use godwit_core::power::{Obstacle, PowerAction};
use godwit_store::{NewPower, Server};

use super::new_migration::refusal;
use super::preconditions::unlocked;
use super::{Answer, ApiError, Call, Reply, rules};

pub async fn stop(call: &Call) -> Answer {
    let found = call.server().await?.with_user();
    let server = found.allow(call, rules::STOP)?.resource;
    begin(call, &server, PowerAction::Stop).await
}

pub async fn start(call: &Call) -> Answer {
    let found = call.server().await?.with_user();
    let server = found.allow(call, rules::START)?.resource;
    begin(call, &server, PowerAction::Start).await
}

pub async fn reboot(call: &Call) -> Answer {
    let server = call.allowed_server(rules::REBOOT).await?;
    let kind = call.body["type"].as_str().unwrap_or_default();
    let action = match kind.eq_ignore_ascii_case("soft") {
        true => PowerAction::SoftReboot,
        false => PowerAction::HardReboot,
    };
    begin(call, &server, action).await
}

async fn begin(call: &Call, server: &Server, action: PowerAction) -> Result<Reply, ApiError> {
    let new = NewPower {
        server: server.uuid,
        action,
        note: call.note(),
    };
    let admin = call.caller.is_admin();
    let check = move |server: &Server| check(action, server, admin);
    let begun = call.state.store.power_begin(new, check).await;
    begun.map_err(|error| refusal(call, server, action.name(), error))?;
    (call.state.wake)();
    Ok(Reply::accepted())
}

/// Lock, host and states, in Nova's order. It does not look at the host of what it reboots.
fn check(action: PowerAction, server: &Server, admin: bool) -> Result<(), ApiError> {
    unlocked(server, admin)?;
    let looks_at_host = match action {
        PowerAction::Stop | PowerAction::Start => true,
        PowerAction::SoftReboot | PowerAction::HardReboot => false,
    };
    if looks_at_host && server.host.is_none() {
        return Err(ApiError::not_ready(server.uuid));
    }
    let launched = server.launched_at.is_some();
    let wrong = |attribute, value| {
        let name = action.name();
        ApiError::wrong_state(server.uuid, name, attribute, value)
    };
    action
        .check(server.vm_state, server.task_state, launched)
        .map_err(|obstacle| match obstacle {
            Obstacle::VmState(state) => wrong("vm_state", Some(state.as_str())),
            Obstacle::Task(task) => wrong("task_state", Some(task.as_str())),
            Obstacle::NeverLaunched => wrong("launched_at", None),
        })
}
