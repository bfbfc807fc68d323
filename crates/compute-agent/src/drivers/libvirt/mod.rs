//! Real hosts: QEMU under libvirt.
//!
//! The driver talks to this host's libvirt alone; the two libvirts of a move talk to each other
//! (peer to peer). So a move that has begun goes on whatever becomes of the agent, and an agent
//! that comes back finds it. Any domain is a server: nothing has to be registered, and what a
//! domain does not say of itself (owner, project) is configured.
//!
//! ```text
//!   Driver ─► Host ─┬─ precheck, prepare      destination and source, before
//!                   ├─ start ─► outgoing      libvirt's call, on a thread of its own
//!                   ├─ progress ─► status     what the call, the events and a look mean (pure)
//!                   ├─ tuning, force          while it goes on
//!                   ├─ cleanup                after
//!                   ├─ cold ─► power          a cold move's source: off, and perhaps on again
//!                   ├─ boot                   from a definition, and given up again
//!                   └─ power                  off and on where it is
//!            all by connection ─► sys         calls with deadlines; the only unsafe code
//!            all trusting observation         what a look at a domain means (pure)
//! ```
//!
//! # What operators have to set up
//! - **libvirt** on every host reachable from the others, authenticated: by TLS with client
//!   certificates (`move_uri` by default is `qemu+tls://NODE/system`), or by SSH. NODE is the
//!   host's name as libvirt knows it, and has to resolve on the other hosts, but not to a
//!   loopback address. With `keepalive_interval = 1`, `keepalive_count = 3` in `libvirtd.conf`
//!   a lost host is noticed in seconds, by default in half a minute.
//! - **A network for migrations**, if hosts have one: its interface and this host's address there in
//!   `links`, with the role `migration`. Memory and disks then use no other; libvirts go on to
//!   speak to each other by `move_uri`. With `encrypt`, QEMU's certificate has to name NODE.
//! - **Ports** 49152 to 49215 between the hosts, for memory and disks, and QEMU's own TLS
//!   (`migrate_tls_x509_cert_dir`) if `encrypt` is set.
//! - **Shared storage** named in `shared_storage` with the same id on every host that mounts it,
//!   and, where libvirt itself cannot tell (a bind mount, an unknown cluster file system), in
//!   `shared_filesystems` of `qemu.conf`: libvirt refuses to move guests on storage it deems
//!   unsafe. The agent leaves a file `.godwit-storage` in each, by which hosts recognise that
//!   they see the same. Storage that is not named counts as local, and is copied.
//! - **Linked clones** are copied without what they are clones of: the backing files have to be
//!   on the destination, with the same path and content. `qemu-img` has to be installed.
//! - **Files of copied disks** are made by the agent and handed to QEMU's user by libvirt
//!   (`dynamic_ownership = 1`, the default).
//! - **Post-copy** (`permit_post_copy`) needs userfaultfd for QEMU's user:
//!   `vm.unprivileged_userfaultfd = 1`, or `/dev/userfaultfd`. When the hosts lose each other
//!   past the switch, both keep their part of the guest, and neither is touched. Most of the
//!   time QEMU takes up its connection by itself; where it cannot, connect the two again with
//!   `virsh migrate --postcopy-resume` (not with libvirt 11.3 at the destination: that crashes),
//!   and the migration completes.
//! - **A lock manager**, if two writers on one disk must be impossible whatever goes wrong: set
//!   it in `qemu.conf` on every host and name it in `lock_manager`; an agent whose libvirt
//!   disagrees does not start.
//! - **Evacuations and cold moves** start guests from their definitions, on storage named in
//!   `shared_storage`. Domains must not start with their hosts (`virsh autostart`): a host that
//!   comes back would start what was evacuated, and only locks on its disks keep it from
//!   writing. A definition carries no passwords (of a console): set them anew.
//! - **Agents** run on the host itself, as a user that may use libvirt's socket read-write and
//!   write to the directories of disks.

mod boot;
mod cleanup;
mod cold;
mod config;
mod connecting;
mod connection;
mod definition;
mod downtime;
mod facts;
mod force;
mod inventory;
mod lock_manager;
mod locks;
mod observation;
mod outgoing;
mod parameters;
mod power;
mod precheck;
mod prepare;
mod progress;
mod start;
mod state;
mod status;
mod storage;
mod sys;
mod tuning;

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, ForceMeans, Movable, MoveKind, Receiver, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::cold::PowerOffs;
pub use self::config::{
    DefaultOwner, Downtime, LibvirtConfig, LockManager, SharedStorage, SourceDisks, Unfit,
};
use self::connection::Connection;
use self::inventory::Remembered;
use self::locks::GuestLocks;
use self::outgoing::OutgoingMigrations;
use self::storage::Files;
use self::sys::{DomainEvent, Sink};
use crate::driver::{Driver, DriverError, Job, JobState, PowerOff, PowerOn};
use crate::holds::Holds;

pub struct LibvirtDriver(Arc<Host>);

struct Host {
    name: HostName,
    config: LibvirtConfig,
    connection: Connection,
    files: Files,
    outgoing: OutgoingMigrations,
    power_offs: PowerOffs,
    locks: GuestLocks,
    holds: Holds,
    remembered: Remembered,
    changes: Arc<watch::Sender<u64>>,
}

impl LibvirtDriver {
    /// A driver for the host called `name`. It connects when it is first asked something:
    /// libvirt may come up later than the agent.
    ///
    /// # Errors
    /// [`Unfit`]: the configuration contradicts itself or this host.
    pub fn new(name: HostName, config: LibvirtConfig, holds: Holds) -> Result<Self, Unfit> {
        config.check()?;
        lock_manager::verify(&config)?;
        sys::event_loop().map_err(Unfit::EventLoop)?;

        let outgoing = OutgoingMigrations::default();
        let changes = Arc::new(watch::Sender::new(0));
        let sink: Sink = {
            let outgoing = outgoing.clone();
            let changes = Arc::clone(&changes);
            Arc::new(move |event| {
                outgoing.observe(&event);
                match event {
                    DomainEvent::LeftByPostCopy(_)
                    | DomainEvent::Changed
                    | DomainEvent::JobCompleted { .. }
                    | DomainEvent::Closed => changes.send_modify(|count| *count += 1),
                    DomainEvent::Iteration { .. } => {}
                }
            })
        };
        let deadline = config.call_timeout();
        let connection = Connection::new(&config.uri, config.keepalive_seconds, deadline, sink);
        let host = Host {
            name,
            connection,
            files: Files::new(deadline),
            outgoing,
            power_offs: PowerOffs::default(),
            locks: GuestLocks::default(),
            holds,
            remembered: Remembered::default(),
            changes,
            config,
        };
        Ok(Self(Arc::new(host)))
    }
}

#[async_trait]
impl Driver for LibvirtDriver {
    async fn facts(&self) -> Result<HostFacts, DriverError> {
        self.0.facts().await
    }

    async fn domains(&self) -> Result<Vec<Domain>, DriverError> {
        self.0.domains().await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    async fn check_source(&self, check: &CheckSource) -> Result<Movable, DriverError> {
        self.0.check_source(check).await
    }

    async fn check_destination(&self, check: &CheckDestination) -> Result<(), DriverError> {
        self.0.check_destination(check).await
    }

    async fn prepare(
        &self,
        job: &Job,
        guest: &Domain,
        cancel: &CancellationToken,
    ) -> Result<Receiver, DriverError> {
        self.0.prepare(job, guest, cancel).await
    }

    async fn start(
        &self,
        job: &Job,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        match job.what.kind {
            MoveKind::Live => self.0.start(job, receiver, cancel).await,
            MoveKind::Cold => self.0.start_cold(job, receiver, cancel).await,
            MoveKind::Evacuation => Err(no_source(job)),
        }
    }

    async fn progress(&self, job: &Job) -> Result<JobState, DriverError> {
        match job.what.kind {
            MoveKind::Live => self.0.progress(job).await,
            MoveKind::Cold => self.0.progress_cold(job),
            MoveKind::Evacuation => Ok(JobState::NoJob),
        }
    }

    async fn force_complete(&self, job: &Job) -> Result<ForceMeans, DriverError> {
        match job.what.kind {
            MoveKind::Live => self.0.force_complete(job).await,
            MoveKind::Cold | MoveKind::Evacuation => Err(DriverError::NoJob),
        }
    }

    async fn abort(&self, job: &Job) -> Result<(), DriverError> {
        match job.what.kind {
            MoveKind::Live => self.0.abort(job).await,
            MoveKind::Cold => Err(self.0.abort_cold(job)),
            MoveKind::Evacuation => Err(DriverError::NoJob),
        }
    }

    async fn finish(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        match (side, job.what.kind) {
            (Side::Source, MoveKind::Evacuation) => Err(no_source(job)),
            (Side::Source, MoveKind::Live | MoveKind::Cold) => self.0.finish_source(job).await,
            (Side::Destination, _) => self.0.finish_destination(job).await,
        }
    }

    async fn roll_back(&self, job: &Job, side: Side, resume: bool) -> Result<(), DriverError> {
        match (side, job.what.kind) {
            (Side::Source, MoveKind::Live) => self.0.roll_back_source(job, resume).await,
            (Side::Source, MoveKind::Cold) => self.0.roll_back_cold_source(job, resume).await,
            (Side::Source, MoveKind::Evacuation) => Err(no_source(job)),
            (Side::Destination, _) => self.0.roll_back_destination(job).await,
        }
    }

    async fn check_boot(&self, check: &CheckBoot) -> Result<(), DriverError> {
        self.0.check_boot(check).await
    }

    async fn boot(&self, job: &Job, definition: &str, power_on: bool) -> Result<(), DriverError> {
        self.0.boot(job, definition, power_on).await
    }

    async fn withdraw(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        self.0.withdraw(job, side).await
    }

    async fn execution(&self, server: ServerUuid) -> Result<Option<i64>, DriverError> {
        self.0.execution(server).await
    }

    async fn power_off(&self, server: ServerUuid, how: PowerOff) -> Result<(), DriverError> {
        self.0.power_off_here(server, how).await
    }

    async fn power_on(&self, server: ServerUuid, how: PowerOn) -> Result<(), DriverError> {
        self.0.power_on_here(server, how).await
    }
}

/// An evacuation's source is dead; when it comes back it is only told to give the guest up.
fn no_source(job: &Job) -> DriverError {
    DriverError::hypervisor(format!("The source of {} was evacuated.", job.what.server))
}
