//! What a plan is asked for, and what is wrong with a request whatever the fleet is like. Whether a
//! name is known, and to the caller, is asked elsewhere, and whether it can be done is for the plan
//! to say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::host::maintenance::is_of_run;
use crate::ids::{HostName, ServerUuid};
use crate::plan::options::{Immovable, ReturnHome, SourceData, VALID_SECONDS_MAX};
use crate::plan::{Options, PlanKind, constraints};
use crate::time::Timestamp;

/// The longest name of a holder, in characters.
pub const HOLDER_MAX: usize = 255;

/// Which servers are to go, and where to, as a request's body names them. Just one of `servers`,
/// `host`, `hosts` and `pool` is there.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// These servers.
    pub servers: Option<Vec<ServerUuid>>,
    /// With one server: to this host, or nowhere.
    pub destination: Option<HostName>,
    /// All of this host.
    pub host: Option<HostName>,
    /// With `host`: it enters maintenance.
    pub enter_maintenance: bool,
    /// All of these hosts, one after the other.
    pub hosts: Option<Vec<HostName>>,
    /// With `hosts`: so many at the same time.
    pub max_unavailable: Option<u32>,
    /// All disks of this pool.
    pub pool: Option<String>,
    /// With `pool`: to this one.
    pub to: Option<String>,
}

/// What a plan is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One server goes to the named host, or to the best one.
    Server(ServerUuid, Option<HostName>),
    /// Several go.
    Servers(Vec<ServerUuid>),
    /// A host is emptied.
    Host(HostName),
    /// A host is emptied, and enters maintenance.
    Maintenance(HostName),
    /// Hosts are emptied one after the other, and held until somebody is done with each.
    Rolling {
        /// Which.
        hosts: Vec<HostName>,
        /// So many at the same time.
        max_unavailable: u32,
    },
    /// A pool is emptied into another one.
    Pool {
        /// This one.
        pool: String,
        /// Into this one.
        to: String,
    },
    /// Servers return to this host. Nobody asks for it by a plan; it is how a maintenance ends.
    ReturnHome(HostName),
}

impl Target {
    /// The type of its plan.
    pub const fn kind(&self) -> PlanKind {
        match self {
            Self::Server(..) => PlanKind::Server,
            Self::Servers(_) => PlanKind::Servers,
            Self::Host(_) => PlanKind::Host,
            Self::Maintenance(_) => PlanKind::Maintenance,
            Self::Rolling { .. } => PlanKind::Rolling,
            Self::Pool { .. } => PlanKind::Pool,
            Self::ReturnHome(_) => PlanKind::ReturnHome,
        }
    }

    /// The servers that it names.
    pub fn servers(&self) -> &[ServerUuid] {
        match self {
            Self::Server(server, _) => std::slice::from_ref(server),
            Self::Servers(servers) => servers,
            Self::Host(_)
            | Self::Maintenance(_)
            | Self::Rolling { .. }
            | Self::Pool { .. }
            | Self::ReturnHome(_) => &[],
        }
    }

    /// The hosts that it empties of whatever is there.
    pub fn emptied(&self) -> &[HostName] {
        match self {
            Self::Host(host) | Self::Maintenance(host) => std::slice::from_ref(host),
            Self::Rolling { hosts, .. } => hosts,
            Self::Server(..) | Self::Servers(_) | Self::Pool { .. } | Self::ReturnHome(_) => &[],
        }
    }

    /// It with the hosts of a rolling maintenance in this order; those that it does not name come
    /// last.
    #[must_use]
    pub fn in_turns(&self, order: &[String]) -> Self {
        match self {
            Self::Rolling {
                hosts,
                max_unavailable,
            } => {
                let place = |host: &HostName| {
                    let place = order.iter().position(|it| it == host.as_str());
                    place.unwrap_or(order.len())
                };
                let mut hosts = hosts.clone();
                hosts.sort_by_cached_key(place);
                Self::Rolling {
                    hosts,
                    max_unavailable: *max_unavailable,
                }
            }
            Self::Server(..)
            | Self::Servers(_)
            | Self::Host(_)
            | Self::Maintenance(_)
            | Self::Pool { .. }
            | Self::ReturnHome(_) => self.clone(),
        }
    }

    /// Does it hold hosts, from when it is run until somebody releases them?
    pub const fn holds_hosts(&self) -> bool {
        matches!(self.kind(), PlanKind::Maintenance | PlanKind::Rolling)
    }
}

/// The code of a problem with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidCode {
    /// Something is wrong with it.
    InvalidInput,
    /// A destination is named for none or for many.
    DestinationNeedsOneServer,
}

impl InvalidCode {
    /// As problems spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::DestinationNeedsOneServer => "destination-needs-one-server",
        }
    }
}

/// Something that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct Invalid {
    /// The problem's code.
    pub code: InvalidCode,
    /// Where in the body: a JSON pointer.
    pub pointer: String,
    /// What.
    pub detail: String,
}

fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Invalid {
    Invalid {
        code: InvalidCode::InvalidInput,
        pointer: pointer.into(),
        detail: detail.into(),
    }
}

impl Wanted {
    /// What it asks for.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn target(self) -> Result<Target, Vec<Invalid>> {
        let mut wrong = self.strangers();
        let one_server = self
            .servers
            .as_ref()
            .is_some_and(|servers| servers.len() == 1);
        if self.destination.is_some() && !one_server {
            wrong.push(Invalid {
                code: InvalidCode::DestinationNeedsOneServer,
                pointer: "/destination".to_owned(),
                detail: "a destination is for one server".to_owned(),
            });
        }
        wrong.extend(repeated("/servers", self.servers.as_deref()));
        wrong.extend(repeated("/hosts", self.hosts.as_deref()));
        if self.max_unavailable == Some(0) {
            wrong.push(invalid("/max_unavailable", "it is at least 1"));
        }
        if self.pool.is_some() && self.pool == self.to {
            wrong.push(invalid("/to", "it is the same pool"));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        match (self.servers, self.host, self.hosts, self.pool, self.to) {
            (Some(servers), None, None, None, None) => Ok(match servers.as_slice() {
                [server] => Target::Server(*server, self.destination),
                _ => Target::Servers(servers),
            }),
            (None, Some(host), None, None, None) => Ok(match self.enter_maintenance {
                true => Target::Maintenance(host),
                false => Target::Host(host),
            }),
            (None, None, Some(hosts), None, None) => Ok(Target::Rolling {
                hosts,
                max_unavailable: self.max_unavailable.unwrap_or(1),
            }),
            (None, None, None, Some(pool), Some(to)) => Ok(Target::Pool { pool, to }),
            (None, None, None, Some(_), None) => Err(vec![invalid("/to", "it is missing")]),
            (_, _, _, _, _) => Err(vec![invalid(
                "",
                "it names just one of servers, host, hosts and pool",
            )]),
        }
    }

    /// What stands beside something that it does not belong to.
    fn strangers(&self) -> Vec<Invalid> {
        let absent = [
            (
                self.enter_maintenance && self.host.is_none(),
                "enter_maintenance",
                "host",
            ),
            (
                self.max_unavailable.is_some() && self.hosts.is_none(),
                "max_unavailable",
                "hosts",
            ),
            (self.to.is_some() && self.pool.is_none(), "to", "pool"),
        ];
        let strangers = absent.into_iter().filter(|(strange, ..)| *strange);
        let wrong = strangers.map(|(_, field, beside)| {
            invalid(
                format!("/{field}"),
                format!("it belongs to {beside}, which is missing"),
            )
        });
        wrong.collect()
    }
}

/// A list that is there names something, and nothing twice.
fn repeated<T: Ord + std::fmt::Display>(pointer: &str, list: Option<&[T]>) -> Vec<Invalid> {
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        return vec![invalid(pointer, "it is empty")];
    }
    let mut known = BTreeSet::new();
    let again = list
        .iter()
        .enumerate()
        .filter(|(_, one)| !known.insert(*one));
    let wrong = again.map(|(place, one)| {
        invalid(
            format!("{pointer}/{place}"),
            format!("{one} is named twice"),
        )
    });
    wrong.collect()
}

impl Options {
    /// Do they fit what is asked for, at `now`? `servers` are those that the target names or that
    /// its hosts and pools have.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(
        &self,
        target: &Target,
        servers: &BTreeSet<ServerUuid>,
        now: Timestamp,
    ) -> Result<(), Vec<Invalid>> {
        let mut wrong = Vec::new();
        if !(1..=VALID_SECONDS_MAX).contains(&self.valid_seconds) {
            let detail = format!("it is from 1 to {VALID_SECONDS_MAX}");
            wrong.push(invalid("/valid_seconds", detail));
        }
        for (pointer, time) in [
            ("/deadline", self.deadline),
            ("/retain_until", self.retain_until),
        ] {
            if time.is_some_and(|time| time <= now) {
                wrong.push(invalid(pointer, "it has passed"));
            }
        }
        if self.retain_until.is_some() && self.source_data == Some(SourceData::Delete) {
            wrong.push(invalid("/retain_until", "what is deleted is not retained"));
        }
        // Without a maintenance there is no end of it, after which a server would be started again,
        // or return.
        if !target.holds_hosts() {
            if self.immovable == Immovable::ShutdownRestart {
                wrong.push(invalid(
                    "/immovable",
                    "it is for a host that enters maintenance",
                ));
            }
            if self.return_home != ReturnHome::Never {
                wrong.push(invalid(
                    "/return_home",
                    "it is for a host that enters maintenance",
                ));
            }
        }
        let holder = self.holder.as_ref().map(|holder| holder.chars().count());
        if holder.is_some_and(|length| !(1..=HOLDER_MAX).contains(&length)) {
            wrong.push(invalid(
                "/holder",
                format!("it has 1 to {HOLDER_MAX} characters"),
            ));
        }
        if self.holder.as_deref().is_some_and(is_of_run) {
            let text = "names that begin with run: are those of runs";
            wrong.push(invalid("/holder", text));
        }
        wrong.extend(
            constraints::check(&self.constraints, servers)
                .err()
                .unwrap_or_default(),
        );
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests;
