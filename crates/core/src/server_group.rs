//! Server groups: which hosts a server's group leaves it.
//!
//! Nova looks at where the members are recorded. Here a member also counts where it may come to
//! be: at the destination of its unfinished migration, and at the source of a cold one, to which
//! it may still return. So two moves that are under way at the same time break no rule together,
//! and a move that is reverted never finds its old place taken.
//!
//! Affinity asks for the opposite certainty: a member that may be elsewhere soon is nobody to go
//! to. It counts only where it is heading.

use serde::{Deserialize, Serialize};

use crate::ids::{HostName, ServerGroupUuid};
use crate::migration::Settling;
use crate::plan::options::Affinity;
use crate::status::{MigrationStatus, words};

words!(
    /// What a group asks of the hosts of its members.
    Policy, "server group policy", {
        /// All on one host.
        Affinity = "affinity",
        /// No more than `max_server_per_host` on one host, which is 1 unless the group says more.
        AntiAffinity = "anti-affinity",
        /// As many as possible on one host.
        SoftAffinity = "soft-affinity",
        /// As few as possible on one host.
        SoftAntiAffinity = "soft-anti-affinity",
    }
);

impl Policy {
    /// Is a host that breaks it out of the question, rather than just worse than others?
    pub const fn is_hard(self) -> bool {
        match self {
            Self::Affinity | Self::AntiAffinity => true,
            Self::SoftAffinity | Self::SoftAntiAffinity => false,
        }
    }

    /// What is left of it where a plan may break hard rules if nothing else fits.
    #[must_use]
    pub const fn bound_by(self, affinity: Affinity) -> Self {
        match (affinity, self) {
            (Affinity::BestEffort, Self::Affinity | Self::SoftAffinity) => Self::SoftAffinity,
            (Affinity::BestEffort, Self::AntiAffinity | Self::SoftAntiAffinity) => {
                Self::SoftAntiAffinity
            }
            (Affinity::Strict, policy) => policy,
        }
    }
}

/// The longest name of a group, in characters, as Nova's schemas have it.
pub const NAME_MAX: usize = 255;

/// A group as a domain's own description names it. A group that nobody knows yet is made of it,
/// if it says the policy; of one that is known, only the uuid counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredGroup {
    /// Which group.
    pub uuid: ServerGroupUuid,
    /// Its name, at most [`NAME_MAX`] characters; `None`: its uuid.
    pub name: Option<String>,
    /// What it asks for.
    pub policy: Option<Policy>,
    /// As in [`Membership`].
    pub max_server_per_host: Option<u32>,
}

/// An unfinished migration of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberMove {
    /// Where it comes from.
    pub source: HostName,
    /// Where it goes; `None` while that is being chosen.
    pub destination: Option<HostName>,
    /// How far it is.
    pub status: MigrationStatus,
    /// What it waits for, if its outcome is known.
    pub settling: Option<Settling>,
}

impl MemberMove {
    /// Does it lead back to where it came from?
    const fn goes_back(&self) -> bool {
        let withdrawn = match self.settling {
            Some(Settling::Cancelling | Settling::Failing) => true,
            Some(Settling::Finishing) | None => false,
        };
        withdrawn || matches!(self.status, MigrationStatus::Reverting)
    }
}

/// Another server of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The host it is recorded on; `None`: none.
    pub host: Option<HostName>,
    /// Its unfinished migration, if it has one.
    pub moving: Option<MemberMove>,
}

impl Member {
    /// The hosts where it is or may come to be.
    fn places(&self) -> impl Iterator<Item = &HostName> {
        let ends = self.moving.as_ref().and_then(|moving| {
            let destination = moving.destination.as_ref()?;
            Some([&moving.source, destination])
        });
        self.host.iter().chain(ends.into_iter().flatten())
    }

    /// Is it on `host`, or may it come to be there?
    fn may_be_on(&self, host: &HostName) -> bool {
        self.places().any(|place| place == host)
    }

    /// Where it will be when its migration ends as it is going to now; without one, where it is.
    fn heading_for(&self) -> Option<&HostName> {
        let Some(moving) = &self.moving else {
            return self.host.as_ref();
        };
        match &moving.destination {
            Some(_) if moving.goes_back() => Some(&moving.source),
            Some(destination) => Some(destination),
            None => self.host.as_ref(),
        }
    }
}

/// The group of a server that shall go somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Membership {
    pub group: ServerGroupUuid,
    pub name: String,
    pub policy: Policy,
    /// How many of its servers one host may have, where that is not 1; only with
    /// [`Policy::AntiAffinity`].
    pub max_server_per_host: Option<u32>,
    pub others: Vec<Member>,
}

/// What is wrong with a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The others are, or will be, on these hosts.
    Affinity {
        /// Sorted; at least one.
        hosts: Vec<HostName>,
    },
    /// There are, or may come to be, as many as the group allows.
    AntiAffinity {
        /// How many.
        there: u32,
        /// How many there may be.
        most: u32,
    },
}

impl Membership {
    /// What a hard policy has against `host`.
    ///
    /// `dead` is the host that an evacuation leaves. A server on it is nobody to go to, so that a
    /// group with affinity can leave it together: the first server chooses, the others follow.
    pub fn violation(&self, host: &HostName, dead: Option<&HostName>) -> Option<Violation> {
        match self.policy {
            Policy::Affinity => {
                let heading = self.others.iter().filter_map(Member::heading_for);
                let mut hosts: Vec<_> = heading.filter(|it| Some(*it) != dead).collect();
                hosts.sort();
                hosts.dedup();
                let free = hosts.is_empty() || hosts.contains(&host);
                let hosts = hosts.into_iter().cloned().collect();
                (!free).then_some(Violation::Affinity { hosts })
            }
            Policy::AntiAffinity => {
                let (there, most) = (self.members_on(host), self.most());
                (there >= most).then_some(Violation::AntiAffinity { there, most })
            }
            Policy::SoftAffinity | Policy::SoftAntiAffinity => None,
        }
    }

    /// What a hard policy has against another server that would come in as it is, on the host where
    /// that is so.
    ///
    /// A rule is one of places: it is asked of every host where the server may come to be.
    pub fn conflict(&self, joining: &Member) -> Option<(HostName, Violation)> {
        let at = |host: &HostName| Some((host.clone(), self.violation(host, None)?));
        match self.policy {
            Policy::Affinity => joining.heading_for().and_then(at),
            Policy::AntiAffinity => joining.places().find_map(at),
            Policy::SoftAffinity | Policy::SoftAntiAffinity => None,
        }
    }

    /// How much a soft policy likes `host`, compared with others.
    pub fn liking(&self, host: &HostName) -> i64 {
        let there = i64::from(self.members_on(host));
        match self.policy {
            Policy::SoftAffinity => there,
            Policy::SoftAntiAffinity => there.saturating_neg(),
            Policy::Affinity | Policy::AntiAffinity => 0,
        }
    }

    /// How many of its servers one host may have, with [`Policy::AntiAffinity`].
    pub fn most(&self) -> u32 {
        self.max_server_per_host.unwrap_or(1)
    }

    /// How many others are on `host`, or may come to be.
    pub fn members_on(&self, host: &HostName) -> u32 {
        let there = self.others.iter().filter(|it| it.may_be_on(host));
        u32::try_from(there.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
