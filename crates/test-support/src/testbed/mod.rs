//! Real libvirt hosts on one machine.
//!
//! A testbed is a few hosts, each with a network and a mount namespace of its own in which a real
//! libvirtd runs real QEMU guests, a bridge between them, and a directory that they share. What
//! libvirt can do between machines it does here: it migrates guests live, copies their disks,
//! notices partitions and dead peers. Services that are not hosts run outside, and reach the hosts
//! (and are reached) at [`Testbed::gateway`].
//!
//! Everything is below one directory:
//!
//! ```text
//! DIR/shared/              the same on all hosts: disks of guests on shared storage, journals
//! DIR/instances/           each host has its own: disks of guests on local storage
//! DIR/host-1/              the host's private files, as seen from outside: see `Host::directory`
//! DIR/guests/NAME.json     what each guest was made from
//! DIR/testbed.json         what is needed to find all this again
//! ```
//!
//! A testbed ends with the value that brought it up, or, if that was [kept](Testbed::keep), by
//! [`Testbed::down`] from any process. One whose process was killed is removed by the next that
//! comes up on the machine. Needs root, and the packages that `scripts/install-testbed` installs.

mod config;
mod domain;
mod guest;
mod host;
mod network;
mod state;
mod virsh;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::Uid;
use tempfile::TempDir;
use uuid::Uuid;

pub use self::domain::NovaMetadata;
pub use self::guest::{Guest, GuestSpec, Load, Storage};
pub use self::host::{Carried, Host};
pub use self::virsh::{Copied, Migration};

use self::network::Network;
use self::state::{Owner, State};

/// The longest directory whose sockets still have names that the kernel accepts (107 bytes).
const LONGEST_DIRECTORY: usize = 70;

/// Ids of hosts begin here, those of guests at 1.
const FIRST_HOST_ID: u16 = 0xff00;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many hosts, at most 9.
    pub hosts: u8,
    /// Whether libvirt's lock manager (virtlockd) guards the disks.
    pub lock_manager: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: 2,
            lock_manager: false,
        }
    }
}

#[derive(Debug)]
pub struct Testbed {
    directory: PathBuf,
    network: Network,
    hosts: Vec<Host>,
    /// Whether dropping the value ends the hosts.
    owned: bool,
    // Dropped last: the hosts are in it.
    _temporary: Option<TempDir>,
}

impl Testbed {
    /// Brings up hosts in a temporary directory.
    ///
    /// # Errors
    /// As [`Testbed::up`].
    pub fn temporary(options: Options) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("godwit-testbed-")
            .tempdir()?;
        let mut testbed = Self::up(directory.path(), options)?;
        testbed._temporary = Some(directory);
        Ok(testbed)
    }

    /// Brings up hosts in `directory`, which is made where it does not exist.
    ///
    /// # Errors
    /// We are not root, a package is missing, `directory` holds a testbed already or has too long
    /// a name, or a daemon does not start; nothing is left behind then.
    pub fn up(directory: &Path, options: Options) -> Result<Self> {
        ensure!(Uid::effective().is_root(), "a testbed needs root");
        ensure!(
            (1..=9).contains(&options.hosts),
            "a testbed has 1 to 9 hosts"
        );
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let length = directory.as_os_str().len();
        ensure!(
            length <= LONGEST_DIRECTORY,
            "{} is too long a path",
            directory.display()
        );
        ensure!(
            !State::exists(&directory),
            "{} holds a testbed",
            directory.display()
        );
        sweep();

        let network = Network::claim(&directory)?;
        let Options {
            hosts,
            lock_manager,
        } = options;
        let state = State {
            number: network.number(),
            hosts,
            lock_manager,
            owner: Owner::us(),
        };
        state
            .save(&directory)
            .inspect_err(|_| drop(network.remove()))?;
        let testbed = Self::from_state(&directory, &state, true);
        testbed.start()?;
        Ok(testbed)
    }

    /// The testbed in `directory`, which goes on when the value is dropped.
    ///
    /// # Errors
    /// There is none.
    pub fn open(directory: &Path) -> Result<Self> {
        let directory = canonical(directory)?;
        let state = State::load(&directory)?;
        Ok(Self::from_state(&directory, &state, false))
    }

    /// Leaves the hosts up when this process ends.
    ///
    /// # Errors
    /// The state cannot be saved.
    pub fn keep(mut self) -> Result<()> {
        State {
            owner: None,
            ..State::load(&self.directory)?
        }
        .save(&self.directory)?;
        self.owned = false;
        if let Some(temporary) = self._temporary.take() {
            let _ = temporary.keep();
        }
        Ok(())
    }

    /// Ends the testbed in `directory`, whoever brought it up: its processes, links, namespaces
    /// and files, and `directory` itself if nothing else is in it. May be repeated after an error.
    ///
    /// # Errors
    /// There is none, or something of it cannot be removed.
    pub fn down(directory: &Path) -> Result<()> {
        let directory = canonical(directory)?;
        let state = State::load(&directory)?;
        Network::from_number(state.number).remove()?;
        let names = (1..=state.hosts).map(|number| format!("host-{number}"));
        for name in names.chain(["shared", "instances", "guests"].map(String::from)) {
            remove(&directory.join(name), |path| fs::remove_dir_all(path))?;
        }
        remove(&directory.join("hosts"), |path| fs::remove_file(path))?;
        State::remove(&directory)?;
        // Somebody else's files in it are not ours to remove.
        let _ = fs::remove_dir(&directory);
        Ok(())
    }

    /// The hosts: `host-1`, `host-2`…
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that all hosts share, under the same path everywhere.
    pub fn shared(&self) -> PathBuf {
        self.directory.join("shared")
    }

    /// The directory of each host's own disks: one path, another content on every host.
    pub fn instances(&self) -> PathBuf {
        self.directory.join("instances")
    }

    /// The address at which services outside the hosts, on this machine, are reached from within.
    pub fn gateway(&self) -> Ipv4Addr {
        self.network.gateway()
    }

    fn from_state(directory: &Path, state: &State, owned: bool) -> Self {
        let network = Network::from_number(state.number);
        let hosts = (1..=state.hosts)
            .map(|number| Host::new(network, number, directory, state.lock_manager))
            .collect();
        let directory = directory.to_owned();
        Self {
            directory,
            network,
            hosts,
            owned,
            _temporary: None,
        }
    }

    fn start(&self) -> Result<()> {
        for directory in [self.shared(), self.instances(), self.guests_directory()] {
            fs::create_dir_all(directory)?;
        }
        let outside = (self.gateway(), String::from("controller"));
        let names = self.hosts.iter().map(|host| (host.address(), host.name()));
        config::write_hosts_file(&self.directory, names.chain([outside]))?;

        let cache = probe_cache()?;
        // One host asks QEMU what it can do, which takes seconds; the others read its answer.
        let (first, rest) = self.hosts.split_first().context("a testbed has a host")?;
        let lock = File::create(cache.join("lock"))?;
        lock.lock()?;
        if cache.join("qemu/capabilities").exists() {
            lock.unlock()?;
        }
        let start = |host: &Host| self.start_host(host, &cache);
        std::thread::scope(|scope| {
            let rest: Vec<_> = rest
                .iter()
                .map(|host| scope.spawn(move || start(host)))
                .collect();
            start(first)?;
            first.virsh(["capabilities"])?;
            lock.unlock()?;
            for host in rest {
                host.join()
                    .map_err(|_| anyhow::anyhow!("starting a host panicked"))??;
            }
            Ok(())
        })
    }

    fn start_host(&self, host: &Host, cache: &Path) -> Result<()> {
        let start = || {
            host.create(cache)?;
            host.configure(
                self.uuid(FIRST_HOST_ID + u16::from(host.number())),
                &self.shared(),
            )?;
            host.start_libvirtd()
        };
        start().with_context(|| format!("cannot start {}", host.name()))
    }

    /// An id that no other testbed on this machine has at the same time.
    fn uuid(&self, number: u16) -> Uuid {
        let unique = u64::from(self.network.number()) << 16 | u64::from(number);
        Uuid::from_u64_pair(0x60d0_1700_0000_4000, 0x8000_0000_0000_0000 | unique)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        if std::thread::panicking() {
            for host in &self.hosts {
                host.print_logs();
            }
        }
        if let Err(error) = Self::down(&self.directory) {
            eprintln!(
                "cannot remove the testbed in {}: {error:#}",
                self.directory.display()
            );
        }
    }
}

/// Removes testbeds whose process was killed. Others may do the same at this moment, so an error
/// means nothing.
fn sweep() {
    for network in Network::existing() {
        let Some(directory) = network.owner() else {
            continue;
        };
        if !directory.exists() {
            let _ = network.remove();
        } else if State::load(&directory).is_ok_and(|state| state.is_stale()) {
            let _ = Testbed::down(&directory);
        }
    }
}

/// Where all testbeds of this machine keep what libvirt found out about QEMU.
fn probe_cache() -> Result<PathBuf> {
    let cache = std::env::temp_dir().join("godwit-testbed-cache");
    fs::create_dir_all(&cache)?;
    Ok(cache)
}

fn canonical(directory: &Path) -> Result<PathBuf> {
    directory
        .canonicalize()
        .with_context(|| format!("no testbed in {}", directory.display()))
}

fn remove(path: &Path, remove: impl Fn(&Path) -> std::io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
