//! Server groups, from what domains say of them to where their servers end.

use godwit_core::event::Event;
use godwit_core::migration::LiveRequest;
use godwit_core::server_group::Policy;
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::fleet::declared;

use crate::cluster::*;

fn group(made: &mut Made, policy: Policy, servers: &[usize]) {
    for number in servers {
        made.guest(*number).group = Some(declared(1, policy));
    }
}

async fn failure(cluster: &Cluster, uuid: godwit_core::ids::MigrationUuid) -> String {
    let ended = cluster.ends(uuid).await.migration;
    assert_eq!(ended.status(), Status::Error);
    ended.failure.unwrap().message
}

on_both! {
    async fn two_servers_that_keep_apart_move_at_the_same_time(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0, 0]);
        // Host 3 is the better one for both.
        made.host(4).memory_bytes = 8 * GIB;
        group(&mut made, Policy::AntiAffinity, &[1, 2]);
        made.conductors = 2;
        let cluster = made.start().await;
        let begun = [1, 2].map(|number| cluster.begin(number, anywhere()));
        let [first, second]: [_; 2] = futures::future::join_all(begun).await.try_into().unwrap();
        let mut hosts = Vec::new();
        for uuid in [first.unwrap(), second.unwrap()] {
            let record = cluster.ends(uuid).await;
            assert_eq!(record.migration.status(), Status::Completed, "{record:#?}");
            hosts.push(record.migration.placement.unwrap().host);
        }
        hosts.sort();
        assert_eq!(hosts, [host(3), host(4)]);
        cluster.is_sound().await;
    }

    async fn a_hard_group_refuses_and_says_why(made: Made) {
        let mut made = made.with_hosts(&[1, 1]);
        group(&mut made, Policy::AntiAffinity, &[1, 2]);
        let cluster = made.start().await;
        for (request, text) in [
            (anywhere(), NO_VALID_HOST),
            (to(2), NO_VALID_HOST),
            (
                LiveRequest { forced: true, ..to(2) },
                "Migration pre-check error: Failed to validate instance group policy due to: \
                 Anti-affinity instance group policy was violated",
            ),
        ] {
            let uuid = cluster.begin(1, request.clone()).await.unwrap();
            assert_eq!(failure(&cluster, uuid).await, text, "{request:?}");
            let log = cluster.log(uuid).await;
            let said = log.iter().any(|line| line.contains("anti-affinity"));
            assert!(said || request.forced, "{log:#?}");
        }
        assert_eq!(cluster.server(1).await.host, Some(host(1)));
        cluster.is_sound().await;
    }

    async fn soft_groups_choose_among_hosts(made: Made) {
        let mut made = made.with_hosts(&[1, 3, 0]);
        group(&mut made, Policy::SoftAffinity, &[1, 2]);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await.migration;
        assert_eq!(record.destination(), Some(&host(2)), "the fullest host has the other one");
        let uuid = cluster.begin(1, to(3)).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn a_cold_move_may_always_return(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        group(&mut made, Policy::AntiAffinity, &[1, 2]);
        let cluster = made.start().await;
        let cold = cluster.begin_cold(1).await.unwrap();
        let record = cluster.reaches(cold, Status::Finished).await;
        assert_eq!(record.migration.destination(), Some(&host(3)));
        let live = cluster.begin(2, anywhere()).await.unwrap();
        assert_eq!(failure(&cluster, live).await, NO_VALID_HOST);
        assert!(cluster.ask(cold, Event::RevertRequested).await);
        assert_eq!(cluster.ends(cold).await.migration.status(), Status::Reverted);
        let live = cluster.begin(2, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(live).await.migration.destination(), Some(&host(3)));
        cluster.is_sound().await;
    }

    async fn a_group_with_affinity_leaves_a_dead_host_together(made: Made) {
        let mut made = made.with_hosts(&[3, 0, 0, 0]);
        group(&mut made, Policy::Affinity, &[1, 2, 3]);
        made.conductors = 2;
        let mut cluster = made.start().await;
        let stays = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(failure(&cluster, stays).await, NO_VALID_HOST);
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        let mut evacuated = Vec::new();
        for number in 1..=3 {
            evacuated.push(cluster.evacuate(number, false).await.unwrap());
        }
        for uuid in evacuated {
            cluster.reaches(uuid, Status::Done).await;
        }
        let first = cluster.server(1).await.host;
        assert!(first.is_some() && first != Some(host(1)));
        for number in [2, 3] {
            assert_eq!(cluster.server(number).await.host, first);
        }
        cluster.is_sound().await;
    }
}
