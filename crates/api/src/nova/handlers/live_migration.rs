//! `os-migrateLive`: checks in Nova's order, then one transaction that begins the migration
//! (`contract: actions.md §1`).

mod checks;
mod precheck;
mod wish;

use godwit_core::ids::HostName;
use godwit_store::{MigrationRecord, Server};
use serde_json::Value;

use self::wish::Wish;
use super::{beginning, compute_hosts};
use crate::nova::call::Call;
use crate::nova::error::ApiError;
use crate::nova::reply::Reply;
use crate::nova::routes::Answer;
use crate::nova::rules;

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
            Some(name) => Some(compute_hosts::known(call, name).await?),
            None => None,
        };
        let migration = begin(call, &server, &wish, host).await?;
        (call.state.wake)();
        if wish.synchronous {
            precheck::wait(call, &migration).await?;
        }
        Ok(Reply::accepted())
    })
}

async fn begin(
    call: &Call,
    server: &Server,
    wish: &Wish<'_>,
    host: Option<HostName>,
) -> Result<MigrationRecord, ApiError> {
    let new = beginning::of(call, server, wish.request(host));
    let admin = call.is_admin();
    let check = move |server: &Server| checks::state(server, admin);
    let begun = call
        .state
        .store
        .server_begin_live_migration(new, check)
        .await;
    begun.map_err(|error| beginning::refused(call, server, ACTION, error))
}
