//! Hosts with all that decides what they may still be given.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::host::maintenance::Holder;
use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Switch, Topology, because};
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;

use super::Host;
use super::rows::{HostRow, load, load_all};
use crate::among::{among, load_all as load_all_among};
use crate::columns::text;
use crate::connection::Database;
use crate::reservations::{self, Taken};
use crate::schema::{hosts, services};
use crate::scopes::{self, Scopes};
use crate::{Service, Store, StoreError, maintenance};

/// A host as a destination: what it has, what of it is taken, and whether anything is put there.
#[derive(Clone, PartialEq, Debug)]
pub struct HostLoad {
    /// The host.
    pub host: Host,
    /// By the servers recorded on it.
    pub servers: Resources,
    /// By migrations on their way to it.
    pub claims: Resources,
    /// Where it belongs.
    pub topology: Topology,
    /// What was said of the host itself.
    pub switch: Switch,
    /// Why nothing is put there; none: something may be.
    pub because: Vec<Because>,
    /// Who holds it for maintenance, the earliest first. Nothing is put there as long as anybody does.
    pub holders: Vec<Holder>,
    /// Its cluster, where that takes no part in moves.
    pub unmanaged: Option<Unmanaged>,
}

/// All hosts with what is taken of them, by id.
pub(crate) fn load_all_loads(connection: &mut Database) -> Result<Vec<HostLoad>, StoreError> {
    let taken = reservations::taken(connection)?;
    let scopes = scopes::of_all(connection)?;
    let held = maintenance::held(connection)?;
    Ok(loads(load_all(connection)?, &taken, &scopes, &held))
}

/// Those of some hosts that there are, by id, with what is taken of them.
pub(crate) fn loads_of(
    connection: &mut Database,
    names: &[&HostName],
) -> Result<Vec<HostLoad>, StoreError> {
    let texts: Vec<String> = names.iter().map(text).collect();
    let mut rows: Vec<(HostRow, Service)> = load_all_among!(connection, texts, |names| {
        hosts::table
            .inner_join(services::table)
            .filter(among(hosts::name, names))
            .order(hosts::id)
            .select((HostRow::as_select(), Service::as_select()))
    });
    rows.sort_by_key(|(host, _)| host.id);
    with_loads(connection, rows)
}

/// The hosts of some rows, with what is taken of them.
fn with_loads(
    connection: &mut Database,
    rows: Vec<(HostRow, Service)>,
) -> Result<Vec<HostLoad>, StoreError> {
    let names: Vec<&HostName> = rows.iter().map(|(host, _)| &host.name).collect();
    let taken = reservations::taken_of_some(connection, &names)?;
    let scopes = scopes::of_some(connection, &names)?;
    let held = maintenance::held(connection)?;
    let hosts = rows.into_iter().map(|(host, service)| host.with(service));
    Ok(loads(hosts.collect(), &taken, &scopes, &held))
}

fn loads(
    hosts: Vec<Host>,
    taken: &HashMap<String, Taken>,
    scopes: &Scopes,
    held: &HashMap<HostName, Vec<Holder>>,
) -> Vec<HostLoad> {
    let load = |host: Host| {
        let name = &host.facts.name;
        let Taken { servers, claims } = taken.get(name.as_str()).copied().unwrap_or_default();
        let topology = scopes.topology(name, &host.service.zone);
        let switch = host.service.switch();
        HostLoad {
            unmanaged: scopes.unmanaged(&host.service),
            because: because(name, &topology, &switch, scopes.disabled()),
            holders: held.get(name).cloned().unwrap_or_default(),
            topology,
            switch,
            servers,
            claims,
            host,
        }
    };
    hosts.into_iter().map(load).collect()
}

impl Store {
    /// All hosts with what is taken of them, by id: what a destination is chosen from.
    pub async fn host_loads(&self) -> Result<Vec<HostLoad>, StoreError> {
        self.read(load_all_loads).await
    }

    /// Those of two hosts that there are, with what is taken of them.
    pub async fn host_loads_of(&self, names: [HostName; 2]) -> Result<Vec<HostLoad>, StoreError> {
        self.read(move |connection| {
            let taken = reservations::taken_of(connection, names.each_ref(), None)?;
            let scopes = scopes::of_some(connection, &names.each_ref())?;
            let names = names.each_ref().map(text);
            let hosts: Vec<(HostRow, Service)> = load_all_among!(connection, names, |names| {
                hosts::table
                    .inner_join(services::table)
                    .filter(among(hosts::name, names))
                    .order(hosts::id)
                    .select((HostRow::as_select(), Service::as_select()))
            });
            let held = maintenance::held(connection)?;
            let hosts = hosts.into_iter().map(|(host, service)| host.with(service));
            Ok(loads(hosts.collect(), &taken, &scopes, &held))
        })
        .await
    }

    /// At most `limit` hosts that follow the one with the id `after`, by id, with what is taken of
    /// them.
    pub async fn host_page(&self, after: i64, limit: i64) -> Result<Vec<HostLoad>, StoreError> {
        self.read_snapshot(move |connection| {
            let rows: Vec<(HostRow, Service)> = hosts::table
                .inner_join(services::table)
                .filter(hosts::id.gt(after))
                .order(hosts::id)
                .limit(limit)
                .select((HostRow::as_select(), Service::as_select()))
                .load(connection)?;
            with_loads(connection, rows)
        })
        .await
    }

    /// A host with what is taken of it.
    pub async fn host_load(&self, name: &HostName) -> Result<Option<HostLoad>, StoreError> {
        let name = name.clone();
        self.read_snapshot(move |connection| {
            let taken = reservations::taken_of(connection, [&name; 2], None)?;
            let scopes = scopes::of_some(connection, &[&name])?;
            let held = maintenance::held(connection)?;
            let host = load(connection, &name)?;
            Ok(loads(host.into_iter().collect(), &taken, &scopes, &held).pop())
        })
        .await
    }
}
