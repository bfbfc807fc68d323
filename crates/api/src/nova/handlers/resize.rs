//! `confirmResize` and `revertResize`: how a cold move ends (`contract: actions.md §3`).

use actix_web::http::StatusCode;
use godwit_core::server::VmState;
use godwit_store::{MigrationRecord, ResizeError, Server};

use super::preconditions::States;
use super::{Answer, ApiError, Call, Reply, compute_hosts, rules};

static CONFIRM: States = States {
    action: "confirmResize",
    vm: &[VmState::Resized],
    busy: false,
};

static REVERT: States = States {
    action: "revertResize",
    vm: &[VmState::Resized],
    busy: false,
};

/// `confirmResize`: what is left at the source may go, so its host has to be there.
pub async fn confirm(call: &Call) -> Answer {
    let server = call.allowed_server(rules::CONFIRM_RESIZE).await?;
    let admin = call.caller.is_admin();
    let check = move |server: &Server| CONFIRM.check_unlocked(server, admin);
    check(&server)?;
    let moved = waiting(call, &server).await?;
    compute_hosts::demand_up(call, &moved.migration.source_compute).await?;
    let (store, note) = (&call.state.store, call.note());
    let confirmed = store.resize_confirm(server.uuid, note, check).await;
    confirmed.map_err(|error| refused(call, &server, &CONFIRM, error))?;
    (call.state.wake)();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `revertResize`: the server goes back to where it came from.
pub async fn revert(call: &Call) -> Answer {
    let server = call.allowed_server(rules::REVERT_RESIZE).await?;
    let admin = call.caller.is_admin();
    let check = move |server: &Server| REVERT.check_unlocked(server, admin);
    let (store, note) = (&call.state.store, call.note());
    let reverted = store.resize_revert(server.uuid, note, check).await;
    reverted.map_err(|error| refused(call, &server, &REVERT, error))?;
    (call.state.wake)();
    Ok(Reply::accepted())
}

/// The move that waits to be confirmed.
async fn waiting(call: &Call, server: &Server) -> Result<MigrationRecord, ApiError> {
    let store = &call.state.store;
    let found = store.migration_awaiting_confirmation(server.uuid).await?;
    found.ok_or_else(not_moved)
}

fn not_moved() -> ApiError {
    ApiError::BadRequest("Instance has not been resized.".to_owned())
}

fn refused(
    call: &Call,
    server: &Server,
    states: &States,
    error: ResizeError<ApiError>,
) -> ApiError {
    match error {
        ResizeError::Refused(error) => error,
        ResizeError::NoSuchServer => call.no_such_server(),
        ResizeError::NotFinished => not_moved(),
        // Its table has no place for this: in Nova's words, the state does not allow it.
        ResizeError::Rejected(_) => ApiError::invalid_state(server.uuid, states.action),
        ResizeError::Store(error) => error.into(),
    }
}
