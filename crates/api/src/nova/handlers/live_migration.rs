//! `os-migrateLive`: checks in Nova's order, then one transaction that begins the migration
//! (`contract: actions.md §1`).

mod body;
mod checks;
mod precheck;

use godwit_core::ids::HostName;
use godwit_store::{MigrationRecord, Server};

use self::body::LiveMigrationBody;
use self::checks::STATES;
use super::{Answer, ApiError, Call, Reply, compute_hosts, new_migration, rules};

/// What the server's texts call it.
const ACTION: &str = "os-migrateLive";

pub async fn migrate(call: &Call) -> Answer {
    let body = LiveMigrationBody::read(&call.body, call.version);
    let rule = match body.host {
        Some(_) => rules::MIGRATE_LIVE_HOST,
        None => rules::MIGRATE_LIVE,
    };
    let server = call.allowed_server(rule).await?;
    body.check_force()?;
    checks::supported(&server)?;
    STATES.check_unlocked(&server, call.caller.is_admin())?;
    let host = match body.host {
        Some(name) => Some(compute_hosts::known(call, name).await?),
        None => None,
    };
    let migration = begin(call, &server, &body, host).await?;
    (call.state.wake)();
    if body.synchronous {
        precheck::wait(call, &migration).await?;
    }
    Ok(Reply::accepted())
}

async fn begin(
    call: &Call,
    server: &Server,
    body: &LiveMigrationBody<'_>,
    host: Option<HostName>,
) -> Result<MigrationRecord, ApiError> {
    let new = new_migration::build(call, server, body.request(host));
    let admin = call.caller.is_admin();
    let check = move |server: &Server| STATES.check_unlocked(server, admin);
    let begun = call
        .state
        .store
        .server_begin_live_migration(new, check)
        .await;
    begun.map_err(|error| new_migration::refusal(call, server, ACTION, error))
}
