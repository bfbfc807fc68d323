//! Where hosts belong that register: an agent says of its host in which zone it is, and an operator may
//! have said more.

use diesel::prelude::*;
use godwit_core::host::scope::beginning::Beginnings;
use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_core::ids::HostName;

use super::begin::{begin, without_hosts};
use super::tell::{Standing, moved, standings};
use super::topology::{others, write};
use crate::StoreError;
use crate::aggregates::zones;
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::Cause;
use crate::schema::host_topologies;

/// A registration that has begun: what was so before it.
pub(crate) struct Registering {
    host: HostName,
    before: Vec<Standing>,
    without_hosts: Vec<(ScopeKind, String)>,
}

impl Registering {
    /// To be asked before anything is written. `zone` is what the agent says.
    pub(crate) fn begin(
        connection: &mut Database,
        host: &HostName,
        zone: &str,
    ) -> Result<Self, StoreError> {
        let within: Option<(Option<String>, Option<String>)> = host_topologies::table
            .find(host.as_str())
            .select((host_topologies::pod, host_topologies::cluster))
            .first(connection)
            .optional()?;
        let before = standings(connection, &[host])?;
        // Nobody changes meanwhile where the rest of its cluster is, or comes first into a scope.
        let lock = match before.is_empty() || within.is_some() {
            true => ZoneLock::Write,
            false => ZoneLock::Read,
        };
        dialect::lock_zones(connection, lock)?;
        let (pod, cluster) = within.unwrap_or_default();
        let zone = zones::of_aggregates(connection, host)?.unwrap_or_else(|| zone.to_owned());
        let place = Topology { zone, pod, cluster };
        Ok(Self {
            host: host.clone(),
            // Until the lock was there, somebody may have put it elsewhere.
            before: standings(connection, &[host])?,
            without_hosts: without_hosts(connection, &place)?,
        })
    }

    /// The host has registered. Where its zone is no longer that of its pod or cluster, it is in neither
    /// from now on: nobody could say where these were.
    pub(crate) fn end(
        self,
        connection: &mut Database,
        beginnings: Beginnings,
        cause: &Cause,
    ) -> Result<(), StoreError> {
        let host = &self.host;
        let Some(now) = standings(connection, &[host])?.pop() else {
            return Ok(());
        };
        let place = now.topology.clone();
        let mut scopes = self.without_hosts;
        if place.check(&others(connection, host, &place)?).is_err() {
            let alone = Topology {
                pod: None,
                cluster: None,
                ..place.clone()
            };
            write(connection, host, (&place, &alone), cause.at, None)?;
            scopes.retain(|(kind, _)| *kind == ScopeKind::Zone);
        }
        begin(connection, &scopes, beginnings, None, cause)?;
        let before = match self.before.is_empty() {
            // What is said of one that is new is said from now on.
            true => vec![Standing::free(now)],
            false => self.before,
        };
        moved(connection, &before, &[host], cause)
    }
}
