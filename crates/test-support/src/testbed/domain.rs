//! A guest's domain XML.

use std::io;
use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::network::GUEST_BRIDGE;

/// What Nova writes into the domains it starts, so that others can tell whose they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NovaMetadata {
    pub name: String,
    pub flavor: String,
    pub user: (String, Uuid),
    pub project: (String, Uuid),
}

/// What a domain is written from.
pub(super) struct Domain<'a> {
    pub(super) name: &'a str,
    pub(super) uuid: Uuid,
    pub(super) memory_mib: u32,
    /// Path and format (`raw` or `qcow2`) of the boot disk.
    pub(super) disk: (&'a Path, &'a str),
    pub(super) journal: &'a Path,
    pub(super) nova: Option<&'a NovaMetadata>,
    /// Others may have the boot disk open as well.
    pub(super) unlocked: bool,
}

/// In every host, where QEMU reads the host's epoch from: see `Host::epoch`.
const EPOCH_FILE: &str = "/var/lib/libvirt/epoch";
const NOVA_NAMESPACE: &str = "http://openstack.org/xmlns/libvirt/nova/1.1";

impl Domain<'_> {
    /// The XML. The machine is an emulated i440fx PC, because the guest drives IDE disks.
    pub(super) fn xml(&self) -> io::Result<String> {
        let mut xml = Xml(Writer::new_with_indent(Vec::new(), b' ', 2));
        xml.node("domain", &[("type", "qemu")], |xml| {
            xml.text("name", &[], self.name)?;
            xml.text("uuid", &[], &self.uuid.to_string())?;
            if let Some(nova) = self.nova {
                xml.node("metadata", &[], |xml| self.nova(xml, nova))?;
            }
            xml.text("memory", &[("unit", "MiB")], &self.memory_mib.to_string())?;
            xml.text("vcpu", &[], "1")?;
            xml.node("sysinfo", &[("type", "fwcfg")], |xml| {
                xml.empty(
                    "entry",
                    &[("name", "opt/godwit/epoch"), ("file", EPOCH_FILE)],
                )
            })?;
            xml.node("os", &[], |xml| {
                xml.text("type", &[("arch", "x86_64"), ("machine", "pc")], "hvm")?;
                xml.empty("boot", &[("dev", "hd")])
            })?;
            xml.node(
                "cpu",
                &[("mode", "custom"), ("match", "exact"), ("check", "none")],
                |xml| xml.text("model", &[("fallback", "forbid")], "qemu64"),
            )?;
            xml.node("devices", &[], |xml| self.devices(xml))
        })?;
        String::from_utf8(xml.0.into_inner()).map_err(io::Error::other)
    }

    fn devices(&self, xml: &mut Xml) -> io::Result<()> {
        xml.text("emulator", &[], "/usr/bin/qemu-system-x86_64")?;
        self.disk(xml, self.disk, "hda", self.unlocked)?;
        self.disk(xml, (self.journal, "raw"), "hdc", true)?;
        xml.node("interface", &[("type", "bridge")], |xml| {
            xml.empty("source", &[("bridge", GUEST_BRIDGE)])?;
            xml.empty("model", &[("type", "e1000")])?;
            // Without its boot program: the guest does not boot from the network.
            xml.empty("rom", &[("enabled", "no")])
        })?;
        xml.node("serial", &[("type", "file")], |xml| {
            let path = format!("/var/log/libvirt/{}", serial_log_name(self.name));
            xml.empty("source", &[("path", &path), ("append", "on")])?;
            xml.empty("target", &[("port", "0")])
        })?;
        xml.empty("controller", &[("type", "usb"), ("model", "none")])?;
        xml.empty("memballoon", &[("model", "none")])
    }

    /// No cache: libvirt deems a migration unsafe otherwise, and so it is.
    fn disk(
        &self,
        xml: &mut Xml,
        disk: (&Path, &str),
        at: &str,
        shareable: bool,
    ) -> io::Result<()> {
        let (path, format) = disk;
        xml.node("disk", &[("type", "file"), ("device", "disk")], |xml| {
            xml.empty(
                "driver",
                &[("name", "qemu"), ("type", format), ("cache", "none")],
            )?;
            xml.empty("source", &[("file", &path.to_string_lossy())])?;
            xml.empty("target", &[("dev", at), ("bus", "ide")])?;
            if shareable {
                xml.empty("shareable", &[])
            } else {
                Ok(())
            }
        })
    }

    fn nova(&self, xml: &mut Xml, nova: &NovaMetadata) -> io::Result<()> {
        xml.node("nova:instance", &[("xmlns:nova", NOVA_NAMESPACE)], |xml| {
            xml.empty("nova:package", &[("version", "31.0.0")])?;
            xml.text("nova:name", &[], &nova.name)?;
            xml.text("nova:creationTime", &[], "2025-01-01 00:00:00")?;
            xml.node("nova:flavor", &[("name", &nova.flavor)], |xml| {
                xml.text("nova:memory", &[], &self.memory_mib.to_string())?;
                xml.text("nova:disk", &[], "1")?;
                xml.text("nova:swap", &[], "0")?;
                xml.text("nova:ephemeral", &[], "0")?;
                xml.text("nova:vcpus", &[], "1")
            })?;
            xml.node("nova:owner", &[], |xml| {
                for (element, (name, id)) in
                    [("nova:user", &nova.user), ("nova:project", &nova.project)]
                {
                    // Nova's ids carry no hyphens here.
                    xml.text(element, &[("uuid", &id.simple().to_string())], name)?;
                }
                Ok(())
            })
        })
    }
}

/// The serial port's file in a host's `/var/log/libvirt`.
pub(super) fn serial_log_name(guest: &str) -> String {
    format!("{guest}.serial.log")
}

/// quick-xml's writer, with shorter words.
struct Xml(Writer<Vec<u8>>);

type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Xml {
    fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
        let element = self.0.create_element(name);
        element
            .with_attributes(attributes.iter().copied())
            .write_empty()
            .map(drop)
    }

    fn text(&mut self, name: &str, attributes: Attributes<'_>, text: &str) -> io::Result<()> {
        let element = self
            .0
            .create_element(name)
            .with_attributes(attributes.iter().copied());
        element.write_text_content(BytesText::new(text)).map(drop)
    }

    fn node(
        &mut self,
        name: &str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        use quick_xml::events::{BytesEnd, BytesStart, Event};
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.0.write_event(Event::Start(start))?;
        content(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }
}
