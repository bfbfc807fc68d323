use super::*;

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn resting(on: &str) -> Member {
    Member {
        host: Some(host(on)),
        moving: None,
    }
}

fn moving(on: &str, from: &str, to: Option<&str>, status: MigrationStatus) -> Member {
    Member {
        host: Some(host(on)),
        moving: Some(MemberMove {
            source: host(from),
            destination: to.map(host),
            status,
            settling: None,
        }),
    }
}

fn group(policy: Policy, others: impl Into<Vec<Member>>) -> Membership {
    Membership {
        group: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
        name: "web".to_owned(),
        policy,
        max_server_per_host: None,
        others: others.into(),
    }
}

/// Which of a, b, c and d a group leaves its server.
fn free(group: &Membership) -> String {
    free_without(group, None)
}

fn free_without(group: &Membership, dead: Option<&str>) -> String {
    let dead = dead.map(host);
    let hosts = ["a", "b", "c", "d"].into_iter();
    hosts
        .filter(|name| group.violation(&host(name), dead.as_ref()).is_none())
        .collect()
}

#[test]
fn a_group_of_one_may_go_anywhere() {
    for policy in Policy::ALL {
        assert_eq!(free(&group(*policy, [])), "abcd", "{policy}");
    }
}

#[test]
fn anti_affinity_keeps_away_from_where_others_are_or_may_come_to_be() {
    use MigrationStatus::{Accepted, Finished, Queued, Reverting, Running};
    for (member, left) in [
        (resting("a"), "bcd"),
        (moving("a", "a", None, Accepted), "bcd"),
        (moving("a", "a", Some("b"), Queued), "cd"),
        (moving("a", "a", Some("b"), Running), "cd"),
        // Recorded at its destination, with a way back.
        (moving("b", "a", Some("b"), Finished), "cd"),
        (moving("b", "a", Some("b"), Reverting), "cd"),
    ] {
        assert_eq!(
            free(&group(Policy::AntiAffinity, [member.clone()])),
            left,
            "{member:?}"
        );
    }
}

#[test]
fn anti_affinity_counts_servers_up_to_its_most() {
    let others = [resting("a"), resting("a"), resting("b")];
    let pairs = Membership {
        max_server_per_host: Some(2),
        ..group(Policy::AntiAffinity, others)
    };
    assert_eq!(free(&pairs), "bcd");
    assert_eq!(
        pairs.violation(&host("a"), None),
        Some(Violation::AntiAffinity { there: 2, most: 2 })
    );
}

#[test]
fn one_server_counts_once_on_a_host() {
    let there_and_back = moving("a", "a", Some("a"), MigrationStatus::Running);
    let pairs = Membership {
        max_server_per_host: Some(2),
        ..group(Policy::AntiAffinity, [there_and_back])
    };
    assert_eq!(free(&pairs), "abcd");
}

#[test]
fn affinity_follows_to_where_others_are_heading() {
    use MigrationStatus::{Accepted, Finished, Reverting, Running};
    for (member, left) in [
        (resting("a"), "a"),
        (moving("a", "a", None, Accepted), "a"),
        (moving("a", "a", Some("b"), Running), "b"),
        (moving("b", "a", Some("b"), Finished), "b"),
        (moving("b", "a", Some("b"), Reverting), "a"),
    ] {
        assert_eq!(
            free(&group(Policy::Affinity, [member.clone()])),
            left,
            "{member:?}"
        );
    }
    let mut cancelled = moving("a", "a", Some("b"), MigrationStatus::Running);
    cancelled.moving.as_mut().unwrap().settling = Some(Settling::Cancelling);
    assert_eq!(free(&group(Policy::Affinity, [cancelled])), "a");
}

#[test]
fn a_scattered_group_may_gather_anywhere_where_it_is() {
    let scattered = group(Policy::Affinity, [resting("c"), resting("a"), resting("c")]);
    assert_eq!(free(&scattered), "ac");
    let hosts = vec![host("a"), host("c")];
    assert_eq!(
        scattered.violation(&host("b"), None),
        Some(Violation::Affinity { hosts })
    );
}

#[test]
fn a_group_leaves_a_dead_host_together() {
    let first = group(Policy::Affinity, [resting("a"), resting("a")]);
    assert_eq!(free(&first), "a", "nobody leaves the others");
    assert_eq!(free_without(&first, Some("a")), "abcd");
    let gone = moving("a", "a", Some("b"), MigrationStatus::PreMigrating);
    let second = group(Policy::Affinity, [gone, resting("a")]);
    assert_eq!(free_without(&second, Some("a")), "b");
}

#[test]
fn a_member_on_no_host_is_in_nobodys_way() {
    let nowhere = || Member {
        host: None,
        moving: None,
    };
    for policy in [Policy::Affinity, Policy::AntiAffinity] {
        assert_eq!(free(&group(policy, [nowhere()])), "abcd");
    }
}

#[test]
fn soft_policies_only_have_likings() {
    let others = || [resting("a"), resting("a"), resting("b")];
    let likings = |policy| {
        let group = group(policy, others());
        ["a", "b", "c"].map(|name| group.liking(&host(name)))
    };
    assert_eq!(likings(Policy::SoftAffinity), [2, 1, 0]);
    assert_eq!(likings(Policy::SoftAntiAffinity), [-2, -1, 0]);
    assert_eq!(likings(Policy::Affinity), [0; 3]);
    assert_eq!(likings(Policy::AntiAffinity), [0; 3]);
    for policy in Policy::ALL.iter().filter(|policy| !policy.is_hard()) {
        assert_eq!(free(&group(*policy, others())), "abcd");
    }
}

#[test]
fn who_comes_in_breaks_no_rule_where_it_is_or_goes() {
    use MigrationStatus::{Accepted, Finished, Running};
    let full = Violation::AntiAffinity { there: 1, most: 1 };
    let apart = group(Policy::AntiAffinity, [resting("a")]);
    for (joining, at) in [
        (resting("a"), Some("a")),
        (resting("b"), None),
        (moving("b", "b", None, Accepted), None),
        (moving("b", "b", Some("a"), Running), Some("a")),
        // It may be taken back.
        (moving("b", "a", Some("b"), Finished), Some("a")),
    ] {
        let expected = at.map(|at| (host(at), full.clone()));
        assert_eq!(apart.conflict(&joining), expected, "{joining:?}");
    }
    let together = group(Policy::Affinity, [resting("a")]);
    let hosts = vec![host("a")];
    for (joining, at) in [
        (resting("a"), None),
        (resting("b"), Some("b")),
        (moving("b", "b", Some("a"), Running), None),
        (moving("a", "a", Some("b"), Running), Some("b")),
    ] {
        let expected = at.map(|at| {
            let hosts = hosts.clone();
            (host(at), Violation::Affinity { hosts })
        });
        assert_eq!(together.conflict(&joining), expected, "{joining:?}");
    }
    let nowhere = Member {
        host: None,
        moving: None,
    };
    for policy in Policy::ALL {
        assert_eq!(group(*policy, [resting("a")]).conflict(&nowhere), None);
        let is_soft = !policy.is_hard();
        let others = [resting("a"), resting("b")];
        let soft = group(*policy, others).conflict(&resting("a")).is_none();
        assert!(soft || !is_soft, "{policy}: what is soft refuses nobody");
    }
}
