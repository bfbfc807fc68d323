//! What an operator's tool finds wrong in the records, and puts right where they allow it.
//!
//! What is allowed, [`godwit_core::repair`] decides, once for the offer and once more inside the
//! transaction that carries it out: a service that is at work meanwhile loses nothing by it. The
//! changes themselves are made by what the service changes them with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use diesel::prelude::*;
use godwit_core::discrepancy::{DiscrepancyKind as Kind, DiscrepancySubject};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::instance_action::ActionName;
use godwit_core::repair::{self, HostStanding, HostWord, Repair, ServerRecords};
use godwit_core::server::{TaskState, VmState};
use godwit_core::time::Timestamp;

use crate::columns::text;
use crate::connection::Database;
use crate::discrepancies::{self, Discrepancy};
use crate::events::{Actor, Cause};
use crate::schema::{migrations, servers, services};
use crate::servers::{self as rows, Server, sightings};
use crate::{ActionNote, Service, ServiceBinary, Store, StoreError, instance_actions};

/// What the step of an instance action is called that a repair leaves.
const STEP: &str = "godwit_db_repair";

/// One server with something wrong about it, and what may be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairOffer {
    /// Which server; `None`: its discrepancies name none.
    pub server: Option<ServerUuid>,
    /// What its user calls it.
    pub name: Option<String>,
    /// What is open about it, oldest first.
    pub discrepancies: Vec<Discrepancy>,
    /// What may be put right of the server, or why nothing may.
    pub repair: Result<Repair, &'static str>,
    /// Those of its discrepancies that nothing can close any more, with the reason.
    pub moot: Vec<(DiscrepancySubject, &'static str)>,
}

struct Agents {
    services: HashMap<HostName, Service>,
    at: Timestamp,
    down_time: Duration,
}

impl Agents {
    fn load(
        connection: &mut Database,
        at: Timestamp,
        down_time: Duration,
    ) -> Result<Self, StoreError> {
        let rows: Vec<Service> = services::table
            .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
            .select(Service::as_select())
            .load(connection)?;
        let services = rows.into_iter().map(|it| (it.host.clone(), it));
        Ok(Self {
            services: services.collect(),
            at,
            down_time,
        })
    }

    fn standing(&self, host: &HostName) -> HostStanding {
        match self.services.get(host) {
            None => HostStanding::Removed,
            Some(service) if service.forced_down => HostStanding::DeclaredDead,
            Some(service) if service.is_up(self.at, self.down_time) => HostStanding::Up,
            Some(_) => HostStanding::Silent,
        }
    }

    fn records(
        &self,
        connection: &mut Database,
        server: &Server,
    ) -> Result<ServerRecords, StoreError> {
        let words = sightings::load(connection, &[text(server.uuid)])?;
        let word = |said: rows::SightingRecord| HostWord {
            standing: self.standing(&said.host),
            host: said.host,
            sighting: said.sighting,
            power: said.power_state,
        };
        Ok(ServerRecords {
            vm_state: server.vm_state,
            task_state: server.task_state,
            home: server
                .host
                .clone()
                .map(|home| (home.clone(), self.standing(&home))),
            migrates: rows::unfinished(connection, server.uuid)?.is_some(),
            words: words.into_iter().map(word).collect(),
        })
    }
}

/// Servers that may need a repair though nothing is open about them: a task of a move that no
/// move takes away again, and `error`.
fn suspects(connection: &mut Database) -> Result<Vec<ServerUuid>, StoreError> {
    let tasks = TaskState::ALL.iter().filter(|task| task.is_of_migrations());
    let tasks: Vec<&str> = tasks.map(|task| task.as_str()).collect();
    let stale = servers::task_state
        .is_not_null()
        .and(servers::task_state.assume_not_null().eq_any(tasks));
    Ok(servers::table
        .filter(servers::deleted_at.is_null())
        .filter(servers::vm_state.eq(VmState::Error.as_str()).or(stale))
        .order(servers::id)
        .select(servers::uuid)
        .load(connection)?)
}

fn survey(
    connection: &mut Database,
    at: Timestamp,
    down_time: Duration,
) -> Result<Vec<RepairOffer>, StoreError> {
    let agents = Agents::load(connection, at, down_time)?;
    let mut about: BTreeMap<Option<ServerUuid>, Vec<Discrepancy>> = BTreeMap::new();
    for discrepancy in discrepancies::load_open(connection)? {
        let server = discrepancy.subject.server;
        about.entry(server).or_default().push(discrepancy);
    }
    for server in suspects(connection)? {
        about.entry(Some(server)).or_default();
    }
    let mut offers = Vec::new();
    for (uuid, open) in about {
        let server = match uuid {
            Some(uuid) => rows::load(connection, uuid)?,
            None => None,
        };
        let offered = match &server {
            Some(server) => repair::judge(&agents.records(connection, server)?),
            None => Err("there is no such server any more"),
        };
        let mut moot = Vec::new();
        for discrepancy in &open {
            let why = is_moot(connection, &agents, &discrepancy.subject, server.as_ref())?;
            moot.extend(why.map(|why| (discrepancy.subject.clone(), why)));
        }
        // A server in `error` of which nothing else is known is no news.
        if open.is_empty() && offered.is_err() {
            continue;
        }
        offers.push(RepairOffer {
            server: uuid,
            name: server.map(|server| server.name),
            discrepancies: open,
            repair: offered,
            moot,
        });
    }
    Ok(offers)
}

/// Why nothing can close a discrepancy any more: what it is about is gone.
fn is_moot(
    connection: &mut Database,
    agents: &Agents,
    subject: &DiscrepancySubject,
    server: Option<&Server>,
) -> Result<Option<&'static str>, StoreError> {
    let migrates = match subject.migration {
        Some(migration) => Some(is_unfinished(connection, migration)?),
        None => None,
    };
    let host = subject.host.as_ref().map(|host| agents.standing(host));
    let is_gone = subject.server.is_some() && server.is_none();
    Ok(repair::moot(subject.kind, is_gone, host, migrates))
}

/// Is it under way? An evacuation is until its dead host is clean.
fn is_unfinished(connection: &mut Database, migration: MigrationUuid) -> Result<bool, StoreError> {
    let status: Option<godwit_core::status::MigrationStatus> = migrations::table
        .filter(migrations::uuid.eq(text(migration)))
        .select(migrations::status)
        .first(connection)
        .optional()?;
    Ok(status.is_some_and(|status| !status.is_terminal()))
}

fn mend(
    connection: &mut Database,
    uuid: ServerUuid,
    offered: &Repair,
    down_time: Duration,
    note: &ActionNote,
) -> Result<bool, StoreError> {
    // A migration before its server, as everybody locks them.
    crate::migrations::Locked::unfinished_of(connection, uuid)?;
    let Some(server) = rows::load_locked(connection, uuid)? else {
        return Ok(false);
    };
    let agents = Agents::load(connection, note.at, down_time)?;
    let records = agents.records(connection, &server)?;
    if repair::judge(&records).as_ref() != Ok(offered) {
        return Ok(false);
    }
    let why = match offered {
        Repair::ClearTask(task) => {
            rows::reset(connection, &server, server.vm_state, note.at)?;
            format!("cleared the task {task}, which no migration works on")
        }
        Repair::Recover(state) => {
            rows::reset(connection, &server, *state, note.at)?;
            format!("{state} again: it executes where it is recorded, and nowhere else")
        }
        Repair::Follow(to) => {
            follow(connection, &server, to, note.at)?;
            format!("recorded on {to}, the one living host that executes it")
        }
    };
    let action = instance_actions::began(connection, uuid, ActionName::ResetState, note)?;
    instance_actions::succeeded_at_once(connection, action, STEP, Some(&why), note.at)?;
    Ok(true)
}

/// As when a host that was heard lost its server to another one; only that this one is dead, so
/// that what it last said must not count.
fn follow(
    connection: &mut Database,
    server: &Server,
    to: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    if let Some(from) = &server.host {
        sightings::forget(connection, server.uuid, from)?;
    }
    rows::follow(connection, server.uuid, to, at)?;
    let subject = |kind, host| DiscrepancySubject::of_server(kind, server.uuid, host);
    for odd in [
        subject(Kind::SeenElsewhere, Some(to.clone())),
        subject(Kind::SeenTwice, None),
        subject(Kind::SeenNowhere, server.host.clone()),
    ] {
        discrepancies::close(connection, &odd, "the record followed", at)?;
    }
    Ok(())
}

fn close_moot(
    connection: &mut Database,
    subject: &DiscrepancySubject,
    down_time: Duration,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let agents = Agents::load(connection, at, down_time)?;
    let server = match subject.server {
        Some(uuid) => rows::load(connection, uuid)?,
        None => None,
    };
    let Some(why) = is_moot(connection, &agents, subject, server.as_ref())? else {
        return Ok(false);
    };
    let because = format!("closed by an operator: {why}");
    let cause = Cause::by(Actor::Operator, at);
    discrepancies::close_by(connection, subject, &because, &cause)
}

impl Store {
    /// Every server with an open discrepancy, a stale task, or an `error` that is over, with
    /// what may be put right of it. An agent that was silent for `down_time` counts as silent.
    pub async fn repairs_offered(
        &self,
        at: Timestamp,
        down_time: Duration,
    ) -> Result<Vec<RepairOffer>, StoreError> {
        self.read_snapshot(move |connection| survey(connection, at, down_time))
            .await
    }

    /// Carries a repair out, and records it as an instance action `resetState` of whoever `note`
    /// names. `false`: the records no longer allow it, and nothing was changed.
    pub async fn server_repair(
        &self,
        server: ServerUuid,
        repair: Repair,
        down_time: Duration,
        note: ActionNote,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| mend(connection, server, &repair, down_time, &note))
            .await
    }

    /// Closes a discrepancy that nothing can close any more. `false`: something still can, or it
    /// is closed.
    pub async fn discrepancy_close_moot(
        &self,
        subject: DiscrepancySubject,
        down_time: Duration,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| close_moot(connection, &subject, down_time, at))
            .await
    }

    /// The names of servers, deleted ones too, for lists that people read.
    pub async fn server_names(
        &self,
        uuids: BTreeSet<ServerUuid>,
    ) -> Result<HashMap<ServerUuid, String>, StoreError> {
        let uuids: Vec<String> = uuids.into_iter().map(text).collect();
        self.read(move |connection| {
            let mut names = HashMap::new();
            for chunk in uuids.chunks(1_000) {
                let found: Vec<(ServerUuid, String)> = servers::table
                    .filter(servers::uuid.eq_any(chunk))
                    .select((servers::uuid, servers::name))
                    .load(connection)?;
                names.extend(found);
            }
            Ok(names)
        })
        .await
    }
}
