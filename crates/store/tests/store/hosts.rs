//! Hosts as `/hosts` lists them, with what is taken of each, and servers with what they are made of.

use godwit_core::server_group::Policy;
use godwit_store::{HostLoad, ServerFilter, ServerListError, ServerPage, ServerPlace};

use crate::bench::{ROOM, at, declared, group, host, placed, running, server};

fn names(loads: &[HostLoad]) -> Vec<&str> {
    loads.iter().map(|it| it.host.facts.name.as_str()).collect()
}

const ALL: ServerPage = ServerPage {
    limit: 10,
    marker: None,
    sort: Vec::new(),
};

on_both! {
    async fn a_page_of_hosts_says_what_is_taken_of_each(bench: Bench) {
        bench.fleet(&[("b", 2), ("a", 0), ("c", 1)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("a")]).await;
        let all = bench.store.host_page(0, 10).await.unwrap();
        assert_eq!(names(&all), ["b", "a", "c"]);
        assert_eq!(all, bench.store.host_loads().await.unwrap());
        assert_eq!((all[0].servers, all[1].claims), (ROOM.plus(ROOM), ROOM));
        let first = bench.store.host_page(0, 2).await.unwrap();
        assert_eq!(first, all[..2]);
        let rest = bench.store.host_page(all[1].host.id, 2).await.unwrap();
        assert_eq!(rest, all[2..]);
        assert_eq!(bench.store.host_page(all[2].host.id, 2).await.unwrap(), []);
        assert_eq!(bench.store.host_load(&host("a")).await.unwrap().as_ref(), Some(&all[1]));
        assert_eq!(bench.store.host_load(&host("x")).await.unwrap(), None);
        assert_eq!(bench.store.host_count().await.unwrap(), 3);
        let pools = bench.store.host_pools().await.unwrap();
        assert_eq!(pools.len(), 3);
        assert_eq!((&pools[0].0, pools[0].1[0].id.as_str()), (&host("b"), "nfs-1"));
    }

    async fn whose_servers_are_and_where_is_read_of_many_at_once(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 1)]).await;
        let (first, second) = (server(1), server(2));
        bench.sql(&format!("UPDATE servers SET project_id = 'lab' WHERE uuid = '{second}'"));
        bench.sql(&format!("UPDATE servers SET deleted_at = created_at WHERE uuid = '{second}'"));
        let places = bench.store.server_places([first, second, server(9)]).await.unwrap();
        assert_eq!(places.len(), 2);
        let place = |project: &str, is_deleted| ServerPlace {
            project: project.to_owned(),
            host: Some(host("a")),
            is_deleted,
        };
        assert_eq!(places[&first], place("demo", false));
        assert_eq!(places[&second], place("lab", true));
        assert!(bench.store.server_places([]).await.unwrap().is_empty());
        let named = ["a", "x", "b"].map(host);
        let known = bench.store.hosts_known(named).await.unwrap();
        assert_eq!(known, ["a", "b"].map(host).into());
        assert!(bench.store.hosts_known([]).await.unwrap().is_empty());
    }

    async fn servers_come_with_their_disks_and_groups(bench: Bench) {
        bench.host("a").await;
        let web = declared(1, Policy::AntiAffinity);
        let mut member = running(1);
        member.group = Some(web);
        bench.hears("a", at(1), vec![member, running(2)]).await;
        bench.sql(&format!("UPDATE servers SET project_id = 'lab' WHERE uuid = '{}'", server(2)));
        let all = ServerFilter::default();
        let found = bench.store.server_detail_list(&all, &ALL).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|it| it.server.uuid).collect();
        assert_eq!(numbers, [server(1), server(2)]);
        assert_eq!(found[0].disks, running(1).disks);
        assert_eq!((&found[0].groups, &found[1].groups), (&vec![group(1)], &Vec::new()));
        assert_eq!(bench.store.server_count(&all).await.unwrap(), 2);
        let lab = ServerFilter { project_id: Some("lab".to_owned()), ..all.clone() };
        assert_eq!(bench.store.server_detail_list(&lab, &ALL).await.unwrap(), found[1..]);
        assert_eq!(bench.store.server_count(&lab).await.unwrap(), 1);
        let odd = ServerFilter { project_id: Some("no\0project".to_owned()), ..all.clone() };
        assert_eq!(bench.store.server_count(&odd).await.unwrap(), 0);
        let first = bench.store.server_detail(server(1), Some("demo")).await.unwrap();
        assert_eq!(first.as_ref(), Some(&found[0]));
        assert_eq!(bench.store.server_detail(server(1), Some("lab")).await.unwrap(), None);
        let lost = ServerPage { marker: Some(server(9)), ..ALL };
        let lost = bench.store.server_detail_list(&all, &lost).await;
        assert!(matches!(lost, Err(ServerListError::MarkerNotFound(_))));
    }
}
