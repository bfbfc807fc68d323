//! Where PostgreSQL is installed, whom it runs as, and how a cluster is made by copying.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{Uid, User, chown};

use crate::process::run;

/// The one role of a cluster. It needs no password: the server listens on loopback alone.
pub(super) const SUPERUSER: &str = "godwit";

/// Debian keeps the server's programs out of PATH, in a directory per major version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";

/// Settings of every server: small, and no slower than durability demands.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "shared_buffers=16MB",
    "max_connections=200",
    "min_wal_size=2MB",
    "max_wal_size=64MB",
    // Torn pages happen when the machine loses power, and no test goes on after that.
    "full_page_writes=off",
    "fsync=on",
    "synchronous_commit=on",
    "timezone=UTC",
];

/// When a server ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// With the thread that started it.
    Ours,
    Unbound,
}

/// The programs, and the user they run as when we are root.
#[derive(Debug)]
pub(super) struct Installation {
    bin: PathBuf,
    user: Option<User>,
}

impl Installation {
    pub(super) fn find() -> Result<Self> {
        Ok(Self {
            bin: find_bin()?,
            user: unprivileged_user()?,
        })
    }

    pub(super) fn binary(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Copies the template into `directory/data`, and gives `directory` to the server's user.
    pub(super) fn make_cluster(&self, directory: &Path) -> Result<()> {
        self.give(directory)?;
        let template = self.template()?;
        let mut copy = self.unprivileged(Path::new("cp"), Lifetime::Ours);
        copy.args(["--archive", "--reflink=auto", "--"])
            .arg(template);
        run(copy.arg(directory.join("data")))?;
        Ok(())
    }

    /// The command that serves the cluster in `directory`.
    pub(super) fn server(
        &self,
        directory: &Path,
        port: u16,
        lifetime: Lifetime,
    ) -> Result<Command> {
        let mut command = self.unprivileged(&self.binary("postgres"), lifetime);
        command.arg("-D").arg(directory.join("data"));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.arg("-c").arg(format!("port={port}"));
        command
            .arg("-c")
            .arg(format!("unix_socket_directories={}", directory.display()));
        let log = File::create(directory.join("server.log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    /// The template cluster, made by the first who needs it on this machine.
    fn template(&self) -> Result<PathBuf> {
        let version = run(Command::new(self.binary("postgres")).arg("--version"))?;
        let version = version
            .trim()
            .replace(char::is_whitespace, "_")
            .replace(['/', '(', ')'], "");
        let owner = self
            .user
            .as_ref()
            .map_or_else(Uid::effective, |user| user.uid);
        let home = std::env::temp_dir().join(format!("godwit-test-{version}-{owner}"));
        let template = home.join("template");

        match std::fs::create_dir(&home) {
            Ok(()) => self.give(&home)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format!("cannot make {}", home.display())),
        }
        let lock = File::open(&home)?;
        lock.lock()
            .with_context(|| format!("cannot lock {}", home.display()))?;
        // The temporary directory is everybody's: a cluster made by a stranger is not used.
        let found = lock.metadata()?.uid();
        let mine = found == owner.as_raw() || found == Uid::effective().as_raw();
        ensure!(mine, "{} belongs to uid {found}", home.display());
        if template.exists() {
            return Ok(template);
        }
        self.give(&home)?;
        let unfinished = home.join("unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        let mut initdb = self.unprivileged(&self.binary("initdb"), Lifetime::Ours);
        initdb.args(["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8"]);
        // One megabyte: a cluster's write-ahead log is the better part of its size.
        initdb.args([
            "--locale=C.UTF-8",
            "--wal-segsize=1",
            "--no-sync",
            "--pgdata",
        ]);
        run(initdb.arg(&unfinished))?;
        std::fs::rename(&unfinished, &template)?;
        Ok(template)
    }

    /// `program`, run as the server's user.
    fn unprivileged(&self, program: &Path, lifetime: Lifetime) -> Command {
        let mut command = Command::new("setpriv");
        match lifetime {
            Lifetime::Ours => command.arg("--pdeathsig=QUIT"),
            Lifetime::Unbound => command.process_group(0),
        };
        if let Some(user) = &self.user {
            command.arg(format!("--reuid={}", user.uid));
            command
                .arg(format!("--regid={}", user.gid))
                .arg("--init-groups");
        }
        // The caller's directory may be closed to that user.
        command.current_dir("/").arg("--").arg(program);
        command
    }

    fn give(&self, directory: &Path) -> Result<()> {
        if let Some(user) = &self.user {
            chown(directory, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give {} to {}", directory.display(), user.name))?;
        }
        Ok(())
    }
}

fn find_bin() -> Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN_ROOT)
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path(),
            ))
        })
        .map(|(version, path)| (version, path.join("bin")))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    if let Some((_, bin)) = newest {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|directory| directory.join("initdb").exists())
        .with_context(|| format!("PostgreSQL is neither below {DEBIAN_ROOT} nor in PATH"))
}

fn unprivileged_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("PostgreSQL does not run as root, and there is no user postgres or nobody")
}
