//! What is asked of the board: whether a server moves at all, and whether a host takes it.

use godwit_core::server_group::{Member, Membership, Policy};

use super::board::Board;
use crate::candidates::candidates;
use crate::inventory::{Host, Need, Target};
use crate::plan::{Fallback, OperationKind};
use crate::reason::{self, Reason, ReasonCode};
use crate::table::{HostNo, ServerNo};

impl Board<'_> {
    /// How a server would move, or why it cannot go anywhere.
    pub(super) fn kind(&self, server: ServerNo) -> Result<OperationKind, Vec<Reason>> {
        let source = &self.fleet.hosts()[self.at[server]];
        let name = &source.host.name;
        let server = &self.fleet.servers()[server];
        if let Some(destination) = &server.moving_to {
            let text = if destination == name {
                "something else is being done to the server".to_owned()
            } else {
                format!("the server is on its way to {destination}")
            };
            return Err(vec![Reason::new(ReasonCode::Busy, text)]);
        }
        if let Some(cluster) = &source.host.unmanaged {
            return Err(vec![reason::unmanaged(&[cluster])]);
        }
        if source.host.up {
            let live = server.running;
            return Ok(if live {
                OperationKind::Live
            } else {
                OperationKind::Cold
            });
        }
        if source.fenced {
            return Ok(OperationKind::Evacuate);
        }
        Err(vec![reason::source_not_fenced(name)])
    }

    /// What a server needs now; `gone` are those that are counted as gone of a host besides.
    pub(super) fn need(&self, server: ServerNo, gone: Option<(HostNo, &[ServerNo])>) -> Need {
        let source = &self.hosts[self.at[server]];
        let it = &self.fleet.servers()[server];
        let live = it.running && source.up && self.options.fallback == Fallback::None;
        Need {
            source: source.name.clone(),
            topology: source.topology.clone(),
            live,
            stream: it.stream(source).filter(|_| live),
            source_is_dead: !source.up,
            unmanaged: source.unmanaged.clone(),
            group: self.membership(server, gone),
            ..it.need.clone()
        }
    }

    fn membership(
        &self,
        server: ServerNo,
        gone: Option<(HostNo, &[ServerNo])>,
    ) -> Option<Membership> {
        let no = self.fleet.servers()[server].group?;
        let group = &self.fleet.groups()[no];
        let policy = group.policy.bound_by(self.options.affinity);
        // Whoever keeps together asks where others will be, whoever keeps apart where they may be.
        let together = matches!(policy, Policy::Affinity | Policy::SoftAffinity);
        let mut others = Vec::new();
        for other in self.fleet.members(no).iter().filter(|it| **it != server) {
            let stops = self.stops.get(other).map_or(&[][..], Vec::as_slice);
            let mut hosts = vec![self.at[*other]];
            if together {
                let busy = self.fleet.servers()[*other].moving_to.is_some();
                hosts.extend(stops.iter().filter(|_| busy));
                hosts.drain(..hosts.len().saturating_sub(1));
            } else {
                hosts.extend(stops);
                hosts.sort_unstable();
                hosts.dedup();
            }
            if let Some((left, who)) = gone
                && who.contains(other)
                && self.at[*other] != left
            {
                hosts.retain(|host| *host != left);
            }
            others.extend(hosts.into_iter().map(|host| Member {
                host: Some(self.name(host).clone()),
                moving: None,
            }));
        }
        Some(Membership {
            group: group.id,
            name: group.name.clone(),
            policy,
            max_server_per_host: group.max_server_per_host,
            others,
        })
    }

    /// Everything that is against a server's going to `host`.
    pub(super) fn against(&self, need: &Need, no: HostNo) -> Vec<Reason> {
        against(need, &self.hosts[no])
    }

    /// How much of what leaves `host` a server has to wait for until it fits: nothing (0), or so
    /// many more operations than are counted as gone; or why it does not fit even then.
    pub(super) fn fits(&self, server: ServerNo, no: HostNo) -> Result<usize, Vec<Reason>> {
        let mut need = self.need(server, None);
        let mut reasons = self.against(&need, no);
        if reasons.is_empty() {
            return Ok(0);
        }
        let mut host = self.hosts[no].clone();
        let mut gone = Vec::new();
        let leaving = &self.leaving[no];
        for operation in leaving.operations.iter().skip(leaving.gone) {
            let left = self.built.drafts[*operation].server;
            host.used = host
                .used
                .less(self.fleet.servers()[left].need.room_at(&host.pools));
            gone.push(left);
            need.group = self.membership(server, Some((no, &gone)));
            reasons = against(&need, &host);
            if reasons.is_empty() {
                return Ok(gone.len());
            }
        }
        Err(reasons)
    }
}

fn against(need: &Need, host: &Host) -> Vec<Reason> {
    let (_, rejected) = candidates(std::slice::from_ref(host), need, &Target::Any);
    rejected.into_iter().flat_map(|it| it.reasons).collect()
}
