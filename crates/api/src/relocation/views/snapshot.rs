//! The fleet at one moment.

use std::collections::{HashMap, HashSet};

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::host::maintenance::State;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;
use godwit_facts::Basis;
use godwit_store::{Discrepancy, HostLoad, Snapshot};
use serde::Serialize;

use super::host::HostView;
use super::migration::MigrationView;
use super::run::RunSummaryView;
use super::server::ServerSummary;
use crate::relocation::visibility::Visibility;

/// What it has, in this order.
pub const FIELDS: &[&str] = &[
    "position",
    "hosts",
    "servers",
    "migrations",
    "runs",
    "discrepancies",
];

#[derive(Debug, Serialize)]
pub struct SnapshotView<'a> {
    position: String,
    hosts: Vec<HostView<'a>>,
    servers: Vec<ServerSummary<'a>>,
    migrations: Vec<MigrationView<'a>>,
    runs: Vec<RunSummaryView<'a>>,
    discrepancies: Vec<DiscrepancyView<'a>>,
}

/// A discrepancy that is open.
#[derive(Debug, Serialize)]
struct DiscrepancyView<'a> {
    id: i64,
    kind: DiscrepancyKind,
    server: Option<ServerUuid>,
    migration: Option<MigrationUuid>,
    host: Option<&'a HostName>,
    text: &'a str,
    opened_at: Timestamp,
}

impl<'a> SnapshotView<'a> {
    pub fn new(snapshot: &'a Snapshot, sees: Visibility<'_>, basis: Basis) -> Self {
        let hosts = snapshot.hosts.iter().filter(|_| sees.hosts);
        let held = snapshot.maintenances.iter();
        let held: HashMap<&HostName, State> =
            held.map(|it| (&it.host, it.maintenance.state)).collect();
        let (servers, migrations) = (snapshot.servers.iter(), snapshot.migrations.iter());
        Self {
            position: snapshot.position.to_string(),
            hosts: hosts
                .map(|it| HostView::new(it, state_of(&held, it), sees, basis))
                .collect(),
            servers: servers.map(|it| ServerSummary::new(it, sees)).collect(),
            migrations: migrations.map(|it| MigrationView::new(it, sees)).collect(),
            runs: snapshot
                .runs
                .iter()
                .map(|it| RunSummaryView::new(it, sees))
                .collect(),
            discrepancies: discrepancies(snapshot, sees),
        }
    }
}

/// Of a host that nobody holds there is nothing.
fn state_of(held: &HashMap<&HostName, State>, load: &HostLoad) -> State {
    let state = held.get(&load.host.facts.name).copied();
    state.unwrap_or(State::None)
}

/// Those that are seen, as the events of them are.
fn discrepancies<'a>(snapshot: &'a Snapshot, sees: Visibility<'_>) -> Vec<DiscrepancyView<'a>> {
    if !sees.hosts {
        return Vec::new();
    }
    let servers: HashSet<ServerUuid> = match sees.project {
        Some(_) => snapshot.servers.iter().map(|it| it.uuid).collect(),
        None => HashSet::new(),
    };
    let is_seen = |it: &&Discrepancy| {
        let server = it.subject.server;
        sees.project.is_none() || server.is_some_and(|server| servers.contains(&server))
    };
    let seen = snapshot.discrepancies.iter().filter(is_seen);
    seen.map(DiscrepancyView::new).collect()
}

impl<'a> DiscrepancyView<'a> {
    fn new(it: &'a Discrepancy) -> Self {
        Self {
            id: it.id,
            kind: it.subject.kind,
            server: it.subject.server,
            migration: it.subject.migration,
            host: it.subject.host.as_ref(),
            text: &it.detail,
            opened_at: it.opened_at,
        }
    }
}
