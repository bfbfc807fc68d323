//! `os-migrateLive`: checks in Nova's order, then one transaction that begins the migration
//! (`contract: actions.md §1`).

mod checks;
mod precheck;
mod wish;

use godwit_core::ids::HostName;
use godwit_core::migration::Limits;
use godwit_store::{BeginError, MigrationRecord, NewLiveMigration, Server};
use serde_json::Value;

use self::wish::Wish;
use crate::call::Call;
use crate::error::ApiError;
use crate::microversion::milestone;
use crate::reply::Reply;
use crate::routes::Answer;
use crate::rules;

/// What the server's texts call it.
const ACTION: &str = "os-migrateLive";

/// Live-migrates a server.
pub fn migrate<'a>(call: &'a Call, body: &'a Value) -> Answer<'a> {
    Box::pin(async move {
        let wish = Wish::read(body, call.version);
        let rule = match wish.host {
            Some(_) => rules::MIGRATE_LIVE_HOST,
            None => rules::MIGRATE_LIVE,
        };
        let server = call.server().await?.allow(call, rule)?.resource;
        wish.check_force()?;
        checks::supported(&server)?;
        checks::state(&server, call.is_admin())?;
        let host = match wish.host {
            Some(name) => Some(known_host(call, name).await?),
            None => None,
        };
        let migration = begin(call, &server, &wish, host).await?;
        (call.state.wake)();
        if call.version < milestone::ASYNCHRONOUS_PRECHECKS {
            precheck::wait(call, &migration).await?;
        }
        Ok(Reply::accepted())
    })
}

async fn known_host(call: &Call, name: &str) -> Result<HostName, ApiError> {
    let gone = || ApiError::BadRequest(format!("Compute host {name} could not be found."));
    let host = HostName::new(name).map_err(|_| gone())?;
    let known = call.state.store.host_find(&host).await?;
    known.map(|_| host).ok_or_else(gone)
}

async fn begin(
    call: &Call,
    server: &Server,
    wish: &Wish<'_>,
    host: Option<HostName>,
) -> Result<MigrationRecord, ApiError> {
    let new = NewLiveMigration {
        uuid: call.state.ids.migration(),
        server: server.uuid,
        request: wish.request(host),
        limits: Limits {
            accepted: call.state.config.accepted_limit,
            ..Limits::default()
        },
        user_id: call.user_id().map(str::to_owned),
        project_id: call.project_id().map(str::to_owned),
        request_id: Some(call.request_id.clone()),
        at: call.state.clock.now(),
    };
    tracing::Span::current().record("migration", tracing::field::display(new.uuid));
    let admin = call.is_admin();
    let check = move |server: &Server| checks::state(server, admin);
    let begun = call
        .state
        .store
        .server_begin_live_migration(new, check)
        .await;
    begun.map_err(|error| match error {
        BeginError::Refused(error) => error,
        BeginError::NoSuchServer => call.no_such_server(),
        // Nova answers 500 to the one who loses this race.
        BeginError::NotFree => ApiError::invalid_state(server.uuid, ACTION),
        BeginError::Store(error) => error.into(),
    })
}
