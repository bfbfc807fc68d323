//! Scopes: what hosts are in, and whether anything is put there.
//!
//! A zone has pods, a pod has clusters, and each of them hosts. What is said of one of them holds for
//! all that is in it: a host receives something only where nobody along its way up has disabled it.

use crate::ids::HostName;
use crate::requester::Requester;
use crate::status::words;
use crate::time::Timestamp;

pub mod beginning;

words!(
    /// What hosts are in, the widest first.
    ScopeKind, "scope", {
        /// An availability zone.
        Zone = "zone",
        /// A part of a zone.
        Pod = "pod",
        /// Hosts that belong together, in a pod or straight in a zone.
        Cluster = "cluster",
    }
);

words!(
    /// Of what it was said that nothing is put there.
    Level, "allocation level", {
        /// Of the zone.
        Zone = "zone",
        /// Of the pod.
        Pod = "pod",
        /// Of the cluster.
        Cluster = "cluster",
        /// Of the host itself.
        Host = "host",
    }
);

impl From<ScopeKind> for Level {
    fn from(kind: ScopeKind) -> Self {
        match kind {
            ScopeKind::Zone => Self::Zone,
            ScopeKind::Pod => Self::Pod,
            ScopeKind::Cluster => Self::Cluster,
        }
    }
}

/// Where a host belongs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Topology {
    /// Its availability zone.
    pub zone: String,
    /// Its pod, if it is in one.
    pub pod: Option<String>,
    /// Its cluster, if it is in one.
    pub cluster: Option<String>,
}

impl Topology {
    /// The scopes that it is in, the widest first.
    pub fn scopes(&self) -> impl Iterator<Item = (ScopeKind, &str)> {
        let zone = Some((ScopeKind::Zone, self.zone.as_str()));
        let pod = self.pod.as_deref().map(|pod| (ScopeKind::Pod, pod));
        let cluster = self.cluster.as_deref();
        let cluster = cluster.map(|cluster| (ScopeKind::Cluster, cluster));
        [zone, pod, cluster].into_iter().flatten()
    }

    /// May a host be there while `others` are where they are, each of them in the same pod or the
    /// same cluster?
    ///
    /// # Errors
    /// What would be in two places.
    pub fn check(&self, others: &[Self]) -> Result<(), Misplaced> {
        for other in others {
            if let Some(cluster) = self.cluster.as_ref()
                && other.cluster.as_ref() == Some(cluster)
            {
                let cluster = cluster.clone();
                if other.zone != self.zone {
                    let zone = other.zone.clone();
                    return Err(Misplaced::ClusterInZone { cluster, zone });
                }
                if other.pod != self.pod {
                    let pod = other.pod.clone();
                    return Err(Misplaced::ClusterInPod { cluster, pod });
                }
            }
            if let Some(pod) = self.pod.as_ref()
                && other.pod.as_ref() == Some(pod)
                && other.zone != self.zone
            {
                let (pod, zone) = (pod.clone(), other.zone.clone());
                return Err(Misplaced::PodInZone { pod, zone });
            }
        }
        Ok(())
    }
}

/// What would be in two places.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Misplaced {
    #[error("pod {pod} is in zone {zone}")]
    PodInZone { pod: String, zone: String },
    #[error("cluster {cluster} is in zone {zone}")]
    ClusterInZone { cluster: String, zone: String },
    #[error("cluster {cluster} is in {}", pod.as_ref().map_or("no pod".to_owned(), |pod| format!("pod {pod}")))]
    ClusterInPod {
        cluster: String,
        pod: Option<String>,
    },
}

/// Whether anything is put on a host, or on those in a scope, as far as that itself goes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Switch {
    /// Nothing is.
    pub disabled: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who said so last, where that was written down.
    pub by: Option<Requester>,
    /// Since when it is so, where that was written down.
    pub since: Option<Timestamp>,
}

impl Switch {
    /// What becomes of it once somebody says how it shall be. Who says what is so already leaves no
    /// trace.
    #[must_use]
    pub fn turned(
        &self,
        (disabled, reason): (bool, Option<String>),
        by: Option<Requester>,
        at: Timestamp,
    ) -> Self {
        if (disabled, &reason) == (self.disabled, &self.reason) {
            return self.clone();
        }
        Self {
            disabled,
            reason,
            by,
            since: match disabled == self.disabled {
                true => self.since,
                false => Some(at),
            },
        }
    }
}

/// Why nothing is put on a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Because {
    /// What was disabled.
    pub level: Level,
    /// Which one.
    pub name: String,
    /// How it was said.
    pub switch: Switch,
}

/// All that keeps a scope from receiving anything that is within these scopes, the widest first.
pub fn because_of<'a, 's>(
    scopes: impl Iterator<Item = (ScopeKind, &'a str)>,
    disabled: impl Fn(ScopeKind, &str) -> Option<&'s Switch>,
) -> Vec<Because> {
    let said = scopes.filter_map(|(kind, name)| Some((kind, name, disabled(kind, name)?)));
    said.filter(|(_, _, switch)| switch.disabled)
        .map(|(kind, name, switch)| Because {
            level: kind.into(),
            name: name.to_owned(),
            switch: switch.clone(),
        })
        .collect()
}

/// All that keeps a host from receiving anything, the widest first; none: it receives.
pub fn because<'s>(
    host: &HostName,
    topology: &Topology,
    own: &Switch,
    disabled: impl Fn(ScopeKind, &str) -> Option<&'s Switch>,
) -> Vec<Because> {
    let mut found = because_of(topology.scopes(), disabled);
    found.extend(own.disabled.then(|| Because {
        level: Level::Host,
        name: host.to_string(),
        switch: own.clone(),
    }));
    found
}

#[cfg(test)]
mod tests;
