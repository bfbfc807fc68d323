use super::*;

fn read(text: &str) -> Result<Fleet, String> {
    let file: FleetFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Fleet::try_from(file).map_err(|error| error.to_string())
}

const FILE: &str = r#"{
  "pools": [{"name": "nfs", "shared": true}, {"name": "local"}],
  "groups": [{"id": "66666666-2222-4333-8444-555555555555", "name": "web", "policy": "anti-affinity"}],
  "hosts": [
    {"name": "a", "zone": "z", "pod": "p", "cluster": "c", "pools": ["nfs", "local"],
     "capacity": {"vcpus": 8, "memory_mib": 8192, "disk_gib": 100},
     "links": [{"name": "eth0", "role": "management", "bytes_per_second": 1},
               {"name": "eth1", "role": "migration", "bytes_per_second": 1250, "stream_bytes_per_second": 375}]},
    {"name": "b", "pools": ["nfs"], "capacity": {"vcpus": 8, "memory_mib": 8192}, "managed": false}],
  "servers": [{"id": "11111111-2222-4333-8444-555555555555", "host": "a", "vcpus": 1, "memory_mib": 1024,
    "disks": [{"pool": "nfs"}, {"pool": "local", "allocated_bytes": 1}],
    "groups": ["66666666-2222-4333-8444-555555555555"], "dirty_bytes_per_second": 7}]}"#;

#[test]
fn a_file_is_a_fleet() {
    let fleet = read(FILE).unwrap();
    let (hosts, servers, groups) = fleet.clone().into_parts();
    assert_eq!(hosts[0].link.stream_bytes_per_second, 375);
    assert_eq!(hosts[0].host.pools, ["nfs".to_owned()].into());
    assert_eq!(hosts[0].host.used, servers[0].need.room);
    assert!(hosts[1].host.unmanaged.is_some() && hosts[1].host.is_enabled());
    assert_eq!(
        (servers[0].need.room.disk_gb, servers[0].disk_bytes),
        (1, 1)
    );
    assert_eq!(groups[0].policy, Policy::AntiAffinity);
    let server = fleet.server_no(servers[0].need.server).unwrap();
    assert_eq!(
        fleet.host_no(&hosts[0].host.name),
        Some(fleet.host_of(server))
    );
    assert_eq!(fleet.members(servers[0].group.unwrap()), [server]);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    for (from, to, error) in [
        (
            r#""host": "a""#,
            r#""host": "x""#,
            "on a host that is not there: x",
        ),
        (r#""name": "b""#, r#""name": "a""#, "host a is there twice"),
        (r#"1250,"#, r#"0,"#, "the link of host a carries nothing"),
        (
            r#"{"pool": "nfs"}"#,
            r#"{"pool": "ceph"}"#,
            "on pool ceph, which is not",
        ),
        (r#""groups": ["6"#, r#""groups": ["7"#, "in group 7"),
        (
            r#""memory_mib": 1024"#,
            r#""memory_mib": -1"#,
            "has a negative size",
        ),
        (r#""zone""#, r#""zome""#, "unknown field `zome`"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let said = read(&FILE.replace(from, to)).unwrap_err();
        assert!(said.contains(error), "{said}");
    }
}
