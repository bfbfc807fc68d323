//! What an inventory changes about the servers that no migration explains.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::server::VmState;
use godwit_core::time::Timestamp;

use super::observe::{Concerned, Known};
use super::whereabouts::{self, Whereabouts};
use super::{Inventory, MovedByHand, Observation, Observed, adopt, sightings};
use crate::StoreError;
use crate::aggregates::zones;
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::discrepancies::{self, Discrepancy, DiscrepancyKind as Kind, DiscrepancySubject};
use crate::schema::{hosts, servers};

/// Values in one statement; SQLite takes at most 32,766.
const CHUNK: usize = 10_000;

/// Judges where each of `resting` is, lets its record follow or opens a discrepancy, and
/// brings up to date what only describes it.
pub(super) fn resolve(
    connection: &mut Database,
    inventory: &Inventory,
    known: &Known,
    resting: &[&Concerned],
    observation: &mut Observation,
) -> Result<(), StoreError> {
    let mut seen: HashMap<ServerUuid, Vec<(HostName, Sighting)>> = HashMap::new();
    let uuids: Vec<String> = resting.iter().map(|server| text(server.uuid)).collect();
    for chunk in uuids.chunks(CHUNK) {
        for it in sightings::load(connection, chunk)? {
            let said = (it.host, it.sighting);
            seen.entry(it.server).or_default().push(said);
        }
    }
    let mut open: HashMap<ServerUuid, Vec<Discrepancy>> = HashMap::new();
    for discrepancy in discrepancies::load_open(connection)? {
        if let Some(server) = discrepancy.subject.server {
            open.entry(server).or_default().push(discrepancy);
        }
    }
    let domains: HashMap<ServerUuid, &Observed> =
        inventory.domains.iter().map(|it| (it.uuid, it)).collect();

    for server in resting {
        let settled = server.settled_at;
        let mut case = Case {
            server,
            at: inventory.at,
            seen: seen.remove(&server.uuid).unwrap_or_default(),
            open: open.remove(&server.uuid).unwrap_or_default(),
            left: known.left.get(&server.uuid).map_or(&[], Vec::as_slice),
            home: server.host.clone(),
        };
        let home_heard = case
            .home
            .as_ref()
            .and_then(|home| known.heard.get(home))
            .is_some_and(|at| settled.is_none_or(|settled| settled < *at));
        case.decide(connection, home_heard, observation)?;
        case.close_cleaned(connection, &inventory.host, observation)?;
        if case.home.as_ref() == Some(&inventory.host)
            && let Some(domain) = domains.get(&server.uuid)
        {
            describe(connection, server, domain, inventory.at)?;
        }
    }
    Ok(())
}

/// One server, and what is known of where it is.
struct Case<'a> {
    server: &'a Concerned,
    at: Timestamp,
    seen: Vec<(HostName, Sighting)>,
    open: Vec<Discrepancy>,
    left: &'a [HostName],
    home: Option<HostName>,
}

impl Case<'_> {
    fn subject(&self, kind: Kind, host: Option<&HostName>) -> DiscrepancySubject {
        DiscrepancySubject {
            kind,
            server: Some(self.server.uuid),
            migration: None,
            host: host.cloned(),
        }
    }

    fn decide(
        &mut self,
        connection: &mut Database,
        home_heard: bool,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let odd = match whereabouts::judge(self.home.as_ref(), home_heard, self.left, &self.seen) {
            Whereabouts::Unclear => return Ok(()),
            Whereabouts::AsRecorded => Vec::new(),
            Whereabouts::MovedTo(host) => {
                self.follow(connection, host, observation)?;
                Vec::new()
            }
            Whereabouts::Twice(hosts) => {
                vec![(self.subject(Kind::SeenTwice, None), on(&hosts))]
            }
            // A move that lost the guest has said so already.
            Whereabouts::Nowhere if self.is_open(Kind::GuestNowhere) => Vec::new(),
            Whereabouts::Nowhere => {
                let detail = "no host has it".to_owned();
                vec![(self.subject(Kind::SeenNowhere, self.home.as_ref()), detail)]
            }
            Whereabouts::Elsewhere(hosts) => hosts
                .iter()
                .map(|host| {
                    let detail = on(std::slice::from_ref(host));
                    (self.subject(Kind::SeenElsewhere, Some(host)), detail)
                })
                .collect(),
        };
        for (subject, detail) in &odd {
            let opened = discrepancies::open(connection, subject, detail, self.at)?;
            observation.opened.extend(opened);
        }
        let runs = self
            .seen
            .iter()
            .any(|(host, it)| Some(host) == self.home.as_ref() && *it == Sighting::Executing);
        let resolved = |discrepancy: &Discrepancy| match discrepancy.subject.kind {
            Kind::SeenTwice | Kind::SeenNowhere | Kind::SeenElsewhere => {
                odd.iter().all(|(it, _)| *it != discrepancy.subject)
            }
            Kind::GuestNowhere => runs && odd.is_empty(),
            Kind::MovedByHand | Kind::Overdue | Kind::DestinationNotClean | Kind::HostSilent => {
                false
            }
        };
        let because = "the hosts and the record agree again";
        self.close(connection, resolved, because, observation)
    }

    /// What a migration left behind on this host is gone, or belongs there now.
    fn close_cleaned(
        &mut self,
        connection: &mut Database,
        host: &HostName,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let gone = self.seen.iter().all(|(seen, _)| seen != host);
        let clean = gone || self.home.as_ref() == Some(host);
        let resolved = |it: &Discrepancy| {
            clean
                && it.subject.kind == Kind::DestinationNotClean
                && it.subject.host.as_ref() == Some(host)
        };
        self.close(
            connection,
            resolved,
            "the host has no leftover",
            observation,
        )
    }

    fn is_open(&self, kind: Kind) -> bool {
        self.open.iter().any(|it| it.subject.kind == kind)
    }

    fn close(
        &mut self,
        connection: &mut Database,
        resolved: impl Fn(&Discrepancy) -> bool,
        because: &str,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let (closing, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(resolved);
        self.open = open;
        for mut discrepancy in closing {
            discrepancies::close(connection, &discrepancy.subject, because, self.at)?;
            discrepancy.closed_at = Some(self.at);
            discrepancy.closed_because = Some(because.to_owned());
            observation.closed.push(discrepancy);
        }
        Ok(())
    }

    /// The record follows the hypervisor, and that stays on record too.
    fn follow(
        &mut self,
        connection: &mut Database,
        host: HostName,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let zone = zones::of_host(connection, &host)?;
        let node: Option<String> = hosts::table
            .filter(hosts::name.eq(host.as_str()))
            .select(hosts::node)
            .first(connection)
            .optional()?;
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::host.eq(host.as_str()),
                servers::node.eq(node),
                servers::availability_zone.eq(zone),
                servers::updated_at.eq(instant(self.at)),
                servers::generation.eq(servers::generation + 1),
            ))
            .execute(connection)?;
        let subject = self.subject(Kind::MovedByHand, Some(&host));
        let from = self.home.replace(host.clone());
        let origin = from.as_ref().map_or("nowhere", HostName::as_str);
        let detail = format!("moved from {origin} to {host} by hand");
        discrepancies::open(connection, &subject, &detail, self.at)?;
        discrepancies::close(connection, &subject, "the record followed", self.at)?;
        observation.moved_by_hand.push(MovedByHand {
            server: self.server.uuid,
            from,
            to: host,
        });
        Ok(())
    }
}

fn on(hosts: &[HostName]) -> String {
    let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    format!("seen on {}", hosts.join(" and "))
}

/// Brings up to date what the host where a server lives says of it.
fn describe(
    connection: &mut Database,
    server: &Concerned,
    domain: &Observed,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !matches!(domain.sighting, Sighting::Executing | Sighting::Inactive) {
        return Ok(());
    }
    let state = match server.vm_state {
        VmState::Active | VmState::Paused | VmState::Stopped | VmState::Suspended
            if server.task_state.is_none() =>
        {
            adopt::vm_state(domain.power_state).unwrap_or(server.vm_state)
        }
        state => state,
    };
    let (disks, cpu) = (json(&domain.disks), json(&domain.cpu));
    let room = domain.room;
    let same = (server.vm_state, server.power_state) == (state, domain.power_state)
        && (server.vcpus, server.memory_mb, server.disk_gb)
            == (room.vcpus, room.memory_mb, room.disk_gb);
    let definition = domain.definition.as_ref().or(server.definition.as_ref());
    let told = (&server.disks, &server.cpu, server.definition.as_ref());
    if same && told == (&disks, &cpu, definition) {
        return Ok(());
    }
    // Disks that fill up are no change that anybody waits for.
    let updated = if same { server.updated_at } else { Some(at) };
    diesel::update(servers::table.find(server.id))
        .set((
            servers::vm_state.eq(state.as_str()),
            servers::power_state.eq(i64::from(domain.power_state.as_i32())),
            servers::vcpus.eq(room.vcpus),
            servers::memory_mb.eq(room.memory_mb),
            servers::disk_gb.eq(room.disk_gb),
            servers::disks.eq(disks),
            servers::cpu.eq(cpu),
            servers::definition.eq(definition),
            servers::updated_at.eq(instants(updated)),
        ))
        .execute(connection)?;
    Ok(())
}
