use super::*;

fn read(text: &str) -> Result<Fleet, FileError> {
    Fleet::try_from(&FleetFile::parse(text)?)
}

const FILE: &str = "
pools:
  - {name: nfs, kind: nfs, shared: true, capacity_bytes: 100, free_bytes: 40}
  - {name: local, hosts: [a]}
groups:
  - {id: 66666666-2222-4333-8444-555555555555, name: web, policy: anti-affinity, max_server_per_host: 2}
hosts:
  - name: a
    zone: z
    pod: p
    cluster: c
    pools: [nfs, local]
    hypervisors: [{type: QEMU, version: 10.0.2}]
    cpu: {arch: x86_64, model: EPYC, features: [avx2]}
    capacity: {vcpus: 8, memory_mib: 8192, disk_gib: 100}
    links:
      - {name: eth0, role: management, bytes_per_second: 1}
      - {name: eth1, role: migration, bytes_per_second: 1250, stream_bytes_per_second: 375}
  - {name: b, zone: z, pod: p, pools: [nfs], capacity: {vcpus: 8, memory_mib: 8192}, managed: false}
servers:
  - id: 11111111-2222-4333-8444-555555555555
    host: a
    vcpus: 1
    memory_mib: 1024
    disks:
      - {pool: nfs, target: vdx, format: raw, virtual_bytes: 9, backing: [/base, /base-of-base]}
      - {pool: local, allocated_bytes: 1}
    groups: [66666666-2222-4333-8444-555555555555]
    dirty_bytes_per_second: 7
  - {host: b, status: SHUTOFF, vcpus: 2, memory_mib: 512}
";

#[test]
fn a_file_is_a_fleet() {
    let fleet = read(FILE).unwrap();
    let (hosts, servers, groups) = fleet.clone().into_parts();
    assert_eq!(hosts[0].link.stream_bytes_per_second, 375);
    assert_eq!(hosts[0].host.pools, ["nfs".to_owned()].into());
    assert_eq!(hosts[0].host.used, servers[0].need.room);
    assert_eq!(hosts[0].host.hypervisor_version, 10_000_002);
    assert!(hosts[1].host.unmanaged.is_some() && hosts[1].host.is_enabled());
    assert_eq!(
        (servers[0].need.room.disk_gb, servers[0].disk_bytes),
        (1, 1)
    );
    assert_eq!((servers[0].running, servers[1].running), (true, false));
    assert_eq!(groups[0].policy, Policy::AntiAffinity);
    let server = fleet.server_no(servers[0].need.server).unwrap();
    assert_eq!(
        fleet.host_no(&hosts[0].host.name),
        Some(fleet.host_of(server))
    );
    assert_eq!(fleet.members(servers[0].group.unwrap()), [server]);
}

#[test]
fn what_a_file_does_not_say_is_the_same_in_every_run() {
    let file = FleetFile::parse(FILE).unwrap();
    assert_eq!(file.name_of(1), "vm-2");
    let id = file.id_of(1).to_string();
    assert_eq!(id, "11111111-0000-4000-8000-000000000001");
    let server = &file.servers[0];
    assert_eq!([0, 1].map(|at| server.target_of(at)), ["vdx", "vdb"]);
}

#[test]
fn a_file_may_be_json_and_as_good_as_empty() {
    let json = r#"{"hosts": [{"name": "a", "capacity": {"vcpus": 1, "memory_mib": 1},
        "hypervisors": [{"type": "QEMU", "version": 10000002}]}]}"#;
    assert_eq!(read(json).unwrap().hosts().len(), 1);
    assert_eq!(read("{}").unwrap(), Fleet::default());
}

#[test]
fn a_pool_may_say_which_hosts_reach_it() {
    let text = FILE.replace("pools: [nfs, local]", "enabled: true");
    let text = text.replace("pools: [nfs],", "");
    let text = text.replace("shared: true,", "shared: true, hosts: [b, a],");
    let (hosts, _, _) = read(&text).unwrap().into_parts();
    assert!(hosts.iter().all(|host| host.host.pools.contains("nfs")));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    for (from, to, error) in [
        (
            "host: a\n",
            "host: x\n",
            "servers[0].host: no host is called x",
        ),
        (
            "name: b,",
            "name: a,",
            "hosts[1].name: a is that of hosts[0] already",
        ),
        (
            "name: local,",
            "name: nfs,",
            "pools[1].name: nfs is that of pools[0] already",
        ),
        ("1250,", "0,", "hosts[0].links[1]: it carries nothing"),
        (
            "name: eth1",
            "name: eth0",
            "hosts[0].links[1].name: eth0 is that of",
        ),
        (
            "- {pool: nfs,",
            "- {pool: ceph,",
            "servers[0].disks[0].pool: no pool is called ceph",
        ),
        (
            "pools: [nfs, local]",
            "pools: [nfs]",
            "pools[1].hosts[0]: host a says that it does not",
        ),
        ("hosts: [a]", "hosts: [b]", "pools[1].hosts[0]: host b says"),
        (
            "hosts: [a]",
            "hosts: [x]",
            "pools[1].hosts[0]: no host is called x",
        ),
        (
            "pools: [nfs, local]",
            "pools: [nfs, local, x]",
            "hosts[0].pools[2]: no pool is called x",
        ),
        (
            "free_bytes: 40",
            "free_bytes: 101",
            "pools[0].free_bytes: more is free than there is",
        ),
        (
            "groups: [6",
            "groups: [7",
            "servers[0].groups[0]: no group has the id 7",
        ),
        (
            "policy: anti-affinity",
            "policy: affinity",
            "groups[0].max_server_per_host: it",
        ),
        (
            "name: web",
            "name: ''",
            "groups[0].name: it has 1 to 255 characters",
        ),
        (
            "vdx, format: raw",
            "vdb, format: raw",
            "servers[0].disks[1].target: vdb is that of servers[0].disks[0] already",
        ),
        (
            "zone: z, pod: p,",
            "zone: y, pod: p,",
            "hosts[1].pod: by another host pod p is in zone z",
        ),
        (
            "zone: z\n",
            "zone: 'a:b'\n",
            "hosts[0].zone: it has 1 to 255 characters",
        ),
        ("vcpus: 1\n", "vcpus: 0\n", "servers[0].vcpus: it has none"),
        (
            "{host: b,",
            "{id: 11111111-2222-4333-8444-555555555555, host: b,",
            "servers[1].id: 1",
        ),
        ("    zone: z\n", "    zome: z\n", "unknown field `zome`"),
        ("memory_mib: 1024", "memory_mib: -1", "line 24"),
        ("version: 10.0.2", "version: 10.2", "line 13"),
        (
            "version: 10.0.2",
            "version: '10.2'",
            "\"10.2\" is no version such as 10.0.2",
        ),
        ("policy: anti-affinity", "policy: apart", "line 6"),
        ("status: SHUTOFF", "status: BROKEN", "line 30"),
        ("host: a\n", "host: 'a b'\n", "is not a host name"),
        ("servers:", "servers: {", "line"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let said = read(&FILE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(said.contains(error), "{from} → {to}: {said}");
    }
}

#[test]
fn a_file_may_say_much() {
    let features = vec!["avx2"; 300_000].join(",");
    let text = FILE.replace("features: [avx2]", &format!("features: [{features}]"));
    assert!(read(&text).is_ok());
}
