//! Guests: what they are made from, and their disks.
//!
//! All run the program in `guest/`, which each testbed builds from source for itself, so that no
//! test ever runs with an old one.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::domain::{Domain, NovaMetadata, serial_log_name};
use super::virsh::Copied;
use super::{Host, Testbed};
use crate::oracle::{self, Evidence, History, Report, SerialLog};
use crate::process::run;
use crate::wait::wait_for_blocking;

const SECTOR: u64 = 512;
const MAGIC: u32 = 0x5457_5447;
/// A second of the guest's timer, in which its tick is measured.
const TIMER_HZ: u32 = 100;
/// Where the data blocks begin on the boot disk: 1 MiB from the start.
const DATA_SECTOR: u32 = 2048;
const DISK_BYTES: u64 = 16 << 20;
/// An hour and three quarters at ten ticks a second. The file is sparse.
const JOURNAL_SLOTS: u32 = 1 << 16;
/// What the machine needs besides the memory under test.
const SPARE_MEMORY_MIB: u32 = 8;

/// Where a guest's boot disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// In the shared directory, raw.
    Shared,
    /// In the host's own directory: a qcow2 file over a backing file that every host has.
    Local,
}

/// What a guest does at each tick. One page or block is 4 KiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Ticks per second: a divisor of 100.
    pub ticks_per_second: u32,
    /// A status line on the serial port at every how many ticks.
    pub ticks_per_line: u32,
    /// Memory filled and checked, in MiB.
    pub memory_mib: u32,
    /// Pages verified and rewritten at each tick.
    pub pages_per_tick: u32,
    /// Pages verified at each tick besides those.
    pub checks_per_tick: u32,
    /// Blocks of the boot disk that hold data: at most 3000.
    pub data_blocks: u32,
    /// Blocks verified and rewritten at each tick.
    pub blocks_per_tick: u32,
}

impl Default for Load {
    /// A guest of 32 MiB that is checked as a whole every second, dirties about 1 MiB/s, and
    /// takes a tenth of a processor.
    fn default() -> Self {
        Self {
            ticks_per_second: 10,
            ticks_per_line: 2,
            memory_mib: 32,
            pages_per_tick: 26,
            checks_per_tick: 1024,
            data_blocks: 64,
            blocks_per_tick: 1,
        }
    }
}

impl Load {
    /// The same, but dirtying `mib` MiB of memory per second.
    pub fn dirtying(self, mib: u32) -> Self {
        Self {
            pages_per_tick: mib * 256 / self.ticks_per_second,
            ..self
        }
    }
}

/// What a guest is made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuestSpec {
    /// The domain's name. Its uuid follows from the testbed and the order of creation.
    pub name: String,
    /// Where its boot disk is.
    pub storage: Storage,
    pub load: Load,
    /// Nova's element in its metadata, if it has one.
    pub nova: Option<NovaMetadata>,
    /// QEMU takes no lock on its boot disk, as on storage that has none: nothing but whoever
    /// starts the guest keeps it from running twice.
    #[serde(default)]
    pub unlocked: bool,
}

impl GuestSpec {
    /// A guest on shared storage, with the default load and without Nova's element.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            storage: Storage::Shared,
            load: Load::default(),
            nova: None,
            unlocked: false,
        }
    }
}

/// A guest of a testbed, wherever it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guest {
    pub spec: GuestSpec,
    pub uuid: Uuid,
    /// Its number, in every record and line it writes.
    pub number: u32,
    /// Its boot disk: the same path on every host, the same file only if it is shared.
    pub disk: PathBuf,
    /// Its journal, which all hosts share.
    pub journal: PathBuf,
}

impl Guest {
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it printed on its serial port while on `host`, as it is seen from outside.
    pub fn serial_log(&self, host: &Host) -> PathBuf {
        host.directory()
            .join("log")
            .join(serial_log_name(self.name()))
    }
}

impl Testbed {
    /// Makes a guest's disks, defines it on `host` and starts it. One at a time. It is ready when its first
    /// status line is there: see [`Testbed::await_line`].
    ///
    /// # Errors
    /// A disk cannot be made, or libvirt refuses.
    pub fn create_guest(&self, host: &Host, spec: GuestSpec) -> Result<Guest> {
        let guest = self.register(spec)?;
        let xml_path = self
            .guests_directory()
            .join(format!("{}.xml", guest.name()));
        let format = match guest.spec.storage {
            Storage::Shared => "raw",
            Storage::Local => "qcow2",
        };
        let domain = Domain {
            name: guest.name(),
            uuid: guest.uuid,
            memory_mib: guest.spec.load.memory_mib + SPARE_MEMORY_MIB,
            disk: (&guest.disk, format),
            journal: &guest.journal,
            nova: guest.spec.nova.as_ref(),
            unlocked: guest.spec.unlocked,
        };
        fs::write(&xml_path, domain.xml()?)?;
        self.make_disks(&guest, host)?;
        host.virsh(["define", &xml_path.to_string_lossy()])?;
        host.virsh(["start", guest.name()])?;
        Ok(guest)
    }

    /// The guests made so far, in order.
    ///
    /// # Errors
    /// The testbed's files cannot be read.
    pub fn guests(&self) -> Result<Vec<Guest>> {
        let mut guests = Vec::new();
        for entry in fs::read_dir(self.guests_directory())? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                guests.push(serde_json::from_slice::<Guest>(&fs::read(&path)?)?);
            }
        }
        guests.sort_by_key(|guest| guest.number);
        Ok(guests)
    }

    /// Makes the empty file at `host` that a migration copies a local disk into.
    ///
    /// # Errors
    /// It exists already, or the host's disk is full.
    pub fn make_copy_target(&self, guest: &Guest, host: &Host, copied: Copied) -> Result<()> {
        ensure!(
            guest.spec.storage == Storage::Local,
            "{} has no local disk",
            guest.name()
        );
        let mut create = host.command("qemu-img");
        create.args(["create", "--quiet", "-f", "qcow2"]);
        if copied == Copied::Incremental {
            create.args(["-F", "raw", "-b"]).arg(self.base(guest));
        }
        run(create.arg(&guest.disk).arg(DISK_BYTES.to_string())).map(drop)
    }

    /// What the guest's journal and the hosts' serial logs say now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn evidence(&self, guest: &Guest) -> Result<Evidence> {
        let logs = self
            .hosts()
            .iter()
            .map(|host| (host.epoch(), guest.serial_log(host)));
        let lines = guest.spec.load.ticks_per_line;
        Evidence::read(guest.number, JOURNAL_SLOTS, lines, &guest.journal, logs)
    }

    /// Proves that the guest ran on these hosts, one after another, alone and unharmed.
    ///
    /// # Errors
    /// It did not; the error lists everything that is wrong. See [`crate::oracle`].
    pub fn verify(&self, guest: &Guest, path: &[&Host]) -> Result<History> {
        let epochs: Vec<u32> = path.iter().map(|host| host.epoch()).collect();
        Ok(oracle::verify(&self.evidence(guest)?, &epochs)?)
    }

    /// Proves that the guest ran alone and unharmed wherever it was powered on, and is on
    /// `host` now.
    ///
    /// # Errors
    /// It did not; the error lists everything that is wrong. See [`crate::oracle`].
    pub fn verify_restarted(&self, guest: &Guest, host: &Host) -> Result<History> {
        Ok(oracle::verify_restarted(
            &self.evidence(guest)?,
            host.epoch(),
        )?)
    }

    /// Waits until a guest's newest status line on `host` satisfies `condition`, and returns it.
    ///
    /// # Errors
    /// It does not before the deadline; the error shows the newest line.
    pub fn await_line(
        &self,
        guest: &Guest,
        host: &Host,
        deadline: Duration,
        condition: impl Fn(&Report) -> bool,
    ) -> Result<Report> {
        let what = format!("{} to report from {}", guest.name(), host.name());
        wait_for_blocking(&what, deadline, || {
            let log = SerialLog::read(host.epoch(), &guest.serial_log(host))?;
            let newest = log.lines.last().context("it has printed no line there")?;
            ensure!(condition(newest), "{newest:?}");
            Ok(Some(*newest))
        })
    }

    /// Waits until a guest that runs on `host` has verified all its memory there once more.
    ///
    /// # Errors
    /// It does not before the deadline; the error shows its newest line.
    pub fn await_scan(&self, guest: &Guest, host: &Host, deadline: Duration) -> Result<Report> {
        let now = self
            .evidence(guest)?
            .latest()
            .context("it has written no record")?;
        self.await_line(guest, host, deadline, |line| scanned_since(&now, line))
    }

    pub(super) fn guests_directory(&self) -> PathBuf {
        self.directory().join("guests")
    }

    fn register(&self, spec: GuestSpec) -> Result<Guest> {
        let number = u16::try_from(self.guests()?.len())? + 1;
        let path = self.guests_directory().join(format!("{}.json", spec.name));
        ensure!(!path.exists(), "there is a guest {} already", spec.name);
        let disk = match spec.storage {
            Storage::Shared => self.shared().join(format!("{}.img", spec.name)),
            Storage::Local => self.instances().join(format!("{}.qcow2", spec.name)),
        };
        let journal = self.shared().join(format!("{}.journal", spec.name));
        let guest = Guest {
            uuid: self.uuid(number),
            number: number.into(),
            disk,
            journal,
            spec,
        };
        fs::write(path, serde_json::to_vec(&guest)?)?;
        Ok(guest)
    }

    fn make_disks(&self, guest: &Guest, host: &Host) -> Result<()> {
        File::create_new(&guest.journal)?.set_len(u64::from(JOURNAL_SLOTS) * SECTOR)?;
        match guest.spec.storage {
            Storage::Shared => self.make_boot_disk(guest, &guest.disk),
            Storage::Local => {
                let image = self
                    .guests_directory()
                    .join(format!("{}.img", guest.name()));
                self.make_boot_disk(guest, &image)?;
                let base = self.base(guest);
                for host in self.hosts() {
                    let directory = base.parent().context("a file is in a directory")?;
                    run(host.command("mkdir").arg("--parents").arg(directory))?;
                    run(host
                        .command("cp")
                        .arg("--sparse=always")
                        .arg(&image)
                        .arg(&base))?;
                }
                self.make_copy_target(guest, host, Copied::Incremental)
            }
        }
    }

    fn make_boot_disk(&self, guest: &Guest, path: &Path) -> Result<()> {
        let program = self.guests_directory().join("program");
        if !program.exists() {
            let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/build");
            run(Command::new(build).arg(&program)).context("cannot build the guest")?;
        }
        fs::copy(program, path)?;
        let mut disk = File::options().write(true).open(path)?;
        disk.set_len(DISK_BYTES)?;
        disk.seek(SeekFrom::Start(SECTOR))?;
        disk.write_all(&parameters(guest)?)?;
        Ok(())
    }

    /// The backing file of a guest on local storage, on every host.
    fn base(&self, guest: &Guest) -> PathBuf {
        self.instances()
            .join("_base")
            .join(format!("{}.img", guest.name()))
    }
}

/// Does a line tell of a scan that began after `now`? One may have been under way then, unless
/// the guest was booted since: it counts its scans anew.
fn scanned_since(now: &Report, line: &Report) -> bool {
    let scans = if line.boot == now.boot {
        now.scans + 2
    } else {
        1
    };
    line.counter > now.counter && line.scans >= scans
}

/// Sector 1 of the boot disk: `struct parameters` in `guest/guest.h`.
fn parameters(guest: &Guest) -> Result<Vec<u8>> {
    let load = &guest.spec.load;
    let divides = TIMER_HZ.is_multiple_of(load.ticks_per_second);
    ensure!(
        divides,
        "{TIMER_HZ} is not divisible by {} ticks",
        load.ticks_per_second
    );
    ensure!(load.ticks_per_line != 0, "a line at every 0 ticks");
    let end = (u64::from(DATA_SECTOR) + u64::from(load.data_blocks) * 8) * SECTOR;
    ensure!(
        end <= DISK_BYTES,
        "{} data blocks do not fit on the disk",
        load.data_blocks
    );
    let words = [
        MAGIC,
        guest.number,
        TIMER_HZ / load.ticks_per_second,
        load.ticks_per_line,
        load.memory_mib * 256,
        load.pages_per_tick,
        load.checks_per_tick,
        DATA_SECTOR,
        load.data_blocks,
        load.blocks_per_tick,
        JOURNAL_SLOTS,
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(boot: u32, counter: u32, scans: u32) -> Report {
        Report {
            guest: 1,
            boot,
            epoch: 1,
            counter,
            wrong: 0,
            conflicts: 0,
            errors: 0,
            scans,
            dirtied: 0,
        }
    }

    #[test]
    fn a_scan_that_was_under_way_does_not_count_and_a_boot_counts_anew() {
        let now = report(1, 100, 10);
        assert!(!scanned_since(&now, &report(1, 110, 11)));
        assert!(scanned_since(&now, &report(1, 120, 12)));
        assert!(!scanned_since(&now, &report(2, 130, 0)));
        assert!(scanned_since(&now, &report(2, 140, 1)));
        assert!(!scanned_since(&report(2, 130, 0), &report(1, 120, 12)));
    }
}
