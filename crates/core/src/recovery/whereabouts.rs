//! What the testimony of all hosts says about a server that no migration explains.
//!
//! The record follows the hypervisor, but only to the one host where the server certainly is.
//! In any other case it stays, and a discrepancy says what is odd.

use std::time::Duration;

use super::{End, Sighting};
use crate::discrepancy::DiscrepancyKind as Kind;
use crate::ids::HostName;
use crate::time::Timestamp;

/// What is known of a server that no migration works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sightings<'a> {
    /// Where it is recorded.
    pub home: Option<&'a HostName>,
    /// What is known of that host.
    pub standing: HomeStanding,
    /// Where moves have left it, shut off.
    pub left: &'a [(HostName, End)],
    /// What each host last said of it; what dead hosts once said is not among it.
    pub seen: &'a [(HostName, Sighting)],
}

/// What is known of the recorded host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HomeStanding {
    /// Its inventory is newer than the record.
    Heard,
    /// It has not been heard since the record was made.
    Silent,
    /// Its operator has declared it dead, and it has not been heard since: it executes nothing.
    DeclaredDead,
}

impl HomeStanding {
    /// `heard`: when the host gave its last inventory. `settled`: when the record was made.
    pub fn of(is_dead: bool, heard: Option<Timestamp>, settled: Option<Timestamp>) -> Self {
        match heard {
            _ if is_dead => Self::DeclaredDead,
            Some(heard) if settled.is_none_or(|settled| settled < heard) => Self::Heard,
            Some(_) | None => Self::Silent,
        }
    }
}

/// For how long a host that was declared dead may still be dying: once its agent has given no sign
/// of life for so long, what it said last is as old as what it said before.
const DYING: Duration = Duration::from_secs(60);

/// Is a host dead that was `declared` so at this time? It is if it has given no sign of life since,
/// or has fallen silent.
pub fn is_dead(declared: Option<Timestamp>, sign: Option<Timestamp>, now: Timestamp) -> bool {
    sign.is_none_or(|sign| declared.is_some_and(|at| sign <= at) || now.since(sign) > DYING)
}

/// Where a server is, compared with where it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whereabouts {
    /// Where it is recorded, and nowhere else.
    AsRecorded,
    /// On this host, and certainly not on the recorded one any more.
    MovedTo(HostName),
    /// Executing on all of these.
    Twice(Vec<HostName>),
    /// On none, and the recorded host was heard.
    Nowhere,
    /// Also, or perhaps only, on these.
    Elsewhere(Vec<HostName>),
    /// Somebody moves it right now, or too few were heard: what was known stands.
    Unclear,
}

/// A discrepancy that is to be open about a server.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Oddity {
    pub kind: Kind,
    pub host: Option<HostName>,
    pub detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AtHome {
    /// No host is recorded.
    Unrecorded,
    /// It has not been heard since the record was made.
    Silent,
    /// It is dead, and so is what it had.
    DeclaredDead,
    /// It was heard, and does not have the server.
    Without,
    /// It says this.
    Says(Sighting),
}

/// Says where a server is.
///
/// A move may have left the guest, shut off, on hosts that it came from or went to: there it is no
/// wonder. But nothing leads back there behind the service's back; what executes there came to
/// life on a host that should not have it, and nobody may guess which one is right.
pub fn locate(sightings: Sightings<'_>) -> Whereabouts {
    let Sightings { home, left, .. } = sightings;
    let expected = |(host, sighting): &&(HostName, Sighting)| {
        *sighting == Sighting::Inactive
            && left.iter().any(|(there, _)| there == host)
            && Some(host) != home
    };
    let came_from = |host: &HostName| left.contains(&(host.clone(), End::Source));
    let seen = sightings.seen.iter().filter(|it| !expected(it)).cloned();
    let seen: Vec<_> = seen.collect();
    let found = by_testimony(home, sightings.standing, &seen);
    if let Whereabouts::MovedTo(host) = &found
        && came_from(host)
    {
        return Whereabouts::Elsewhere(vec![host.clone()]);
    }
    found
}

fn by_testimony(
    home: Option<&HostName>,
    standing: HomeStanding,
    seen: &[(HostName, Sighting)],
) -> Whereabouts {
    use Sighting as S;
    let executes = |sighting: &S| matches!(sighting, S::Executing | S::Moving);
    let of = |wanted: &dyn Fn(&S) -> bool| -> Vec<HostName> {
        seen.iter()
            .filter(|(host, sighting)| wanted(sighting) && Some(host) != home)
            .map(|(host, _)| host.clone())
            .collect()
    };
    let at_home = match home {
        None => AtHome::Unrecorded,
        Some(_) if standing == HomeStanding::DeclaredDead => AtHome::DeclaredDead,
        Some(home) => match seen.iter().find(|(host, _)| host == home) {
            Some((_, S::Absent)) | None if standing == HomeStanding::Heard => AtHome::Without,
            Some((_, S::Absent)) | None => AtHome::Silent,
            Some((_, sighting)) => AtHome::Says(*sighting),
        },
    };
    let executing_away = of(&executes);
    let shut_off_away = of(&|sighting| *sighting == S::Inactive);
    let in_between_away =
        !of(&|it| matches!(it, S::Incoming | S::HandedOver | S::Unreachable)).is_empty();

    match (at_home, executing_away.as_slice()) {
        (AtHome::Says(S::Executing | S::Moving), [_, ..]) => {
            let mut hosts: Vec<HostName> = home.cloned().into_iter().collect();
            hosts.extend(executing_away);
            Whereabouts::Twice(hosts)
        }
        (_, [_, _, ..]) => Whereabouts::Twice(executing_away),
        // Somebody moves it with tools of their own.
        (AtHome::Says(S::Moving), []) => Whereabouts::Unclear,
        (AtHome::Says(S::Executing | S::Inactive), []) if in_between_away => Whereabouts::Unclear,
        (AtHome::Says(S::Executing | S::Inactive), []) if shut_off_away.is_empty() => {
            Whereabouts::AsRecorded
        }
        (AtHome::Says(S::Executing | S::Inactive), []) => Whereabouts::Elsewhere(shut_off_away),
        (AtHome::Says(S::Incoming | S::HandedOver), _) => Whereabouts::Unclear,
        (AtHome::Says(S::Unreachable | S::Absent) | AtHome::Silent, [_]) => {
            Whereabouts::Elsewhere(executing_away)
        }
        // With its host gone, what is defined elsewhere is no guest: that is for an evacuation.
        (AtHome::Says(S::Unreachable | S::Absent) | AtHome::Silent | AtHome::DeclaredDead, []) => {
            Whereabouts::Unclear
        }
        // A definition that stayed behind does not hold the record back, nor does a dead host.
        (
            AtHome::Unrecorded | AtHome::DeclaredDead | AtHome::Without | AtHome::Says(S::Inactive),
            [only],
        ) => Whereabouts::MovedTo(only.clone()),
        (AtHome::Unrecorded | AtHome::Without, []) if in_between_away => Whereabouts::Unclear,
        (AtHome::Unrecorded | AtHome::Without, []) => match shut_off_away.as_slice() {
            [] => Whereabouts::Nowhere,
            [only] => Whereabouts::MovedTo(only.clone()),
            [_, _, ..] => Whereabouts::Elsewhere(shut_off_away),
        },
    }
}

impl Whereabouts {
    /// What is odd about it, for a server that is recorded on `home`; `None`: nobody can say, and
    /// what is open stays open. `lost`: a move that lost the guest has said so already.
    pub fn oddities(&self, home: Option<&HostName>, lost: bool) -> Option<Vec<Oddity>> {
        let odd = |kind, host: Option<&HostName>, detail| Oddity {
            kind,
            host: host.cloned(),
            detail,
        };
        Some(match self {
            Self::Unclear => return None,
            Self::AsRecorded | Self::MovedTo(_) => Vec::new(),
            Self::Nowhere if lost => Vec::new(),
            Self::Nowhere => vec![odd(Kind::SeenNowhere, home, "no host has it".to_owned())],
            Self::Twice(hosts) => vec![odd(Kind::SeenTwice, None, seen_on(hosts))],
            Self::Elsewhere(hosts) => hosts
                .iter()
                .map(|host| {
                    let detail = seen_on(std::slice::from_ref(host));
                    odd(Kind::SeenElsewhere, Some(host), detail)
                })
                .collect(),
        })
    }
}

/// Is an open discrepancy over, now that `odd` is all that is odd about its server?
/// `executes_at_home`: the server runs where it is recorded.
pub fn is_over(
    (kind, host): (Kind, Option<&HostName>),
    odd: &[Oddity],
    executes_at_home: bool,
) -> bool {
    match kind {
        Kind::SeenTwice | Kind::SeenNowhere | Kind::SeenElsewhere => odd
            .iter()
            .all(|it| (it.kind, it.host.as_ref()) != (kind, host)),
        Kind::GuestNowhere => executes_at_home && odd.is_empty(),
        Kind::MovedByHand
        | Kind::Overdue
        | Kind::SourceNotClean
        | Kind::DestinationNotClean
        | Kind::HostSilent => false,
    }
}

impl Sightings<'_> {
    /// Does the recorded host have no such guest, though the record stays with it? Then nobody can
    /// say what the server does. One that somebody may just be moving is not missing.
    pub fn is_missing(&self, whereabouts: &Whereabouts) -> bool {
        let odd = match whereabouts {
            Whereabouts::Nowhere | Whereabouts::Twice(_) | Whereabouts::Elsewhere(_) => true,
            Whereabouts::AsRecorded | Whereabouts::MovedTo(_) | Whereabouts::Unclear => false,
        };
        let has_it = |(host, sighting): &(HostName, Sighting)| {
            Some(host) == self.home && *sighting != Sighting::Absent
        };
        odd && self.standing == HomeStanding::Heard && !self.seen.iter().any(has_it)
    }
}

fn seen_on(hosts: &[HostName]) -> String {
    let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    format!("seen on {}", hosts.join(" and "))
}

#[cfg(test)]
mod tests;
