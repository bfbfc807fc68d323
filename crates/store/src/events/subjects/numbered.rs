//! Events of plans, runs and maintenance, whose rows number them.

use godwit_core::event_type::EventKind;
use serde_json::Value;

use super::cause::Cause;
use super::readers::is_understood;
use super::{New, insert};
use crate::connection::Database;
use crate::{ChangeNote, StoreError};

/// A plan, a run or a maintenance, whose row is locked.
pub(crate) struct Numbered<'a> {
    pub(crate) kind: EventKind,
    /// Its row.
    pub(crate) id: i64,
    /// The number of its last event.
    pub(crate) last: i64,
    /// The project whose it is.
    pub(crate) owner: Option<&'a str>,
}

/// Tells what happened to it, and returns the number of its last event, which its row is to keep.
pub(crate) fn append_numbered(
    connection: &mut Database,
    it: &Numbered<'_>,
    name: &'static str,
    detail: Value,
    note: &ChangeNote,
) -> Result<i64, StoreError> {
    if !is_understood(connection, it.kind)? {
        return Ok(it.last);
    }
    let sequence = it.last.saturating_add(1);
    let new = New {
        kind: it.kind,
        subject: it.id,
        sequence,
        name,
        owner: it.owner,
        detail,
    };
    insert(connection, &new, &Cause::noted(note))?;
    Ok(sequence)
}
