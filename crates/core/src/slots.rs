//! How many moves a host takes part in at one time, and what they take of its link.

use crate::status::words;

words!(
    /// As what a host takes part in a migration.
    SlotRole, "slot role", {
        /// The guest comes from here.
        Source = "source",
        /// The guest goes here.
        Destination = "destination",
    }
);

/// Most moves at one time; `None`: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotLimits {
    /// Away from one host.
    pub per_source: Option<u32>,
    /// Towards one host.
    pub per_destination: Option<u32>,
}

impl SlotLimits {
    /// Is a slot free on a host that has `taken` of them in `role`?
    pub fn allow(self, role: SlotRole, taken: u32) -> bool {
        let limit = match role {
            SlotRole::Source => self.per_source,
            SlotRole::Destination => self.per_destination,
        };
        limit.is_none_or(|limit| taken < limit)
    }
}

/// What a move takes of links whose speed is known, when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkShare {
    /// Of both links.
    pub bytes_per_second: u64,
    /// Most moves that may use one link in one direction; `None`: as many as it carries.
    pub most: Option<u32>,
}

/// One direction of a host's link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkUse {
    /// What it carries; `None`: nobody knows.
    pub bytes_per_second: Option<u64>,
    /// What those that use it have taken of that.
    pub taken: u64,
    /// How many these are.
    pub moves: u32,
}

/// May one more move begin at an end of it? Where it takes a share of links, and the link's speed is
/// known, what the link carries is the limit, and else the number of moves.
pub fn admits(
    role: SlotRole,
    link: LinkUse,
    (limits, share): (SlotLimits, Option<LinkShare>),
) -> bool {
    let (Some(share), Some(whole)) = (share, link.bytes_per_second) else {
        return limits.allow(role, link.moves);
    };
    share.most.is_none_or(|most| link.moves < most)
        && link.taken.saturating_add(share.bytes_per_second) <= whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SlotLimits = SlotLimits {
        per_source: Some(1),
        per_destination: Some(2),
    };

    fn link(whole: Option<u64>, taken: u64, moves: u32) -> LinkUse {
        LinkUse {
            bytes_per_second: whole,
            taken,
            moves,
        }
    }

    #[test]
    fn a_link_of_known_speed_is_never_given_away_twice() {
        let admits = |taken, share| {
            let share = Some(LinkShare {
                bytes_per_second: share,
                most: None,
            });
            admits(SlotRole::Source, link(Some(10), taken, 5), (LIMITS, share))
        };
        assert!(admits(0, 10) && admits(7, 3));
        assert!(!admits(0, 11) && !admits(8, 3) && !admits(u64::MAX, 1));
    }

    #[test]
    fn so_many_moves_use_a_link_however_much_is_left() {
        let share = Some(LinkShare {
            bytes_per_second: 1,
            most: Some(3),
        });
        let admits = |moves| {
            let link = link(Some(10), 0, moves);
            admits(SlotRole::Source, link, (LIMITS, share))
        };
        assert!(admits(2) && !admits(3));
    }

    #[test]
    fn slots_limit_what_uses_links_that_nobody_knows_or_takes_no_share() {
        let share = Some(LinkShare {
            bytes_per_second: 10,
            most: None,
        });
        for (whole, share) in [(None, share), (Some(10), None)] {
            let admits = |role, moves| admits(role, link(whole, 0, moves), (LIMITS, share));
            assert!(admits(SlotRole::Source, 0) && !admits(SlotRole::Source, 1));
            assert!(admits(SlotRole::Destination, 1) && !admits(SlotRole::Destination, 2));
        }
    }
}
