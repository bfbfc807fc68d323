//! What operators say of scopes.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::scope::{ScopeKind, Switch};
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

use super::{Scope, load, tell};
use crate::columns::{instants, json};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::Cause;
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

/// Why what was said of a scope is as before.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError<E> {
    /// No host is in such a scope.
    #[error("no host is in such a scope")]
    NoSuchScope,
    /// The caller's check said no.
    #[error("what was said of the scope before does not allow it")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<diesel::result::Error> for ScopeError<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

pub(super) fn write(
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
    /// A scope, if a host is in it.
    pub async fn scope_find(
        &self,
        (kind, name): (ScopeKind, &str),
    ) -> Result<Option<Scope>, StoreError> {
        let name = name.to_owned();
        self.read_snapshot(move |connection| find(connection, (kind, &name)))
            .await
    }

    /// Says whether something is put on the hosts of a scope, and returns it as it is then. `check`
    /// sees inside the transaction what was said of the scope before.
    ///
    /// # Errors
    /// [`ScopeError`]; nothing has changed then.
    pub async fn scope_allocate<E: Send + 'static>(
        &self,
        (kind, name): (ScopeKind, &str),
        change: AllocationChange,
        check: impl Fn(&Switch) -> Result<(), E> + Send + 'static,
    ) -> Result<Scope, ScopeError<E>> {
        let name = name.to_owned();
        self.write(move |connection| {
            dialect::lock_zones(connection, ZoneLock::Write)?;
            let scope = find(connection, (kind, &name))?.ok_or(ScopeError::NoSuchScope)?;
            check(&scope.switch).map_err(ScopeError::Refused)?;
            let AllocationChange {
                disabled,
                reason,
                by,
                at,
            } = change.clone();
            let cause = Cause::requested(&by, at);
            let switch = scope.switch.turned((disabled, reason), Some(by), at);
            if switch == scope.switch {
                return Ok(scope);
            }
            write(connection, (kind, &name), &switch)?;
            tell::turned(connection, (kind, &name), (&scope.switch, &switch), &cause)?;
            find(connection, (kind, &name))?.ok_or(ScopeError::NoSuchScope)
        })
        .await
    }
}
