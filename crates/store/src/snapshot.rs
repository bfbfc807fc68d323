//! The fleet as it is, for readers of events to begin with.

use crate::connection::Database;
use crate::events::newest_position;
use crate::migrations::load_unfinished;
use crate::{
    Discrepancy, HostLoad, MaintenanceRecord, MigrationDetail, RunRecord, Server, Store,
    StoreError, discrepancies, hosts, maintenance, runs, servers,
};

/// The fleet at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    /// Everything up to this position is in it. What follows may be, too.
    pub position: i64,
    /// Every host with what is taken of it, by id.
    pub hosts: Vec<HostLoad>,
    /// Every server that exists, the newest first.
    pub servers: Vec<Server>,
    /// Every migration that has not ended, oldest first, without its log.
    pub migrations: Vec<MigrationDetail>,
    /// Every run that has not ended, oldest first, without its operations.
    pub runs: Vec<RunRecord>,
    /// Of the hosts that somebody holds, or that are being left, by name.
    pub maintenances: Vec<MaintenanceRecord>,
    /// Every discrepancy that is open, oldest first, whosever servers they are about.
    pub discrepancies: Vec<Discrepancy>,
}

fn load(connection: &mut Database, project: Option<&str>) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        position: newest_position(connection)?,
        hosts: hosts::load_all_loads(connection)?,
        servers: servers::load_all(connection, project)?,
        migrations: load_unfinished(connection, project)?,
        runs: runs::load_unfinished(connection, project)?,
        maintenances: maintenance::active(connection)?,
        discrepancies: discrepancies::load_open(connection)?,
    })
}

impl Store {
    /// The fleet at one moment; servers, migrations and runs of one project, or of all.
    pub async fn snapshot(&self, project: Option<&str>) -> Result<Snapshot, StoreError> {
        // What is committed by now is then before the position.
        self.give_positions().await?;
        let project = project.map(str::to_owned);
        self.read_snapshot(move |connection| load(connection, project.as_deref()))
            .await
    }
}
