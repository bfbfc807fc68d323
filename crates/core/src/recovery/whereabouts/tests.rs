//! The ordinary cases, and then every case of three hosts.

use super::*;
use crate::fixtures::{host, noon};

fn judged(heard: bool, seen: &[(&str, Sighting)]) -> Whereabouts {
    let standing = if heard {
        HomeStanding::Heard
    } else {
        HomeStanding::Silent
    };
    by(standing, seen)
}

fn by(standing: HomeStanding, seen: &[(&str, Sighting)]) -> Whereabouts {
    let seen: Vec<_> = seen.iter().map(|(name, it)| (host(name), *it)).collect();
    locate(Sightings {
        home: Some(&host("home")),
        standing,
        left: &[],
        seen: &seen,
    })
}

#[test]
fn what_a_move_left_behind_is_no_wonder_and_no_way_back() {
    use Sighting as S;
    let judged = |home: S, away: S| {
        let seen = [(host("home"), home), (host("away"), away)];
        locate(Sightings {
            home: Some(&host("home")),
            standing: HomeStanding::Heard,
            left: &[(host("away"), End::Source)],
            seen: &seen,
        })
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
    let dead = |seen: &[(&str, S)]| by(HomeStanding::DeclaredDead, seen);
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

/// Everything that three hosts can say, of a server that is recorded or not.
fn each(mut assert: impl FnMut(Sightings<'_>)) {
    let says: Vec<Option<Sighting>> = Sighting::ALL
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect();
    let home = host("home");
    let lefts = [
        vec![],
        vec![(host("third"), End::Source)],
        vec![(host("third"), End::Destination)],
    ];
    for standing in [
        HomeStanding::Heard,
        HomeStanding::Silent,
        HomeStanding::DeclaredDead,
    ] {
        for recorded in [true, false] {
            for left in &lefts {
                for at_home in &says {
                    let dead = recorded && standing == HomeStanding::DeclaredDead;
                    if dead && at_home.is_some() {
                        continue; // What a dead host once said does not count.
                    }
                    for away in &says {
                        for third in &says {
                            let said = [("home", at_home), ("away", away), ("third", third)];
                            let seen: Vec<_> = said
                                .into_iter()
                                .filter_map(|(name, said)| Some((host(name), (*said)?)))
                                .collect();
                            assert(Sightings {
                                home: recorded.then_some(&home),
                                standing,
                                left,
                                seen: &seen,
                            });
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_record_follows_only_to_where_nothing_contradicts() {
    each(|sightings| {
        let home = sightings.home;
        let executing: Vec<_> = sightings
            .seen
            .iter()
            .filter(|(_, it)| matches!(it, Sighting::Executing | Sighting::Moving))
            .map(|(host, _)| host)
            .collect();
        match locate(sightings) {
            Whereabouts::MovedTo(there) => {
                assert!(!sightings.left.contains(&(there.clone(), End::Source)));
                assert_ne!(Some(&there), home);
                assert!(executing.iter().all(|host| **host == there));
                let mut seen = sightings.seen.iter();
                let gone = match seen.find(|(host, _)| Some(host) == home) {
                    Some((_, it)) => matches!(it, Sighting::Inactive | Sighting::Absent),
                    None => sightings.standing != HomeStanding::Silent || home.is_none(),
                };
                assert!(gone, "{sightings:?}");
            }
            Whereabouts::Twice(hosts) => {
                assert!(hosts.len() > 1 && executing.len() > 1, "{sightings:?}");
            }
            Whereabouts::Nowhere => assert!(executing.is_empty(), "{sightings:?}"),
            Whereabouts::AsRecorded => {
                assert!(
                    executing.iter().all(|it| Some(*it) == home),
                    "{sightings:?}"
                );
            }
            Whereabouts::Elsewhere(hosts) => {
                assert!(!hosts.is_empty() && hosts.iter().all(|it| Some(it) != home));
                assert!(executing.len() < 2, "{sightings:?}");
            }
            Whereabouts::Unclear => assert!(executing.len() < 2, "{sightings:?}"),
        }
    });
}

#[test]
fn two_that_execute_are_never_overlooked() {
    each(|sightings| {
        let executes = |it: &&(HostName, Sighting)| it.1 == Sighting::Executing;
        if sightings.seen.iter().filter(executes).count() > 1 {
            let whereabouts = locate(sightings);
            assert!(
                matches!(whereabouts, Whereabouts::Twice(_)),
                "{sightings:?}"
            );
            let odd = whereabouts.oddities(sightings.home, false).unwrap();
            assert!(odd.iter().any(|it| it.kind == Kind::SeenTwice));
        }
    });
}

#[test]
fn what_is_odd_stays_open_and_all_else_that_hosts_said_is_over() {
    let seen = [Kind::SeenTwice, Kind::SeenNowhere, Kind::SeenElsewhere];
    let hosts = [None, Some(host("home")), Some(host("away"))];
    each(|sightings| {
        let Some(odd) = locate(sightings).oddities(sightings.home, false) else {
            return;
        };
        for kind in Kind::ALL {
            for host in &hosts {
                let is_odd = odd.iter().any(|it| (it.kind, &it.host) == (*kind, host));
                let over = is_over((*kind, host.as_ref()), &odd, false);
                assert_eq!(over, seen.contains(kind) && !is_odd);
            }
        }
        let found = is_over((Kind::GuestNowhere, None), &odd, true);
        assert_eq!(found, odd.is_empty());
    });
}

#[test]
fn a_guest_is_missing_only_from_a_host_that_was_heard_to_have_none() {
    each(|sightings| {
        let whereabouts = locate(sightings);
        if sightings.is_missing(&whereabouts) {
            assert_eq!(sightings.standing, HomeStanding::Heard);
            let mut seen = sightings.seen.iter();
            let at_home = seen.find(|(host, _)| Some(host) == sightings.home);
            assert!(at_home.is_none_or(|(_, it)| *it == Sighting::Absent));
            assert_ne!(whereabouts, Whereabouts::AsRecorded);
        }
    });
}

#[test]
fn a_host_that_was_declared_dead_is_so_until_it_speaks_and_again_once_it_is_silent() {
    let after = |seconds| noon().plus(Duration::from_secs(seconds));
    let declared = Some(after(10));
    let dead = |sign: Option<u64>, now| is_dead(declared, sign.map(after), after(now));
    assert!(dead(None, 10), "it was never heard");
    assert!(dead(Some(10), 11));
    assert!(!dead(Some(11), 12), "it spoke after it was declared dead");
    assert!(!dead(Some(11), 71));
    assert!(dead(Some(11), 72));
    assert!(is_dead(None, None, noon()), "nobody knows since when");
    assert!(!is_dead(None, Some(noon()), after(60)));
}

#[test]
fn a_host_is_heard_once_it_has_spoken_since_the_record_was_made() {
    let [before, made, since] = [0, 1, 2].map(|it| noon().plus(Duration::from_secs(it)));
    let of = |heard, settled| HomeStanding::of(false, heard, settled);
    assert_eq!(of(Some(since), Some(made)), HomeStanding::Heard);
    assert_eq!(of(Some(made), Some(made)), HomeStanding::Silent);
    assert_eq!(of(Some(before), Some(made)), HomeStanding::Silent);
    assert_eq!(of(Some(before), None), HomeStanding::Heard);
    assert_eq!(of(None, None), HomeStanding::Silent);
    let dead = HomeStanding::of(true, Some(since), Some(made));
    assert_eq!(dead, HomeStanding::DeclaredDead);
}
