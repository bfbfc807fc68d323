//! Both sides: after a move, whatever it came to.
//!
//! The only domains ever destroyed are one that came in and never executed (after a failure, at
//! the destination), and one that an outgoing move stopped at its hand-over and left behind
//! (after a success, at the source, once the destination was heard to execute the guest: that
//! is what `finish` at the source means). Where post-copy was interrupted, the source holds
//! pages that the destination lacks, so it is left alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::recovery::Sighting;
use tokio::time::Instant;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys as raw;

use super::config::SourceDisks;
use super::connection::Live;
use super::inventory::known;
use super::observation::look;
use super::state::DriverState;
use super::sys::{self, DomainState, Stopped};
use super::{DriverError, Host, Job};

/// How often one looks whether a job has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is left of a domain that is gone for good. Its NVRAM may lie on shared storage, where
/// the guest needs it.
const UNDEFINE: u32 = raw::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | raw::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | raw::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | raw::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;

impl Host {
    /// The guest was handed over to this host.
    pub(super) async fn finish_destination(&self, job: &Job) -> Result<(), DriverError> {
        let server = job.what.server;
        match self.sighting(server).await? {
            Sighting::Executing | Sighting::Moving | Sighting::Inactive => {}
            Sighting::Incoming | Sighting::Unreachable | Sighting::HandedOver => {
                return Err(DriverError::Unavailable(
                    "the guest does not execute yet".into(),
                ));
            }
            Sighting::Absent => return Err(DriverError::UnknownServer(server)),
        }
        self.connection
            .call(move |live| persist(live, server))
            .await?;
        self.remembered.forget(server);
        // From now on the disks are the guest's.
        if let Some(mut state) = job.load::<DriverState>()? {
            state.made.clear();
            state.ready = false;
            job.save(&state).await?;
        }
        Ok(())
    }

    /// The guest was handed over by this host.
    pub(super) async fn finish_source(&self, job: &Job) -> Result<(), DriverError> {
        let server = job.what.server;
        if let Some(seen) = self.look(server).await? {
            match seen.sighting() {
                Sighting::Executing | Sighting::Moving => return Err(still_executes(server)),
                Sighting::HandedOver if seen.is_post_copy() => {
                    return Err(post_copy_incomplete(server));
                }
                Sighting::HandedOver | Sighting::Inactive => {
                    self.with_domain(server, undefine_leftover).await?;
                }
                Sighting::Incoming | Sighting::Unreachable | Sighting::Absent => {
                    return Err(unjudged());
                }
            }
            if self.look(server).await?.is_some() {
                return Err(DriverError::Unavailable("the domain is still there".into()));
            }
        }
        let mut state: DriverState = job.load()?.unwrap_or_default();
        if let Some(started) = state.started.as_mut() {
            self.remove_source_disks(job.what.migration, &started.copied)
                .await?;
            started.over = true;
            job.save(&state).await?;
        }
        self.end_power_off(job).await?;
        self.outgoing.forget(job);
        Ok(())
    }

    /// The guest is on its source; nothing of it may stay here.
    pub(super) async fn roll_back_destination(&self, job: &Job) -> Result<(), DriverError> {
        let server = job.what.server;
        let _lock = self.lock_guest(server).await?;
        self.clear_domain(server).await?;
        self.remembered.forget(server);
        match job.load()? {
            Some(state) => self.forget_preparation(job, state).await,
            None => Ok(()),
        }
    }

    /// Sees a domain that came in, and never executed, gone. libvirt may be removing it itself
    /// at the same moment.
    async fn clear_domain(&self, server: ServerUuid) -> Result<(), DriverError> {
        let deadline = Instant::now() + self.config.call_timeout();
        loop {
            let last_look = Instant::now() > deadline;
            let sighting = self.sighting(server).await?;
            match sighting {
                Sighting::Absent => return Ok(()),
                Sighting::Incoming => {
                    self.with_domain(server, destroy_incoming).await?;
                }
                // What libvirt is removing looks like this for a moment (a QEMU that goes down counts
                // as executing), but is not persistent: a guest becomes that only with its
                // hand-over.
                Sighting::HandedOver | Sighting::Inactive | Sighting::Executing if !last_look => {
                    if self.is_persistent(server).await? {
                        return Err(may_have_executed(server, sighting));
                    }
                }
                Sighting::Unreachable => return Err(unjudged()),
                Sighting::Executing
                | Sighting::Moving
                | Sighting::HandedOver
                | Sighting::Inactive => return Err(may_have_executed(server, sighting)),
            }
            if last_look {
                return Err(DriverError::Unavailable(
                    "the domain does not go away".into(),
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The guest is on this host, its source.
    pub(super) async fn roll_back_source(
        &self,
        job: &Job,
        resume: bool,
    ) -> Result<(), DriverError> {
        let server = job.what.server;
        let deadline = Instant::now() + self.config.call_timeout();
        loop {
            match self.sighting(server).await? {
                Sighting::Executing | Sighting::Inactive => break,
                Sighting::HandedOver if resume => self.resume(server).await?,
                Sighting::HandedOver => return Err(not_proven(server)),
                Sighting::Moving => {
                    let aborted = self.connection.call(move |live| {
                        sys::abort_job(&live.connect.lookup_domain_by_uuid(server.0)?)
                    });
                    if let Err(error) = aborted.await {
                        tracing::debug!(%server, %error, "the job is not aborted");
                    }
                }
                Sighting::Absent => return Err(DriverError::UnknownServer(server)),
                Sighting::Incoming | Sighting::Unreachable => return Err(unjudged()),
            }
            if Instant::now() > deadline {
                return Err(DriverError::Unavailable("the move does not end".into()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.lift_our_pause(job).await?;
        self.outgoing.forget(job);
        Ok(())
    }

    /// A pause of ours that came when the move had just ended looks like the user's.
    async fn lift_our_pause(&self, job: &Job) -> Result<(), DriverError> {
        let mut state: DriverState = job.load()?.unwrap_or_default();
        let Some(started) = state.started.as_mut() else {
            return Ok(());
        };
        if started.paused {
            let seen = self.look(job.what.server).await?;
            if seen.is_some_and(|seen| seen.state == DomainState::Paused(Stopped::Otherwise)) {
                self.resume(job.what.server).await?;
            }
        }
        started.paused = false;
        started.over = true;
        job.save(&state).await
    }

    /// Removes or renames what was copied away.
    async fn remove_source_disks(
        &self,
        migration: MigrationUuid,
        disks: &[PathBuf],
    ) -> Result<(), DriverError> {
        for disk in disks {
            let done = match self.config.source_disks {
                SourceDisks::Remove => tokio::fs::remove_file(disk).await,
                SourceDisks::Rename => tokio::fs::rename(disk, renamed(disk, migration)).await,
            };
            match done {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DriverError::Unavailable(format!(
                        "{}: {error}",
                        disk.display()
                    )));
                }
                Ok(()) | Err(_) => {}
            }
            // The instance's own directory, when nothing else is in it.
            if let Some(parent) = disk.parent()
                && parent != self.config.instances
                && parent.starts_with(&self.config.instances)
            {
                let _ = tokio::fs::remove_dir(parent).await;
            }
        }
        Ok(())
    }
}

fn renamed(disk: &Path, migration: MigrationUuid) -> PathBuf {
    let mut name = disk.as_os_str().to_owned();
    name.push(format!(".moved-{migration}"));
    PathBuf::from(name)
}

/// Sees to it that the domain survives a reboot of the host. libvirt was told to, but may have
/// been killed before it did.
fn persist(live: &Live, server: ServerUuid) -> Result<(), Error> {
    let domain = live.connect.lookup_domain_by_uuid(server.0)?;
    if domain.is_persistent()? {
        return Ok(());
    }
    let xml = domain.xml_desc(raw::VIR_DOMAIN_XML_INACTIVE | raw::VIR_DOMAIN_XML_SECURE)?;
    live.connect.define_domain_xml(&xml).map(drop)
}

/// Destroys a domain that came in and never executed; looks again at the last moment.
fn destroy_incoming(domain: &Domain) -> Result<(), Error> {
    if look(domain)?.sighting() == Sighting::Incoming {
        domain.destroy()?;
    }
    Ok(())
}

/// Removes what is left of a guest that executes elsewhere; looks again at the last moment.
fn undefine_leftover(domain: &Domain) -> Result<(), Error> {
    let observed = look(domain)?;
    match observed.sighting() {
        Sighting::HandedOver if !observed.is_post_copy() => {
            domain.destroy()?;
            undefine(domain)
        }
        Sighting::Inactive => undefine(domain),
        Sighting::HandedOver
        | Sighting::Executing
        | Sighting::Moving
        | Sighting::Incoming
        | Sighting::Unreachable
        | Sighting::Absent => Ok(()),
    }
}

pub(super) fn undefine(domain: &Domain) -> Result<(), Error> {
    match known(domain.is_persistent())? {
        Some(true) => known(domain.undefine_flags(UNDEFINE)).map(drop),
        Some(false) | None => Ok(()),
    }
}

/// Another look may tell.
pub(super) fn unjudged() -> DriverError {
    DriverError::Unavailable("the domain cannot be judged".into())
}

fn still_executes(server: ServerUuid) -> DriverError {
    DriverError::hypervisor(format!("{server} still executes on its source."))
}

fn post_copy_incomplete(server: ServerUuid) -> DriverError {
    DriverError::Unavailable(format!(
        "{server} went on by post-copy, and its source still holds memory that its destination \
         lacks"
    ))
}

fn not_proven(server: ServerUuid) -> DriverError {
    DriverError::hypervisor(format!(
        "{server} was stopped by its move, and nothing proves that it does not execute on its \
             destination."
    ))
}

fn may_have_executed(server: ServerUuid, seen: Sighting) -> DriverError {
    DriverError::hypervisor(format!(
        "{server} may have executed on its destination, and is left alone there ({seen:?})."
    ))
}
