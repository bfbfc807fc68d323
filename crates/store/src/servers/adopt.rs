//! Domains that nobody knows become servers: uuid and name are the domain's, the rest is what
//! its metadata or its agent says.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::ServerUuid;
use godwit_core::server::VmState;

use super::{Inventory, Observed};
use crate::aggregates::zones;
use crate::among::{among, load_all};
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::servers;
use crate::{FlavorSpec, StoreError, flavors, hosts};

/// Adopts what of an inventory is unknown, and returns which that was.
pub(super) fn unknown(
    connection: &mut Database,
    inventory: &Inventory,
) -> Result<Vec<ServerUuid>, StoreError> {
    let uuids: Vec<String> = inventory.domains.iter().map(|it| text(it.uuid)).collect();
    let known: Vec<ServerUuid> = load_all!(connection, uuids, |uuids| {
        servers::table
            .filter(among(servers::uuid, uuids))
            .select(servers::uuid)
    });
    let known: HashSet<ServerUuid> = known.into_iter().collect();
    let unknown: Vec<&Observed> = inventory
        .domains
        .iter()
        .filter(|domain| !known.contains(&domain.uuid) && domain.sighting.is_at_home())
        .collect();
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    let zone = zones::of_host(connection, &inventory.host)?;
    let node = hosts::node(connection, &inventory.host)?;
    let mut adopted = Vec::new();
    for domain in unknown {
        let home = Home {
            inventory,
            node: node.as_deref(),
            zone: zone.as_deref(),
        };
        if home.adopt(connection, domain)? {
            adopted.push(domain.uuid);
        }
    }
    Ok(adopted)
}

/// The flavor of a server that has none: its sizes.
fn flavor_of(domain: &Observed) -> FlavorSpec {
    let room = domain.room;
    let bytes: i64 = domain
        .disks
        .iter()
        .filter(|disk| !disk.read_only)
        .map(|disk| disk.virtual_bytes)
        .sum();
    let root_gb = bytes.div_euclid(1 << 30) + i64::from(bytes.rem_euclid(1 << 30) > 0);
    FlavorSpec {
        name: format!("adopted.{}c.{}m.{root_gb}g", room.vcpus, room.memory_mb),
        vcpus: room.vcpus,
        memory_mb: room.memory_mb,
        root_gb,
        ephemeral_gb: 0,
        swap_mb: 0,
    }
}

struct Home<'a> {
    inventory: &'a Inventory,
    node: Option<&'a str>,
    zone: Option<&'a str>,
}

impl Home<'_> {
    /// `false`: another host was quicker.
    fn adopt(&self, connection: &mut Database, domain: &Observed) -> Result<bool, StoreError> {
        let owner = &domain.owner;
        let spec = owner.flavor.clone().unwrap_or_else(|| flavor_of(domain));
        let flavorid = owner.flavorid.as_ref().unwrap_or(&spec.name);
        let flavor = flavors::ensure(connection, flavorid, &spec)?;
        let created = owner.created_at.unwrap_or(self.inventory.at);
        let state = VmState::of_power(domain.power_state).unwrap_or(VmState::Active);
        let made = sql_query(
            "INSERT INTO servers (uuid, name, hostname, instance_name, project_id, user_id, host,
                                  node, vm_state, power_state, vcpus, memory_mb, disk_gb,
                                  flavor_id, image_ref, availability_zone, config_drive,
                                  metadata, disks, cpu, created_at, launched_at,
                                  definition)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     '{}', $18, $19, $20, $20, $21)
             ON CONFLICT (uuid) DO NOTHING",
        )
        .bind::<Text, _>(text(domain.uuid))
        .bind::<Text, _>(&owner.name)
        .bind::<Text, _>(hostname(&owner.name))
        .bind::<Text, _>(&domain.instance_name)
        .bind::<Text, _>(&owner.project_id)
        .bind::<Text, _>(&owner.user_id)
        .bind::<Text, _>(self.inventory.host.as_str())
        .bind::<Nullable<Text>, _>(self.node)
        .bind::<Text, _>(state.as_str())
        .bind::<BigInt, _>(i64::from(domain.power_state.as_i32()))
        .bind::<BigInt, _>(domain.room.vcpus)
        .bind::<BigInt, _>(domain.room.memory_mb)
        .bind::<BigInt, _>(domain.room.disk_gb)
        .bind::<BigInt, _>(flavor)
        .bind::<Nullable<Text>, _>(&owner.image_ref)
        .bind::<Nullable<Text>, _>(self.zone)
        .bind::<Bool, _>(false)
        .bind::<Text, _>(json(&domain.disks))
        .bind::<Text, _>(json(&domain.cpu))
        .bind::<SqlTimestamp, _>(instant(created))
        .bind::<Nullable<Text>, _>(&domain.definition)
        .prepared()
        .execute(connection)?;
        Ok(made == 1)
    }
}

/// A name that a host may have, made of a server's, as Nova makes it: lower case, what is not
/// allowed left out, blanks and underscores as hyphens.
fn hostname(name: &str) -> String {
    let allowed = |c: char| match c {
        ' ' | '_' => Some('-'),
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    let cleaned: String = name.chars().filter_map(allowed).take(63).collect();
    let cleaned = cleaned.trim_matches(['-', '.']);
    if cleaned.is_empty() {
        "server".to_owned()
    } else {
        cleaned.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_made_of_names() {
        assert_eq!(hostname("vm-1"), "vm-1");
        assert_eq!(hostname("My web_Server (blue)"), "my-web-server-blue");
        assert_eq!(hostname("鴫"), "server");
        assert_eq!(hostname(&"a".repeat(100)).len(), 63);
    }
}
