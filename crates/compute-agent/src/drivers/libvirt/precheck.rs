//! May this guest go, and may it come? What only libvirt can say, beside [`crate::checks`].

use std::path::{Path, PathBuf};

use godwit_core::migration::StorageMode;
use godwit_rpc::domain::{Disk, Domain};
use virt::error::ErrorNumber;

use super::connection::{CallError, Live};
use super::definition::{CpuDefinition, Definition, DiskElement};
use super::inventory::known;
use super::storage::images::{self, ImageError};
use super::storage::space::lacking;
use super::sys::{self, CpuFit, CpuQuestion};
use super::{
    CheckDestination, CheckSource, DriverError, Host, HostFacts, Movable, MoveKind, ServerUuid,
};
use crate::checks;

/// Formats that a copy can be made of.
const COPYABLE: [&str; 2] = ["qcow2", "raw"];

impl Host {
    pub(super) async fn check_source(&self, check: &CheckSource) -> Result<Movable, DriverError> {
        let pools = self.pools().await?;
        let guest = self.describe(check.server, &pools).await?;
        let mut guest = guest.ok_or(DriverError::UnknownServer(check.server))?;
        checks::guest_can_leave(&guest, check.kind)?;
        let storage = checks::storage_mode(&guest, &check.destination, check.block_migration)?;
        if check.kind == MoveKind::Cold {
            self.can_move_cold(&guest, &check.destination.pools).await?;
        } else if storage == StorageMode::Copied {
            self.disks_can_travel(&mut guest, &check.destination)
                .await?;
        }
        Ok(Movable { guest, storage })
    }

    /// Can every disk that has to travel be copied? DriverStateStore what each builds on.
    async fn disks_can_travel(
        &self,
        guest: &mut Domain,
        destination: &HostFacts,
    ) -> Result<(), DriverError> {
        let sharing = self.connection.call({
            let server = guest.server;
            move |live| Ok(uncopyable(live, server))
        });
        let uncopyable = sharing.await?;
        let copied: Vec<String> = checks::disks_to_copy(guest, &destination.pools)
            .map(|disk| disk.target.clone())
            .collect();
        let server = guest.server;
        for disk in guest
            .disks
            .iter_mut()
            .filter(|disk| copied.contains(&disk.target))
        {
            if let Some((_, why)) = uncopyable.iter().find(|(target, _)| *target == disk.target) {
                return Err(refused(server, disk, why));
            }
            if !COPYABLE.contains(&disk.format.as_str()) {
                return Err(refused(server, disk, "it has a format that is not copied"));
            }
            if let Some(backing) = &mut disk.backing {
                let print = self
                    .fingerprint(Path::new(&backing.path), &backing.format)
                    .await;
                let print = print.map_err(|error| {
                    unready(server, &disk.path, &format!("its backing file: {error}"))
                })?;
                backing.fingerprint = Some(print);
            }
        }
        Ok(())
    }

    pub(super) async fn check_destination(
        &self,
        check: &CheckDestination,
    ) -> Result<(), DriverError> {
        let guest = &check.guest;
        let own = self.facts().await?;
        checks::hypervisors_match(&check.source, &own)?;
        self.nobody_is_called(guest.server, &guest.domain_name)
            .await?;
        if self.config.compare_cpu {
            self.cpu_fits(guest, &check.source).await?;
        }
        checks::disks_fit(guest, &own, check.storage, check.disk_over_commit)?;
        self.read_only_disks_are_here(guest, &own).await?;
        if check.storage == StorageMode::Copied {
            self.room_for_copies(guest, &own, check.disk_over_commit)
                .await?;
            self.places_are_free(guest, &own).await?;
            self.backing_is_here(guest, &own).await?;
        }
        Ok(())
    }

    /// No domain of the guest's uuid or name may be here: libvirt could not tell them apart.
    pub(super) async fn nobody_is_called(
        &self,
        server: ServerUuid,
        domain_name: &str,
    ) -> Result<(), DriverError> {
        let name = domain_name.to_owned();
        let found = self.connection.call(move |live| {
            let by_uuid = known(live.connect.lookup_domain_by_uuid(server.0))?;
            let by_name = known(live.connect.lookup_domain_by_name(&name))?;
            Ok((by_uuid.is_some(), by_name.is_some()))
        });
        let problem = match found.await? {
            (false, false) => return Ok(()),
            (true, _) => format!("{} already has a domain with that uuid", self.name),
            (false, true) => {
                format!("{} already has a domain called {domain_name}", self.name)
            }
        };
        let reason = format!("Unable to migrate {server}: {problem}");
        Err(checks::pre_check(&reason))
    }

    async fn cpu_fits(&self, guest: &Domain, source: &HostFacts) -> Result<(), DriverError> {
        let Some(needs) = definition(guest.cpu.definition.as_deref())? else {
            return Ok(());
        };
        let xml = if needs.passthrough {
            // The guest has what its host has.
            match definition(source.cpu.definition.as_deref())? {
                Some(host) => host.xml,
                None => return Ok(()),
            }
        } else {
            needs.xml
        };
        let arch = guest.cpu.arch.clone();
        let virt_type = needs.virt_type.unwrap_or_else(|| "kvm".into());
        let compared = self.connection.call(move |live| {
            let question = CpuQuestion {
                arch: &arch,
                virt_type: &virt_type,
                cpu_xml: &xml,
            };
            sys::compare_cpu(&live.connect, &question)
        });
        let model = &guest.cpu.model;
        match compared.await {
            Ok(CpuFit::Fits) => Ok(()),
            Ok(CpuFit::Lacks) => Err(checks::cpu_failure(&format!(
                "{} cannot run a guest with the processor {model}.",
                self.name
            ))),
            // libvirt has no opinion on this architecture or hypervisor.
            Err(error) if error.number() == Some(ErrorNumber::NoSupport) => Ok(()),
            Err(error @ CallError::Libvirt(_)) => Err(checks::cpu_failure(&error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// A disk that the guest only reads is not copied, so it has to be here.
    async fn read_only_disks_are_here(
        &self,
        guest: &Domain,
        own: &HostFacts,
    ) -> Result<(), DriverError> {
        let local = guest.disks.iter().filter(|disk| {
            let reached = |pool: &String| own.pools.iter().any(|own| own.id == *pool);
            disk.read_only && !disk.pool.as_ref().is_some_and(reached)
        });
        let paths: Vec<PathBuf> = local
            .map(|disk| PathBuf::from(&disk.path))
            .filter(|path| path.is_absolute())
            .collect();
        let absent = move || paths.into_iter().find(|path| !path.exists());
        match self.files.run(absent).await? {
            Some(path) => Err(unready(
                guest.server,
                &path.to_string_lossy(),
                &format!(
                    "{} does not have it, and read-only disks are not copied",
                    self.name
                ),
            )),
            None => Ok(()),
        }
    }

    /// Room on the very file systems that the copies will lie on.
    pub(super) async fn room_for_copies(
        &self,
        guest: &Domain,
        own: &HostFacts,
        over_commit: Option<bool>,
    ) -> Result<(), DriverError> {
        let needs: Vec<_> = checks::disks_to_copy(guest, &own.pools)
            .map(|disk| {
                (
                    PathBuf::from(&disk.path),
                    checks::copied_bytes(disk, over_commit),
                )
            })
            .collect();
        let reserved = self.reserved_bytes();
        let lack = self.files.run(move || lacking(&needs, reserved)).await?;
        let lack = lack.map_err(|error| DriverError::Unavailable(error.to_string()))?;
        match lack {
            Some(lack) => Err(checks::too_large(guest, lack.free, lack.need)),
            None => Ok(()),
        }
    }

    /// Nothing may lie where a copy will.
    pub(super) async fn places_are_free(
        &self,
        guest: &Domain,
        own: &HostFacts,
    ) -> Result<(), DriverError> {
        let places: Vec<PathBuf> = checks::disks_to_copy(guest, &own.pools)
            .map(|disk| PathBuf::from(&disk.path))
            .collect();
        let is_taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        let taken = move || places.into_iter().find(is_taken);
        match self.files.run(taken).await? {
            Some(path) => Err(unready(
                guest.server,
                &path.to_string_lossy(),
                &format!(
                    "{} has such a file already, and nothing is overwritten. If both hosts see \
                     the same storage there, name it in shared_storage",
                    self.name
                ),
            )),
            None => Ok(()),
        }
    }

    /// What the copies are linked clones of has to be here, and the same.
    async fn backing_is_here(&self, guest: &Domain, own: &HostFacts) -> Result<(), DriverError> {
        for disk in checks::disks_to_copy(guest, &own.pools) {
            let Some(backing) = &disk.backing else {
                continue;
            };
            let here = self
                .fingerprint(Path::new(&backing.path), &backing.format)
                .await;
            let problem = match here {
                Ok(here) if Some(&here) == backing.fingerprint.as_ref() => continue,
                Ok(_) => format!("{} has another file of that name", self.name),
                Err(error) => error.to_string(),
            };
            return Err(unready(
                guest.server,
                &disk.path,
                &format!("it is a linked clone of {}: {problem}", backing.path),
            ));
        }
        Ok(())
    }

    async fn fingerprint(&self, path: &Path, format: &str) -> Result<String, ImageError> {
        let chain = images::chain(path, format, self.config.call_timeout()).await?;
        let print = self.files.run(move || images::fingerprint(&chain)).await;
        print.map_err(|error| ImageError::Refused(error.to_string()))?
    }
}

/// Disks that libvirt cannot copy, by target, and why.
fn uncopyable(live: &Live, server: ServerUuid) -> Vec<(String, &'static str)> {
    let definition = live.connect.lookup_domain_by_uuid(server.0);
    let xml = definition
        .and_then(|domain| domain.xml_desc(0))
        .unwrap_or_default();
    let disks = Definition::parse(&xml).map(|read| read.disks);
    let why = |disk: &DiskElement| {
        if disk.shareable {
            Some("it is shareable: if both hosts see it, name its storage in shared_storage")
        } else if disk.encrypted {
            Some("it is encrypted, and a copy's secret is not known there")
        } else if !disk.file {
            Some("it is no file")
        } else {
            None
        }
    };
    let disks = disks.unwrap_or_default();
    disks
        .into_iter()
        .filter_map(|disk| Some((disk.target.clone(), why(&disk)?)))
        .collect()
}

fn definition(json: Option<&str>) -> Result<Option<CpuDefinition>, DriverError> {
    let read = json.map(serde_json::from_str).transpose();
    read.map_err(|error| checks::cpu_failure(&format!("It is not described: {error}.")))
}

fn refused(server: ServerUuid, disk: &Disk, why: &str) -> DriverError {
    checks::pre_check(&format!(
        "Unable to migrate {server}: {} ({}) cannot be copied: {why}.",
        disk.path, disk.target
    ))
}

fn unready(server: ServerUuid, path: &str, why: &str) -> DriverError {
    checks::pre_check(&format!("Unable to migrate {server}: {path}: {why}."))
}
