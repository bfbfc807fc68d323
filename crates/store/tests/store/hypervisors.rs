//! Hypervisors: pages, patterns, what is used, and which servers they have.

use godwit_core::event::Event;
use godwit_core::resources::Resources;
use godwit_store::{HostUsage, HypervisorKey, HypervisorListError, HypervisorPage};

use crate::bench::{Bench, ROOM, at, host, placed, registration, server, uuid};

async fn names(bench: &Bench, page: HypervisorPage) -> Vec<String> {
    let found = bench.store.hypervisor_list(&page).await.unwrap();
    found.into_iter().map(|it| it.host.facts.node).collect()
}

async fn usage(bench: &Bench, name: &str) -> HostUsage {
    let key = HypervisorKey::Uuid(uuid("host", name));
    bench
        .store
        .hypervisor_find(key)
        .await
        .unwrap()
        .unwrap()
        .usage
}

on_both! {
    async fn pages_and_patterns(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0), ("c", 0)]).await;
        let all = HypervisorPage::default();
        let node = |name: &str| format!("{name}.example.org");
        assert_eq!(names(&bench, all.clone()).await, [node("a"), node("b"), node("c")]);
        let first = HypervisorPage { limit: Some(2), ..all.clone() };
        assert_eq!(names(&bench, first).await, [node("a"), node("b")]);
        let second = bench.store.hypervisor_list(&all).await.unwrap().remove(1).host.id;
        for marker in [HypervisorKey::Uuid(uuid("host", "b")), HypervisorKey::Id(second)] {
            let rest = HypervisorPage { marker: Some(marker), ..all.clone() };
            assert_eq!(names(&bench, rest).await, [node("c")]);
        }
        let pattern = |pattern: &str| HypervisorPage {
            pattern: Some(pattern.to_owned()),
            ..HypervisorPage::default()
        };
        assert_eq!(names(&bench, pattern("B.Exa")).await, [node("b")]);
        assert_eq!(names(&bench, pattern("nowhere")).await, Vec::<String>::new());
        let marker = Some(HypervisorKey::Id(4711));
        let lost = bench.store.hypervisor_list(&HypervisorPage { marker, ..all }).await;
        assert!(matches!(lost, Err(HypervisorListError::MarkerNotFound)));
        let nobody = bench.store.hypervisor_find(HypervisorKey::Id(4711)).await.unwrap();
        assert_eq!(nobody, None);
    }

    async fn servers_and_claims_are_use(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b")]).await;
        let of_a = HostUsage { room: ROOM.plus(ROOM), running_vms: 2, current_workload: 1 };
        assert_eq!(usage(&bench, "a").await, of_a);
        let of_b = HostUsage { room: ROOM, running_vms: 0, current_workload: 0 };
        assert_eq!(usage(&bench, "b").await, of_b);
        bench.drive(1, [Event::Admitted, Event::Prepared, Event::HandedOver, Event::Finished { clean: true }]).await;
        let of_b = HostUsage { room: ROOM, running_vms: 1, current_workload: 0 };
        assert_eq!(usage(&bench, "b").await, of_b);

        let hosts = vec![host("a"), host("b"), host("c")];
        let found = bench.store.servers_by_host(hosts).await.unwrap();
        let on = |name: &str| found.get(&host(name)).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(on("a").iter().map(|it| it.uuid).collect::<Vec<_>>(), [server(2)]);
        assert_eq!(on("b")[0].instance_name, "instance-00000001");
        assert!(!found.contains_key(&host("c")));
    }

    async fn imported_figures_stand_until_an_agent_speaks(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.sql(
            "UPDATE hosts SET imported_usage = '{\"room\": {\"vcpus\": 0, \"memory_mb\": 512,
                 \"disk_gb\": 0}, \"running_vms\": 0, \"current_workload\": 0}'",
        );
        let room = Resources { vcpus: 0, memory_mb: 512, disk_gb: 0 };
        let imported = HostUsage { room, running_vms: 0, current_workload: 0 };
        assert_eq!(usage(&bench, "a").await, imported);
        bench.store.host_register(registration("a", at(9))).await.unwrap();
        assert_eq!(usage(&bench, "a").await.running_vms, 1);
    }
}
