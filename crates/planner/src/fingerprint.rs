//! Whether a fleet has changed in a way that matters to a plan.
//!
//! A fingerprint is a list of facts, each of which would spoil the plan if it were another one,
//! and a digest of them. Where a plan needs only that there is enough of something, the fact is
//! that there is enough, and not how much: a server that boots elsewhere changes nothing.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::{HostName, ServerUuid};
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::plan::{Plan, Wish};

/// What a fact is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Server(ServerUuid),
    Host(HostName),
}

impl Subject {
    /// What is said of one that is gone.
    const fn first_fact(&self) -> FactCode {
        match self {
            Self::Server(_) => FactCode::ServerHost,
            Self::Host(_) => FactCode::HostUp,
        }
    }
}

/// What may change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactCode {
    /// The host that a server is on.
    ServerHost,
    /// Vcpus, memory and disk.
    ServerSize,
    ServerDisks,
    ServerPower,
    /// Whether it is in a move already.
    ServerBusy,
    ServerGroup,
    /// Whether its stream carries more than it dirties.
    ServerConverges,
    HostEnabled,
    HostUp,
    HostManaged,
    /// Whether servers that come leave no cluster.
    HostCluster,
    HostFenced,
    HostHypervisor,
    HostCpu,
    HostPools,
    HostVcpus,
    HostMemory,
    HostDisk,
    /// Servers of a group that the plan does not move.
    HostGroup,
}

impl FactCode {
    pub const ALL: [Self; 19] = [
        Self::ServerHost,
        Self::ServerSize,
        Self::ServerDisks,
        Self::ServerPower,
        Self::ServerBusy,
        Self::ServerGroup,
        Self::ServerConverges,
        Self::HostEnabled,
        Self::HostUp,
        Self::HostManaged,
        Self::HostCluster,
        Self::HostFenced,
        Self::HostHypervisor,
        Self::HostCpu,
        Self::HostPools,
        Self::HostVcpus,
        Self::HostMemory,
        Self::HostDisk,
        Self::HostGroup,
    ];
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Fact {
    code: FactCode,
    #[serde(flatten)]
    subject: Subject,
    /// More than one of a code and subject.
    of: Option<String>,
    is: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fingerprint {
    pub digest: String,
    facts: Vec<Fact>,
}

/// One change that matters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    pub code: FactCode,
    #[serde(flatten)]
    pub subject: Subject,
    pub was: Option<String>,
    pub is: Option<String>,
}

impl Fingerprint {
    /// Of what matters to `plan`, as it is in `fleet` now. `returning` is as [`crate::plan::room`] has it.
    pub fn of(fleet: &Fleet, wish: &Wish, plan: &Plan, returning: Option<u32>) -> Self {
        let facts = facts::facts(fleet, wish, plan, returning);
        // FNV-1a: the same everywhere, and nobody has an interest in two that are equal.
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |text: &str| {
            for byte in text.bytes().chain([0]) {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for fact in &facts {
            add(&format!("{:?}{:?}", fact.code, fact.subject));
            add(fact.of.as_deref().unwrap_or_default());
            add(&fact.is);
        }
        Self {
            digest: format!("{digest:016x}"),
            facts,
        }
    }

    /// What has changed from this to `now`: each relevant fact that differs; of a server or a host that
    /// is gone only that.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        if self == now {
            return Vec::new();
        }
        type Both<'a> = (Option<&'a str>, Option<&'a str>);
        let mut both: BTreeMap<_, Both<'_>> = BTreeMap::new();
        for fact in &self.facts {
            both.entry((&fact.subject, fact.code, &fact.of))
                .or_default()
                .0 = Some(&fact.is);
        }
        for fact in &now.facts {
            both.entry((&fact.subject, fact.code, &fact.of))
                .or_default()
                .1 = Some(&fact.is);
        }
        let there: BTreeSet<&Subject> = now.subjects().collect();
        let changed = both.into_iter().filter(|(_, (was, is))| was != is);
        let mut differences: Vec<Difference> = changed
            .filter(|((subject, code, _), _)| {
                there.contains(subject) || *code == subject.first_fact()
            })
            .map(|((subject, code, _), (was, is))| Difference {
                code,
                subject: subject.clone(),
                was: was.map(str::to_owned),
                is: is.map(str::to_owned),
            })
            .collect();
        // Of a host that servers leave and others come to, the same may be said twice.
        differences.dedup();
        differences
    }

    /// Those that are there.
    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.facts.iter().map(|fact| &fact.subject)
    }
}

#[cfg(test)]
mod tests;
