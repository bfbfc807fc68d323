use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn place(zone: &str, pod: Option<&str>, cluster: Option<&str>) -> Topology {
    Topology {
        zone: zone.to_owned(),
        pod: pod.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn by(user: &str) -> Option<Requester> {
    Some(Requester {
        user: Some(user.to_owned()),
        ..Requester::default()
    })
}

#[test]
fn nothing_is_in_two_places() {
    let one = place("z1", Some("p1"), Some("c1"));
    let zone = |zone: &str| zone.to_owned();
    for (other, expected) in [
        (place("z1", Some("p1"), Some("c1")), Ok(())),
        (place("z1", Some("p1"), Some("c2")), Ok(())),
        (place("z1", Some("p2"), Some("c2")), Ok(())),
        (
            place("z2", Some("p1"), Some("c2")),
            Err(Misplaced::PodInZone {
                pod: "p1".to_owned(),
                zone: zone("z2"),
            }),
        ),
        (
            place("z2", Some("p2"), Some("c1")),
            Err(Misplaced::ClusterInZone {
                cluster: "c1".to_owned(),
                zone: zone("z2"),
            }),
        ),
        (
            place("z1", None, Some("c1")),
            Err(Misplaced::ClusterInPod {
                cluster: "c1".to_owned(),
                pod: None,
            }),
        ),
        (place("z2", None, None), Ok(())),
    ] {
        assert_eq!(
            one.check(std::slice::from_ref(&other)),
            expected,
            "{other:?}"
        );
    }
    let text = one.check(&[place("z1", None, Some("c1"))]).unwrap_err();
    assert_eq!(text.to_string(), "cluster c1 is in no pod");
}

#[test]
fn who_says_what_is_so_already_leaves_no_trace() {
    let on = Switch::default();
    let off = on.turned((true, Some("fan".to_owned())), by("a"), second(1));
    assert_eq!((off.since, &off.by), (Some(second(1)), &by("a")));
    let again = off.turned((true, Some("fan".to_owned())), by("b"), second(2));
    assert_eq!(again, off);
    let otherwise = off.turned((true, Some("disk".to_owned())), by("b"), second(3));
    assert_eq!(
        (otherwise.since, &otherwise.by),
        (Some(second(1)), &by("b"))
    );
    let on = otherwise.turned((false, None), by("c"), second(4));
    assert_eq!((on.disabled, on.since), (false, Some(second(4))));
}

fn topology() -> impl Strategy<Value = Topology> {
    let name = |letter: char| prop::option::of((0..3u8).prop_map(move |n| format!("{letter}{n}")));
    (0..3u8, name('p'), name('c')).prop_map(|(zone, pod, cluster)| Topology {
        zone: format!("z{zone}"),
        pod,
        cluster,
    })
}

proptest! {
    /// Whoever is let in one after the other, every pod is in one zone and every cluster in one pod.
    #[test]
    fn what_is_let_in_nests(wanted in vec(topology(), 0..40)) {
        let mut there: Vec<Topology> = Vec::new();
        for host in wanted {
            let shares = |it: &&Topology| {
                host.pod.is_some() && it.pod == host.pod
                    || host.cluster.is_some() && it.cluster == host.cluster
            };
            let others: Vec<Topology> = there.iter().filter(shares).cloned().collect();
            if host.check(&others).is_ok() {
                there.push(host);
            }
        }
        let (mut zones, mut pods) = (HashMap::new(), HashMap::new());
        for host in &there {
            if let Some(pod) = &host.pod {
                prop_assert_eq!(zones.entry(pod).or_insert(&host.zone), &&host.zone);
            }
            if let Some(cluster) = &host.cluster {
                let place = (&host.zone, &host.pod);
                prop_assert_eq!(*pods.entry(cluster).or_insert(place), place);
            }
        }
    }

    /// A host receives nothing exactly where it, or something that it is in, was disabled, and each
    /// of those is named once.
    #[test]
    fn what_is_said_of_a_scope_holds_for_all_in_it(
        place in topology(),
        own: bool,
        scopes in vec((0..3usize, 0..3u8, any::<bool>()), 0..12),
    ) {
        let switch = |disabled| Switch { disabled, ..Switch::default() };
        let mut said = HashMap::new();
        for (kind, n, disabled) in scopes {
            let kind = ScopeKind::ALL[kind];
            let letter = &kind.as_str()[..1];
            said.insert((kind, format!("{letter}{n}")), switch(disabled));
        }
        let host = HostName::new("h").unwrap();
        let find = |kind, name: &str| said.get(&(kind, name.to_owned()));
        let found = because(&host, &place, &switch(own), find);
        let expected: Vec<(Level, String)> = place
            .scopes()
            .filter(|(kind, name)| find(*kind, name).is_some_and(|it| it.disabled))
            .map(|(kind, name)| (Level::from(kind), name.to_owned()))
            .chain(own.then(|| (Level::Host, "h".to_owned())))
            .collect();
        let found: Vec<_> = found.into_iter().map(|it| (it.level, it.name)).collect();
        prop_assert_eq!(found, expected);
    }
}
