//! One host: namespaces of its own, and the daemons inside.
//!
//! A host is a network namespace plus a mount namespace in which libvirt's directories are its
//! own. A sleeping process holds the mount namespace open, so that daemons can be killed and
//! started again in it. Everything that runs in a host is found through its network namespace,
//! which has a name and therefore outlives every process: no list of ids can get stale.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

use super::config::HostConfig;
use super::network::{MIGRATION_UPLINK, Network};
use crate::process::run;
use crate::wait::wait_for_blocking;

/// Generous, for a machine that runs several testbeds at once.
const DAEMON_DEADLINE: Duration = Duration::from_secs(60);
const EMULATOR: &str = "qemu-system-x86";

/// Bytes in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// On the network that everything uses which is not told otherwise.
    pub management: u64,
    /// On the one for migrations.
    pub migration: u64,
}

/// One host of a testbed. Cheap to clone: it is a name for things that the kernel keeps.
#[derive(Clone, Debug)]
pub struct Host {
    network: Network,
    number: u8,
    directory: PathBuf,
    instances: PathBuf,
    lock_manager: bool,
}

impl Host {
    pub(super) fn new(network: Network, number: u8, testbed: &Path, lock_manager: bool) -> Self {
        let directory = testbed.join(name(number));
        let instances = testbed.join("instances");
        Self {
            network,
            number,
            directory,
            instances,
            lock_manager,
        }
    }

    /// The host's name, which is its hostname too: `host-1` and so on.
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// The address at which other hosts, and services outside, reach it.
    pub fn address(&self) -> Ipv4Addr {
        self.network.address(self.number)
    }

    /// The address at which other hosts reach it on the network for migrations.
    pub fn migration_address(&self) -> Ipv4Addr {
        self.network.migration_address(self.number)
    }

    /// The host's interface on the network for migrations.
    pub fn migration_interface(&self) -> &'static str {
        MIGRATION_UPLINK
    }

    /// What has crossed the host's links since it is up, as the kernel counts.
    ///
    /// # Errors
    /// The host is gone.
    pub fn carried(&self) -> Result<Carried> {
        let (management, migration) = self.network.carried_bytes(self.number)?;
        Ok(Carried {
            management,
            migration,
        })
    }

    /// The number that guests running here write into their journals and serial lines.
    pub fn epoch(&self) -> u32 {
        self.number.into()
    }

    /// The host's private files as they are seen from outside: `etc`, `run`, `lib`, `log` are its
    /// `/etc/libvirt`, `/run/libvirt`, `/var/lib/libvirt`, `/var/log/libvirt`; `instances` is its
    /// own version of the testbed's directory of that name.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// libvirt's socket, as it is seen from outside. Inside it is `/run/libvirt/libvirt-sock`.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("run/libvirt-sock")
    }

    /// A command that runs `program` inside this host. Its process becomes the program itself, so
    /// it can be killed by its id.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        match self.holder() {
            Ok(holder) => command.arg(format!("--target={holder}")),
            // It cannot run then; whoever runs it is told so by nsenter.
            Err(_) => command.arg("--target=0"),
        };
        command
            .args(["--mount", "--net", "--uts", "--"])
            .arg(program);
        command
    }

    pub(super) fn number(&self) -> u8 {
        self.number
    }

    pub(super) fn configure(&self, uuid: Uuid, shared: &Path) -> Result<()> {
        let (address, lock_manager) = (self.address(), self.lock_manager);
        let config = HostConfig {
            address,
            uuid,
            shared,
            lock_manager,
        };
        config.write(&self.directory.join("etc"))
    }

    /// Makes the namespaces, with the private directories in place.
    pub(super) fn create(&self, cache: &Path) -> Result<()> {
        self.network.add_host(self.number)?;
        for name in PRIVATE.iter().map(|(name, _)| *name).chain(["instances"]) {
            fs::create_dir_all(self.directory.join(name))?;
        }
        fs::write(self.epoch_file(), self.epoch().to_le_bytes())?;

        let namespace = self.network.namespace_path(self.number);
        let mut holder = detached("nsenter");
        holder
            .arg(format!("--net={}", namespace.display()))
            .arg("--");
        holder.args(["unshare", "--mount", "--uts", "--propagation=private", "--"]);
        run(holder
            .args(["sleep", "infinity"])
            .stdout(Stdio::null())
            .stderr(Stdio::null()))?;
        let holder = wait_for_blocking("a host's namespaces", DAEMON_DEADLINE, || {
            let pids = self.network.processes(self.number)?;
            Ok(pids
                .into_iter()
                .find(|&pid| program(pid) == Some("sleep".into())))
        })?;
        fs::write(self.holder_file(), holder.to_string())?;

        run(self.command("hostname").arg(self.name()))?;
        fs::write(self.directory.join("fstab"), self.mounts(cache)?)?;
        run(self
            .command("mount")
            .args(["--all", "--fstab"])
            .arg(self.directory.join("fstab")))?;
        Ok(())
    }

    /// Starts libvirtd (and its lock manager where there is to be one, if that does not run), and
    /// waits until it answers.
    ///
    /// # Errors
    /// It does not within a minute; the error carries its log.
    pub fn start_libvirtd(&self) -> Result<()> {
        if self.lock_manager && self.find("virtlockd").is_none() {
            self.start_daemon("virtlockd", &[], "virtlockd-sock")?;
        }
        self.start_daemon("libvirtd", &["--listen"], "libvirt-sock")
    }

    /// Kills libvirtd as a crash would, and waits until it is gone. Guests run on.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_libvirtd(&self) -> Result<()> {
        self.kill_and_wait(self.libvirtd_pid()?)
    }

    /// The process id of libvirtd.
    ///
    /// # Errors
    /// It does not run.
    pub fn libvirtd_pid(&self) -> Result<Pid> {
        self.find("libvirtd").context("libvirtd does not run")
    }

    /// The guests that really run (or wait to be resumed) here: name and process id, as the
    /// kernel knows them, whatever libvirt believes.
    ///
    /// # Errors
    /// The host is gone.
    pub fn emulators(&self) -> Result<Vec<(String, Pid)>> {
        let pids = self.network.processes(self.number)?.into_iter();
        let emulators = pids.filter(|&pid| program(pid).is_some_and(|p| p.starts_with(EMULATOR)));
        Ok(emulators
            .filter_map(|pid| Some((guest_name(pid)?, pid)))
            .collect())
    }

    /// Kills a guest's QEMU as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// The guest does not run here.
    pub fn kill_guest(&self, guest: &str) -> Result<()> {
        let emulators = self.emulators()?;
        let found = emulators.iter().find(|(name, _)| name == guest);
        let (_, pid) = found.with_context(|| format!("{guest} does not run on {}", self.name()))?;
        self.kill_and_wait(*pid)
    }

    /// Cuts the host off from everybody, or reconnects it.
    ///
    /// # Errors
    /// The host is gone.
    pub fn set_connected(&self, connected: bool) -> Result<()> {
        self.network.set_link(self.number, connected)
    }

    /// Limits what the host sends and receives to `rate` bytes per second each; `None` lifts it.
    ///
    /// # Errors
    /// The kernel refused the rate, or none was set that could be lifted.
    pub fn shape(&self, rate: Option<u64>) -> Result<()> {
        self.network.shape(self.number, rate)
    }

    /// The same on the network for migrations alone.
    ///
    /// # Errors
    /// As [`Host::shape`].
    pub fn shape_migration(&self, rate: Option<u64>) -> Result<()> {
        self.network.shape_migration(self.number, rate)
    }

    /// Cuts this host off from `other` alone, or reconnects them.
    ///
    /// # Errors
    /// They already are.
    pub fn set_reaches(&self, other: &Self, reaches: bool) -> Result<()> {
        self.network.set_route(self.number, other.number, reaches)?;
        self.network.set_route(other.number, self.number, reaches)
    }

    /// Replaces the host's (empty) instance directory by a disk of `bytes`: it can run full.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn limit_instances(&self, bytes: u64) -> Result<()> {
        let mut mount = self.command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        run(mount.arg(&self.instances)).map(drop)
    }

    /// Prints the ends of the daemons' and guests' logs, to explain a failed test.
    pub(super) fn print_logs(&self) {
        const LINES: usize = 30;
        let logs = self.directory.join("log");
        for directory in [logs.join("qemu"), logs] {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Ok(text) = fs::read(entry.path()) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<&str> = text.lines().collect();
                let end = &lines[lines.len().saturating_sub(LINES)..];
                eprintln!("--- {}\n{}", entry.path().display(), end.join("\n"));
            }
        }
    }

    /// Where the guest's epoch comes from, as it is seen from outside.
    fn epoch_file(&self) -> PathBuf {
        self.directory.join("lib/epoch")
    }

    fn holder_file(&self) -> PathBuf {
        self.directory.join("holder.pid")
    }

    fn holder(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.holder_file()).context("the host is not up")?;
        Ok(Pid::from_raw(text.trim().parse()?))
    }

    fn mounts(&self, cache: &Path) -> Result<String> {
        let mut mounts = Mounts::default();
        for (name, path) in PRIVATE {
            fs::create_dir_all(path).with_context(|| format!("cannot make {path}"))?;
            mounts.bind(&self.directory.join(name), Path::new(path))?;
        }
        fs::create_dir_all(CACHE)?;
        mounts.bind(cache, Path::new(CACHE))?;
        mounts.bind(&self.directory.join("instances"), &self.instances)?;
        let etc_hosts = self.directory.with_file_name("hosts");
        mounts.bind(&etc_hosts, Path::new("/etc/hosts"))?;
        // libvirt asks every emulator it finds what it can do, which takes seconds each.
        let other_emulator = Path::new("/usr/bin/qemu-system-i386");
        if other_emulator.exists() {
            mounts.bind(Path::new("/dev/null"), other_emulator)?;
        }
        // The network devices that /sys shows are those of the namespace it was mounted in.
        mounts.0.push_str("sysfs /sys sysfs defaults 0 0\n");
        Ok(mounts.0)
    }

    fn start_daemon(&self, daemon: &str, arguments: &[&str], socket: &str) -> Result<()> {
        let log_path = self.directory.join("log").join(format!("{daemon}.log"));
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log_path)?;
        let mut command = detached("env");
        command.args(["--ignore-environment", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
        let inner = self.command(daemon);
        command
            .arg(inner.get_program())
            .args(inner.get_args())
            .args(arguments);
        command
            .arg("--pid-file")
            .arg(format!("/run/libvirt/{daemon}.pid"));
        run(command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log))?;

        let socket = self.directory.join("run").join(socket);
        wait_for_blocking(&format!("{daemon} to answer"), DAEMON_DEADLINE, || {
            ensure!(self.find(daemon).is_some(), "it has ended");
            UnixStream::connect(&socket).context("its socket does not accept")?;
            Ok(Some(()))
        })
        .with_context(|| fs::read_to_string(&log_path).unwrap_or_default())
    }

    fn find(&self, name: &str) -> Option<Pid> {
        let pids = self.network.processes(self.number).ok()?;
        pids.into_iter()
            .find(|&pid| program(pid).is_some_and(|program| program == name))
    }

    fn kill_and_wait(&self, pid: Pid) -> Result<()> {
        kill(pid, Signal::SIGKILL)?;
        wait_for_blocking("a killed process to be gone", DAEMON_DEADLINE, || {
            let pids = self.network.processes(self.number)?;
            Ok((!pids.contains(&pid)).then_some(()))
        })
    }
}

/// A host's private directories, and where they are seen inside.
const PRIVATE: &[(&str, &str)] = &[
    ("etc", "/etc/libvirt"),
    ("run", "/run/libvirt"),
    ("lib", "/var/lib/libvirt"),
    ("log", "/var/log/libvirt"),
];
const CACHE: &str = "/var/cache/libvirt";

fn name(number: u8) -> String {
    format!("host-{number}")
}

/// A command whose process is nobody's child: it outlives us, and leaves no zombie.
fn detached(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--fork", program]).current_dir("/");
    command
}

/// The name of the program that a process runs (15 bytes at most), if it still does.
fn program(pid: Pid) -> Option<String> {
    Some(
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .ok()?
            .trim_end()
            .to_owned(),
    )
}

/// The guest that a QEMU process runs: libvirt starts it with `-name guest=NAME,…`.
fn guest_name(pid: Pid) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split('\0').skip_while(|word| *word != "-name");
    let name = words.nth(1)?.strip_prefix("guest=")?;
    Some(name.split(',').next()?.to_owned())
}

/// Lines of an fstab that binds one path over another.
#[derive(Default)]
struct Mounts(String);

impl Mounts {
    fn bind(&mut self, from: &Path, over: &Path) -> Result<()> {
        for path in [from, over] {
            let text = path.to_str().context("a path is not UTF-8")?;
            if text.contains(char::is_whitespace) || text.contains('\\') {
                bail!("a testbed's path must not need quoting: {text}");
            }
        }
        self.0.push_str(&format!(
            "{} {} none bind 0 0\n",
            from.display(),
            over.display()
        ));
        Ok(())
    }
}
