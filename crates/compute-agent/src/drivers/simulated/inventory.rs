//! What each host says of itself and of its guests.

use std::collections::BTreeSet;

use godwit_core::host::link::{Link, LinkRole};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::{Capacity, Cpu, HostFacts, Pool};

use super::fleet::{GuestSpec, Power};
use super::transfer::Mode;
use super::world::World;

/// A shared pool's size, as its hosts report it: large.
const POOL_BYTES: u64 = 100 << 40;

impl World {
    pub(super) fn facts(&self, host: &HostName) -> Option<HostFacts> {
        let spec = &self.hosts.get(host)?.spec;
        let coming = self.incoming.iter().filter(|((at, _), _)| at == host);
        let used = self.guests.local_bytes(host)
            + coming
                .map(|(_, incoming)| incoming.copied_bytes)
                .sum::<u64>();
        let pool = |id: &String| Pool {
            id: id.clone(),
            capacity_bytes: POOL_BYTES,
            free_bytes: POOL_BYTES,
        };
        Some(HostFacts {
            host: host.clone(),
            node: host.to_string(),
            hypervisor_type: spec.hypervisor_type.clone(),
            hypervisor_version: spec.hypervisor_version,
            cpu: cpu(&spec.cpu_model, &spec.cpu_features),
            capacity: Capacity {
                vcpus: spec.vcpus,
                memory_bytes: spec.memory_bytes,
                disk_bytes: spec.disk_bytes,
                disk_free_bytes: spec.disk_bytes.saturating_sub(used),
            },
            pools: spec.pools.iter().map(pool).collect(),
            address: None,
            links: vec![Link {
                name: "sim0".to_owned(),
                role: LinkRole::Migration,
                bytes_per_second: Some(spec.link_bytes_per_second),
                // A simulated move takes all that its link has.
                stream_bytes_per_second: Some(spec.link_bytes_per_second),
            }],
        })
    }

    pub(super) fn domains(&self, host: &HostName) -> Vec<Domain> {
        let leaving = self.moves.values().filter(|it| it.source == *host);
        let coming = self.incoming.keys().filter(|(at, _)| at == host);
        let others = leaving.map(|it| it.server).chain(coming.map(|key| key.1));
        let here = self.guests.on(host).map(|guest| guest.uuid);
        let all: BTreeSet<ServerUuid> = here.chain(others).collect();
        all.into_iter()
            .filter_map(|server| self.domain(host, server))
            .collect()
    }

    pub(super) fn domain(&self, host: &HostName, server: ServerUuid) -> Option<Domain> {
        self.domain_of(self.guests.get(server)?, host)
    }

    fn domain_of(&self, guest: &GuestSpec, host: &HostName) -> Option<Domain> {
        let outgoing = self.moves.values().find(|moving| {
            moving.server == guest.uuid && moving.source == *host && moving.ended.is_none()
        });
        let (sighting, power_state) = if guest.host == *host && self.stopped.contains(&guest.uuid) {
            (Sighting::HandedOver, PowerState::Paused)
        } else if guest.host == *host {
            let power = match guest.power {
                Power::On => PowerState::Running,
                Power::Paused => PowerState::Paused,
                Power::Off => PowerState::Shutdown,
            };
            let stands_still = outgoing.is_some_and(|it| it.transfer.mode() == Mode::Paused);
            match guest.power {
                Power::Off => (Sighting::Inactive, power),
                Power::On | Power::Paused if stands_still => (Sighting::Moving, PowerState::Paused),
                Power::On | Power::Paused if outgoing.is_some() => (Sighting::Moving, power),
                Power::On | Power::Paused => (Sighting::Executing, power),
            }
        } else if guest.left_on.contains(host) {
            (Sighting::Inactive, PowerState::Shutdown)
        } else if outgoing.is_some() {
            (Sighting::HandedOver, PowerState::Paused)
        } else if self.expects(host, guest.uuid) {
            (Sighting::Incoming, PowerState::Paused)
        } else {
            return None;
        };
        Some(Domain {
            server: guest.uuid,
            domain_name: format!("instance-{}", guest.name),
            display_name: guest.name.clone(),
            sighting,
            power_state,
            vcpus: guest.vcpus,
            memory_bytes: guest.memory_bytes,
            cpu: cpu("", &guest.cpu_features),
            disks: guest.disks.clone(),
            owner: guest.owner.clone(),
            flavor: guest.flavor.clone(),
            image_ref: None,
            definition: serde_json::to_string(guest).ok().and_then(Domain::bounded),
            group: guest.group.clone().map(Box::new),
        })
    }

    /// Is there a domain on `host` that waits for this guest?
    fn expects(&self, host: &HostName, server: ServerUuid) -> bool {
        let incoming = self.incoming.get(&(host.clone(), server));
        incoming.is_some_and(|incoming| !incoming.dead)
    }
}

fn cpu(model: &str, features: &[String]) -> Cpu {
    Cpu {
        arch: "x86_64".to_owned(),
        model: model.to_owned(),
        features: features.to_vec(),
        ..Cpu::default()
    }
}
