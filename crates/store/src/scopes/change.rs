//! What operators say of scopes.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::scope::{ScopeKind, Switch};
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

use super::{Scope, load};
use crate::columns::{instants, json};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::prepared::Prepare as _;
use crate::{Store, StoreError};

/// Whether something shall be put somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllocationChange {
    /// Nothing shall.
    pub disabled: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who says so.
    pub by: Requester,
    /// The present.
    pub at: Timestamp,
}

fn write(
    connection: &mut Database,
    (kind, name): (ScopeKind, &str),
    switch: &Switch,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO scope_allocations (kind, name, disabled, reason, said_by, since)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (kind, name) DO UPDATE SET
             disabled = excluded.disabled, reason = excluded.reason,
             said_by = excluded.said_by, since = excluded.since",
    )
    .bind::<Text, _>(kind.as_str())
    .bind::<Text, _>(name)
    .bind::<Bool, _>(switch.disabled)
    .bind::<Nullable<Text>, _>(&switch.reason)
    .bind::<Nullable<Text>, _>(switch.by.as_ref().map(json))
    .bind::<Nullable<SqlTimestamp>, _>(instants(switch.since))
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// A scope, if a host is in it.
pub(super) fn find(
    connection: &mut Database,
    (kind, name): (ScopeKind, &str),
) -> Result<Option<Scope>, StoreError> {
    let all = load(connection)?.into_iter();
    let mut named = all.filter(|it| it.kind == kind && it.name == name);
    Ok(named.next())
}

impl Store {
    /// Says whether something is put on the hosts of a scope, and returns it as it is then; `None`:
    /// no host is in such a scope.
    pub async fn scope_allocate(
        &self,
        (kind, name): (ScopeKind, &str),
        change: AllocationChange,
    ) -> Result<Option<Scope>, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            dialect::lock_zones(connection, ZoneLock::Write)?;
            let Some(scope) = find(connection, (kind, &name))? else {
                return Ok(None);
            };
            let AllocationChange {
                disabled,
                reason,
                by,
                at,
            } = change.clone();
            let switch = scope.switch.turned((disabled, reason), Some(by), at);
            if switch == scope.switch {
                return Ok(Some(scope));
            }
            write(connection, (kind, &name), &switch)?;
            find(connection, (kind, &name))
        })
        .await
    }
}
