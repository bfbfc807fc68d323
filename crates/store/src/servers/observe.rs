//! What hosts see: the hypervisor is the truth about where a guest runs, and here the records
//! follow it where that is safe, or a discrepancy says that it is not.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{End, Sighting, is_dead};
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::server_group::DeclaredGroup;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

use super::{Disk, adopt, resolve, sightings};
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, migrations, servers, services};
use crate::{
    Discrepancy, FlavorSpec, ServiceBinary, Store, StoreError, dialect, discrepancies,
    server_groups,
};

/// Everything a host has, at one time.
#[derive(Clone, PartialEq, Debug)]
pub struct Inventory {
    /// Which host.
    pub host: HostName,
    /// When the agent began to look, by the store's clocks: the time of receipt less the age
    /// that the agent gave. What has been settled since is not touched.
    pub at: Timestamp,
    /// All domains there are; a known server that is missing here is not on the host.
    pub domains: Vec<Observed>,
}

/// A domain on a host.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// The domain's uuid, and so the server's.
    pub uuid: ServerUuid,
    /// The domain's name.
    pub instance_name: String,
    /// What the host says of it.
    pub sighting: Sighting,
    /// What the hypervisor says of it.
    pub power_state: PowerState,
    /// What it takes of the host; disks on storage of the host's own.
    pub room: Resources,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// The processor it needs, as the driver describes it.
    pub cpu: serde_json::Value,
    /// What it is, in the driver's words: what boots it on another host. `None`: the host did
    /// not say, and what it said before stands.
    pub definition: Option<String>,
    /// Who owns it, should the server be unknown.
    pub owner: Owner,
    /// The server group that it says it is in.
    pub group: Option<DeclaredGroup>,
}

/// Whose a server is and how it is called: from Nova's metadata in the domain, or else from
/// the agent's configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The server's name.
    pub name: String,
    /// Its project.
    pub project_id: String,
    /// Its user.
    pub user_id: String,
    /// Its flavor; `None`: one is made of its vcpus, memory and disks.
    pub flavor: Option<FlavorSpec>,
    /// Its flavor's id in the API; `None`: the flavor's name.
    pub flavorid: Option<String>,
    /// Its image.
    pub image_ref: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What an inventory changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Observation {
    /// Servers that were unknown before.
    pub adopted: Vec<ServerUuid>,
    /// Servers whose record followed the hypervisor.
    pub moved_by_hand: Vec<MovedByHand>,
    /// What became odd.
    pub opened: Vec<Discrepancy>,
    /// What is odd no longer.
    pub closed: Vec<Discrepancy>,
}

/// A server that somebody moved behind the service's back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MovedByHand {
    /// Which server.
    pub server: ServerUuid,
    /// Where it was recorded.
    pub from: Option<HostName>,
    /// Where it is.
    pub to: HostName,
}

impl Store {
    /// Takes note of all that a host has. An inventory older than the last one is ignored.
    ///
    /// Unknown domains become servers. A server without an unfinished migration follows the
    /// one host where it certainly is. Where two execute it, or none has it, a discrepancy is
    /// opened; nothing is guessed. Discrepancies of this kind close themselves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn inventory_record(&self, inventory: Inventory) -> Result<Observation, StoreError> {
        self.write(move |connection| record(connection, &inventory))
            .await
    }
}

/// Values in one statement; SQLite takes at most 32,766.
const CHUNK: usize = 10_000;

/// What matters here of a server, locked.
#[derive(Queryable, Selectable)]
#[diesel(table_name = servers)]
pub(super) struct Concerned {
    pub(super) id: i64,
    pub(super) uuid: ServerUuid,
    pub(super) host: Option<HostName>,
    pub(super) vm_state: VmState,
    pub(super) task_state: Option<TaskState>,
    pub(super) power_state: PowerState,
    pub(super) vcpus: i64,
    pub(super) memory_mb: i64,
    pub(super) disk_gb: i64,
    pub(super) disks: String,
    pub(super) cpu: String,
    pub(super) definition: Option<String>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) settled_at: Option<Timestamp>,
}

/// What is known beside the inventory.
pub(super) struct Known {
    /// When each host gave its last inventory.
    pub(super) heard: HashMap<HostName, Timestamp>,
    /// Hosts that are dead, by their operators' word.
    pub(super) dead: HashSet<HostName>,
    /// Where moves have left servers shut off.
    pub(super) left: HashMap<ServerUuid, Vec<(HostName, End)>>,
}

fn record(connection: &mut Database, inventory: &Inventory) -> Result<Observation, StoreError> {
    let mut observation = Observation::default();
    let mut heard = hosts_heard(connection)?;
    let host = &inventory.host;
    if heard.get(host).is_some_and(|last| *last > inventory.at) {
        return Ok(observation);
    }
    heard.insert(host.clone(), inventory.at);
    observation.adopted = adopt::unknown(connection, inventory)?;

    let concerned = load_concerned(connection, inventory)?;
    server_groups::observe(connection, inventory, &at_home(inventory, &concerned))?;
    // What was settled while the agent looked may have been seen as it was before.
    let fresh: HashMap<ServerUuid, &Concerned> = concerned
        .iter()
        .filter(|server| server.settled_at.is_none_or(|at| at < inventory.at))
        .map(|server| (server.uuid, server))
        .collect();
    for domain in &inventory.domains {
        if fresh.contains_key(&domain.uuid) {
            let said = (domain.sighting, domain.power_state);
            sightings::put(connection, domain.uuid, host, said, inventory.at)?;
        }
    }
    sightings::forget_older(connection, host, inventory.at)?;

    let moving = moving(connection)?;
    let resting: Vec<&Concerned> = concerned
        .iter()
        .filter(|server| fresh.contains_key(&server.uuid) && !moving.contains(&server.uuid))
        .collect();
    let known = Known {
        dead: declared_dead(connection, &heard, inventory.at)?,
        heard,
        left: left_behind(connection)?,
    };
    resolve::resolve(connection, inventory, &known, &resting, &mut observation)?;
    diesel::update(hosts::table.filter(hosts::name.eq(host.as_str())))
        .set(hosts::last_inventory_at.eq(instant(inventory.at)))
        .prepared()
        .execute(connection)?;
    Ok(observation)
}

/// The domains of an inventory whose servers are recorded on its host. Another host's word on
/// their groups is an old one.
fn at_home<'a>(inventory: &'a Inventory, concerned: &[Concerned]) -> Vec<&'a Observed> {
    let here = concerned
        .iter()
        .filter(|server| server.host.as_ref() == Some(&inventory.host));
    let here: HashSet<ServerUuid> = here.map(|server| server.uuid).collect();
    let domains = inventory.domains.iter();
    domains
        .filter(|domain| here.contains(&domain.uuid))
        .collect()
}

/// When each host gave its last inventory.
fn hosts_heard(connection: &mut Database) -> Result<HashMap<HostName, Timestamp>, StoreError> {
    let rows: Vec<(HostName, Option<Timestamp>)> = hosts::table
        .select((hosts::name, hosts::last_inventory_at))
        .load(connection)?;
    let heard = rows.into_iter().filter_map(|(host, at)| Some((host, at?)));
    Ok(heard.collect())
}

/// The hosts that were declared dead, and have given no sign of life since or have fallen silent.
fn declared_dead(
    connection: &mut Database,
    heard: &HashMap<HostName, Timestamp>,
    now: Timestamp,
) -> Result<HashSet<HostName>, StoreError> {
    type Row = (HostName, Option<Timestamp>, Option<Timestamp>);
    let rows: Vec<Row> = services::table
        .filter(services::forced_down.eq(true))
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select((
            services::host,
            services::forced_down_at,
            services::last_seen_up,
        ))
        .load(connection)?;
    let dead = rows.into_iter().filter(|(host, declared_at, beat)| {
        is_dead(*declared_at, heard.get(host).copied().max(*beat), now)
    });
    Ok(dead.map(|(host, ..)| host).collect())
}

/// The servers that the host has, had, or is recorded to have.
fn load_concerned(
    connection: &mut Database,
    inventory: &Inventory,
) -> Result<Vec<Concerned>, StoreError> {
    let mut uuids: BTreeSet<String> = inventory.domains.iter().map(|it| text(it.uuid)).collect();
    let had = sightings::servers_on(connection, &inventory.host)?;
    uuids.extend(had.into_iter().map(text));
    let recorded: Vec<String> = servers::table
        .filter(servers::host.eq(inventory.host.as_str()))
        .filter(servers::deleted_at.is_null())
        .select(servers::uuid)
        .load(connection)?;
    uuids.extend(recorded);
    let uuids: Vec<String> = uuids.into_iter().collect();
    for chunk in uuids.chunks(CHUNK) {
        dialect::lock_servers(connection, chunk)?;
    }
    let mut concerned = Vec::with_capacity(uuids.len());
    for chunk in uuids.chunks(CHUNK) {
        let rows: Vec<Concerned> = servers::table
            .filter(servers::uuid.eq_any(chunk))
            .filter(servers::deleted_at.is_null())
            .select(Concerned::as_select())
            .load(connection)?;
        concerned.extend(rows);
    }
    Ok(concerned)
}

/// The servers that a migration is about, whose places it alone decides. One that waits for its
/// confirmation is at rest, and nobody works on one that was imported.
fn moving(connection: &mut Database) -> Result<HashSet<ServerUuid>, StoreError> {
    let rows: Vec<ServerUuid> = migrations::table
        .filter(migrations::ended_at.is_null())
        .filter(migrations::imported.eq(false))
        .filter(migrations::status.ne(MigrationStatus::Finished.as_str()))
        .select(migrations::instance_uuid)
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

/// Where moves have left servers shut off: at the source of a cold move that may still be
/// reverted, at a host that was dead and has not cleaned itself yet, and wherever else a move
/// could not clean.
fn left_behind(
    connection: &mut Database,
) -> Result<HashMap<ServerUuid, Vec<(HostName, End)>>, StoreError> {
    let finished: Vec<(ServerUuid, HostName)> = migrations::table
        .filter(migrations::ended_at.is_null())
        .filter(migrations::status.eq(MigrationStatus::Finished.as_str()))
        .select((migrations::instance_uuid, migrations::source_compute))
        .load(connection)?;
    let done: Vec<(ServerUuid, HostName)> = migrations::table
        .filter(migrations::status.eq(MigrationStatus::Done.as_str()))
        .select((migrations::instance_uuid, migrations::source_compute))
        .load(connection)?;
    let mut left: HashMap<ServerUuid, Vec<(HostName, End)>> = HashMap::new();
    for (server, host) in finished.into_iter().chain(done) {
        left.entry(server).or_default().push((host, End::Source));
    }
    for leftover in discrepancies::load_leftovers(connection, None)? {
        let subject = leftover.subject;
        if let (Some(end), Some(server), Some(host)) =
            (subject.kind.leftover_at(), subject.server, subject.host)
        {
            left.entry(server).or_default().push((host, end));
        }
    }
    Ok(left)
}
