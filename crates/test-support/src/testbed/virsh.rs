//! Talking to a host's libvirt past Godwit's own driver.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Host;
use crate::process::run;

/// How much of a local disk a migration copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// What lies above the backing file, which the destination has too.
    Incremental,
    Full,
}

/// How [`Host::migrate`] moves a guest: live, peer to peer, leaving nothing on the source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Migration {
    /// Whether disks are copied. Their files must exist at the destination.
    pub copied: Option<Copied>,
    /// Whether a switch to post-copy is permitted.
    pub post_copy: bool,
    /// The most that is sent, in MiB/s.
    pub bandwidth: Option<u32>,
}

impl Host {
    /// Runs virsh on this host, and returns what it prints.
    ///
    /// # Errors
    /// It fails; the error carries what it said.
    pub fn virsh<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        run(self.virsh_command().args(arguments))
    }

    /// The guests that libvirt knows here, running or not: name and state, as virsh says it.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn domains(&self) -> Result<Vec<(String, String)>> {
        let list = self.virsh(["list", "--all"])?;
        let rows = list.lines().map(str::trim).filter(|line| !line.is_empty());
        let row = |line: &str| {
            // The columns are id, name and state, and the state may be two words.
            let (_, rest) = line.split_once(char::is_whitespace)?;
            let (name, state) = rest.trim_start().split_once(char::is_whitespace)?;
            Some((name.to_owned(), state.trim().to_owned()))
        };
        rows.map(|line| row(line).with_context(|| format!("virsh lists {line:?}")))
            .collect()
    }

    /// The state of a guest here, as virsh says it; `None` if libvirt does not know it.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn domain_state(&self, guest: &str) -> Result<Option<String>> {
        let mut domains = self.domains()?.into_iter();
        Ok(domains
            .find(|(name, _)| name == guest)
            .map(|(_, state)| state))
    }

    /// Migrates a guest from this host to another by libvirt's own means.
    ///
    /// # Errors
    /// It failed; the error carries what virsh said.
    pub fn migrate(&self, guest: &str, to: &Host, migration: Migration) -> Result<()> {
        let output = self.migrate_command(guest, to, migration).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The command of [`Host::migrate`], for those who want to look on while it runs.
    pub fn migrate_command(&self, guest: &str, to: &Host, migration: Migration) -> Command {
        let mut virsh = self.virsh_command();
        virsh.args([
            "migrate",
            "--live",
            "--p2p",
            "--persistent",
            "--undefinesource",
        ]);
        match migration.copied {
            Some(Copied::Incremental) => drop(virsh.arg("--copy-storage-inc")),
            Some(Copied::Full) => drop(virsh.arg("--copy-storage-all")),
            None => {}
        }
        if migration.post_copy {
            virsh.arg("--postcopy");
        }
        if let Some(bandwidth) = migration.bandwidth {
            virsh.args(["--bandwidth", &bandwidth.to_string()]);
        }
        virsh.args([guest, &format!("qemu+tcp://{}/system", to.name())]);
        virsh
    }

    fn virsh_command(&self) -> Command {
        let mut virsh = self.command("virsh");
        virsh.args(["--quiet", "--connect", "qemu:///system"]);
        virsh
    }
}
