//! What a database has to be told after it was restored from a backup: it is behind its agents.
//!
//! - A guest may have come to a host since that is not known to have it. So no evacuation starts a
//!   guest before each host has shown what it has, or is declared dead.
//! - Whoever was dead then may be alive now, and the other way round. So it is said anew.
//! - Agents recognise commands that they have carried out, but for a while only. What is unfinished
//!   in an older backup, and would start a guest or end one, becomes history: see
//!   `docs/adr/0009-imported-rows-are-history.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::dsl::max;
use diesel::prelude::*;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::time::Timestamp;

use crate::columns::{instant, instants};
use crate::connection::Database;
use crate::migrations::disown;
use crate::schema::{hosts, services};
use crate::{ServiceBinary, Store, StoreError};

/// What an operator knows who has restored a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restoring {
    /// The present.
    pub at: Timestamp,
    /// The hosts that are dead. Nobody else is.
    pub dead: BTreeSet<HostName>,
    /// How long agents remember what they have done.
    pub remember: Duration,
}

/// What was found and changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The last sign of life in the backup: about when it was made.
    pub last_sign: Option<Timestamp>,
    /// These have to show what they have.
    pub awaited: Vec<HostName>,
    /// These were dead in the backup, and are not any more.
    pub not_dead: Vec<HostName>,
    /// These were unfinished, and nobody drives them any more.
    pub history: Vec<MigrationUuid>,
}

fn restored(connection: &mut Database, told: &Restoring) -> Result<Restored, StoreError> {
    let last_sign: Option<Timestamp> = services::table
        .select(max(services::last_seen_up))
        .first(connection)?;
    let agents: Vec<(i64, HostName, bool)> = services::table
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .order(services::host)
        .select((services::id, services::host, services::forced_down))
        .load(connection)?;
    let (mut awaited, mut not_dead) = (vec![], vec![]);
    for (id, host, was_dead) in agents {
        let is_dead = told.dead.contains(&host);
        diesel::update(services::table.find(id))
            .set((
                services::forced_down.eq(is_dead),
                services::forced_down_at.eq(instants(is_dead.then_some(told.at))),
                services::forced_down_by.eq(None::<String>),
                services::forced_down_reason.eq(None::<String>),
                services::updated_at.eq(instant(told.at)),
            ))
            .execute(connection)?;
        if was_dead && !is_dead {
            not_dead.push(host.clone());
        }
        if !is_dead {
            awaited.push(host);
        }
    }
    diesel::update(hosts::table)
        .set(hosts::restored_at.eq(instant(told.at)))
        .execute(connection)?;

    // They go on being tried for a while, so that half of the time has to be left.
    let is_old = last_sign.is_none_or(|sign| told.at.since(sign) >= told.remember / 2);
    let history = if is_old {
        disown(connection, told.at)?
    } else {
        vec![]
    };
    Ok(Restored {
        last_sign,
        awaited,
        not_dead,
        history,
    })
}

impl Store {
    /// Tells a database that it was restored, before any conductor works on it.
    pub async fn restored(&self, told: Restoring) -> Result<Restored, StoreError> {
        self.write(move |connection| restored(connection, &told))
            .await
    }

    /// A host beside `source` that has not shown what it has since the database was restored, and
    /// that nobody has declared dead.
    pub async fn host_awaited(&self, source: &HostName) -> Result<Option<HostName>, StoreError> {
        let source = source.clone();
        self.read(move |connection| {
            Ok(hosts::table
                .inner_join(services::table)
                .filter(hosts::restored_at.is_not_null())
                .filter(services::forced_down.eq(false))
                .filter(hosts::name.ne(source.as_str()))
                .order(hosts::id)
                .select(hosts::name)
                .first(connection)
                .optional()?)
        })
        .await
    }
}
