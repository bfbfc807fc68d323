//! `os-resetState`: an operator says what a server is (`contract: actions.md §6`).

use godwit_core::server::VmState;

use super::{Answer, Call, Reply, rules};

/// Sets the state, whatever it was; what is under way goes on.
pub async fn reset(call: &Call) -> Answer {
    let server = call.allowed_server(rules::RESET_STATE).await?;
    let state = match call.body["state"].as_str() {
        Some("active") => VmState::Active,
        _ => VmState::Error,
    };
    let store = &call.state.store;
    let reset = store.server_reset_state(server.uuid, state, call.note());
    if reset.await? {
        Ok(Reply::accepted())
    } else {
        Err(call.no_such_server())
    }
}
