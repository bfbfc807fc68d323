//! The rows that number the events of hosts, and of zones, pods and clusters.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::HostName;
use serde_json::{Value, json};

use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::{StoreError, dialect};

/// What the log of a scope is called, among those of hosts.
pub(in crate::events) fn log_of(kind: ScopeKind, name: &str) -> String {
    format!("{kind}:{name}")
}

/// The scope whose log is called so; `None`: it is a host's.
pub(in crate::events) fn scope_of(log: &str) -> Option<(ScopeKind, String)> {
    let (kind, name) = log.split_once(':')?;
    Some((kind.parse().ok()?, name.to_owned()))
}

/// The row that numbers the events of a host, or of a scope, and the next number. The row stays
/// locked, so that their order is that of their numbers: whoever takes it takes no other lock behind
/// it.
pub(super) fn next_of_log(connection: &mut Database, log: &str) -> Result<(i64, i64), StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = BigInt)]
        event_sequence: i64,
    }
    let next: Next = sql_query(
        "INSERT INTO host_logs (host, event_sequence) VALUES ($1, 1)
         ON CONFLICT (host) DO UPDATE SET event_sequence = host_logs.event_sequence + 1
         RETURNING id, event_sequence",
    )
    .bind::<Text, _>(log)
    .prepared()
    .get_result(connection)?;
    Ok((next.id, next.event_sequence))
}

/// As [`next_of_log`], for many hosts.
pub(super) fn next_of_logs<'h>(
    connection: &mut Database,
    hosts: impl Iterator<Item = &'h HostName>,
) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        host: String,
        #[diesel(sql_type = BigInt)]
        event_sequence: i64,
    }
    let names: Vec<Value> = hosts.map(|host| json!({ "host": host })).collect();
    let rows = dialect::rows_of(connection, &[("host", "text")]);
    let statement = format!(
        "INSERT INTO host_logs (host, event_sequence)
         SELECT sample.host, 1 FROM {rows} WHERE TRUE ORDER BY sample.host
         ON CONFLICT (host) DO UPDATE SET event_sequence = host_logs.event_sequence + 1
         RETURNING id, host, event_sequence"
    );
    let next: Vec<Next> = sql_query(statement)
        .bind::<Text, _>(json!(names).to_string())
        .prepared()
        .load(connection)?;
    let numbered = |next: Next| (next.host, (next.id, next.event_sequence));
    Ok(next.into_iter().map(numbered).collect())
}
