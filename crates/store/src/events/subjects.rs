//! Events of hosts and discrepancies: appended with the change that they follow from.
//!
//! A host is known by its name: its events are numbered by a row of their own, which stays when the
//! host is removed and comes back. So are those of a zone, pod or cluster, whose row is called
//! `KIND:NAME`, as no host is. A discrepancy has two events at most, each with all that is to be
//! said of it, as its row may be gone when they are read.

mod cause;
mod discrepancies;
mod hosts;
mod logs;
mod numbered;
mod readers;
mod scopes;

use diesel::prelude::*;
use godwit_core::event_type::EventKind;
use serde_json::Value;

pub(crate) use self::cause::Cause;
pub(crate) use self::discrepancies::{OfDiscrepancy, append_of_discrepancy};
pub use self::hosts::ServiceState;
pub(crate) use self::hosts::{OfHost, append_of_host, append_of_hosts};
pub(super) use self::logs::log_of;
pub(super) use self::logs::scope_of;
pub(crate) use self::numbered::{Numbered, append_numbered};
pub(crate) use self::readers::{is_understood, understand_all};
pub(crate) use self::scopes::{OfScope, append_of_scope, with_effect};
use crate::StoreError;
use crate::columns::{instant, json};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::events;

/// What is appended.
struct New<'a> {
    kind: EventKind,
    subject: i64,
    sequence: i64,
    name: &'static str,
    /// Whose server it is about.
    owner: Option<&'a str>,
    detail: Value,
}

fn insert(connection: &mut Database, new: &New<'_>, cause: &Cause) -> Result<(), StoreError> {
    diesel::insert_into(events::table)
        .values((
            events::subject_kind.eq(new.kind.as_str()),
            events::subject_id.eq(new.subject),
            events::sequence.eq(new.sequence),
            events::at.eq(instant(cause.at)),
            events::name.eq(new.name),
            // These have no status.
            events::to_status.eq(""),
            events::actor.eq(cause.actor.to_string()),
            events::request_id.eq(&cause.request_id),
            events::user_id.eq(&cause.user_id),
            events::project_id.eq(&cause.project_id),
            events::owner_project_id.eq(new.owner),
            events::detail.eq(json(&new.detail)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}
