//! What an inventory changes about the servers that no migration explains.
//!
//! Where the record cannot follow, it at least does not claim to know: a server whose recorded
//! host was heard and has no such guest gets Nova's `power_state` 0, as Nova's power sync has it.
//! Its `vm_state` is what its user asked for, and stays.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::discrepancy::{DiscrepancyKind as Kind, DiscrepancySubject};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{End, HomeStanding, Sighting, Sightings, Whereabouts, is_over, locate};
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;

use super::observe::{Concerned, Known};
use super::{Inventory, MovedByHand, Observation, Observed, sightings};
use crate::aggregates::zones;
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::discrepancies::{self, Discrepancy};
use crate::prepared::Prepare as _;
use crate::schema::servers;
use crate::{StoreError, hosts};

/// Judges where each of `resting` is, lets its record follow or opens a discrepancy, and
/// brings up to date what only describes it.
pub(super) fn resolve(
    connection: &mut Database,
    inventory: &Inventory,
    mut known: Known,
    resting: &[&Concerned],
    observation: &mut Observation,
) -> Result<(), StoreError> {
    let mut seen: HashMap<ServerUuid, Vec<(HostName, Sighting)>> = HashMap::new();
    let uuids: Vec<String> = resting.iter().map(|server| text(server.uuid)).collect();
    for it in sightings::load(connection, &uuids)? {
        if !known.dead.contains(&it.host) {
            let said = (it.host, it.sighting);
            seen.entry(it.server).or_default().push(said);
        }
    }
    let mut open: HashMap<ServerUuid, Vec<Discrepancy>> = HashMap::new();
    for discrepancy in discrepancies::load_open_of(connection, &uuids)? {
        let subject = &discrepancy.subject;
        let Some(server) = subject.server else {
            continue;
        };
        // Wherever else a move could not clean.
        if let (Some(end), Some(host)) = (subject.kind.leftover_at(), &subject.host) {
            let left = known.left.entry(server).or_default();
            left.push((host.clone(), end));
        }
        open.entry(server).or_default().push(discrepancy);
    }
    let domains: HashMap<ServerUuid, &Observed> =
        inventory.domains.iter().map(|it| (it.uuid, it)).collect();

    for server in resting {
        let mut case = Case {
            server,
            at: inventory.at,
            seen: seen.remove(&server.uuid).unwrap_or_default(),
            open: open.remove(&server.uuid).unwrap_or_default(),
            left: known.left.get(&server.uuid).map_or(&[], Vec::as_slice),
            home: server.host.clone(),
        };
        let home = case.home.as_ref();
        let is_dead = home.is_some_and(|home| known.dead.contains(home));
        let heard = home.and_then(|home| known.heard.get(home)).copied();
        let standing = HomeStanding::of(is_dead, heard, server.settled_at);
        case.decide(connection, standing, observation)?;
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
    fn decide(
        &mut self,
        connection: &mut Database,
        standing: HomeStanding,
        observation: &mut Observation,
    ) -> Result<(), StoreError> {
        let sightings = Sightings {
            home: self.home.as_ref(),
            standing,
            left: self.left,
            seen: &self.seen,
        };
        let whereabouts = locate(sightings);
        let is_missing = sightings.is_missing(&whereabouts);
        let lost = self.is_open(Kind::GuestNowhere);
        let Some(odd) = whereabouts.oddities(self.home.as_ref(), lost) else {
            return Ok(());
        };
        if let Whereabouts::MovedTo(host) = whereabouts {
            if let (HomeStanding::DeclaredDead, Some(dead)) = (standing, &self.home) {
                sightings::forget(connection, self.server.uuid, dead)?;
            }
            self.follow(connection, host, observation)?;
        }
        for it in &odd {
            let subject = DiscrepancySubject::of_server(it.kind, self.server.uuid, it.host.clone());
            let opened = discrepancies::open(connection, &subject, &it.detail, self.at)?;
            observation.opened.extend(opened);
        }
        let home = self.home.as_ref();
        let executes =
            |(host, it): &(HostName, Sighting)| Some(host) == home && *it == Sighting::Executing;
        let executes_at_home = self.seen.iter().any(executes);
        let over = |Discrepancy { subject, .. }: &Discrepancy| {
            is_over(
                (subject.kind, subject.host.as_ref()),
                &odd,
                executes_at_home,
            )
        };
        let because = "the hosts and the record agree again";
        self.close(connection, over, because, observation)?;
        if is_missing {
            lose_sight(connection, self.server, self.at)?;
        }
        Ok(())
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
            is_home
                && it.subject.kind.leftover_at().is_some()
                && it.subject.host.as_ref() == Some(host)
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
        follow(connection, self.server.uuid, &host, self.at)?;
        let from = self.home.replace(host.clone());
        observation.moved_by_hand.push(MovedByHand {
            server: self.server.uuid,
            from,
            to: host,
        });
        Ok(())
    }
}

/// Lets a record follow to the host where its guest is. That it did stays on record as a
/// discrepancy that is closed at once.
pub(crate) fn follow(
    connection: &mut Database,
    server: ServerUuid,
    to: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (id, from, power): (i64, Option<HostName>, PowerState) = servers::table
        .filter(servers::uuid.eq(text(server)))
        .select((servers::id, servers::host, servers::power_state))
        .first(connection)?;
    let zone = zones::of_host(connection, to)?;
    let node = hosts::node(connection, to)?;
    let said = sightings::load(connection, &[text(server)])?;
    let there = said.iter().find(|it| it.host == *to);
    let power = there.map_or(power, |it| it.power_state);
    diesel::update(servers::table.find(id))
        .set((
            servers::host.eq(to.as_str()),
            servers::node.eq(node),
            servers::availability_zone.eq(zone),
            servers::power_state.eq(i64::from(power.as_i32())),
            servers::updated_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .prepared()
        .execute(connection)?;
    let subject = DiscrepancySubject::of_server(Kind::MovedByHand, server, Some(to.clone()));
    let origin = from.as_ref().map_or("nowhere", HostName::as_str);
    let detail = format!("moved from {origin} to {to} by hand");
    discrepancies::open(connection, &subject, &detail, at)?;
    discrepancies::close(connection, &subject, "the record followed", at)?;
    Ok(())
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
        .prepared()
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
    let (task, power) = (server.task_state, domain.power_state);
    let state = server.vm_state.observed(task, power);
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
        .prepared()
        .execute(connection)?;
    Ok(())
}
