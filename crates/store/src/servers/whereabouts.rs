//! What the testimony of all hosts says about a server that no migration explains. Pure.
//!
//! The record follows the hypervisor, but only to the one host where the server certainly is.
//! In any other case it stays, and a discrepancy says what is odd.

use godwit_core::ids::HostName;
use godwit_core::recovery::{End, Sighting};

/// Where a server is, compared with where it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Whereabouts {
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

/// What is known of the recorded host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HomeVoice {
    /// Its inventory is newer than the record.
    Heard,
    /// It has not been heard since the record was made.
    Silent,
    /// Its operator has declared it dead, and it has not been heard since: it executes nothing.
    Dead,
}

/// What the recorded host says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Home {
    /// None is recorded.
    None,
    /// It has not been heard since the record was made.
    Silent,
    /// It is dead, and so is what it had.
    Dead,
    /// It was heard, and does not have the server.
    Without,
    /// It says this.
    Says(Sighting),
}

/// Judges what `seen` means for a server recorded on `home`. What dead hosts once said is not
/// among it.
///
/// A move may have `left` the guest, shut off, on hosts that it came from or went to: there it is no
/// wonder. But nothing leads back there behind the service's back; what executes there came to
/// life on a host that should not have it, and nobody may guess which one is right.
pub(super) fn judge(
    home: Option<&HostName>,
    voice: HomeVoice,
    left: &[(HostName, End)],
    seen: &[(HostName, Sighting)],
) -> Whereabouts {
    let expected = |(host, sighting): &&(HostName, Sighting)| {
        *sighting == Sighting::Inactive
            && left.iter().any(|(there, _)| there == host)
            && Some(host) != home
    };
    let came_from = |host: &HostName| left.contains(&(host.clone(), End::Source));
    let seen: Vec<_> = seen.iter().filter(|it| !expected(it)).cloned().collect();
    match by_testimony(home, voice, &seen) {
        Whereabouts::MovedTo(host) if came_from(&host) => Whereabouts::Elsewhere(vec![host]),
        clear => clear,
    }
}

fn by_testimony(
    home: Option<&HostName>,
    voice: HomeVoice,
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
        None => Home::None,
        Some(_) if voice == HomeVoice::Dead => Home::Dead,
        Some(home) => match seen.iter().find(|(host, _)| host == home) {
            Some((_, S::Absent)) | None if voice == HomeVoice::Heard => Home::Without,
            Some((_, S::Absent)) | None => Home::Silent,
            Some((_, sighting)) => Home::Says(*sighting),
        },
    };
    let executing_away = of(&executes);
    let shut_off_away = of(&|sighting| *sighting == S::Inactive);
    let in_between_away =
        !of(&|it| matches!(it, S::Incoming | S::HandedOver | S::Unreachable)).is_empty();

    match (at_home, executing_away.as_slice()) {
        (Home::Says(S::Executing | S::Moving), [_, ..]) => {
            let mut hosts: Vec<HostName> = home.cloned().into_iter().collect();
            hosts.extend(executing_away);
            Whereabouts::Twice(hosts)
        }
        (_, [_, _, ..]) => Whereabouts::Twice(executing_away),
        // Somebody moves it with tools of their own.
        (Home::Says(S::Moving), []) => Whereabouts::Unclear,
        (Home::Says(S::Executing | S::Inactive), []) if in_between_away => Whereabouts::Unclear,
        (Home::Says(S::Executing | S::Inactive), []) if shut_off_away.is_empty() => {
            Whereabouts::AsRecorded
        }
        (Home::Says(S::Executing | S::Inactive), []) => Whereabouts::Elsewhere(shut_off_away),
        (Home::Says(S::Incoming | S::HandedOver), _) => Whereabouts::Unclear,
        (Home::Says(S::Unreachable | S::Absent) | Home::Silent, [_]) => {
            Whereabouts::Elsewhere(executing_away)
        }
        // With its host gone, what is defined elsewhere is no guest: that is for an evacuation.
        (Home::Says(S::Unreachable | S::Absent) | Home::Silent | Home::Dead, []) => {
            Whereabouts::Unclear
        }
        // A definition that stayed behind does not hold the record back, nor does a dead host.
        (Home::None | Home::Dead | Home::Without | Home::Says(S::Inactive), [only]) => {
            Whereabouts::MovedTo(only.clone())
        }
        (Home::None | Home::Without, []) if in_between_away => Whereabouts::Unclear,
        (Home::None | Home::Without, []) => match shut_off_away.as_slice() {
            [] => Whereabouts::Nowhere,
            [only] => Whereabouts::MovedTo(only.clone()),
            [_, _, ..] => Whereabouts::Elsewhere(shut_off_away),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn judged(heard: bool, seen: &[(&str, Sighting)]) -> Whereabouts {
        let voice = if heard {
            HomeVoice::Heard
        } else {
            HomeVoice::Silent
        };
        by(voice, seen)
    }

    fn by(voice: HomeVoice, seen: &[(&str, Sighting)]) -> Whereabouts {
        let seen: Vec<_> = seen.iter().map(|(name, it)| (host(name), *it)).collect();
        judge(Some(&host("home")), voice, &[], &seen)
    }

    #[test]
    fn what_a_move_left_behind_is_no_wonder_and_no_way_back() {
        use Sighting as S;
        let judged = |home: S, away: S| {
            let seen = [(host("home"), home), (host("away"), away)];
            judge(
                Some(&host("home")),
                HomeVoice::Heard,
                &[(host("away"), End::Source)],
                &seen,
            )
        };
        assert_eq!(judged(S::Executing, S::Inactive), Whereabouts::AsRecorded);
        assert_eq!(judged(S::Inactive, S::Inactive), Whereabouts::AsRecorded);
        let both = vec![host("home"), host("away")];
        assert_eq!(judged(S::Executing, S::Executing), Whereabouts::Twice(both));
        let back = Whereabouts::Elsewhere(vec![host("away")]);
        assert_eq!(
            judged(S::Inactive, S::Executing),
            back,
            "it came to life again"
        );
        assert_eq!(judged(S::Absent, S::Inactive), Whereabouts::Nowhere);
    }

    #[test]
    fn the_ordinary_cases() {
        use Sighting as S;
        let away = || vec![host("away")];
        assert_eq!(
            judged(true, &[("home", S::Executing)]),
            Whereabouts::AsRecorded
        );
        assert_eq!(
            judged(true, &[("home", S::Inactive)]),
            Whereabouts::AsRecorded
        );
        assert_eq!(judged(true, &[]), Whereabouts::Nowhere);
        assert_eq!(judged(false, &[]), Whereabouts::Unclear, "nobody was heard");
        assert_eq!(
            judged(true, &[("away", S::Executing)]),
            Whereabouts::MovedTo(host("away"))
        );
        assert_eq!(
            judged(false, &[("away", S::Executing)]),
            Whereabouts::Elsewhere(away()),
            "home may still execute it"
        );
        assert_eq!(
            judged(true, &[("away", S::Executing), ("home", S::Inactive)]),
            Whereabouts::MovedTo(host("away"))
        );
        assert_eq!(
            judged(true, &[("away", S::Inactive), ("home", S::Executing)]),
            Whereabouts::Elsewhere(away())
        );
        assert_eq!(
            judged(true, &[("away", S::Incoming), ("home", S::Moving)]),
            Whereabouts::Unclear,
            "an operator's own move"
        );
        assert_eq!(
            judged(true, &[("away", S::Executing), ("home", S::HandedOver)]),
            Whereabouts::Unclear
        );
        assert_eq!(
            judged(true, &[("away", S::Executing), ("home", S::Executing)]),
            Whereabouts::Twice(vec![host("home"), host("away")])
        );
    }

    #[test]
    fn a_dead_host_does_not_hold_back_a_record_of_what_executes_elsewhere() {
        use Sighting as S;
        let dead = |seen: &[(&str, S)]| by(HomeVoice::Dead, seen);
        let moved = Whereabouts::MovedTo(host("away"));
        assert_eq!(dead(&[("away", S::Executing)]), moved);
        assert_eq!(dead(&[("away", S::Inactive)]), Whereabouts::Unclear);
        assert_eq!(dead(&[]), Whereabouts::Unclear);
        let both = Whereabouts::Twice(vec![host("away"), host("third")]);
        assert_eq!(
            dead(&[("away", S::Executing), ("third", S::Executing)]),
            both
        );
    }

    fn testimony() -> impl Strategy<Value = Vec<(HostName, Sighting)>> {
        let one = |name: &'static str| {
            let sighting = proptest::sample::select(Sighting::ALL);
            proptest::option::of(sighting).prop_map(move |it| it.map(|it| (host(name), it)))
        };
        (one("home"), one("away"), one("third"))
            .prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
    }

    proptest! {
        #[test]
        fn the_record_follows_only_to_where_nothing_contradicts(
            voice in proptest::sample::select(vec![HomeVoice::Heard, HomeVoice::Silent]),
            recorded: bool, has_left: bool, seen in testimony(),
        ) {
            let home = host("home");
            let home = recorded.then_some(&home);
            let executing: Vec<_> = seen
                .iter()
                .filter(|(_, it)| matches!(it, Sighting::Executing | Sighting::Moving))
                .map(|(host, _)| host.clone())
                .collect();
            let left = if has_left {
                vec![(host("third"), End::Source)]
            } else {
                Vec::new()
            };
            match judge(home, voice, &left, &seen) {
                Whereabouts::MovedTo(there) => {
                    prop_assert!(left.iter().all(|(host, _)| *host != there));
                    prop_assert_ne!(Some(&there), home);
                    prop_assert!(executing.iter().all(|host| *host == there));
                    let at_home = seen.iter().find(|(host, _)| Some(host) == home);
                    let gone = match at_home {
                        Some((_, it)) => matches!(it, Sighting::Inactive | Sighting::Absent),
                        None => voice == HomeVoice::Heard || home.is_none(),
                    };
                    prop_assert!(gone);
                }
                Whereabouts::Twice(hosts) => prop_assert!(hosts.len() > 1 && executing.len() > 1),
                Whereabouts::Nowhere => prop_assert!(executing.is_empty()),
                Whereabouts::AsRecorded => prop_assert!(executing.iter().all(|it| Some(it) == home)),
                Whereabouts::Elsewhere(hosts) => {
                    prop_assert!(!hosts.is_empty() && hosts.iter().all(|it| Some(it) != home));
                    prop_assert!(executing.len() < 2);
                }
                Whereabouts::Unclear => prop_assert!(executing.len() < 2),
            }
        }
    }
}
