//! What a plan was asked for, in the planner's words.

use std::collections::BTreeSet;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::plan::options::Constraint;
use godwit_core::plan::request::Target;
use godwit_core::plan::{Options, PlanKind};
use godwit_core::reason::{Evidence, Reason, ReasonCode};
use godwit_planner::fleet::Fleet;
use godwit_planner::plan::{Blocked, Wish};
use godwit_planner::reason::source_not_fenced;
use godwit_store::InventoryScope;

/// Of a host whose servers return: whose home it is, and who was shut down there.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Homes {
    pub home: BTreeSet<ServerUuid>,
    pub shut_down: BTreeSet<ServerUuid>,
}

/// What is asked of the planner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// `None`: nothing is left to be moved.
    pub wish: Option<Wish>,
    /// As the planner takes them: whether the plan may be partial is decided.
    pub options: Options,
    /// Servers that it cannot be asked for.
    pub blocked: Vec<Blocked>,
    /// Servers that are started again where they are.
    pub start: Vec<ServerUuid>,
}

/// What a plan is to be made for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub target: &'a Target,
    pub options: &'a Options,
    pub homes: &'a Homes,
}

/// Why nothing can be asked of the planner: all of it.
pub type NotAsked = Vec<Reason>;

impl Wanted<'_> {
    /// What has to be known of the inventory.
    pub fn scope(&self) -> InventoryScope {
        let of_constraints = self.options.constraints.iter().flat_map(|it| it.servers());
        let servers = self.target.servers().iter().copied().chain(of_constraints);
        let homes = self.homes.home.iter().chain(&self.homes.shut_down);
        InventoryScope {
            servers: servers.chain(homes.copied()).collect(),
            emptied: self.target.emptied().iter().cloned().collect(),
            hosts: None,
        }
    }

    /// Asks it of `fleet`, which has what [`Self::scope`] says.
    ///
    /// # Errors
    /// Hosts that are gone, or that are silent and may still execute what is to leave them.
    pub fn ask(&self, fleet: &Fleet) -> Result<Asked, NotAsked> {
        let mut hosts: Vec<&HostName> = self.target.emptied().iter().collect();
        match self.target {
            Target::Server(_, Some(host)) | Target::ReturnHome(host) => hosts.push(host),
            Target::Server(_, None)
            | Target::Servers(_)
            | Target::Host(_)
            | Target::Maintenance(_)
            | Target::Rolling { .. }
            | Target::Pool { .. } => {}
        }
        let wrong = hosts
            .into_iter()
            .filter_map(|host| self.against(fleet, host));
        let wrong: NotAsked = wrong.collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let kind = self.target.kind();
        let known = |server: &ServerUuid| fleet.server_no(*server).is_some();
        let gone = self.target.servers().iter().filter(|it| !known(it));
        let blocked = gone.map(|server| Blocked {
            server: *server,
            reasons: vec![Reason::new(
                ReasonCode::Deleted,
                "the server was deleted, or is on no host that is known",
            )],
        });
        Ok(Asked {
            wish: self.wish(fleet),
            options: self.options(fleet, kind),
            blocked: blocked.collect(),
            start: self.start(fleet),
        })
    }

    fn against(&self, fleet: &Fleet, host: &HostName) -> Option<Reason> {
        let Some(no) = fleet.host_no(host) else {
            let evidence = Evidence::Host { host: host.clone() };
            let text = format!("there is no host {host}");
            return Some(Reason::new(ReasonCode::Unknown, text).shown_by(evidence));
        };
        let it = &fleet.hosts()[no];
        let silent = !it.host.up && !it.fenced && !fleet.servers_on(no).is_empty();
        (silent && self.target.emptied().contains(host)).then(|| source_not_fenced(host))
    }

    fn wish(&self, fleet: &Fleet) -> Option<Wish> {
        match self.target {
            Target::Server(server, destination) => {
                fleet.server_no(*server).map(|_| Wish::Servers {
                    servers: vec![*server],
                    destination: destination.clone(),
                })
            }
            Target::Servers(servers) => {
                let known = servers.iter().filter(|it| fleet.server_no(**it).is_some());
                let servers: Vec<ServerUuid> = known.copied().collect();
                (!servers.is_empty()).then_some(Wish::Servers {
                    servers,
                    destination: None,
                })
            }
            Target::Host(host) | Target::Maintenance(host) => {
                Some(Wish::Host { host: host.clone() })
            }
            Target::Rolling {
                hosts,
                max_unavailable,
            } => Some(Wish::Rolling {
                hosts: hosts.clone(),
                max_unavailable: *max_unavailable,
            }),
            Target::ReturnHome(host) => {
                let homes = self.homes.home.iter();
                let homes = homes.filter(|it| fleet.server_no(**it).is_some());
                Some(Wish::ReturnHome {
                    homes: homes.map(|it| (*it, host.clone())).collect(),
                })
            }
            Target::Pool { .. } => None,
        }
    }

    /// Constraints about servers that are gone are kept to by nobody.
    fn options(&self, fleet: &Fleet, kind: PlanKind) -> Options {
        let known = |server: &ServerUuid| fleet.server_no(*server).is_some();
        let constraints = self.options.constraints.iter().filter_map(|it| match it {
            Constraint::Before(first, second) => {
                (known(first) && known(second)).then(|| it.clone())
            }
            Constraint::NotTogether(servers) => {
                let servers = servers.iter().copied().filter(known).collect();
                Some(Constraint::NotTogether(servers))
            }
            Constraint::AtMost(most, servers) => {
                let servers = servers.iter().copied().filter(known).collect();
                Some(Constraint::AtMost(*most, servers))
            }
        });
        Options {
            allow_partial: self.options.may_be_partial(kind),
            constraints: constraints.collect(),
            ..self.options.clone()
        }
    }

    /// Those that were shut down for the maintenance of a host, and still are, wherever they are by now.
    fn start(&self, fleet: &Fleet) -> Vec<ServerUuid> {
        let Target::ReturnHome(_) = self.target else {
            return Vec::new();
        };
        let off = self.homes.shut_down.iter().filter(|server| {
            fleet.server_no(**server).is_some_and(|no| {
                let it = &fleet.servers()[no];
                !it.running && it.moving_to.is_none()
            })
        });
        off.copied().collect()
    }
}
