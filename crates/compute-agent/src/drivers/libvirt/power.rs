//! Powering a guest off, first as its user would, then by force; and on where it is.

use std::time::Duration;

use godwit_core::failure::FailureCode;
use godwit_core::recovery::Sighting;
use tokio::time::Instant;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys as raw;

use super::cleanup::unjudged;
use super::connection::{CallError, Live};
use super::inventory::known;
use super::locks::GuestLock;
use super::sys::DomainState;
use super::{DriverError, Host, PowerOff, PowerOn, ServerUuid};

/// How often one looks whether it is off.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Host {
    /// See [`crate::driver::Driver::execution`]. libvirt numbers them; it goes on counting where
    /// it was when its service comes back.
    pub(super) async fn execution(&self, server: ServerUuid) -> Result<Option<i64>, DriverError> {
        let found = self.with_domain(server, |domain| Ok(domain.id()));
        let id = found.await?.ok_or(DriverError::UnknownServer(server))?;
        Ok(id.map(i64::from))
    }

    pub(super) async fn power_off_here(
        &self,
        server: ServerUuid,
        how: PowerOff,
    ) -> Result<(), DriverError> {
        let _lock = self.lock_guest(server).await?;
        if !self.executes_unmoved(server).await? {
            return Ok(());
        }
        if !self.is_persistent(server).await? {
            return Err(DriverError::failed(
                FailureCode::StopFailed,
                format!(
                    "Instance {server} is transient, and would be forgotten when it is powered off."
                ),
            ));
        }
        let limit = match how {
            PowerOff::Clean => self.config.power_off_limit(),
            PowerOff::Forced => Duration::ZERO,
        };
        self.power_off(server, limit).await
    }

    pub(super) async fn power_on_here(
        &self,
        server: ServerUuid,
        how: PowerOn,
    ) -> Result<(), DriverError> {
        let lock = self.lock_guest(server).await?;
        let executes = self.executes_unmoved(server).await?;
        let seen = self.look(server).await?;
        match seen.map(|seen| seen.state) {
            // It is kept for somebody to look at, and executes nothing.
            Some(DomainState::Crashed) => self.power_off(server, Duration::ZERO).await?,
            Some(_) | None if executes => return Ok(()),
            Some(_) | None => {}
        }
        let flags = match how {
            PowerOn::Resumed => raw::VIR_DOMAIN_NONE,
            PowerOn::Afresh => raw::VIR_DOMAIN_START_FORCE_BOOT,
        };
        let started = self
            .connection
            .call(move |live| start(live, server, flags, lock));
        match started.await {
            Ok(()) => Ok(()),
            // It is over, and came to nothing.
            Err(CallError::Libvirt(error))
                if self.sighting(server).await? == Sighting::Inactive =>
            {
                Err(DriverError::failed(
                    FailureCode::BootFailed,
                    format!("The guest could not be started: {}.", error.message()),
                ))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Does the guest, which has to be here and part of no move, execute?
    async fn executes_unmoved(&self, server: ServerUuid) -> Result<bool, DriverError> {
        match self.sighting(server).await? {
            Sighting::Executing => Ok(true),
            Sighting::Inactive => Ok(false),
            Sighting::Absent => Err(DriverError::UnknownServer(server)),
            Sighting::Moving | Sighting::Incoming | Sighting::HandedOver => {
                Err(DriverError::hypervisor(format!(
                    "A move of {server} is under way on {}.",
                    self.name
                )))
            }
            Sighting::Unreachable => Err(unjudged()),
        }
    }

    /// Returns when the guest is off, or not here at all. It gets `limit` to shut down by
    /// itself; one that does not execute instructions gets none. [`FailureCode::StopFailed`] for
    /// one that executes in spite of all; libvirt was asked then.
    pub(super) async fn power_off(
        &self,
        server: ServerUuid,
        limit: Duration,
    ) -> Result<(), DriverError> {
        let forced_at = Instant::now() + limit;
        let given_up_at = forced_at + self.config.call_timeout();
        let mut asked = false;
        while let Some(seen) = self.look(server).await? {
            match seen.state {
                DomainState::Off | DomainState::Saved => return Ok(()),
                DomainState::Unknown => return Err(unjudged()),
                DomainState::Running
                | DomainState::Paused(_)
                | DomainState::Asleep
                | DomainState::Crashed => {}
            }
            let now = Instant::now();
            if now >= given_up_at {
                return Err(DriverError::failed(
                    FailureCode::StopFailed,
                    format!("Instance {server} could not be powered off."),
                ));
            }
            if now >= forced_at || seen.state != DomainState::Running {
                // An emulator that waits for its disk does not die at the first attempt.
                if let Err(error) = self.with_domain(server, destroy).await {
                    tracing::warn!(%server, %error, "the guest cannot be powered off");
                }
            } else if !asked {
                asked = true;
                // A guest without ACPI does not hear it, and is forced in the end.
                let asked = self.connection.call(move |live| shut_down(live, server));
                if let Err(error) = asked.await {
                    tracing::info!(%server, %error, "the guest cannot be told to shut down");
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// One that executes by now is no error. Keeps the lock until libvirt has answered.
fn start(
    live: &Live,
    server: ServerUuid,
    flags: raw::virDomainCreateFlags,
    _lock: GuestLock,
) -> Result<(), Error> {
    let domain = live.connect.lookup_domain_by_uuid(server.0)?;
    if known(domain.is_active())?.unwrap_or(false) {
        return Ok(());
    }
    domain.create_with_flags(flags)
}

fn shut_down(live: &Live, server: ServerUuid) -> Result<(), Error> {
    live.connect.lookup_domain_by_uuid(server.0)?.shutdown()
}

/// One that has just gone is no error.
fn destroy(domain: &Domain) -> Result<(), Error> {
    match domain.destroy() {
        Err(_) if !known(domain.is_active())?.unwrap_or(false) => Ok(()),
        destroyed => destroyed,
    }
}
