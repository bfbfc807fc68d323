use godwit_test_support::fleet::{migration, named};

use super::*;

const GIB: i64 = 1 << 30;

/// Hosts `a` and `b` with links of 1,000 bytes a second, and `c`, of which nobody knows how fast its is.
fn links(streams: [Option<u64>; 2]) -> HostLinks {
    let mut links = HostLinks::of_none(&Config::default());
    for (name, stream) in ["a", "b"].into_iter().zip(streams) {
        let link = HostLink {
            host: named(name),
            bytes_per_second: Some(1_000),
            stream_bytes_per_second: stream,
            moved_at: None,
        };
        links.add(named(name), Some(&link), link.bytes_per_second);
    }
    links.add(named("c"), None, None);
    links
}

fn under_way(ends: (&str, &str), taken: Option<i64>, sent: i64, left: i64) -> UnderWay {
    UnderWay {
        uuid: migration(1),
        source: named(ends.0),
        destination: named(ends.1),
        taken,
        memory_total: Some(GIB),
        memory_processed: Some(sent),
        memory_remaining: Some(left),
        memory_mb: Some(1_024),
        dirty_bytes_per_second: Some(7),
        priority: None,
    }
}

#[test]
fn the_slower_host_limits_a_stream() {
    let limit = |streams, to| {
        let links = links(streams);
        links.stream(&named("a"), &named(to), None).unwrap().limit
    };
    assert_eq!(limit([None, None], "b"), 1_000.0);
    assert_eq!(limit([Some(300), None], "b"), 300.0);
    assert_eq!(limit([Some(300), Some(200)], "b"), 200.0);
    // No stream is faster than its link.
    assert_eq!(limit([Some(3_000), None], "c"), 1_000.0);
    assert_eq!(
        links([None, None]).stream(&named("a"), &named("x"), None),
        None
    );
}

#[test]
fn a_guest_that_was_sent_once_is_in_its_last_rounds() {
    let links = links([None, None]);
    let is_last = |sent, left| {
        let it = under_way(("a", "b"), Some(1_000), sent, left);
        links.under_way(&it).unwrap().last_rounds
    };
    assert!(!is_last(0, GIB) && !is_last(GIB / 2, GIB / 2));
    assert!(is_last(GIB, GIB / 2) && is_last(GIB / 2, GIB / 30));
}

#[test]
fn what_has_begun_keeps_what_it_has_taken() {
    let links = links([Some(300), Some(300)]);
    let limit = |taken| {
        let it = under_way(("a", "b"), taken, 0, GIB);
        links.under_way(&it).unwrap().limit
    };
    assert_eq!([Some(500), Some(200)].map(limit), [500.0, 300.0]);
    assert_eq!(limit(None), 1_000.0, "a release before began it");
}

#[test]
fn hosts_are_full_by_their_links_or_by_their_slots() {
    let mut links = links([Some(1_000), Some(1_000)]);
    assert_eq!(links.full(), FullHosts::default());
    links.count(links.stream(&named("a"), &named("c"), None).unwrap());
    links.count(links.stream(&named("c"), &named("b"), None).unwrap());
    let full = links.full();
    assert_eq!(full.sources, [named("a"), named("c")]);
    assert_eq!(full.destinations, [named("b")]);
    assert_eq!(links.in_use(SlotRole::Source), (1_000.0, 1_000.0));
}

#[test]
fn without_budgets_slots_limit_all_hosts() {
    let mut config = Config::default();
    config.link_budgets.enabled = false;
    assert_eq!(HostLinks::of_none(&config).share(5.0), None);
    let share = links([None, None]).share(5.9).unwrap();
    assert_eq!((share.bytes_per_second, share.most), (5, Some(8)));
}
