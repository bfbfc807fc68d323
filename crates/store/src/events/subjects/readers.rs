//! Which kinds of events every process reads.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use godwit_core::event_type::EventKind;

use crate::StoreError;
use crate::connection::Database;
use crate::schema::event_kinds;

/// The kinds that the release before this one does not read.
const NEW: [EventKind; 5] = [
    EventKind::Host,
    EventKind::Discrepancy,
    EventKind::Plan,
    EventKind::Run,
    EventKind::Maintenance,
];

/// Says that every process from now on reads all kinds of events.
pub(crate) fn understand_all(connection: &mut Database) -> Result<(), StoreError> {
    for kind in NEW {
        sql_query("INSERT INTO event_kinds (kind) VALUES ($1) ON CONFLICT (kind) DO NOTHING")
            .bind::<Text, _>(kind.as_str())
            .execute(connection)?;
    }
    Ok(())
}

/// Does every process read events of this kind? One of the release before would read nothing any
/// more.
pub(crate) fn is_understood(
    connection: &mut Database,
    kind: EventKind,
) -> Result<bool, StoreError> {
    let found: Option<String> = event_kinds::table
        .find(kind.as_str())
        .select(event_kinds::kind)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}
