//! Rows as the planner's fleet.

use std::collections::{BTreeMap, HashSet};

use godwit_core::begin::is_in_the_way;
use godwit_core::ids::{HostName, ServerGroupUuid};
use godwit_core::server::PowerState;
use godwit_core::status::MigrationKind;
use godwit_planner::admission::SlotsTaken;
use godwit_planner::fleet::{Fleet, FleetError, FleetHost, FleetServer, Group, Link};
use godwit_planner::table::{GroupNo, Number};
use godwit_store::{HostLoad, InventoryServer, PlanInventory};

use crate::{Basis, Guest};

/// The inventory as the planner sees it.
#[derive(Debug)]
pub struct Planning {
    pub fleet: Fleet,
    /// Would some host be up if only its agent had reported lately?
    pub somebody_is_missing: bool,
}

/// Is it certain that nothing executes on a host that is down?
pub fn is_fenced(load: &HostLoad, silence_is_proof: bool) -> bool {
    load.host.service.forced_down || silence_is_proof
}

/// Makes a fleet of rows. A server that is on no host, or on one that nobody knows, is left out.
///
/// # Errors
/// Rows that contradict each other.
pub fn planning(
    inventory: PlanInventory,
    basis: Basis,
    silence_is_proof: bool,
) -> Result<Planning, FleetError> {
    let PlanInventory {
        hosts: loads,
        servers,
        groups,
    } = inventory;
    let facts = crate::Fleet::new(loads.clone(), &SlotsTaken::default(), basis);
    let hosts: Vec<FleetHost> = facts
        .hosts(None)
        .iter()
        .zip(&loads)
        .map(|(host, load)| FleetHost {
            fenced: !host.up && is_fenced(load, silence_is_proof),
            host: host.clone(),
            link: Link::of_moves(&load.host.facts.links)
                .with_stream_seen(load.host.stream_bytes_per_second),
        })
        .collect();
    let numbers = groups.iter().enumerate();
    let numbers: BTreeMap<ServerGroupUuid, GroupNo> = numbers
        .map(|(at, group)| (group.uuid, GroupNo::new(at)))
        .collect();
    let known: HashSet<&HostName> = loads.iter().map(|it| &it.host.facts.name).collect();
    let servers = servers
        .into_iter()
        .filter_map(|it| server(&facts, &known, &numbers, it));
    let servers: Vec<FleetServer> = servers.collect();
    let groups = groups.into_iter().map(|group| Group {
        id: group.uuid,
        name: group.name,
        policy: group.policy,
        max_server_per_host: group.max_server_per_host,
    });
    Ok(Planning {
        fleet: Fleet::new(hosts, servers, groups.collect())?,
        somebody_is_missing: facts.somebody_is_missing(),
    })
}

fn server(
    facts: &crate::Fleet,
    known: &HashSet<&HostName>,
    groups: &BTreeMap<ServerGroupUuid, GroupNo>,
    it: InventoryServer,
) -> Option<FleetServer> {
    let here = it.server.host.clone()?;
    let source = facts.host(&here)?;
    let kind = match facts.is_up(source) {
        true => MigrationKind::LiveMigration,
        false => MigrationKind::Evacuation,
    };
    let moving_to = moving_to(&it, &here, kind);
    let memory = u64::try_from(it.server.room.memory_mb).unwrap_or_default();
    let copied = it.hardware.disks.iter().filter(|disk| !disk.read_only);
    let disk_bytes = copied
        .map(|disk| u64::try_from(disk.allocated_bytes).unwrap_or_default())
        .fold(0, u64::saturating_add);
    let group = it.group.and_then(|group| groups.get(&group).copied());
    let guest = Guest {
        server: it.server,
        hardware: it.hardware,
        group: None,
    };
    let (need, _) = guest.need(facts)?;
    Some(FleetServer {
        need,
        memory_bytes: memory << 20,
        disk_bytes,
        // Who stands still changes nothing, whatever was measured before.
        dirty_bytes_per_second: (guest.server.power_state == PowerState::Running)
            .then_some(guest.server.dirty_bytes_per_second)
            .flatten()
            .and_then(|it| u64::try_from(it).ok()),
        running: guest.runs(),
        // Of a host that is gone nobody can say more than that.
        moving_to: moving_to.map(|to| if known.contains(&to) { to } else { here }),
        group,
    })
}

/// Where a server is going, if something is being done to it that keeps it from being moved.
fn moving_to(it: &InventoryServer, here: &HostName, by: MigrationKind) -> Option<HostName> {
    let in_the_way = it
        .moving
        .as_ref()
        .filter(|moving| is_in_the_way((moving.kind, moving.status), by, it.server.vm_state));
    if let Some(moving) = in_the_way {
        // One that is where it was to go may stay there, or return: nobody knows that it leaves.
        return Some(moving.destination.as_ref().unwrap_or(here).clone());
    }
    // A dead host's task is nobody's any more.
    let task = it.server.task_state.is_some() && by != MigrationKind::Evacuation;
    task.then(|| here.clone())
}
