//! What hosts see: the hypervisor is the truth about where a guest runs, and here the records
//! follow it where that is safe, or a discrepancy says that it is not.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Text};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{End, Sighting, is_dead};
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::server_group::DeclaredGroup;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

use super::{Disk, adopt, resolve, sightings};
use crate::among::{among, load_all};
use crate::columns::{instant, instants, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, servers, services};
use crate::scopes;
use crate::{
    Discrepancy, FlavorSpec, HostFacts, ServiceBinary, Store, StoreError, dialect, server_groups,
};

/// Everything a host has, at one time.
#[derive(Clone, PartialEq, Debug)]
pub struct Inventory {
    /// Which host.
    pub host: HostName,
    /// When the agent began to look, by the store's clocks: the time of receipt less the age
    /// that the agent gave. What has been settled since is not touched.
    pub at: Timestamp,
    /// What the host says of itself; `None` leaves what it said before.
    pub facts: Option<HostFacts>,
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
#[expect(missing_docs, reason = "the names say it")]
pub struct Owner {
    pub name: String,
    pub project_id: String,
    pub user_id: String,
    /// Its flavor; `None`: one is made of its vcpus, memory and disks.
    pub flavor: Option<FlavorSpec>,
    /// Its flavor's id in the API; `None`: the flavor's name.
    pub flavorid: Option<String>,
    pub image_ref: Option<String>,
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
#[expect(missing_docs, reason = "the names say it")]
pub struct MovedByHand {
    pub server: ServerUuid,
    pub from: Option<HostName>,
    pub to: HostName,
}

impl Store {
    /// Takes note of all that a host has. An inventory older than the last one is ignored.
    ///
    /// Unknown domains become servers. A server without an unfinished migration follows the
    /// one host where it certainly is. Where two execute it, or none has it, a discrepancy is
    /// opened; nothing is guessed. Discrepancies of this kind close themselves.
    pub async fn inventory_record(&self, inventory: Inventory) -> Result<Observation, StoreError> {
        self.write(move |connection| record(connection, &inventory))
            .await
    }
}

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
    pub(super) left: Left,
}

fn record(connection: &mut Database, inventory: &Inventory) -> Result<Observation, StoreError> {
    let mut observation = Observation::default();
    let host = &inventory.host;
    let last: Option<Option<Timestamp>> = hosts::table
        .filter(hosts::name.eq(host.as_str()))
        .select(hosts::last_inventory_at)
        .first(connection)
        .optional()?;
    if last.flatten().is_some_and(|last| last > inventory.at) {
        return Ok(observation);
    }
    observation.adopted = adopt::unknown(connection, inventory)?;

    let concerned = load_concerned(connection, inventory)?;
    server_groups::observe(connection, inventory, &at_home(inventory, &concerned))?;
    // What was settled while the agent looked may have been seen as it was before.
    let fresh: HashSet<ServerUuid> = concerned
        .iter()
        .filter(|server| server.settled_at.is_none_or(|at| at < inventory.at))
        .map(|server| server.uuid)
        .collect();
    let seen = inventory.domains.iter();
    let seen = seen.filter(|domain| fresh.contains(&domain.uuid));
    sightings::put_all(
        connection,
        host,
        seen.map(|it| (it.uuid, it.sighting, it.power_state)),
        inventory.at,
    )?;
    // Before what the host does not have any more is forgotten, for that concerns it as well.
    let (moving, left) = moves(connection, host)?;
    sightings::forget_older(connection, host, inventory.at)?;

    let resting: Vec<&Concerned> = concerned
        .iter()
        .filter(|server| fresh.contains(&server.uuid) && !moving.contains(&server.uuid))
        .collect();
    let homes = resting.iter().filter_map(|server| server.host.as_ref());
    let mut heard = hosts_heard(connection, homes.collect())?;
    heard.insert(host.clone(), inventory.at);
    let known = Known {
        dead: declared_dead(connection, inventory)?,
        heard,
        left,
    };
    resolve::resolve(connection, inventory, known, &resting, &mut observation)?;
    if let Some(facts) = &inventory.facts {
        crate::hosts::describe(connection, facts)?;
    }
    diesel::update(hosts::table.filter(hosts::name.eq(host.as_str())))
        .set((
            hosts::last_inventory_at.eq(instant(inventory.at)),
            hosts::restored_at.eq(instants(None)),
        ))
        .prepared()
        .execute(connection)?;
    scopes::management::looked_at(connection, host, inventory.at)?;
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

/// When each of these hosts gave its last inventory.
fn hosts_heard(
    connection: &mut Database,
    names: BTreeSet<&HostName>,
) -> Result<HashMap<HostName, Timestamp>, StoreError> {
    let names: Vec<String> = names.into_iter().map(HostName::to_string).collect();
    let rows: Vec<(HostName, Option<Timestamp>)> = load_all!(connection, names, |names| {
        hosts::table
            .filter(among(hosts::name, names))
            .select((hosts::name, hosts::last_inventory_at))
    });
    let heard = rows.into_iter().filter_map(|(host, at)| Some((host, at?)));
    Ok(heard.collect())
}

/// The hosts that were declared dead, and have given no sign of life since or have fallen silent.
fn declared_dead(
    connection: &mut Database,
    inventory: &Inventory,
) -> Result<HashSet<HostName>, StoreError> {
    type Row = (
        HostName,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<Timestamp>,
    );
    let rows: Vec<Row> = services::table
        .left_join(hosts::table.on(hosts::service_id.eq(services::id)))
        .filter(services::forced_down)
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select((
            services::host,
            services::forced_down_at,
            services::last_seen_up,
            hosts::last_inventory_at.nullable(),
        ))
        .load(connection)?;
    let dead = rows.into_iter().filter(|(host, declared_at, beat, shown)| {
        let here = (*host == inventory.host).then_some(inventory.at);
        is_dead(*declared_at, here.or(*shown).max(*beat), inventory.at)
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
    dialect::lock_servers(connection, &uuids)?;
    Ok(load_all!(connection, uuids, |uuids| {
        servers::table
            .filter(among(servers::uuid, uuids))
            .filter(servers::deleted_at.is_null())
            .select(Concerned::as_select())
    }))
}

/// A migration of a server that the host has or is recorded to have.
#[derive(QueryableByName)]
struct Move {
    #[diesel(sql_type = Text)]
    instance_uuid: ServerUuid,
    #[diesel(sql_type = Text)]
    source_compute: HostName,
    #[diesel(sql_type = Text)]
    status: MigrationStatus,
    #[diesel(sql_type = Bool)]
    imported: bool,
}

/// The servers come first: how many migrations there are does not matter then.
macro_rules! moves_of_those_here {
    ($those:literal) => {
        concat!(
            "SELECT moves.instance_uuid, moves.source_compute, moves.status, moves.imported
             FROM (SELECT uuid FROM servers WHERE host = $1 AND deleted_at IS NULL
                   UNION SELECT server_uuid FROM sightings WHERE host = $1) AS here
             CROSS JOIN migrations AS moves
             WHERE moves.instance_uuid = here.uuid AND ",
            $those
        )
    };
}

/// Where moves have left servers shut off, and in which role.
pub(super) type Left = HashMap<ServerUuid, Vec<(HostName, End)>>;

/// The servers here that a migration is about, whose places it alone decides, and where moves that
/// are at rest have left others shut off: at the source of a cold one that may still be reverted,
/// and at a host that was dead and has not cleaned itself yet. What was imported nobody works on.
fn moves(
    connection: &mut Database,
    host: &HostName,
) -> Result<(HashSet<ServerUuid>, Left), StoreError> {
    let unfinished: Vec<Move> = sql_query(moves_of_those_here!("moves.ended_at IS NULL"))
        .bind::<Text, _>(host.as_str())
        .prepared()
        .load(connection)?;
    let done: Vec<Move> = sql_query(moves_of_those_here!("moves.status = 'done'"))
        .bind::<Text, _>(host.as_str())
        .prepared()
        .load(connection)?;
    let all = unfinished.into_iter().chain(done);
    let (resting, moving): (Vec<_>, Vec<_>) = all.partition(|it| it.status.is_at_rest());
    let moving = moving.into_iter().filter(|it| !it.imported);
    let moving = moving.map(|it| it.instance_uuid).collect();
    let mut left = Left::new();
    for it in resting {
        let there = (it.source_compute, End::Source);
        left.entry(it.instance_uuid).or_default().push(there);
    }
    Ok((moving, left))
}
