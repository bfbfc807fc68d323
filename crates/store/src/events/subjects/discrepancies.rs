//! Events of discrepancies.

use diesel::prelude::*;
use godwit_core::discrepancy::{DiscrepancyEvent, DiscrepancySubject};
use godwit_core::event_type::EventKind;
use godwit_core::ids::ServerUuid;
use serde_json::json;

use super::cause::Cause;
use super::readers::is_understood;
use super::{New, insert};
use crate::StoreError;
use crate::columns::text;
use crate::connection::Database;
use crate::schema::{events, servers};

/// A discrepancy that something happened to.
pub(crate) struct OfDiscrepancy<'a> {
    pub(crate) id: i64,
    pub(crate) subject: &'a DiscrepancySubject,
    /// What is odd, or why it no longer is.
    pub(crate) text: &'a str,
}

/// Tells what happened to a discrepancy.
pub(crate) fn append_of_discrepancy(
    connection: &mut Database,
    it: &OfDiscrepancy<'_>,
    event: DiscrepancyEvent,
    cause: &Cause,
) -> Result<(), StoreError> {
    if !is_understood(connection, EventKind::Discrepancy)? {
        return Ok(());
    }
    let subject = it.subject;
    let owner = match subject.server {
        Some(server) => owner(connection, server)?,
        None => None,
    };
    let mut detail = json!({
        "kind": subject.kind,
        "server": subject.server,
        "migration": subject.migration,
        "host": subject.host,
    });
    let text = match event {
        DiscrepancyEvent::Opened => "text",
        DiscrepancyEvent::Closed => "because",
    };
    detail[text] = json!(it.text);
    let new = New {
        kind: EventKind::Discrepancy,
        subject: it.id,
        sequence: told_of_discrepancy(connection, it.id)? + 1,
        name: event.as_str(),
        owner: owner.as_deref(),
        detail,
    };
    insert(connection, &new, cause)
}

/// How many events a discrepancy has. What was open before this release was opened untold.
fn told_of_discrepancy(connection: &mut Database, id: i64) -> Result<i64, StoreError> {
    let last: Option<i64> = events::table
        .filter(events::subject_kind.eq(EventKind::Discrepancy.as_str()))
        .filter(events::subject_id.eq(id))
        .order(events::sequence.desc())
        .select(events::sequence)
        .first(connection)
        .optional()?;
    Ok(last.unwrap_or(0))
}

fn owner(connection: &mut Database, server: ServerUuid) -> Result<Option<String>, StoreError> {
    let owner = servers::table
        .filter(servers::uuid.eq(text(server)))
        .select(servers::project_id)
        .first(connection)
        .optional()?;
    Ok(owner)
}
