//! What each host says of itself and of its guests.

use std::collections::BTreeSet;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::{Capacity, Cpu, HostFacts};

use super::fleet::{GuestSpec, Power};
use super::transfer::Mode;
use super::world::World;

impl World {
    pub(super) fn facts(&self, host: &HostName) -> Option<HostFacts> {
        let spec = &self.hosts.get(host)?.spec;
        Some(HostFacts {
            host: host.clone(),
            node: host.to_string(),
            hypervisor_type: spec.hypervisor_type.clone(),
            hypervisor_version: spec.hypervisor_version,
            cpu: cpu(&spec.arch, &spec.cpu_model, &spec.cpu_features),
            capacity: Capacity {
                vcpus: spec.vcpus,
                memory_bytes: spec.memory_bytes,
                disk_bytes: spec.disk_bytes,
                disk_free_bytes: spec.disk_bytes.saturating_sub(self.local_bytes(host)),
            },
            pools: spec
                .pools
                .iter()
                .map(|name| self.pool(spec, name))
                .collect(),
            address: None,
            links: spec.reported_links(),
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
            cpu: cpu(self.arch_of(&guest.host), "", &guest.cpu_features),
            disks: guest.disks.clone(),
            owner: guest.owner.clone(),
            flavor: guest.flavor.clone(),
            image_ref: None,
            definition: serde_json::to_string(guest).ok().and_then(Domain::bounded),
            group: guest.group.clone().map(Box::new),
        })
    }

    fn arch_of(&self, host: &HostName) -> &str {
        let host = self.hosts.get(host);
        host.map_or("", |host| host.spec.arch.as_str())
    }

    /// Is there a domain on `host` that waits for this guest?
    fn expects(&self, host: &HostName, server: ServerUuid) -> bool {
        let incoming = self.incoming.get(&(host.clone(), server));
        incoming.is_some_and(|incoming| !incoming.dead)
    }
}

fn cpu(arch: &str, model: &str, features: &[String]) -> Cpu {
    Cpu {
        arch: arch.to_owned(),
        model: model.to_owned(),
        features: features.to_vec(),
        ..Cpu::default()
    }
}
