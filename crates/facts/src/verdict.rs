//! What the planner says of every host as a destination of one server.

use std::collections::HashMap;

use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::Target;
use godwit_planner::reason::{self, Reason};

use crate::{Fleet, Guest};

/// What is said of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub host: HostName,
    /// How many hosts are worse, and itself: the best one is tried first. `None`: it is out of the
    /// question.
    pub score: Option<i64>,
    /// Why it is out of the question.
    pub reasons: Vec<Reason>,
    /// When the host last said what this is concluded from.
    pub facts_at: Timestamp,
}

/// Judges every host but the server's own, by name, as whoever puts the server there does.
pub fn verdicts(fleet: &Fleet, guest: &Guest) -> Vec<Verdict> {
    let Some((need, leaves)) = guest.need(fleet) else {
        return Vec::new();
    };
    let unfenced = (!leaves).then(|| reason::source_not_fenced(&need.source));
    let hosts = fleet.hosts(None);
    let (fitting, rejected) = candidates(&hosts, &need, &Target::Any);
    let scores = (1..).zip(fitting.into_iter().rev());
    let mut scores: HashMap<HostName, i64> = scores.map(|(score, host)| (host, score)).collect();
    let rejected = rejected.into_iter().map(|it| (it.host, it.reasons));
    let mut reasons: HashMap<HostName, Vec<Reason>> = rejected.collect();
    let others = hosts.iter().filter(|host| host.name != need.source);
    let verdict = |name: &HostName| {
        let host = &fleet.host(name)?.host;
        Some(Verdict {
            host: name.clone(),
            score: scores.remove(name).filter(|_| leaves),
            reasons: unfenced
                .iter()
                .cloned()
                .chain(reasons.remove(name).unwrap_or_default())
                .collect(),
            facts_at: host
                .last_inventory_at
                .max(host.updated_at)
                .unwrap_or(host.created_at),
        })
    };
    let names = others.map(|host| &host.name);
    let mut hosts: Vec<Verdict> = names.filter_map(verdict).collect();
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    hosts
}
