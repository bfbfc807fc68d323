//! What new migrations have in common: what they say of the request behind them, and why there is
//! none. The latter is what actions on a server's power have in common with them.

use godwit_core::migration::Limits;
use godwit_store::{BeginError, NewMigration, Server};

use super::{ApiError, Call};

/// A migration of `server` that the caller asks for; the logs know the request by it from here
/// on.
pub(super) fn build<R>(call: &Call, server: &Server, request: R) -> NewMigration<R> {
    let uuid = call.state.ids.migration();
    tracing::Span::current().record("migration", tracing::field::display(uuid));
    NewMigration {
        uuid,
        server: server.uuid,
        request,
        limits: Limits {
            accepted: call.state.config.accepted_limit,
            ..Limits::default()
        },
        user_id: call.caller.user_id().map(str::to_owned),
        project_id: call.caller.project_id().map(str::to_owned),
        request_id: Some(call.request_id.clone()),
        trace: godwit_telemetry::current(),
        at: call.state.clock.now(),
    }
}

/// Why it did not begin; `action` is what the server's texts call it.
pub(super) fn refusal(
    call: &Call,
    server: &Server,
    action: &str,
    error: BeginError<ApiError>,
) -> ApiError {
    match error {
        BeginError::Refused(error) => error,
        BeginError::NoSuchServer => call.no_such_server(),
        // Nova answers 500 to the one who loses this race.
        BeginError::NotFree => ApiError::invalid_state(server.uuid, action),
        // Nova would start it on a host that somebody is about to switch off.
        BeginError::InMaintenance => ApiError::in_maintenance(server.uuid, action),
        BeginError::Store(error) => error.into(),
    }
}
