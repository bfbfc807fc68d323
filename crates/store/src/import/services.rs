//! Services. Nova's processes are gone once Godwit takes over; their rows stay, because lists
//! show them, with the uuids that operators know, until somebody deletes them.

use godwit_core::ids::HostName;
use serde::Deserialize;
use uuid::Uuid;

use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::{Flag, Life, Moment};
use super::dump::Dump;
use super::report::{Reason, TableReport, because};
use super::{ImportError, NOVAS};
use crate::ServiceBinary;
use crate::connection::Database;
use crate::services::INTERNAL_ZONE;

/// Where Nova puts a compute host that is in no aggregate with a zone of its own.
const DEFAULT_ZONE: &str = "nova";

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    life: Life,
    id: i64,
    uuid: Option<Uuid>,
    host: Option<String>,
    binary: Option<String>,
    #[serde(default)]
    report_count: i64,
    #[serde(default)]
    disabled: Flag,
    disabled_reason: Option<String>,
    #[serde(default)]
    forced_down: Flag,
    last_seen_up: Option<Moment>,
}

const TARGET: Target = Target {
    table: "services",
    source: "services",
    key: Key::Unique("uuid"),
};

fn make(row: Row) -> Result<Incoming, Reason> {
    if row.life.is_deleted() {
        return Err(because("it is deleted", row.id));
    }
    let binary = row.binary.unwrap_or_default();
    let binary: ServiceBinary = binary
        .parse()
        .map_err(|_| because("no list shows a service of this kind", binary))?;
    let host = row.host.unwrap_or_default();
    let host = HostName::new(host).map_err(|error| because("it has no proper host", error.0))?;
    let (Some(uuid), Some(created_at)) = (row.uuid, row.life.created_at) else {
        return Err(because("it has no uuid, or no date", host));
    };
    let zone = match binary {
        ServiceBinary::Compute => DEFAULT_ZONE,
        ServiceBinary::Conductor | ServiceBinary::Scheduler => INTERNAL_ZONE,
    };
    let new = new_row! {
        id: row.id,
        uuid: uuid,
        binary: binary.as_str(),
        host: host,
        zone: zone,
        registered_zone: zone,
        disabled: row.disabled.0,
        disabled_reason: row.disabled_reason,
        forced_down: row.forced_down.0,
        last_seen_up: row.last_seen_up,
        report_count: row.report_count,
        version: NOVAS,
        created_at: created_at,
        updated_at: row.life.updated_at,
    };
    Ok(Incoming::new(row.id, uuid, new))
}

pub(super) fn import(connection: &mut Database, dump: &Dump) -> Result<TableReport, ImportError> {
    transfer(connection, dump, &TARGET, |_, row| Ok(make(row)))
}
