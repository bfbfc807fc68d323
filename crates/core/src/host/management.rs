//! Whether the hosts of a cluster take part in moves.
//!
//! While its operators do something to a cluster that Godwit knows nothing of, such as upgrading its
//! hypervisors, they say that it is not managed: nothing moves in or out, and nobody is alarmed by
//! agents that come and go. Once it is managed again, every host is looked at before anything moves.

use crate::requester::Requester;
use crate::status::words;
use crate::time::Timestamp;

words!(
    /// How far a cluster is.
    Standing, "standing of a cluster", {
        /// Its hosts take part in moves.
        Managed = "managed",
        /// They do not.
        Unmanaged = "unmanaged",
        /// They will, as soon as each of them was looked at.
        Reconciling = "reconciling",
    }
);

/// What operators say of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Management {
    /// Its hosts shall take part in moves.
    pub managed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Who said so last; `None`: nobody ever said anything.
    pub by: Option<Requester>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Since when each of its hosts was looked at, after it became managed again.
    pub reconciled_at: Option<Timestamp>,
}

impl Default for Management {
    fn default() -> Self {
        Self {
            managed: true,
            reason: None,
            by: None,
            since: None,
            reconciled_at: None,
        }
    }
}

impl Management {
    /// How far the cluster is.
    pub const fn standing(&self) -> Standing {
        match (self.managed, self.since, self.reconciled_at) {
            (false, ..) => Standing::Unmanaged,
            (true, Some(_), None) => Standing::Reconciling,
            (true, None, _) | (true, Some(_), Some(_)) => Standing::Managed,
        }
    }

    /// What becomes of it once somebody says how it shall be. Who says what is so already leaves no
    /// trace.
    #[must_use]
    pub fn said(
        &self,
        (managed, reason): (bool, Option<String>),
        by: Requester,
        at: Timestamp,
    ) -> Self {
        if (managed, &reason) == (self.managed, &self.reason) {
            return self.clone();
        }
        Self {
            managed,
            reason,
            by: Some(by),
            since: match managed == self.managed {
                true => self.since,
                false => Some(at),
            },
            reconciled_at: None,
        }
    }

    /// Was a host looked at since the cluster became managed again? `last_inventory_at`: when it was
    /// last asked what it has.
    pub fn is_reconciled(&self, last_inventory_at: Option<Timestamp>) -> bool {
        last_inventory_at > self.since
    }
}

/// A host has left a cluster that took no part in moves. Whatever was done to it there, it is looked
/// at before it takes part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// Which cluster.
    pub cluster: String,
    /// When.
    pub at: Timestamp,
}

impl Left {
    /// What stays of a host's way out of `cluster`; `None`: nothing, it took part there.
    pub fn of(cluster: &str, management: &Management, at: Timestamp) -> Option<Self> {
        let cluster = cluster.to_owned();
        match management.standing() {
            Standing::Managed => None,
            Standing::Unmanaged | Standing::Reconciling => Some(Self { cluster, at }),
        }
    }

    /// Was the host looked at since? `last_inventory_at`: when it was last asked what it has.
    pub fn is_reconciled(&self, last_inventory_at: Timestamp) -> bool {
        last_inventory_at > self.at
    }
}

impl From<&Left> for Unmanaged {
    fn from(left: &Left) -> Self {
        Self {
            cluster: left.cluster.clone(),
            reconciling: true,
        }
    }
}

/// A cluster that takes no part in moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmanaged {
    /// Which one.
    pub cluster: String,
    /// It will take part, as soon as all its hosts were looked at.
    pub reconciling: bool,
}

impl Unmanaged {
    /// Whether a cluster of this name takes part in moves; `None`: it does.
    pub fn of(cluster: &str, management: &Management) -> Option<Self> {
        let reconciling = match management.standing() {
            Standing::Managed => return None,
            Standing::Unmanaged => false,
            Standing::Reconciling => true,
        };
        Some(Self {
            cluster: cluster.to_owned(),
            reconciling,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn said(before: &Management, managed: bool, reason: Option<&str>, second: i64) -> Management {
        let reason = reason.map(str::to_owned);
        before.said((managed, reason), Requester::default(), at(second))
    }

    #[test]
    fn a_cluster_of_which_nothing_was_said_is_managed() {
        let new = Management::default();
        assert_eq!(new.standing(), Standing::Managed);
        assert_eq!(said(&new, true, None, 5), new, "it leaves no trace");
        assert_eq!(Unmanaged::of("c", &new), None);
    }

    #[test]
    fn who_leaves_a_cluster_that_takes_no_part_is_looked_at() {
        let new = Management::default();
        let off = said(&new, false, Some("upgrade"), 5);
        let on = said(&off, true, None, 6);
        assert_eq!(Left::of("c", &new, at(7)), None);
        for management in [off, on] {
            let left = Left::of("c", &management, at(7)).unwrap();
            assert!(!left.is_reconciled(at(7)) && left.is_reconciled(at(8)));
            let unmanaged = Unmanaged::from(&left);
            assert_eq!(
                (unmanaged.cluster.as_str(), unmanaged.reconciling),
                ("c", true)
            );
        }
    }

    #[test]
    fn back_to_managed_it_is_reconciled_first() {
        let off = said(&Management::default(), false, Some("upgrade"), 5);
        assert_eq!(
            (off.standing(), off.since),
            (Standing::Unmanaged, Some(at(5)))
        );
        let why = said(&off, false, Some("longer"), 6);
        assert_eq!(
            (why.standing(), why.since),
            (Standing::Unmanaged, Some(at(5)))
        );
        let on = said(&why, true, None, 9);
        assert_eq!(
            (on.standing(), on.since),
            (Standing::Reconciling, Some(at(9)))
        );
        assert!(Unmanaged::of("c", &on).unwrap().reconciling);
        for (last_inventory_at, is) in [(None, false), (Some(9), false), (Some(10), true)] {
            assert_eq!(on.is_reconciled(last_inventory_at.map(at)), is);
        }
        let done = Management {
            reconciled_at: Some(at(11)),
            ..on
        };
        assert_eq!(done.standing(), Standing::Managed);
        let again = said(&done, false, Some("once more"), 12);
        assert_eq!(again.standing(), Standing::Unmanaged);
        assert_eq!(
            said(&again, true, None, 13).standing(),
            Standing::Reconciling
        );
    }
}
