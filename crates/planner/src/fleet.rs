//! What a plan is made from: hosts with their links, servers with their dirty rates, groups.
//!
//! A fleet is checked once, when it is made; whatever reads it later finds every name known.

pub mod file;
mod link;

use std::collections::HashMap;

use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use thiserror::Error;

use crate::inventory::{Host, Need, Stream};
use crate::precopy::Guest;
use crate::table::{GroupNo, HostNo, ServerNo, Table};

pub use file::{FileError, FleetFile};
pub use link::Link;

/// What a server is taken to dirty whose rate nobody has measured yet.
const UNMEASURED_DIRTY_BYTES_PER_SECOND: f64 = 20e6;

/// What a server dirties that moves over a stream of so many bytes per second. Where nobody has measured
/// it, no assumption lets a move be endless.
pub fn dirty_rate(measured: Option<u64>, stream: f64) -> f64 {
    measured.map_or(UNMEASURED_DIRTY_BYTES_PER_SECOND.min(stream / 4.0), |it| {
        it as f64
    })
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetHost {
    /// Its room is what moves in flight leave of it: their claims are in `used`.
    pub host: Host,
    pub link: Link,
    /// Is it proven that nothing executes there any more?
    pub fenced: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetServer {
    /// Without its group, which is below.
    pub need: Need,
    pub memory_bytes: u64,
    /// What its disks add to that where they have to be copied.
    pub disk_bytes: u64,
    pub dirty_bytes_per_second: Option<u64>,
    /// Does it execute?
    pub running: bool,
    /// Where it is going already, in a move that no plan may touch; its own host where something
    /// else is being done to it.
    pub moving_to: Option<HostName>,
    /// Its group's place in the fleet's list.
    pub group: Option<GroupNo>,
}

impl FleetServer {
    /// Is it on its way to another host?
    pub fn leaves(&self) -> bool {
        let to = self.moving_to.as_ref();
        to.is_some_and(|to| *to != self.need.source)
    }

    /// What it sends from `source`, where somebody has measured how much it changes: what is assumed is
    /// no reason to refuse a move.
    pub(crate) fn stream(&self, source: &Host) -> Option<Stream> {
        let measured = self.dirty_bytes_per_second?;
        Some(Stream {
            memory_bytes: self.memory_bytes,
            disk_bytes: self.disk_bytes,
            dirty_bytes_per_second: measured,
            bytes_per_second: source.stream_bytes_per_second,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: ServerGroupUuid,
    pub name: String,
    pub policy: Policy,
    pub max_server_per_host: Option<u32>,
}

/// Why something is no fleet.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FleetError {
    #[error("host {0} is there twice")]
    HostTwice(HostName),
    #[error("server {0} is there twice")]
    ServerTwice(ServerUuid),
    #[error("server {0} is on a host that is not there: {1}")]
    UnknownHost(ServerUuid, HostName),
    #[error("server {0} is in a group that is not there")]
    UnknownGroup(ServerUuid),
    #[error("the link of host {0} carries nothing")]
    NoLink(HostName),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fleet {
    hosts: Table<HostNo, FleetHost>,
    servers: Table<ServerNo, FleetServer>,
    groups: Table<GroupNo, Group>,
    host_numbers: HashMap<HostName, HostNo>,
    server_numbers: HashMap<ServerUuid, ServerNo>,
    servers_on: Table<HostNo, Vec<ServerNo>>,
    members: Table<GroupNo, Vec<ServerNo>>,
}

impl Fleet {
    /// # Errors
    ///
    /// A name that is there twice, or that is not there; a link of no bytes per second.
    pub fn new(
        mut hosts: Vec<FleetHost>,
        servers: Vec<FleetServer>,
        groups: Vec<Group>,
    ) -> Result<Self, FleetError> {
        for it in &mut hosts {
            it.host.stream_bytes_per_second = it.link.of_one_stream();
        }
        let mut fleet = Self {
            servers_on: Table::filled(hosts.len(), Vec::new()),
            members: Table::filled(groups.len(), Vec::new()),
            hosts: hosts.into(),
            servers: servers.into(),
            groups: groups.into(),
            ..Self::default()
        };
        for (no, host) in fleet.hosts.iter() {
            let name = &host.host.name;
            if host.link.bytes_per_second == 0 || host.link.stream_bytes_per_second == 0 {
                return Err(FleetError::NoLink(name.clone()));
            }
            if fleet.host_numbers.insert(name.clone(), no).is_some() {
                return Err(FleetError::HostTwice(name.clone()));
            }
        }
        for (no, server) in fleet.servers.iter() {
            let (id, source) = (server.need.server, &server.need.source);
            if fleet.server_numbers.insert(id, no).is_some() {
                return Err(FleetError::ServerTwice(id));
            }
            let known = |name: &HostName| {
                let known = fleet.host_numbers.get(name).copied();
                known.ok_or_else(|| FleetError::UnknownHost(id, name.clone()))
            };
            if let Some(destination) = &server.moving_to {
                known(destination)?;
            }
            let host = known(source)?;
            fleet.servers_on[host].push(no);
            if let Some(group) = server.group {
                if crate::table::Number::at(group) >= fleet.groups.len() {
                    return Err(FleetError::UnknownGroup(id));
                }
                fleet.members[group].push(no);
            }
        }
        Ok(fleet)
    }

    /// What it was made from, to be changed and made again.
    pub fn into_parts(self) -> (Vec<FleetHost>, Vec<FleetServer>, Vec<Group>) {
        (
            self.hosts.into_rows(),
            self.servers.into_rows(),
            self.groups.into_rows(),
        )
    }

    pub fn hosts(&self) -> &Table<HostNo, FleetHost> {
        &self.hosts
    }

    pub fn servers(&self) -> &Table<ServerNo, FleetServer> {
        &self.servers
    }

    pub fn groups(&self) -> &Table<GroupNo, Group> {
        &self.groups
    }

    pub fn host_no(&self, name: &HostName) -> Option<HostNo> {
        self.host_numbers.get(name).copied()
    }

    pub fn server_no(&self, server: ServerUuid) -> Option<ServerNo> {
        self.server_numbers.get(&server).copied()
    }

    /// The servers that are recorded on a host.
    pub fn servers_on(&self, host: HostNo) -> &[ServerNo] {
        &self.servers_on[host]
    }

    pub fn members(&self, group: GroupNo) -> &[ServerNo] {
        &self.members[group]
    }

    /// The host that a server is recorded on.
    pub fn host_of(&self, server: ServerNo) -> HostNo {
        self.host_numbers[&self.servers[server].need.source]
    }

    /// What one stream between two hosts carries at most, in bytes per second.
    pub fn stream_limit(&self, source: HostNo, destination: HostNo) -> f64 {
        let of = |host: HostNo| self.hosts[host].link.of_one_stream();
        of(source).min(of(destination)) as f64
    }

    /// What a stream has to carry that moves `server` from one host to another.
    pub fn guest(&self, server: ServerNo, source: HostNo, destination: HostNo) -> Guest {
        let it = &self.servers[server];
        let room = it.need.room_at(&self.hosts[destination].host.pools);
        let disks = if room.disk_gb > 0 { it.disk_bytes } else { 0 };
        let limit = self.stream_limit(source, destination);
        Guest {
            bytes: it.memory_bytes.saturating_add(disks) as f64,
            memory: it.memory_bytes as f64,
            dirty: dirty_rate(it.dirty_bytes_per_second, limit),
        }
    }
}

#[cfg(test)]
mod tests;
