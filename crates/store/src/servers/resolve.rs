//! What an inventory changes about the servers that no migration explains.
//!
//! Where the record cannot follow, it at least does not claim to know: a server whose recorded
//! host was heard and has no such guest gets Nova's `power_state` 0, as Nova's power sync has it.
//! Its `vm_state` is what its user asked for, and stays.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::discrepancy::{DiscrepancyKind as Kind, DiscrepancySubject};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{End, Sighting};
use godwit_core::server::{PowerState, VmState};
use godwit_core::time::Timestamp;

use super::observe::{Concerned, Known};
use super::whereabouts::{self, HomeVoice, Whereabouts};
use super::{Inventory, MovedByHand, Observation, Observed, Server, adopt, sightings};
use crate::StoreError;
use crate::aggregates::zones;
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::discrepancies::{self, Discrepancy};
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
            if !known.dead.contains(&it.host) {
                let said = (it.host, it.sighting);
                seen.entry(it.server).or_default().push(said);
            }
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
        let heard = case
            .home
            .as_ref()
            .and_then(|home| known.heard.get(home))
            .is_some_and(|at| settled.is_none_or(|settled| settled < *at));
        let voice = match &case.home {
            Some(home) if known.dead.contains(home) => HomeVoice::Dead,
            _ if heard => HomeVoice::Heard,
            _ => HomeVoice::Silent,
        };
        let whereabouts = case.decide(connection, voice, observation)?;
        if voice == HomeVoice::Heard && case.is_missing_at_home(&whereabouts) {
            lose_sight(connection, server, inventory.at)?;
        }
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
    left: &'a [(HostName, End)],
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
        voice: HomeVoice,
        observation: &mut Observation,
    ) -> Result<Whereabouts, StoreError> {
        let whereabouts = whereabouts::judge(self.home.as_ref(), voice, self.left, &self.seen);
        let odd = match &whereabouts {
            Whereabouts::Unclear => return Ok(whereabouts),
            Whereabouts::AsRecorded => Vec::new(),
            Whereabouts::MovedTo(host) => {
                if let (HomeVoice::Dead, Some(dead)) = (voice, &self.home) {
                    sightings::forget(connection, self.server.uuid, dead)?;
                }
                self.follow(connection, host.clone(), observation)?;
                Vec::new()
            }
            Whereabouts::Twice(hosts) => {
                vec![(self.subject(Kind::SeenTwice, None), on(hosts))]
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
            Kind::MovedByHand
            | Kind::Overdue
            | Kind::SourceNotClean
            | Kind::DestinationNotClean
            | Kind::HostSilent => false,
        };
        let because = "the hosts and the record agree again";
        self.close(connection, resolved, because, observation)?;
        Ok(whereabouts)
    }

    /// Does the recorded host have no such guest, though the record stays with it? One that
    /// somebody may just be moving is not missing.
    fn is_missing_at_home(&self, whereabouts: &Whereabouts) -> bool {
        let odd = match whereabouts {
            Whereabouts::Nowhere | Whereabouts::Twice(_) | Whereabouts::Elsewhere(_) => true,
            Whereabouts::AsRecorded | Whereabouts::MovedTo(_) | Whereabouts::Unclear => false,
        };
        let has_it = |(host, sighting): &(HostName, Sighting)| {
            Some(host) == self.home.as_ref() && *sighting != Sighting::Absent
        };
        odd && !self.seen.iter().any(has_it)
    }

    /// What a migration left behind on this host belongs there now. That the host shows no domain
    /// is not enough: what was made for the guest may be there without one, and the agent still
    /// remembers the move.
    fn close_cleaned(
        &mut self,
        connection: &mut Database,
        host: &HostName,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let is_home = self.home.as_ref() == Some(host);
        let resolved = |it: &Discrepancy| {
            is_home && it.subject.kind.is_leftover() && it.subject.host.as_ref() == Some(host)
        };
        let because = "the server is recorded there again";
        self.close(connection, resolved, because, observation)
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
        follow(connection, self.server.into(), &host, self.at)?;
        let from = self.home.replace(host.clone());
        observation.moved_by_hand.push(MovedByHand {
            server: self.server.uuid,
            from,
            to: host,
        });
        Ok(())
    }
}

/// A server whose record follows its guest.
pub(crate) struct Followed<'a> {
    id: i64,
    uuid: ServerUuid,
    from: Option<&'a HostName>,
    power: PowerState,
}

impl<'a> From<&'a Concerned> for Followed<'a> {
    fn from(server: &'a Concerned) -> Self {
        Self {
            id: server.id,
            uuid: server.uuid,
            from: server.host.as_ref(),
            power: server.power_state,
        }
    }
}

impl<'a> From<&'a Server> for Followed<'a> {
    fn from(server: &'a Server) -> Self {
        Self {
            id: server.id,
            uuid: server.uuid,
            from: server.host.as_ref(),
            power: server.power_state,
        }
    }
}

/// Lets a record follow to the host where its guest is. That it did stays on record as a
/// discrepancy that is closed at once.
pub(crate) fn follow(
    connection: &mut Database,
    server: Followed<'_>,
    to: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    let zone = zones::of_host(connection, to)?;
    let node: Option<String> = hosts::table
        .filter(hosts::name.eq(to.as_str()))
        .select(hosts::node)
        .first(connection)
        .optional()?;
    let said = sightings::load(connection, &[text(server.uuid)])?;
    let there = said.iter().find(|it| it.host == *to);
    let power = there.map_or(server.power, |it| it.power_state);
    diesel::update(servers::table.find(server.id))
        .set((
            servers::host.eq(to.as_str()),
            servers::node.eq(node),
            servers::availability_zone.eq(zone),
            servers::power_state.eq(i64::from(power.as_i32())),
            servers::updated_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .execute(connection)?;
    let subject = DiscrepancySubject {
        kind: Kind::MovedByHand,
        server: Some(server.uuid),
        migration: None,
        host: Some(to.clone()),
    };
    let origin = server.from.map_or("nowhere", HostName::as_str);
    let detail = format!("moved from {origin} to {to} by hand");
    discrepancies::open(connection, &subject, &detail, at)?;
    discrepancies::close(connection, &subject, "the record followed", at)?;
    Ok(())
}

fn on(hosts: &[HostName]) -> String {
    let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    format!("seen on {}", hosts.join(" and "))
}

/// Nobody can say what a server does that is not on its host.
fn lose_sight(
    connection: &mut Database,
    server: &Concerned,
    at: Timestamp,
) -> Result<(), StoreError> {
    if server.power_state == PowerState::NoState {
        return Ok(());
    }
    diesel::update(servers::table.find(server.id))
        .set((
            servers::power_state.eq(i64::from(PowerState::NoState.as_i32())),
            servers::updated_at.eq(instant(at)),
        ))
        .execute(connection)?;
    Ok(())
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
