//! The configuration files of one host.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use uuid::Uuid;

/// What one host's files are written from.
pub(super) struct HostConfig<'a> {
    pub(super) address: Ipv4Addr,
    pub(super) uuid: Uuid,
    /// The directory that all hosts share.
    pub(super) shared: &'a Path,
    /// Whether libvirt's lock manager guards the disks.
    pub(super) lock_manager: bool,
}

impl HostConfig<'_> {
    /// Writes what libvirt reads from `/etc/libvirt` into `directory`.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        write(directory, "libvirtd.conf", &self.libvirtd())?;
        write(directory, "qemu.conf", &self.qemu())?;
        write(directory, "libvirt.conf", "")
    }

    /// TCP without authentication is for a testbed only: its network ends at this machine. Dead
    /// peers are noticed after three seconds instead of thirty; [`HostConfig::qemu`] says the same
    /// of the connection that a migration's source opens.
    fn libvirtd(&self) -> String {
        let Self { address, uuid, .. } = self;
        format!(
            r#"listen_tls = 0
listen_tcp = 1
listen_addr = "{address}"
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
keepalive_interval = 1
keepalive_count = 2
"#
        )
    }

    /// Nothing is confined, as the whole host is: no user, security label, cgroup or mount
    /// namespace per guest. libvirt must be told that the shared directory is shared, because it
    /// lies on a local file system.
    fn qemu(&self) -> String {
        let Self {
            address, shared, ..
        } = self;
        let lock_manager = if self.lock_manager {
            "lock_manager = \"lockd\"\n"
        } else {
            ""
        };
        format!(
            r#"security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
keepalive_interval = 1
keepalive_count = 2
migration_host = "{address}"
migration_address = "0.0.0.0"
shared_filesystems = [ "{}" ]
{lock_manager}"#,
            shared.display()
        )
    }
}

/// `/etc/hosts` of every host: a name that has to be looked up elsewhere costs seconds.
pub(super) fn write_hosts_file(
    directory: &Path,
    names: impl Iterator<Item = (Ipv4Addr, String)>,
) -> Result<()> {
    let mut text = String::from("127.0.0.1 localhost\n");
    for (address, name) in names {
        text.push_str(&format!("{address} {name}\n"));
    }
    write(directory, "hosts", &text)
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
