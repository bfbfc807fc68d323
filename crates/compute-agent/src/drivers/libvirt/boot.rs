//! Destination: a guest made from its definition, and given up again.
//!
//! libvirt knows nothing of what happened elsewhere, so the proof that nobody else executes the
//! guest is the caller's. What can be known here is checked all the same: that the disks lie on
//! storage that is verified to be shared, and, by QEMU's own locks on images and libvirt's lock
//! manager where one is set up, that nobody else has them open.

use std::path::{Path, PathBuf};

use godwit_core::failure::FailureCode;
use godwit_core::recovery::Sighting;
use virt::domain::Domain;
use virt::enumutil::Enum;
use virt::error::{Error, ErrorNumber};

use super::cleanup::{undefine, unjudged};
use super::cold::create;
use super::connection::{CallError, Live};
use super::definition::{Definition, Identity};
use super::inventory::known;
use super::locks::GuestLock;
use super::state::{DriverState, Made};
use super::storage::pools::pool_of;
use super::{CheckBoot, DriverError, Host, Job, MoveKind, ServerUuid, Side};

impl Host {
    pub(super) async fn check_boot(&self, check: &CheckBoot) -> Result<(), DriverError> {
        let name = self
            .can_boot(check.server, &check.definition, &[])
            .await?
            .name;
        self.nobody_is_called(check.server, &name).await
    }

    pub(super) async fn boot(
        &self,
        job: &Job,
        definition: &str,
        power_on: bool,
    ) -> Result<(), DriverError> {
        let server = job.what.server;
        let lock = self.lock_guest(server).await?;
        let mut state: DriverState = job.load()?.unwrap_or_default();
        match (self.sighting(server).await?, state.booting) {
            (Sighting::Executing | Sighting::Moving, true) => return Ok(()),
            (Sighting::Inactive, true) if !power_on => return Ok(()),
            (Sighting::Inactive | Sighting::Absent, true) => {}
            (Sighting::Absent, false) => {
                let identity = self.can_boot(server, definition, &state.made).await?;
                self.nobody_is_called(server, &identity.name).await?;
                state.booting = true;
                job.save(&state).await?;
            }
            (Sighting::Incoming | Sighting::HandedOver | Sighting::Unreachable, true) => {
                return Err(unjudged());
            }
            (_, false) => {
                return Err(boot_failed(format!(
                    "{} already has a domain with the uuid {server}",
                    self.name
                )));
            }
        }
        let xml = definition.to_owned();
        let made = self
            .connection
            .call(move |live| define_and_start(live, server, &xml, power_on, lock));
        match made.await {
            Ok(()) => {
                self.remembered.forget(server);
                Ok(())
            }
            // It is over, and came to nothing.
            Err(CallError::Libvirt(error)) if self.sighting(server).await? == Sighting::Absent => {
                state.booting = false;
                job.save(&state).await?;
                Err(if is_locked(&error) {
                    DriverError::failed(
                        FailureCode::DisksInUse,
                        format!("Another host has the disks open: {}.", error.message()),
                    )
                } else {
                    boot_failed(error.message().to_owned())
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Is the definition this guest's, and is everything here that it names?
    async fn can_boot(
        &self,
        server: ServerUuid,
        xml: &str,
        made: &[Made],
    ) -> Result<Identity, DriverError> {
        let read = Definition::parse(xml).and_then(|read| Ok((Identity::parse(xml)?, read)));
        let (identity, definition) = read.map_err(|error| {
            DriverError::failed(
                FailureCode::NoDefinition,
                format!("The definition of instance {server} cannot be read: {error}."),
            )
        })?;
        if identity.uuid != server.0 {
            return Err(DriverError::failed(
                FailureCode::NoDefinition,
                format!("The definition of instance {server} is another guest's."),
            ));
        }
        let pools = self.pools().await?;
        let mut files = Vec::new();
        for disk in definition.disks {
            let shared = pool_of(&pools, &disk.source).is_some();
            let copied = made.contains(&Made::Disk(PathBuf::from(&disk.source)));
            if !shared && !copied && !disk.read_only {
                return Err(DriverError::failed(
                    FailureCode::NotSharedStorage,
                    format!(
                        "{} is not on storage that {} shares: instance {server} cannot be started \
                         here.",
                        disk.source, self.name
                    ),
                ));
            }
            if disk.file {
                files.push(PathBuf::from(disk.source));
            }
        }
        let absent = move || files.into_iter().find(|path| !path.exists());
        match self.files.run(absent).await? {
            Some(path) => Err(missing(server, &path, self.name.as_str())),
            None => Ok(identity),
        }
    }

    pub(super) async fn withdraw(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        let server = job.what.server;
        let lock = self.lock_guest(server).await?;
        let mut state: DriverState = job.load()?.unwrap_or_default();
        let limit = match (job.what.kind, side) {
            (MoveKind::Cold, Side::Destination) if state.booting => self.config.power_off_limit(),
            // What it holds is stale; the sooner it is off the better.
            (MoveKind::Evacuation | MoveKind::Live, Side::Source) => std::time::Duration::ZERO,
            // It was started here by a host that died since, and runs elsewhere.
            (MoveKind::Evacuation, Side::Destination) if state.booting => std::time::Duration::ZERO,
            (MoveKind::Live | MoveKind::Cold | MoveKind::Evacuation, _) => {
                if self.sighting(server).await? != Sighting::Absent {
                    return Err(not_ours(server, self.name.as_str()));
                }
                return self.forget_preparation(job, state).await;
            }
        };
        match self.sighting(server).await? {
            Sighting::Absent => {}
            Sighting::Executing | Sighting::Inactive => {
                self.power_off(server, limit).await?;
                let forgotten = self.with_domain(server, move |domain| {
                    let _lock = lock;
                    forget(domain)
                });
                forgotten.await?;
                if self.look(server).await?.is_some() {
                    return Err(DriverError::Unavailable("the domain is still there".into()));
                }
            }
            Sighting::Moving | Sighting::Incoming | Sighting::HandedOver => {
                return Err(DriverError::hypervisor(format!(
                    "A move of {server} is under way on {}.",
                    self.name
                )));
            }
            Sighting::Unreachable => return Err(unjudged()),
        }
        state.booting = false;
        self.forget_preparation(job, state).await
    }

    /// Removes exactly what was made for the guest.
    pub(super) async fn forget_preparation(
        &self,
        job: &Job,
        mut state: DriverState,
    ) -> Result<(), DriverError> {
        self.remembered.forget(job.what.server);
        self.clear(&state.made).await?;
        state.made.clear();
        state.ready = false;
        job.save(&state).await
    }

    /// The guest's lock, for powering it on or off.
    pub(super) async fn lock_guest(&self, server: ServerUuid) -> Result<GuestLock, DriverError> {
        self.locks.take(server, self.config.call_timeout()).await
    }
}

/// A definition that was made here for nothing is taken back in the same breath.
fn define_and_start(
    live: &Live,
    server: ServerUuid,
    xml: &str,
    power_on: bool,
    _lock: GuestLock,
) -> Result<(), Error> {
    let domain = match known(live.connect.lookup_domain_by_uuid(server.0))? {
        Some(domain) => domain,
        None => live.connect.define_domain_xml(xml)?,
    };
    if !power_on {
        return Ok(());
    }
    let created = create(live, server, false);
    if created.is_err() && !domain.is_active()? {
        undefine(&domain)?;
    }
    created
}

/// Undefines what is off; looks again at the last moment.
fn forget(domain: &Domain) -> Result<(), Error> {
    if !domain.is_active()? {
        undefine(domain)?;
    }
    Ok(())
}

/// Does somebody else hold the lock of an image? libvirt's lock manager has a code for that;
/// QEMU, whose own locks these are where there is none, has only a text.
fn is_locked(error: &Error) -> bool {
    error.code() == Enum::Known(ErrorNumber::ResourceBusy)
        || error.message().contains("Failed to get \"write\" lock")
}

fn boot_failed(why: impl std::fmt::Display) -> DriverError {
    DriverError::failed(
        FailureCode::BootFailed,
        format!("The guest could not be started: {why}."),
    )
}

fn missing(server: ServerUuid, path: &Path, host: &str) -> DriverError {
    DriverError::failed(
        FailureCode::BootFailed,
        format!(
            "{} is not on {host}: instance {server} cannot be started there.",
            path.display()
        ),
    )
}

fn not_ours(server: ServerUuid, host: &str) -> DriverError {
    DriverError::hypervisor(format!(
        "Nothing proves that {server} on {host} belongs elsewhere; it is left alone."
    ))
}
