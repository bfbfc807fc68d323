//! A domain's XML, as far as a move has to know it.

use std::num::NonZero;

use godwit_core::server_group::{DeclaredGroup, Policy};
use godwit_rpc::domain::{Flavor, Owner};
use godwit_rpc::facts::Cpu;
use roxmltree::{Document, Node};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What Nova's namespace begins with, whatever its minor version.
const NOVA: &str = "http://openstack.org/xmlns/libvirt/nova/1.";

const GODWIT: &str = "urn:godwit:libvirt:1";

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Definition {
    /// `kvm`, `qemu`…
    pub(super) virt_type: String,
    /// Such as `x86_64`.
    pub(super) arch: String,
    pub(super) vcpus: u32,
    pub(super) memory_bytes: u64,
    /// Its title, where somebody gave it one.
    pub(super) title: Option<String>,
    /// Its processor; `None` leaves it to QEMU.
    pub(super) cpu: Option<CpuElement>,
    /// Its disks that have a source: drives without a medium are left out.
    pub(super) disks: Vec<DiskElement>,
    /// What Nova wrote into it.
    pub(super) nova: Option<NovaElement>,
    /// The server group that it says it is in.
    pub(super) group: Option<DeclaredGroup>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) uuid: Uuid,
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct CpuElement {
    /// `custom`, `host-model`, `host-passthrough`, `maximum`.
    pub(super) mode: String,
    pub(super) model: String,
    pub(super) vendor: String,
    pub(super) features: Vec<String>,
    pub(super) xml: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DiskElement {
    /// Such as `vda`.
    pub(super) target: String,
    /// Where it lies: a path, or `PROTOCOL:NAME` of what is no file.
    pub(super) source: String,
    pub(super) file: bool,
    /// Such as `qcow2`.
    pub(super) format: String,
    pub(super) read_only: bool,
    /// Several guests may write to it at the same time.
    pub(super) shareable: bool,
    pub(super) encrypted: bool,
    /// The path and format of what it is a linked clone of; known of what is in memory.
    pub(super) backing: Option<(String, String)>,
}

/// Nova's `<instance>` in the metadata.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct NovaElement {
    pub(super) name: Option<String>,
    pub(super) owner: Option<Owner>,
    pub(super) flavor: Option<Flavor>,
    pub(super) image: Option<String>,
}

/// A processor in words that only this driver reads, at whichever host it is compared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct CpuDefinition {
    /// `kvm`, `qemu`…; of a host it is `None`.
    pub(super) virt_type: Option<String>,
    /// Does the guest get whatever its host has?
    pub(super) passthrough: bool,
    pub(super) xml: String,
}

/// The XML is not what libvirt writes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("not XML: {0}")]
    Xml(#[from] roxmltree::Error),
    #[error("no usable <{0}>")]
    Element(&'static str),
}

impl Identity {
    pub(super) fn parse(xml: &str) -> Result<Self, Unreadable> {
        let document = Document::parse(xml)?;
        let domain = document.root_element();
        Ok(Self {
            uuid: text_of(domain, "uuid")
                .and_then(|uuid| uuid.parse().ok())
                .ok_or(Unreadable::Element("uuid"))?,
            name: text_of(domain, "name").ok_or(Unreadable::Element("name"))?,
        })
    }
}

impl Definition {
    pub(super) fn parse(xml: &str) -> Result<Self, Unreadable> {
        let document = Document::parse(xml)?;
        let domain = document.root_element();
        let os_type = child(domain, "os").and_then(|os| child(os, "type"));
        let devices = child(domain, "devices").ok_or(Unreadable::Element("devices"))?;
        Ok(Self {
            virt_type: attribute(domain, "type").ok_or(Unreadable::Element("domain type"))?,
            arch: os_type
                .and_then(|os| attribute(os, "arch"))
                .ok_or(Unreadable::Element("os"))?,
            vcpus: vcpus(domain).ok_or(Unreadable::Element("vcpu"))?,
            memory_bytes: child(domain, "memory")
                .and_then(bytes)
                .ok_or(Unreadable::Element("memory"))?,
            title: text_of(domain, "title"),
            cpu: child(domain, "cpu").map(|cpu| cpu_element(cpu, xml)),
            disks: children(devices, "disk").filter_map(disk).collect(),
            nova: child(domain, "metadata").and_then(nova),
            group: child(domain, "metadata").and_then(group),
        })
    }

    pub(super) fn cpu(&self) -> Cpu {
        let element = self.cpu.as_ref();
        let definition = element.map(|cpu| CpuDefinition {
            virt_type: Some(self.virt_type.clone()),
            passthrough: matches!(cpu.mode.as_str(), "host-passthrough" | "maximum"),
            xml: cpu.xml.clone(),
        });
        Cpu {
            arch: self.arch.clone(),
            model: element.map_or_else(String::new, |cpu| cpu.model.clone()),
            vendor: element.map_or_else(String::new, |cpu| cpu.vendor.clone()),
            features: element.map_or_else(Vec::new, |cpu| cpu.features.clone()),
            definition: definition.and_then(|cpu| serde_json::to_string(&cpu).ok()),
        }
    }
}

/// The host's processor, as `<capabilities>` describe it.
pub(super) fn host_cpu(capabilities: &str) -> Result<Cpu, Unreadable> {
    let document = Document::parse(capabilities)?;
    let cpu = child(document.root_element(), "host")
        .and_then(|host| child(host, "cpu"))
        .ok_or(Unreadable::Element("host cpu"))?;
    let element = cpu_element(cpu, capabilities);
    let definition = CpuDefinition {
        virt_type: None,
        passthrough: false,
        xml: element.xml.clone(),
    };
    Ok(Cpu {
        arch: text_of(cpu, "arch").ok_or(Unreadable::Element("arch"))?,
        model: element.model,
        vendor: element.vendor,
        features: element.features,
        definition: serde_json::to_string(&definition).ok(),
    })
}

fn cpu_element(cpu: Node<'_, '_>, xml: &str) -> CpuElement {
    let needed = |feature: &Node<'_, '_>| {
        let policy = feature.attribute("policy");
        policy.is_none_or(|policy| matches!(policy, "require" | "force"))
    };
    CpuElement {
        mode: attribute(cpu, "mode").unwrap_or_else(|| "custom".into()),
        model: text_of(cpu, "model").unwrap_or_default(),
        vendor: text_of(cpu, "vendor").unwrap_or_default(),
        features: children(cpu, "feature")
            .filter(needed)
            .filter_map(|feature| attribute(feature, "name"))
            .collect(),
        xml: xml.get(cpu.range()).unwrap_or_default().to_owned(),
    }
}

/// `<vcpu current="2">4</vcpu>`
fn vcpus(domain: Node<'_, '_>) -> Option<u32> {
    let vcpu = child(domain, "vcpu")?;
    let number = vcpu.attribute("current").or_else(|| vcpu.text())?;
    number.trim().parse().ok()
}

/// `<memory unit="KiB">1024</memory>`
fn bytes(memory: Node<'_, '_>) -> Option<u64> {
    let number: u64 = memory.text()?.trim().parse().ok()?;
    let unit = match memory.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1_000,
        "k" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn disk(disk: Node<'_, '_>) -> Option<DiskElement> {
    let (source, file) = location(child(disk, "source")?)?;
    let backing = child(disk, "backingStore").and_then(|store| {
        let (path, _) = location(child(store, "source")?)?;
        let format = attribute(child(store, "format")?, "type")?;
        Some((path, format))
    });
    let removable = matches!(disk.attribute("device"), Some("cdrom"));
    Some(DiskElement {
        target: attribute(child(disk, "target")?, "dev")?,
        source,
        file,
        format: child(disk, "driver")
            .and_then(|driver| attribute(driver, "type"))
            .unwrap_or_else(|| "raw".into()),
        read_only: removable || child(disk, "readonly").is_some(),
        shareable: child(disk, "shareable").is_some(),
        encrypted: disk
            .descendants()
            .any(|node| node.has_tag_name("encryption")),
        backing,
    })
}

/// Where a `<source>` points, and whether that is a file.
fn location(source: Node<'_, '_>) -> Option<(String, bool)> {
    if let Some(file) = attribute(source, "file") {
        return Some((file, true));
    }
    if let Some(path) = attribute(source, "dev").or_else(|| attribute(source, "dir")) {
        return Some((path, false));
    }
    let name = attribute(source, "name");
    if let Some(protocol) = attribute(source, "protocol") {
        return Some((format!("{protocol}:{}", name.unwrap_or_default()), false));
    }
    let (pool, volume) = (attribute(source, "pool")?, attribute(source, "volume")?);
    Some((format!("volume:{pool}/{volume}"), false))
}

fn nova(metadata: Node<'_, '_>) -> Option<NovaElement> {
    let instance = metadata.children().find(|node| {
        let namespace = node.tag_name().namespace().unwrap_or_default();
        node.tag_name().name() == "instance" && namespace.starts_with(NOVA)
    })?;
    let owner = child(instance, "owner").and_then(|owner| {
        let (user, project) = (child(owner, "user")?, child(owner, "project")?);
        Some(Owner {
            user_id: attribute(user, "uuid")?,
            project_id: attribute(project, "uuid")?,
            user_name: text(user),
            project_name: text(project),
        })
    });
    let flavor = child(instance, "flavor").and_then(|flavor| {
        let number = |name| text_of(flavor, name)?.parse().ok();
        Some(Flavor {
            id: attribute(flavor, "id"),
            name: attribute(flavor, "name")?,
            vcpus: number("vcpus").and_then(|vcpus: u64| u32::try_from(vcpus).ok())?,
            memory_mb: number("memory")?,
            root_gb: number("disk").unwrap_or(0),
            ephemeral_gb: number("ephemeral").unwrap_or(0),
            swap_mb: number("swap").unwrap_or(0),
        })
    });
    let image = child(instance, "root")
        .filter(|root| root.attribute("type") == Some("image"))
        .and_then(|root| attribute(root, "uuid"));
    Some(NovaElement {
        name: text_of(instance, "name"),
        owner,
        flavor,
        image,
    })
}

/// `<godwit:server><godwit:group uuid="…" policy="anti-affinity" max_server_per_host="2">web`, of
/// which only the uuid is required. Whatever is wrong with the rest, the domain stays in the group.
fn group(metadata: Node<'_, '_>) -> Option<DeclaredGroup> {
    let server = metadata
        .children()
        .find(|node| node.has_tag_name((GODWIT, "server")))?;
    let group = child(server, "group")?;
    let said = group.attribute("uuid").unwrap_or_default();
    let Ok(uuid) = said.parse() else {
        tracing::warn!(uuid = said, "a domain's server group has no proper uuid");
        return None;
    };
    let rule = rule(group).unwrap_or_else(|wrong| {
        tracing::warn!(
            uuid = said,
            wrong,
            "a domain's server group is not understood"
        );
        (None, None)
    });
    Some(DeclaredGroup {
        uuid,
        name: text(group),
        policy: rule.0,
        max_server_per_host: rule.1,
    })
}

/// The group's policy, and how many of its servers a host may have. The error is the attribute
/// that means nothing; a policy without its number would be another one.
fn rule(group: Node<'_, '_>) -> Result<(Option<Policy>, Option<u32>), &'static str> {
    let policy = group.attribute("policy").map(str::parse).transpose();
    let most = group.attribute("max_server_per_host").map(str::parse);
    let most: Option<NonZero<u32>> = most.transpose().map_err(|_| "max_server_per_host")?;
    Ok((policy.map_err(|_| "policy")?, most.map(NonZero::get)))
}

fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children()
        .find(|child| child.is_element() && child.tag_name().name() == name)
}

fn attribute(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

fn text(node: Node<'_, '_>) -> Option<String> {
    let text = node.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name).and_then(text)
}

#[cfg(test)]
mod tests;
