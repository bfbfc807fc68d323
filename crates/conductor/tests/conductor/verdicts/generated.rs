//! Hosts and guests of all kinds, from a seed.

use super::*;

pub(super) fn pools() -> Vec<PoolSpec> {
    let pool = |name: &str, shared| PoolSpec {
        name: name.to_owned(),
        kind: None,
        shared,
        capacity_bytes: None,
        taken_bytes: 0,
    };
    vec![pool("nfs", true), pool("ceph", true), pool("local", false)]
}

pub(super) fn any_host(rng: &mut StdRng, number: usize) -> HostSpec {
    let plain = HostSpec::new(host(number));
    let pools = ["nfs", "ceph", "local"].into_iter();
    let streams = [1_250_000_000, 1_250_000_000, 600_000_000];
    HostSpec {
        hypervisor_version: plain.hypervisor_version - u32::from(rng.random_bool(0.2)),
        hypervisor_type: if rng.random_bool(0.05) {
            "fake"
        } else {
            "QEMU"
        }
        .to_owned(),
        arch: if rng.random_bool(0.05) {
            "aarch64"
        } else {
            "x86_64"
        }
        .to_owned(),
        cpu_features: ["avx2", "avx512f"]
            .into_iter()
            .filter(|_| rng.random_bool(0.7))
            .map(str::to_owned)
            .collect(),
        vcpus: rng.random_range(3..10),
        memory_bytes: rng.random_range(6_000..24_000) * MIB,
        disk_bytes: rng.random_range(5..60) * GIB,
        links: vec![Link {
            name: "eth0".to_owned(),
            role: LinkRole::Migration,
            bytes_per_second: Some(1_250_000_000),
            stream_bytes_per_second: Some(*streams.choose(rng).unwrap()),
        }],
        pools: pools
            .filter(|_| rng.random_bool(0.8))
            .map(str::to_owned)
            .collect(),
        ..plain
    }
}

pub(super) fn any_guest(rng: &mut StdRng, number: usize, at: &HostSpec) -> GuestSpec {
    let plain = GuestSpec::new(
        server(number),
        &format!("vm-{number}"),
        owner(),
        at.name.clone(),
    );
    let disks = 0..rng.random_range(0..3);
    let group = rng.random_range(1..15_u128);
    let policies = [Policy::Affinity, Policy::AntiAffinity, Policy::SoftAffinity];
    let policy = policies[usize::try_from(group % 3).unwrap()];
    GuestSpec {
        dirty_bytes_per_second: match rng.random_bool(0.15) {
            true => rng.random_range(200_000_000..2_000_000_000),
            false => plain.dirty_bytes_per_second,
        },
        cpu_features: match rng.random_bool(0.1) {
            true => vec!["avx512f".to_owned()],
            false => Vec::new(),
        },
        vcpus: rng.random_range(1..9),
        memory_bytes: rng.random_range(100..6_000) * MIB,
        disks: disks
            .map(|number: u32| Disk {
                target: format!("vd{number}"),
                pool: at
                    .pools
                    .choose(rng)
                    .filter(|_| rng.random_bool(0.8))
                    .cloned(),
                allocated_bytes: rng.random_range(0..4 * GIB),
                read_only: rng.random_bool(0.05),
                ..plain.disks[0].clone()
            })
            .collect(),
        group: (group < 7).then(|| DeclaredGroup {
            uuid: new_group(group),
            name: None,
            policy: Some(policy),
            max_server_per_host: (policy == Policy::AntiAffinity).then_some(1),
        }),
        ..plain
    }
}

pub(super) fn new_group(number: u128) -> godwit_core::ids::ServerGroupUuid {
    format!("66666666-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

/// Those who never arrive have the first numbers, one on each host.
pub(super) fn world(seed: u64) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut hosts: Vec<_> = (1..=HOSTS)
        .map(|number| any_host(&mut rng, number))
        .collect();
    let mut guests: Vec<_> = hosts
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let number = at + 1;
            GuestSpec {
                memory_bytes: GIB,
                dirty_bytes_per_second: 100 * GIB,
                working_set_bytes: GIB,
                disks: Vec::new(),
                ..GuestSpec::new(server(number), "busy", owner(), host.name.clone())
            }
        })
        .collect();
    for number in HOSTS + 1..=HOSTS + MOVERS {
        let at = hosts.choose(&mut rng).unwrap().clone();
        guests.push(any_guest(&mut rng, number, &at));
    }
    // Nobody is turned away from there.
    let links = hosts[0].links.clone();
    hosts.push(HostSpec {
        hypervisor_version: 11_000_000,
        links: links.clone(),
        ..HostSpec::new(host(SINK))
    });
    hosts.push(HostSpec {
        links,
        ..HostSpec::new(host(DEAD))
    });
    World {
        hosts,
        guests,
        pools: pools(),
    }
}

pub(super) fn by() -> Requester {
    Requester::default()
}

/// Puts a host into a pod or cluster of its zone.
pub(super) async fn place(
    store: &Store,
    number: usize,
    (pod, cluster): (Option<&str>, Option<&str>),
) {
    let (pod, cluster) = (pod.map(str::to_owned), cluster.map(str::to_owned));
    let placing = Placing {
        aggregate: new_uuid(),
        by: by(),
        at: SystemClock.now(),
    };
    let within = move |before: &Topology| {
        let (pod, cluster) = (pod.clone(), cluster.clone());
        let place = Topology {
            pod,
            cluster,
            ..before.clone()
        };
        Ok::<_, ()>(place)
    };
    let placed = store.host_place(&host(number), placing, within).await;
    placed.unwrap();
}

/// Some hosts are in a disabled pod, some in a cluster that takes no part, one is disabled, one dead.
pub(super) async fn differ(cluster: &mut Cluster) {
    let (store, now) = (cluster.store.clone(), SystemClock.now());
    for (numbers, pod, name) in [
        (3..6, Some("p1"), None),
        (6..9, None, Some("c1")),
        (9..14, None, Some("c2")),
        (14..18, None, Some("c3")),
    ] {
        for number in numbers {
            place(&store, number, (pod, name)).await;
        }
    }
    let disabled = AllocationChange {
        disabled: true,
        reason: None,
        by: by(),
        at: now,
    };
    store
        .scope_allocate((ScopeKind::Pod, "p1"), disabled, any_version)
        .await
        .unwrap();
    let unmanaged = ManagementChange {
        managed: false,
        reason: None,
        by: by(),
        at: now,
    };
    store
        .cluster_manage("c1", unmanaged, any_version)
        .await
        .unwrap();
    let known = store.host_find(&host(1)).await.unwrap().unwrap();
    let disable = ServiceChange {
        status: Some(ServiceStatus::Disabled { reason: None }),
        forced_down: None,
        note: asked("req-disable", now),
    };
    let fine = |_: &_, _: &_| Ok::<_, ()>(());
    store
        .service_update(known.service.uuid, disable, fine)
        .await
        .unwrap();
    cluster.kill_agent(&host(DEAD));
    let down_time = cluster.config.service_down_time;
    wait_for("the dead host to be missed", PATIENCE, async || {
        let dead = store.host_find(&host(DEAD)).await?.unwrap();
        Ok((!dead.service.is_up(SystemClock.now(), down_time)).then_some(()))
    })
    .await
    .unwrap();
}
