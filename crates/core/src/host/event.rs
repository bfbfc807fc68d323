//! What is told of a host, and which change it follows from.

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
        /// Its operator wants nothing to be placed there, or gives another reason for that.
        Disabled = "disabled",
        /// It may be a destination again.
        Enabled = "enabled",
    }
);

impl HostEvent {
    /// What it means to who reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Registered => "Its agent spoke for it, and nobody had before.",
            Self::Removed => "Its operator removed it from the records.",
            Self::Down => "Its agent is silent, for so long that it counts as down.",
            Self::Up => "Its agent was heard again.",
            Self::ForcedDown => "Its operator declared it dead.",
            Self::ForcedUp => "Its operator took back that it is dead.",
            Self::Disabled => {
                "Nothing is to be placed there; the detail says why. Told again with another reason."
            }
            Self::Enabled => "It may be a destination again.",
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
}

/// What is told where an operator says something else than before, in this order.
pub fn of_declaration(before: Declared<'_>, after: Declared<'_>) -> Vec<HostEvent> {
    let death = match (before.forced_down, after.forced_down) {
        (false, true) => Some(HostEvent::ForcedDown),
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
        ] {
            assert_eq!(of_declaration(before, after), told, "{before:?} {after:?}");
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
    }
}
