//! Another database's past: the rows of a Nova, so that an operator brings the history along.
//!
//! ```text
//!   services ─► flavors ─► compute_nodes ─► instances ─► migrations ─► instance_actions ─► …_events
//!                                             ▲
//!                 instance_system_metadata, block_device_mapping
//!
//!   instance_groups, instance_group_policy ─► instance_group_member
//! ```
//!
//! All of it is one transaction, so an import that fails leaves nothing behind. A row keeps its
//! ids, because clients remember them. One that is here already stays as it is, whatever the
//! dump says: since then this database knows better. So an import can be repeated. What cannot
//! be brought along is counted, with the reason and an example.
//!
//! An unfinished migration arrives without a deadline and without effects: it is history, which
//! nobody drives and which stands in nobody's way. Where its server is, the inventories of the
//! agents say. Nova's own bookkeeping is taken as it is, several unfinished rows of one server
//! included.

mod actions;
mod batch;
mod columns;
mod dump;
mod flavors;
mod groups;
mod hosts;
mod migrations;
mod report;
mod servers;
mod services;
mod side;

use std::time::Duration;

use diesel::prelude::*;
use godwit_core::time::Timestamp;

pub use self::dump::{Dump, DumpError};
pub use self::report::{ImportReport, Skipped, TableReport};
use crate::columns::instant;
use crate::connection::Database;
use crate::{ServiceBinary, Store, StoreError, schema};

/// What stands in a service's `version` while nobody but Nova has spoken for it.
pub(crate) const NOVAS: &str = "nova";

/// Within this time a conductor or an agent that lives has given a sign of it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ImportError {
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// Two different things cannot have one id.
    #[error(
        "{file}:{line}: the id {id} belongs to something else in this database; \
         import into an empty one"
    )]
    Clash { file: String, line: u64, id: i64 },
    /// Somebody works on this database.
    #[error(
        "the service runs on this database: {binary} on {host} gave a sign of life {seconds} s \
         ago; stop it, and try again a minute later"
    )]
    InUse {
        binary: ServiceBinary,
        host: String,
        seconds: u64,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Is anybody else at work here? Rows of Nova's own processes do not count.
fn refuse_if_in_use(connection: &mut Database, now: Timestamp) -> Result<(), ImportError> {
    use schema::services::dsl;
    let alive: Option<(ServiceBinary, String, Option<Timestamp>)> = dsl::services
        .filter(dsl::version.ne(NOVAS))
        .filter(dsl::last_seen_up.is_not_null())
        .order(dsl::last_seen_up.desc())
        .select((dsl::binary, dsl::host, dsl::last_seen_up))
        .first(connection)
        .optional()
        .map_err(StoreError::from)?;
    let Some((binary, host, Some(seen))) = alive else {
        return Ok(());
    };
    if now.since(seen) >= SIGN_OF_LIFE {
        return Ok(());
    }
    Err(ImportError::InUse {
        binary,
        host,
        seconds: now.since(seen).as_secs(),
    })
}

fn import(
    connection: &mut Database,
    dump: &Dump,
    now: Timestamp,
) -> Result<ImportReport, ImportError> {
    refuse_if_in_use(connection, now)?;
    let services = services::import(connection, dump)?;
    let (flavors, mut sizes) = flavors::import(connection, dump)?;
    let hosts = hosts::import(connection, dump)?;
    let servers = servers::import(connection, dump, &mut sizes, side::read(dump)?)?;
    let migrations = migrations::import(connection, dump)?;
    let (actions, events) = actions::import(connection, dump)?;
    let (groups, members) = groups::import(connection, dump, now)?;
    let tables = vec![
        services, flavors, hosts, servers, migrations, actions, events, groups, members,
    ];
    let unread = dump.unread()?;
    Ok(ImportReport { tables, unread })
}

impl Store {
    /// Brings the rows of a Nova's database along, in one transaction; `now` decides whether
    /// somebody is at work on this database. A line is in memory at one time, with what is
    /// shown of the tables beside the servers, and one batch of rows.
    ///
    /// # Errors
    /// [`ImportError`]; then nothing has changed.
    pub async fn import(&self, dump: Dump, now: Timestamp) -> Result<ImportReport, ImportError> {
        // Cut as the database cuts it, so that both mean the same instant.
        let now = Timestamp::new(instant(now).and_utc());
        self.write(move |connection| import(connection, &dump, now))
            .await
    }
}
