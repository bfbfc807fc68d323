//! What is told of a host, and of what hosts are in, and which change it follows from.

use super::management::{Management, Standing};
use super::scope::{Switch, Topology};
use crate::status::words;
use crate::time::Timestamp;

words!(
    /// What happened to a host.
    HostEvent, "event of a host", {
        /// Its agent spoke for it, and nobody had before.
        Registered = "registered",
        /// Its operator removed it from the records.
        Removed = "removed",
        /// Its agent was not heard for so long that it counts as down.
        Down = "down",
        /// Its agent was heard again.
        Up = "up",
        /// Its operator declared it dead.
        ForcedDown = "forced_down",
        /// Its operator took that back.
        ForcedUp = "forced_up",
        /// Its operator wants nothing to be placed there, or gives another reason for that; or what
        /// it is in was disabled.
        Disabled = "disabled",
        /// Nobody keeps it from being a destination any more, as far as what was changed goes.
        Enabled = "enabled",
        /// Its cluster takes no part in moves any more.
        Unmanaged = "unmanaged",
        /// Its cluster takes part in moves again.
        Managed = "managed",
        /// It is in another zone, pod or cluster than before.
        TopologyChanged = "topology_changed",
    }
);

words!(
    /// What happened to a zone, a pod or a cluster.
    ScopeEvent, "event of a scope", {
        /// Nothing is to be placed on its hosts, or another reason is given for that.
        Disabled = "scope_disabled",
        /// It keeps nothing from its hosts any more.
        Enabled = "scope_enabled",
        /// A cluster takes no part in moves, or another reason is given for that.
        Unmanaged = "scope_unmanaged",
        /// A cluster shall take part again, and its hosts are looked at first.
        Reconciling = "scope_reconciling",
        /// Each host of a cluster was looked at: it takes part again.
        Managed = "scope_managed",
    }
);

impl ScopeEvent {
    /// What it means to who reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Disabled => {
                "Nothing is to be placed on the hosts of a zone, pod or cluster; the detail says why. Told again with another reason."
            }
            Self::Enabled => "A zone, pod or cluster keeps nothing from its hosts any more.",
            Self::Unmanaged => {
                "A cluster takes no part in moves; the detail says why. Told again with another reason."
            }
            Self::Reconciling => {
                "A cluster shall take part in moves again; its hosts are looked at."
            }
            Self::Managed => {
                "A cluster takes part in moves again: each of its hosts was looked at."
            }
        }
    }
}

impl HostEvent {
    /// What it means to who reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Registered => "Its agent spoke for it, and nobody had before.",
            Self::Removed => "Its operator removed it from the records.",
            Self::Down => "Its agent is silent, for so long that it counts as down.",
            Self::Up => "Its agent was heard again.",
            Self::ForcedDown => {
                "Its operator declared it dead; the detail says why, where a reason was given. Told again with another reason."
            }
            Self::ForcedUp => "Its operator took back that it is dead.",
            Self::Disabled => {
                "Nothing is to be placed there, by its own switch or that of the zone, pod or cluster in the detail, which says why. Told again with another reason of its own."
            }
            Self::Enabled => {
                "Its own switch, or that of the zone, pod or cluster in the detail, is on again; `effective` says what comes of that."
            }
            Self::Unmanaged => {
                "It takes no part in moves: its cluster does not, or it came from one that does not and is looked at."
            }
            Self::Managed => "It takes part in moves again.",
            Self::TopologyChanged => {
                "It is in another zone, pod or cluster; the detail says in which it was and is."
            }
        }
    }
}

/// What operators say of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Declared<'a> {
    /// Nothing is to be placed there.
    pub disabled: bool,
    /// Why, while it is disabled.
    pub reason: Option<&'a str>,
    /// It is dead.
    pub forced_down: bool,
    /// How that is known, while it is dead, where somebody said so.
    pub forced_down_reason: Option<&'a str>,
}

/// What is told where an operator says something else than before, in this order.
pub fn of_declaration(before: Declared<'_>, after: Declared<'_>) -> Vec<HostEvent> {
    let death = match (before.forced_down, after.forced_down) {
        (false, true) => Some(HostEvent::ForcedDown),
        (true, true) if before.forced_down_reason != after.forced_down_reason => {
            Some(HostEvent::ForcedDown)
        }
        (true, false) => Some(HostEvent::ForcedUp),
        (true, true) | (false, false) => None,
    };
    let allocation = match (before.disabled, after.disabled) {
        (false, true) => Some(HostEvent::Disabled),
        (true, true) if before.reason != after.reason => Some(HostEvent::Disabled),
        (true, false) => Some(HostEvent::Enabled),
        (true, true) | (false, false) => None,
    };
    death.into_iter().chain(allocation).collect()
}

/// What is told of a zone, pod or cluster whose switch is another than before.
pub fn of_switch(before: &Switch, after: &Switch) -> Option<ScopeEvent> {
    match (before.disabled, after.disabled) {
        (false, true) => Some(ScopeEvent::Disabled),
        (true, true) if before.reason != after.reason => Some(ScopeEvent::Disabled),
        (true, false) => Some(ScopeEvent::Enabled),
        (true, true) | (false, false) => None,
    }
}

/// What is told of a host of which other scopes, or itself, were disabled before than after.
pub const fn of_effect(was_disabled: bool, is_disabled: bool) -> Option<HostEvent> {
    match (was_disabled, is_disabled) {
        (false, true) => Some(HostEvent::Disabled),
        (true, false) => Some(HostEvent::Enabled),
        (true, true) | (false, false) => None,
    }
}

/// Where a host belongs, and what comes of that for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standpoint<'a> {
    /// Where it belongs.
    pub topology: &'a Topology,
    /// Nothing is put there, by whatever was said.
    pub is_disabled: bool,
    /// It takes part in moves.
    pub is_managed: bool,
}

/// What is told of a host that belongs elsewhere than before, in this order.
pub fn of_topology(before: Standpoint<'_>, after: Standpoint<'_>) -> Vec<HostEvent> {
    let moved = (before.topology != after.topology).then_some(HostEvent::TopologyChanged);
    let allocation = of_effect(before.is_disabled, after.is_disabled);
    let management = match (before.is_managed, after.is_managed) {
        (true, false) => Some(HostEvent::Unmanaged),
        (false, true) => Some(HostEvent::Managed),
        (true, true) | (false, false) => None,
    };
    moved
        .into_iter()
        .chain(allocation)
        .chain(management)
        .collect()
}

/// What is told of a cluster that is managed otherwise than before, and of each of its hosts.
pub fn of_management(
    before: &Management,
    after: &Management,
) -> (Option<ScopeEvent>, Option<HostEvent>) {
    let (was, is) = (before.standing(), after.standing());
    let is_new = was != is || before.reason != after.reason;
    let scope = match is {
        Standing::Unmanaged => ScopeEvent::Unmanaged,
        Standing::Reconciling => ScopeEvent::Reconciling,
        Standing::Managed => ScopeEvent::Managed,
    };
    let host = match (was == Standing::Managed, is == Standing::Managed) {
        (true, false) => Some(HostEvent::Unmanaged),
        (false, true) => Some(HostEvent::Managed),
        (true, true) | (false, false) => None,
    };
    (is_new.then_some(scope), host)
}

/// What is told where an agent registers. One that was there before says nothing new.
pub const fn of_registration(was_known: bool) -> Option<HostEvent> {
    match was_known {
        true => None,
        false => Some(HostEvent::Registered),
    }
}

/// When an agent was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Last.
    pub last: Timestamp,
    /// Last before its silence was told; `None`: it is not told to be silent.
    pub before_silence: Option<Timestamp>,
}

/// What is told of an agent that counts as down unless it was heard since `alive_since`; `None`: nobody
/// has listened for long enough to say so.
///
/// That it is heard again follows from its own words, not from a clock: those of two conductors
/// may differ, and what one tells the other must not take back.
pub fn of_silence(heard: Heard, alive_since: Option<Timestamp>) -> Option<HostEvent> {
    match heard.before_silence {
        None if alive_since.is_some_and(|since| heard.last < since) => Some(HostEvent::Down),
        Some(before) if heard.last > before => Some(HostEvent::Up),
        None | Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENABLED: Declared<'_> = Declared {
        disabled: false,
        reason: None,
        forced_down: false,
        forced_down_reason: None,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn what_operators_say_is_told_where_it_is_new() {
        let disabled = |reason| Declared {
            disabled: true,
            reason,
            ..ENABLED
        };
        let dead = Declared {
            forced_down: true,
            ..disabled(Some("fire"))
        };
        let known = Declared {
            forced_down_reason: Some("its power was cut"),
            ..dead
        };
        for (before, after, told) in [
            (ENABLED, ENABLED, &[][..]),
            (ENABLED, disabled(None), &[HostEvent::Disabled]),
            (disabled(None), disabled(None), &[]),
            (disabled(None), disabled(Some("x")), &[HostEvent::Disabled]),
            (disabled(Some("x")), ENABLED, &[HostEvent::Enabled]),
            (ENABLED, dead, &[HostEvent::ForcedDown, HostEvent::Disabled]),
            (disabled(Some("fire")), dead, &[HostEvent::ForcedDown]),
            (dead, ENABLED, &[HostEvent::ForcedUp, HostEvent::Enabled]),
            (dead, dead, &[]),
            (dead, known, &[HostEvent::ForcedDown]),
            (known, known, &[]),
        ] {
            assert_eq!(of_declaration(before, after), told, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_scope_is_told_where_its_switch_is_new() {
        let switch = |disabled, reason: Option<&str>| Switch {
            disabled,
            reason: reason.map(str::to_owned),
            ..Switch::default()
        };
        let (on, off) = (switch(false, None), switch(true, Some("power")));
        for (before, after, told) in [
            (&on, &on, None),
            (&on, &off, Some(ScopeEvent::Disabled)),
            (&off, &off, None),
            (
                &off,
                &switch(true, Some("water")),
                Some(ScopeEvent::Disabled),
            ),
            (&off, &on, Some(ScopeEvent::Enabled)),
        ] {
            assert_eq!(of_switch(before, after), told, "{before:?} {after:?}");
        }
        assert_eq!(of_effect(false, true), Some(HostEvent::Disabled));
        assert_eq!(of_effect(true, false), Some(HostEvent::Enabled));
        assert_eq!(
            (of_effect(true, true), of_effect(false, false)),
            (None, None)
        );
    }

    #[test]
    fn a_host_that_is_put_elsewhere_is_told_with_what_comes_of_it() {
        let of = |zone: &str, cluster: Option<&str>| Topology {
            zone: zone.to_owned(),
            pod: None,
            cluster: cluster.map(str::to_owned),
        };
        let (east, west) = (of("east", None), of("west", Some("c")));
        let at = |topology, is_disabled, is_managed| Standpoint {
            topology,
            is_disabled,
            is_managed,
        };
        for (before, after, told) in [
            (at(&east, false, true), at(&east, false, true), &[][..]),
            (
                at(&east, false, true),
                at(&west, false, true),
                &[HostEvent::TopologyChanged],
            ),
            (
                at(&east, false, true),
                at(&west, true, false),
                &[
                    HostEvent::TopologyChanged,
                    HostEvent::Disabled,
                    HostEvent::Unmanaged,
                ],
            ),
            (
                at(&west, true, false),
                at(&east, false, true),
                &[
                    HostEvent::TopologyChanged,
                    HostEvent::Enabled,
                    HostEvent::Managed,
                ],
            ),
        ] {
            assert_eq!(of_topology(before, after), told, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_cluster_comes_back_in_two_steps_and_its_hosts_with_the_second() {
        let said = |before: &Management, managed, reason: Option<&str>, second| {
            let reason = reason.map(str::to_owned);
            before.said(
                (managed, reason),
                crate::requester::Requester::default(),
                at(second),
            )
        };
        let new = Management::default();
        let off = said(&new, false, Some("upgrade"), 1);
        let longer = said(&off, false, Some("longer"), 2);
        let back = said(&longer, true, None, 3);
        let looked = Management {
            reconciled_at: Some(at(4)),
            ..back.clone()
        };
        for (before, after, scope, hosts) in [
            (&new, &new, None, None),
            (
                &new,
                &off,
                Some(ScopeEvent::Unmanaged),
                Some(HostEvent::Unmanaged),
            ),
            (&off, &longer, Some(ScopeEvent::Unmanaged), None),
            (&longer, &back, Some(ScopeEvent::Reconciling), None),
            (
                &back,
                &looked,
                Some(ScopeEvent::Managed),
                Some(HostEvent::Managed),
            ),
            (&back, &off, Some(ScopeEvent::Unmanaged), None),
        ] {
            assert_eq!(
                of_management(before, after),
                (scope, hosts),
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn only_who_is_new_has_registered() {
        assert_eq!(of_registration(false), Some(HostEvent::Registered));
        assert_eq!(of_registration(true), None);
    }

    #[test]
    fn silence_is_told_once_and_ends_with_a_word() {
        let heard = |last, before_silence: Option<i64>| Heard {
            last: at(last),
            before_silence: before_silence.map(at),
        };
        for (heard, alive_since, told) in [
            (heard(10, None), 10, None),
            (heard(10, None), 11, Some(HostEvent::Down)),
            (heard(10, Some(10)), 99, None),
            // Another one's clock is behind.
            (heard(10, Some(10)), 5, None),
            (heard(11, Some(10)), 5, Some(HostEvent::Up)),
            (heard(11, Some(10)), 99, Some(HostEvent::Up)),
        ] {
            assert_eq!(of_silence(heard, Some(at(alive_since))), told, "{heard:?}");
        }
        assert_eq!(of_silence(heard(10, None), None), None);
        assert_eq!(of_silence(heard(11, Some(10)), None), Some(HostEvent::Up));
    }

    proptest! {
        /// Whoever looks, whatever its clock says: down and up take turns, and up comes with a word.
        #[test]
        fn down_and_up_take_turns(looks in prop::collection::vec((0_i64..9, -40_i64..40), 0..200)) {
            let (mut last, mut before_silence, mut told) = (at(100), None, Vec::new());
            for (seconds, skew) in looks {
                // Every third of them was silent.
                let spoke = seconds % 3 != 0;
                if spoke {
                    last = last.plus(std::time::Duration::from_secs(seconds.unsigned_abs()));
                }
                let alive_since = at(last.as_micros() / 1_000_000 + skew);
                match of_silence(Heard { last, before_silence }, Some(alive_since)) {
                    Some(HostEvent::Down) => {
                        before_silence = Some(last);
                        told.push(HostEvent::Down);
                    }
                    Some(HostEvent::Up) => {
                        prop_assert!(spoke, "it said nothing");
                        before_silence = None;
                        told.push(HostEvent::Up);
                    }
                    Some(other) => prop_assert!(false, "{other}"),
                    None => {}
                }
            }
            for (number, event) in told.iter().enumerate() {
                let expected = [HostEvent::Down, HostEvent::Up][number % 2];
                prop_assert_eq!(*event, expected);
            }
        }
    }

    #[test]
    fn every_event_says_what_it_means() {
        for event in HostEvent::ALL {
            assert!(event.meaning().ends_with('.'), "{event}");
        }
        for event in ScopeEvent::ALL {
            assert!(event.meaning().ends_with('.'), "{event}");
        }
    }
}
