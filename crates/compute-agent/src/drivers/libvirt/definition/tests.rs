//! On XML as libvirt writes it for a running guest.

use super::*;

const DOMAIN: &str = r#"<domain type='kvm' id='3'>
  <name>instance-00000007</name>
  <uuid>6a0a4f6e-2f45-4a0c-9d8f-3f6d5c1c7f10</uuid>
  <metadata>
    <other:thing xmlns:other="urn:other"/>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>web &amp; mail</nova:name>
      <nova:flavor name="m1.small" id="2">
        <nova:memory>2048</nova:memory><nova:disk>20</nova:disk><nova:swap>64</nova:swap>
        <nova:ephemeral>1</nova:ephemeral><nova:vcpus>2</nova:vcpus>
      </nova:flavor>
      <nova:owner>
        <nova:user uuid="6f70656e737461636b20342065766572">alice</nova:user>
        <nova:project uuid="70c0de">demo</nova:project>
      </nova:owner>
      <nova:root type="image" uuid="155d900f-4e14-4e4c-a73d-069cbf4541e6"/>
    </nova:instance>
  </metadata>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-10.0'>hvm</type></os>
  <cpu mode='custom' match='exact' check='full'>
    <model fallback='forbid'>Haswell</model>
    <vendor>Intel</vendor>
    <feature policy='require' name='vmx'/>
    <feature policy='disable' name='svm'/>
  </cpu>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/srv/instances/a/disk' index='1'/>
      <backingStore type='file' index='2'>
        <format type='raw'/>
        <source file='/srv/instances/_base/b'/>
        <backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='rbd' name='vms/a_disk'><host name='mon' port='6789'/></source>
      <target dev='vdb' bus='virtio'/>
      <shareable/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hda' bus='ide'/><readonly/>
    </disk>
    <disk type='block' device='cdrom'>
      <source dev='/dev/sr0'/><target dev='hdb' bus='ide'/>
    </disk>
  </devices>
</domain>"#;

/// [`DOMAIN`] with an element of ours beside Nova's.
fn grouped(attributes: &str) -> Option<DeclaredGroup> {
    let element = format!(
        r#"<godwit:server xmlns:godwit="urn:godwit:libvirt:1">
             <godwit:group {attributes}>web</godwit:group>
           </godwit:server></metadata>"#
    );
    let xml = DOMAIN.replace("</metadata>", &element);
    Definition::parse(&xml).unwrap().group
}

#[test]
fn a_domain_may_name_its_server_group() {
    assert_eq!(Definition::parse(DOMAIN).unwrap().group, None);
    let uuid = "7a0a4f6e-2f45-4a0c-9d8f-3f6d5c1c7f10";
    let declared = format!(r#"uuid="{uuid}" policy="anti-affinity" max_server_per_host="2""#);
    let group = DeclaredGroup {
        uuid: uuid.parse().unwrap(),
        name: Some("web".to_owned()),
        policy: Some(Policy::AntiAffinity),
        max_server_per_host: Some(2),
    };
    assert_eq!(grouped(&declared).as_ref(), Some(&group));
    let only_named = DeclaredGroup {
        policy: None,
        max_server_per_host: None,
        ..group
    };
    assert_eq!(grouped(&format!(r#"uuid="{uuid}""#)), Some(only_named));
}

#[test]
fn a_server_group_that_is_not_understood_is_still_the_group() {
    for wrong in [
        r#"policy="legacy""#,
        r#"policy="anti-affinity" max_server_per_host="0""#,
        r#"policy="anti-affinity" max_server_per_host="many""#,
    ] {
        let uuid = "7a0a4f6e-2f45-4a0c-9d8f-3f6d5c1c7f10";
        let group = grouped(&format!(r#"uuid="{uuid}" {wrong}"#)).unwrap();
        assert_eq!(group.uuid.to_string(), uuid);
        assert_eq!(
            (group.policy, group.max_server_per_host),
            (None, None),
            "{wrong}"
        );
    }
    for nameless in ["", r#"uuid="web""#] {
        assert_eq!(grouped(nameless), None, "{nameless}");
    }
}

#[test]
fn a_domain_of_novas_is_understood() {
    let definition = Definition::parse(DOMAIN).unwrap();
    assert_eq!(definition.virt_type, "kvm");
    assert_eq!(definition.vcpus, 2);
    assert_eq!(definition.memory_bytes, 2 << 30);

    let nova = definition.nova.as_ref().unwrap();
    assert_eq!(nova.name.as_deref(), Some("web & mail"));
    let owner = nova.owner.as_ref().unwrap();
    assert_eq!(owner.project_id, "70c0de");
    assert_eq!(owner.user_name.as_deref(), Some("alice"));
    let flavor = nova.flavor.as_ref().unwrap();
    assert_eq!(
        (flavor.vcpus, flavor.memory_mb, flavor.swap_mb),
        (2, 2048, 64)
    );
    assert_eq!(flavor.id.as_deref(), Some("2"));
    assert!(nova.image.as_deref().unwrap().starts_with("155d900f"));
}

#[test]
fn disks_are_told_apart() {
    let disks = Definition::parse(DOMAIN).unwrap().disks;
    let [clone, network, cdrom] = disks.as_slice() else {
        panic!("the drive without a medium is no disk: {disks:?}");
    };
    assert_eq!(clone.source, "/srv/instances/a/disk");
    assert_eq!(clone.format, "qcow2");
    assert!(clone.file && !clone.read_only && !clone.shareable);
    let backing = clone.backing.as_ref().unwrap();
    assert_eq!(backing, &("/srv/instances/_base/b".into(), "raw".into()));

    assert_eq!(network.source, "rbd:vms/a_disk");
    assert!(network.shareable && !network.file && network.backing.is_none());
    assert_eq!(cdrom.source, "/dev/sr0");
    assert!(cdrom.read_only);
}

#[test]
fn the_processor_travels_as_it_stands() {
    let cpu = Definition::parse(DOMAIN).unwrap().cpu();
    assert_eq!(
        (cpu.model.as_str(), cpu.vendor.as_str()),
        ("Haswell", "Intel")
    );
    assert_eq!(cpu.features, ["vmx"]);
    let definition: CpuDefinition = serde_json::from_str(&cpu.definition.unwrap()).unwrap();
    assert!(definition.xml.starts_with("<cpu mode='custom'"));
    assert!(definition.xml.ends_with("</cpu>"));
    assert!(!definition.passthrough);
}

#[test]
fn the_hosts_processor_is_found() {
    let cpu = host_cpu(
        "<capabilities><host><uuid>x</uuid><cpu><arch>x86_64</arch><model>EPYC</model>\
         <vendor>AMD</vendor><feature name='svm'/></cpu></host><guest/></capabilities>",
    )
    .unwrap();
    assert_eq!((cpu.arch.as_str(), cpu.model.as_str()), ("x86_64", "EPYC"));
    assert_eq!(cpu.features, ["svm"]);
}

#[test]
fn a_domain_of_nobodys_is_a_domain_too() {
    let definition = Definition::parse(
        "<domain type='qemu'><title>Old mail</title><memory unit='MiB'>8</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64'>hvm</type></os><devices/></domain>",
    )
    .unwrap();
    assert_eq!(definition.nova, None);
    assert_eq!(definition.title.as_deref(), Some("Old mail"));
    assert_eq!(definition.memory_bytes, 8 << 20);
    assert_eq!(definition.cpu().definition, None);
}

#[test]
fn what_is_missing_is_named() {
    let error = Definition::parse("<domain type='qemu'><devices/></domain>").unwrap_err();
    assert_eq!(error.to_string(), "no usable <os>");
    assert!(matches!(
        Definition::parse("<domain"),
        Err(Unreadable::Xml(_))
    ));
}
