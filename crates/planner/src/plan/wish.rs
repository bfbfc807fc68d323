//! What is asked.

use std::collections::{HashMap, HashSet};

use godwit_core::ids::{HostName, ServerUuid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fleet::Fleet;
use crate::plan::{Constraint, Options};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// These leave their hosts: the only one for its destination, if one is named.
    Servers {
        servers: Vec<ServerUuid>,
        destination: Option<HostName>,
    },
    /// All servers leave it.
    Host { host: HostName },
    /// All servers leave each of these hosts, some of them at a time.
    Rolling {
        hosts: Vec<HostName>,
        max_unavailable: u32,
    },
    /// Each goes back to where it was.
    ReturnHome { homes: Vec<(ServerUuid, HostName)> },
}

/// Why a wish is none: the caller's mistake, not the fleet's.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum WishError {
    #[error("server {0} is not known")]
    UnknownServer(ServerUuid),
    #[error("host {0} is not known")]
    UnknownHost(HostName),
    #[error("server {0} is named twice")]
    ServerTwice(ServerUuid),
    #[error("host {0} is named twice")]
    HostTwice(HostName),
    #[error("nothing is named")]
    Nothing,
    #[error("a destination needs exactly one server")]
    DestinationNeedsOneServer,
    #[error("at least one host has to be unavailable at a time")]
    NoneUnavailable,
    #[error("at most none of the servers may move")]
    NoneAtATime,
    #[error("the constraints say of server {0} that it moves before itself")]
    ConstraintCycle(ServerUuid),
}

impl Wish {
    /// # Errors
    ///
    /// What is wrong with it, whatever the state of the fleet.
    pub fn check(&self, fleet: &Fleet, options: &Options) -> Result<(), WishError> {
        match self {
            Self::Servers {
                servers,
                destination,
            } => {
                if destination.is_some() && servers.len() != 1 {
                    return Err(WishError::DestinationNeedsOneServer);
                }
                known_servers(fleet, servers.iter())?;
                known_hosts(fleet, destination)?;
                something(servers)?;
            }
            Self::Host { host } => known_hosts(fleet, [host])?,
            Self::Rolling {
                hosts,
                max_unavailable,
            } => {
                known_hosts(fleet, hosts)?;
                something(hosts)?;
                if *max_unavailable == 0 {
                    return Err(WishError::NoneUnavailable);
                }
            }
            Self::ReturnHome { homes } => {
                known_servers(fleet, homes.iter().map(|(server, _)| server))?;
                for (_, home) in homes {
                    known_hosts(fleet, [home])?;
                }
            }
        }
        for constraint in &options.constraints {
            known_servers(fleet, constraint.servers().iter())?;
            if constraint.limit() == Some(0) {
                return Err(WishError::NoneAtATime);
            }
        }
        acyclic(&options.constraints)
    }
}

fn something<T>(named: &[T]) -> Result<(), WishError> {
    if named.is_empty() {
        return Err(WishError::Nothing);
    }
    Ok(())
}

fn known_servers<'a>(
    fleet: &Fleet,
    servers: impl Iterator<Item = &'a ServerUuid>,
) -> Result<(), WishError> {
    let mut seen = HashSet::new();
    for server in servers {
        if fleet.server_no(*server).is_none() {
            return Err(WishError::UnknownServer(*server));
        }
        if !seen.insert(server) {
            return Err(WishError::ServerTwice(*server));
        }
    }
    Ok(())
}

fn known_hosts<'a>(
    fleet: &Fleet,
    hosts: impl IntoIterator<Item = &'a HostName>,
) -> Result<(), WishError> {
    let mut seen = HashSet::new();
    for host in hosts {
        if fleet.host_no(host).is_none() {
            return Err(WishError::UnknownHost(host.clone()));
        }
        if !seen.insert(host) {
            return Err(WishError::HostTwice(host.clone()));
        }
    }
    Ok(())
}

/// Takes away whoever waits for nobody, until none is left, or only a circle.
fn acyclic(constraints: &[Constraint]) -> Result<(), WishError> {
    let mut waits: HashMap<ServerUuid, usize> = HashMap::new();
    let mut later: HashMap<ServerUuid, Vec<ServerUuid>> = HashMap::new();
    for constraint in constraints {
        if let Constraint::Before(first, second) = constraint {
            waits.entry(*first).or_default();
            *waits.entry(*second).or_default() += 1;
            later.entry(*first).or_default().push(*second);
        }
    }
    let free = waits.iter().filter(|(_, count)| **count == 0);
    let mut free: Vec<_> = free.map(|(server, _)| *server).collect();
    while let Some(server) = free.pop() {
        waits.remove(&server);
        for second in later.remove(&server).unwrap_or_default() {
            if let Some(count) = waits.get_mut(&second) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push(second);
                }
            }
        }
    }
    let caught = waits.into_keys().min_by_key(|server| server.0);
    caught.map_or(Ok(()), |server| Err(WishError::ConstraintCycle(server)))
}

#[cfg(test)]
mod tests;
