//! What every driver decides alike before a move: pure functions over both sides' facts, with
//! Nova's texts (`contract: actions.md §1`, `state-machine.md §4.1`).

use godwit_core::failure::FailureCode;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::command::MoveKind;
use godwit_rpc::domain::{Disk, Domain};
use godwit_rpc::facts::{HostFacts, Pool, reaches};

use crate::driver::DriverError;

/// Only a guest that is not already on its way can be moved; live, it has to be in memory.
///
/// # Errors
/// [`FailureCode::PowerState`].
pub fn guest_can_leave(guest: &Domain, kind: MoveKind) -> Result<(), DriverError> {
    let in_memory = matches!(guest.power_state, PowerState::Running | PowerState::Paused);
    let how = match (kind, guest.sighting) {
        (MoveKind::Live, Sighting::Executing) if in_memory => return Ok(()),
        (MoveKind::Cold, Sighting::Executing | Sighting::Inactive) => return Ok(()),
        (MoveKind::Live, _) => "live-migrated",
        (MoveKind::Cold | MoveKind::Evacuation, _) => "migrated",
    };
    Err(DriverError::failed(
        FailureCode::PowerState,
        format!(
            "Migration pre-check error: Instance {} is {} and cannot be {how}.",
            guest.server,
            match guest.sighting {
                Sighting::Moving | Sighting::HandedOver => "being moved already",
                Sighting::Incoming => "still arriving",
                Sighting::Executing
                | Sighting::Inactive
                | Sighting::Absent
                | Sighting::Unreachable => "not in memory",
            }
        ),
    ))
}

/// Shared or copied: what the request says, held against where the disks lie.
///
/// # Errors
/// [`FailureCode::NotLocalStorage`] and [`FailureCode::NotSharedStorage`].
pub fn storage_mode(
    guest: &Domain,
    destination: &HostFacts,
    wanted: BlockMigration,
) -> Result<StorageMode, DriverError> {
    let local = disks_to_copy(guest, &destination.pools).next();
    let shared = guest.disks.iter().find(|disk| !disk.read_only);
    match (wanted, local, shared) {
        (BlockMigration::Auto | BlockMigration::No, None, _) => Ok(StorageMode::Shared),
        (BlockMigration::Auto, Some(_), _) => Ok(StorageMode::Copied),
        (BlockMigration::Yes, Some(_), _) | (BlockMigration::Yes, None, None) => {
            Ok(StorageMode::Copied)
        }
        (BlockMigration::Yes, None, Some(disk)) => Err(DriverError::failed(
            FailureCode::NotLocalStorage,
            format!(
                "{} is not on local storage: Block migration can not be used with shared storage.",
                disk.path
            ),
        )),
        (BlockMigration::No, Some(disk), _) => Err(DriverError::failed(
            FailureCode::NotSharedStorage,
            format!(
                "{} is not on shared storage: Shared storage live-migration requires either \
                 shared storage or boot-from-volume with no local disks.",
                disk.path
            ),
        )),
    }
}

/// The disks that have to travel to a host that reaches `pools`.
pub fn disks_to_copy<'a>(guest: &'a Domain, pools: &'a [Pool]) -> impl Iterator<Item = &'a Disk> {
    guest.disks_to_copy(|pool| reaches(pools, pool))
}

/// The same kind of hypervisor, and not an older one than the guest comes from.
///
/// # Errors
/// [`FailureCode::HypervisorType`] and [`FailureCode::HypervisorTooOld`].
pub fn hypervisors_match(source: &HostFacts, destination: &HostFacts) -> Result<(), DriverError> {
    if source.hypervisor_type != destination.hypervisor_type {
        return Err(DriverError::failed(
            FailureCode::HypervisorType,
            "The supplied hypervisor type of is invalid.",
        ));
    }
    if source.hypervisor_version > destination.hypervisor_version {
        return Err(DriverError::failed(
            FailureCode::HypervisorTooOld,
            "The instance requires a newer hypervisor version than has been provided.",
        ));
    }
    Ok(())
}

/// Is there room at `destination` for the disks that would be copied? A request that wants
/// virtual sizes counted (`over_commit` false) gets that; what is really occupied always has
/// to fit, which Nova finds out only when the disk is full.
///
/// # Errors
/// [`FailureCode::PreCheck`].
pub fn disks_fit(
    guest: &Domain,
    destination: &HostFacts,
    storage: StorageMode,
    over_commit: Option<bool>,
) -> Result<(), DriverError> {
    let need = match storage {
        StorageMode::Shared => return Ok(()),
        StorageMode::Copied => bytes_to_copy(guest, destination, over_commit),
    };
    let available = destination.capacity.disk_free_bytes;
    if need <= available {
        return Ok(());
    }
    Err(too_large(guest, available, need))
}

/// What copied disks need at `destination`, bytes.
pub fn bytes_to_copy(guest: &Domain, destination: &HostFacts, over_commit: Option<bool>) -> u64 {
    disks_to_copy(guest, &destination.pools)
        .map(|disk| copied_bytes(disk, over_commit))
        .sum()
}

/// What the copy of one disk needs.
pub fn copied_bytes(disk: &Disk, over_commit: Option<bool>) -> u64 {
    match over_commit {
        Some(false) => disk.virtual_bytes.max(disk.allocated_bytes),
        Some(true) | None => disk.allocated_bytes,
    }
}

/// The guest's disks do not fit.
pub fn too_large(guest: &Domain, available: u64, need: u64) -> DriverError {
    pre_check(&format!(
        "Unable to migrate {}: Disk of instance is too large(available on destination \
         host:{available} < need:{need})",
        guest.server
    ))
}

/// What has no code of its own.
pub fn pre_check(reason: &str) -> DriverError {
    let message = ["Migration pre-check error: ", reason].concat();
    DriverError::failed(FailureCode::PreCheck, message)
}

/// The processor does not fit.
pub fn cpu_failure(reason: &str) -> DriverError {
    DriverError::failed(
        FailureCode::CpuIncompatible,
        format!("Unacceptable CPU info: CPU doesn't have compatibility. {reason}"),
    )
}
