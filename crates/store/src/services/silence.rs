//! Agents that fall silent, and those that are heard again: told once, by whoever notices first.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use godwit_core::event_type::EventKind;
use godwit_core::host::event::{Heard, of_silence};
use godwit_core::time::Timestamp;

use super::{Service, ServiceBinary};
use crate::columns::{instant, instants};
use crate::connection::Database;
use crate::events::{self, Actor, Cause};
use crate::import::NOVAS;
use crate::prepared::Prepare as _;
use crate::schema::{cluster_managements, host_topologies, services};
use crate::{Store, StoreError};

/// Agents told in one transaction at most.
const AT_ONCE: i64 = 100;

/// Those of whom there may be something to tell. What another database brought along has never had an
/// agent of ours.
fn load(
    connection: &mut Database,
    alive_since: Option<Timestamp>,
) -> Result<Vec<Service>, StoreError> {
    let is_silent = services::silent_since
        .is_null()
        .and(services::last_seen_up.lt(instants(alive_since)));
    let is_heard_again = services::last_seen_up.gt(services::silent_since);
    // Nobody is alarmed by what operators do to a cluster that they said is not managed. What is so
    // by then is told once it is.
    let let_be = host_topologies::table
        .inner_join(
            cluster_managements::table
                .on(host_topologies::cluster.eq(cluster_managements::cluster.nullable())),
        )
        .filter(host_topologies::host.eq(services::host))
        .filter(cluster_managements::managed.eq(false))
        .select(host_topologies::host);
    Ok(services::table
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .filter(services::version.ne(NOVAS))
        .filter(is_silent.or(is_heard_again))
        .filter(not(exists(let_be)))
        .order(services::id)
        .limit(AT_ONCE)
        .select(Service::as_select())
        .load(connection)?)
}

/// Tells what there is to tell of one; `false` where another one was quicker, or it was heard
/// meanwhile.
fn tell(
    connection: &mut Database,
    service: &Service,
    alive_since: Option<Timestamp>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let Some(last) = service.last_seen_up else {
        return Ok(false);
    };
    let heard = Heard {
        last,
        before_silence: service.silent_since,
    };
    let Some(event) = of_silence(heard, alive_since) else {
        return Ok(false);
    };
    let row = diesel::update(services::table.find(service.id));
    let told = match service.silent_since {
        None => row
            .filter(services::last_seen_up.eq(instant(last)))
            .filter(services::silent_since.is_null())
            .set(services::silent_since.eq(services::last_seen_up))
            .prepared()
            .execute(connection)?,
        Some(_) => row
            .filter(services::last_seen_up.gt(services::silent_since))
            .set(services::silent_since.eq(None::<chrono::NaiveDateTime>))
            .prepared()
            .execute(connection)?,
    };
    if told == 0 {
        return Ok(false);
    }
    let cause = Cause::by(Actor::Conductor, at);
    events::append_of_host(connection, service, event, &cause)?;
    Ok(true)
}

fn tell_all(
    connection: &mut Database,
    alive_since: Option<Timestamp>,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let mut told = 0;
    for service in load(connection, alive_since)? {
        told += usize::from(tell(connection, &service, alive_since, at)?);
    }
    Ok(told)
}

impl Store {
    /// Tells of agents that were not heard since `alive_since` (`None`: of none), and of those that were
    /// told to be silent and are heard again, each change once, whoever looks; returns how many it told
    /// of. Where there is nothing to tell it costs a read.
    pub async fn hosts_tell_silence(
        &self,
        alive_since: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<usize, StoreError> {
        let is_any = move |connection: &mut Database| {
            // What is not told yet is told once everybody reads it.
            let is_told = events::is_understood(connection, EventKind::Host)?;
            Ok::<bool, StoreError>(is_told && !load(connection, alive_since)?.is_empty())
        };
        if !self.read(is_any).await? {
            return Ok(0);
        }
        self.write(move |connection| tell_all(connection, alive_since, at))
            .await
    }
}
