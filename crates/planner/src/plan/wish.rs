//! What is asked.

use std::collections::{HashMap, HashSet};

use godwit_core::ids::{HostName, ServerUuid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fleet::Fleet;

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

/// What becomes of a server that cannot move live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    #[default]
    None,
    Cold,
}

/// How hard rules of server groups are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    #[default]
    Strict,
    /// A rule makes a host worse, and rules none out.
    BestEffort,
}

/// What becomes of a server that cannot move at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Immovable {
    #[default]
    Wait,
    Skip,
    ShutdownRestart,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// The first has ended before the second begins.
    Before(ServerUuid, ServerUuid),
    /// Never two of them at the same time.
    NotTogether(Vec<ServerUuid>),
    /// Never more than so many of them at the same time.
    AtMost(u32, Vec<ServerUuid>),
}

impl Constraint {
    fn servers(&self) -> Vec<ServerUuid> {
        match self {
            Self::Before(first, second) => vec![*first, *second],
            Self::NotTogether(servers) | Self::AtMost(_, servers) => servers.clone(),
        }
    }

    /// How many of which may move at the same time.
    pub fn limit(&self) -> Option<(u32, &[ServerUuid])> {
        match self {
            Self::Before(..) => None,
            Self::NotTogether(servers) => Some((1, servers)),
            Self::AtMost(most, servers) => Some((*most, servers)),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub fallback: Fallback,
    pub affinity: Affinity,
    pub allow_partial: bool,
    pub immovable: Immovable,
    pub constraints: Vec<Constraint>,
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
            if constraint.limit().is_some_and(|(most, _)| most == 0) {
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
mod tests {
    use super::*;
    use crate::generate;

    fn ids(fleet: &Fleet) -> Vec<ServerUuid> {
        fleet
            .servers()
            .iter()
            .map(|(_, it)| it.need.server)
            .collect()
    }

    #[test]
    fn a_wish_that_is_none_is_refused_with_what_is_wrong() {
        use WishError as E;
        let fleet = generate::fleet(1, 3, 9, generate::link(10, 10)).unwrap();
        let (ids, unknown) = (
            ids(&fleet),
            "99999999-0000-4000-8000-000000000000".parse().unwrap(),
        );
        let name = |text: &str| HostName::new(text).unwrap();
        let servers = |servers: &[_], destination: Option<&str>| Wish::Servers {
            servers: servers.to_vec(),
            destination: destination.map(name),
        };
        let rolling = |hosts: &[&str], max_unavailable| Wish::Rolling {
            hosts: hosts.iter().map(|it| name(it)).collect(),
            max_unavailable,
        };
        for (wish, error) in [
            (servers(&[], None), E::Nothing),
            (servers(&[unknown], None), E::UnknownServer(unknown)),
            (servers(&[ids[0], ids[0]], None), E::ServerTwice(ids[0])),
            (
                servers(&ids[..2], Some("host-1")),
                E::DestinationNeedsOneServer,
            ),
            (servers(&ids[..1], Some("x")), E::UnknownHost(name("x"))),
            (Wish::Host { host: name("x") }, E::UnknownHost(name("x"))),
            (
                rolling(&["host-1", "host-1"], 1),
                E::HostTwice(name("host-1")),
            ),
            (rolling(&["host-1"], 0), E::NoneUnavailable),
            (rolling(&[], 1), E::Nothing),
        ] {
            assert_eq!(
                wish.check(&fleet, &Options::default()),
                Err(error),
                "{wish:?}"
            );
        }
    }

    #[test]
    fn constraints_in_a_circle_are_refused() {
        let fleet = generate::fleet(1, 3, 9, generate::link(10, 10)).unwrap();
        let ids = ids(&fleet);
        let wish = Wish::Servers {
            servers: ids.clone(),
            destination: None,
        };
        let check = |constraints| {
            let options = Options {
                constraints,
                ..Options::default()
            };
            wish.check(&fleet, &options)
        };
        let before = |a: usize, b: usize| Constraint::Before(ids[a], ids[b]);
        assert_eq!(
            check(vec![before(0, 1), before(1, 2), before(0, 2)]),
            Ok(())
        );
        let circle = check(vec![before(0, 1), before(1, 2), before(2, 1), before(2, 3)]);
        assert_eq!(circle, Err(WishError::ConstraintCycle(ids[1])));
        let none = check(vec![Constraint::AtMost(0, ids.clone())]);
        assert_eq!(none, Err(WishError::NoneAtATime));
    }

    #[test]
    fn constraints_read_as_the_api_writes_them() {
        let a = "11111111-2222-4333-8444-555555555555";
        let text = format!(
            r#"[{{"before": ["{a}", "{a}"]}}, {{"not_together": ["{a}"]}}, {{"at_most": [2, ["{a}"]]}}]"#
        );
        let read: Vec<Constraint> = serde_json::from_str(&text).unwrap();
        let a: ServerUuid = a.parse().unwrap();
        let expected = [
            Constraint::Before(a, a),
            Constraint::NotTogether(vec![a]),
            Constraint::AtMost(2, vec![a]),
        ];
        assert_eq!(read, expected);
    }
}
