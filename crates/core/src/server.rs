//! The states of a server and the one word that Nova's API makes of them.

mod patch;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::patch::{FaultChange, Home, ServerPatch, SightingChange, cleaned_host, patch};
use crate::ids::HostName;
use crate::status::{MigrationKind, words};

words!(
    /// What a server is, as far as the service is concerned (`vm_state`).
    #[allow(missing_docs, reason = "the words are Nova's")]
    VmState, "vm_state", {
        Active = "active",
        Building = "building",
        /// Paused by its user, in memory.
        Paused = "paused",
        Suspended = "suspended",
        Stopped = "stopped",
        /// Booted from a rescue image.
        Rescued = "rescued",
        /// Moved or resized, waiting for confirmation.
        Resized = "resized",
        /// Deleted, can be restored.
        SoftDeleted = "soft-delete",
        Deleted = "deleted",
        /// Broken; an operator has to look.
        Error = "error",
        /// Off, kept on its host.
        Shelved = "shelved",
        /// Off, on no host.
        ShelvedOffloaded = "shelved_offloaded",
    }
);

words!(
    /// What is being done to a server (`task_state`). Rows imported from Nova hold any
    /// of these; Godwit itself sets only those of moves and of power actions.
    #[allow(missing_docs, reason = "the words are Nova's")]
    TaskState, "task_state", {
        Migrating = "migrating",
        ResizePrep = "resize_prep",
        ResizeMigrating = "resize_migrating",
        ResizeMigrated = "resize_migrated",
        ResizeFinish = "resize_finish",
        ResizeReverting = "resize_reverting",
        ResizeConfirming = "resize_confirming",
        Rebuilding = "rebuilding",
        RebuildBlockDeviceMapping = "rebuild_block_device_mapping",
        RebuildSpawning = "rebuild_spawning",
        Rebooting = "rebooting",
        RebootPending = "reboot_pending",
        RebootStarted = "reboot_started",
        RebootingHard = "rebooting_hard",
        RebootPendingHard = "reboot_pending_hard",
        RebootStartedHard = "reboot_started_hard",
        UpdatingPassword = "updating_password",
        Scheduling = "scheduling",
        BlockDeviceMapping = "block_device_mapping",
        Networking = "networking",
        Spawning = "spawning",
        ImageSnapshot = "image_snapshot",
        ImageSnapshotPending = "image_snapshot_pending",
        ImagePendingUpload = "image_pending_upload",
        ImageUploading = "image_uploading",
        ImageBackup = "image_backup",
        Pausing = "pausing",
        Unpausing = "unpausing",
        Suspending = "suspending",
        Resuming = "resuming",
        PoweringOff = "powering-off",
        PoweringOn = "powering-on",
        Rescuing = "rescuing",
        Unrescuing = "unrescuing",
        Deleting = "deleting",
        SoftDeleting = "soft-deleting",
        Restoring = "restoring",
        Shelving = "shelving",
        ShelvingImagePendingUpload = "shelving_image_pending_upload",
        ShelvingImageUploading = "shelving_image_uploading",
        ShelvingOffloading = "shelving_offloading",
        Unshelving = "unshelving",
    }
);

impl VmState {
    /// What a server is when its hypervisor says this; `None` where that says nothing.
    pub const fn of_power(power: PowerState) -> Option<Self> {
        match power {
            PowerState::Running => Some(Self::Active),
            PowerState::Paused => Some(Self::Paused),
            PowerState::Shutdown | PowerState::Crashed => Some(Self::Stopped),
            PowerState::Suspended => Some(Self::Suspended),
            PowerState::NoState => None,
        }
    }

    /// What a server that was this is, now that its own host says `power` of it. The state follows
    /// only where nobody works on the server, and where it means no more than what its guest does.
    pub fn observed(self, task: Option<TaskState>, power: PowerState) -> Self {
        match self {
            Self::Active | Self::Paused | Self::Stopped | Self::Suspended if task.is_none() => {
                Self::of_power(power).unwrap_or(self)
            }
            Self::Active
            | Self::Paused
            | Self::Stopped
            | Self::Suspended
            | Self::Building
            | Self::Rescued
            | Self::Resized
            | Self::SoftDeleted
            | Self::Deleted
            | Self::Error
            | Self::Shelved
            | Self::ShelvedOffloaded => self,
        }
    }

    /// What the hypervisor says of a server that is this, as far as moves go.
    pub const fn power_state(self) -> PowerState {
        match self {
            Self::Stopped => PowerState::Shutdown,
            Self::Paused => PowerState::Paused,
            Self::Suspended => PowerState::Suspended,
            Self::Active
            | Self::Building
            | Self::Rescued
            | Self::Resized
            | Self::SoftDeleted
            | Self::Deleted
            | Self::Error
            | Self::Shelved
            | Self::ShelvedOffloaded => PowerState::Running,
        }
    }
}

impl TaskState {
    /// The tasks that migrations of a kind set, and take away in the transaction that ends them.
    pub const fn of_migrations(kind: MigrationKind) -> &'static [Self] {
        match kind {
            MigrationKind::LiveMigration => &[Self::Migrating],
            MigrationKind::Migration | MigrationKind::Resize => &[
                Self::ResizePrep,
                Self::ResizeMigrating,
                Self::ResizeMigrated,
                Self::ResizeFinish,
                Self::ResizeReverting,
                Self::ResizeConfirming,
            ],
            MigrationKind::Evacuation => &[
                Self::Rebuilding,
                Self::RebuildBlockDeviceMapping,
                Self::RebuildSpawning,
            ],
        }
    }

    /// Do only migrations set it?
    pub fn is_of_migrations(self) -> bool {
        let mut kinds = MigrationKind::ALL.iter();
        kinds.any(|kind| Self::of_migrations(*kind).contains(&self))
    }
}

/// What decides what may be done to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerState {
    /// The host where it is recorded.
    pub host: Option<HostName>,
    /// That host, as its hypervisor calls itself.
    pub node: Option<String>,
    /// What it is.
    pub vm_state: VmState,
    /// What is being done to it.
    pub task_state: Option<TaskState>,
    /// What the hypervisor last said of it.
    pub power_state: PowerState,
}

/// What the hypervisor says of a guest. The numbers are Nova's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PowerState {
    /// Unknown.
    NoState = 0,
    Running = 1,
    /// In memory, not executing.
    Paused = 3,
    Shutdown = 4,
    Crashed = 6,
    /// On disk.
    Suspended = 7,
}

impl PowerState {
    /// Every power state.
    pub const ALL: &'static [Self] = &[
        Self::NoState,
        Self::Running,
        Self::Paused,
        Self::Shutdown,
        Self::Crashed,
        Self::Suspended,
    ];

    /// Nova's number.
    pub const fn as_i32(self) -> i32 {
        match self {
            Self::NoState => 0,
            Self::Running => 1,
            Self::Paused => 3,
            Self::Shutdown => 4,
            Self::Crashed => 6,
            Self::Suspended => 7,
        }
    }

    /// Nova's number read back; numbers that Nova no longer uses are `NoState`.
    pub const fn from_i32(number: i32) -> Self {
        match number {
            1 => Self::Running,
            3 => Self::Paused,
            4 => Self::Shutdown,
            6 => Self::Crashed,
            7 => Self::Suspended,
            _ => Self::NoState,
        }
    }
}

impl PowerState {
    /// Nova's word for it in texts of errors; for [`Self::NoState`] that is `pending`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoState => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::Crashed => "crashed",
            Self::Suspended => "suspended",
        }
    }

    /// Is it known that the guest does not execute?
    pub const fn is_off(self) -> bool {
        match self {
            Self::Shutdown | Self::Crashed | Self::Suspended => true,
            Self::NoState | Self::Running | Self::Paused => false,
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Is a server off because it was meant to be? Its `vm_state` alone does not say: a failed
/// evacuation makes it `error`, and an operator's reset makes it what they choose. The power
/// state outlives both, so whoever starts a server elsewhere asks for both.
pub const fn was_off(vm: VmState, power: PowerState) -> bool {
    match vm {
        VmState::Stopped => true,
        VmState::Active
        | VmState::Building
        | VmState::Paused
        | VmState::Suspended
        | VmState::Rescued
        | VmState::Resized
        | VmState::SoftDeleted
        | VmState::Deleted
        | VmState::Error
        | VmState::Shelved
        | VmState::ShelvedOffloaded => power.is_off(),
    }
}

/// The `status` of a server in Nova's API (`contract: actions.md §8.2`).
pub const fn display_status(vm: VmState, task: Option<TaskState>) -> &'static str {
    use TaskState as T;
    match vm {
        VmState::Active => match task {
            Some(T::Migrating) => "MIGRATING",
            Some(T::ResizePrep | T::ResizeMigrating | T::ResizeMigrated | T::ResizeFinish) => {
                "RESIZE"
            }
            Some(T::Rebuilding | T::RebuildBlockDeviceMapping | T::RebuildSpawning) => "REBUILD",
            Some(T::Rebooting | T::RebootPending | T::RebootStarted) => "REBOOT",
            Some(T::RebootingHard | T::RebootPendingHard | T::RebootStartedHard) => "HARD_REBOOT",
            Some(T::UpdatingPassword) => "PASSWORD",
            _ => "ACTIVE",
        },
        VmState::Building => "BUILD",
        VmState::Paused => match task {
            Some(T::Migrating) => "MIGRATING",
            _ => "PAUSED",
        },
        VmState::Suspended => "SUSPENDED",
        VmState::Stopped => match task {
            Some(T::ResizePrep | T::ResizeMigrating | T::ResizeMigrated | T::ResizeFinish) => {
                "RESIZE"
            }
            Some(T::Rebuilding | T::RebuildBlockDeviceMapping | T::RebuildSpawning) => "REBUILD",
            _ => "SHUTOFF",
        },
        VmState::Rescued => "RESCUE",
        VmState::Resized => match task {
            Some(T::ResizeReverting) => "REVERT_RESIZE",
            _ => "VERIFY_RESIZE",
        },
        VmState::SoftDeleted => "SOFT_DELETED",
        VmState::Deleted => "DELETED",
        VmState::Error => match task {
            Some(T::Rebuilding | T::RebuildBlockDeviceMapping | T::RebuildSpawning) => "REBUILD",
            _ => "ERROR",
        },
        VmState::Shelved => "SHELVED",
        VmState::ShelvedOffloaded => "SHELVED_OFFLOADED",
    }
}

/// Every word [`display_status`] can say: what the `status` filter of a list accepts.
pub const DISPLAY_STATUSES: &[&str] = &[
    "ACTIVE",
    "BUILD",
    "DELETED",
    "ERROR",
    "HARD_REBOOT",
    "MIGRATING",
    "PASSWORD",
    "PAUSED",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SOFT_DELETED",
    "SUSPENDED",
    "VERIFY_RESIZE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_statuses_is_what_the_function_says() {
        let mut said: Vec<_> = VmState::ALL
            .iter()
            .flat_map(|vm| {
                let tasks = TaskState::ALL.iter().copied().map(Some).chain([None]);
                tasks.map(|task| display_status(*vm, task))
            })
            .collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said, DISPLAY_STATUSES);
    }

    #[test]
    fn a_state_follows_its_guest_only_while_nobody_works_on_the_server() {
        let follow = ["active", "paused", "stopped", "suspended"];
        for state in VmState::ALL {
            for power in PowerState::ALL {
                for task in TaskState::ALL {
                    assert_eq!(state.observed(Some(*task), *power), *state);
                }
                let observed = state.observed(None, *power);
                if follow.contains(&state.as_str()) {
                    assert_eq!(observed, VmState::of_power(*power).unwrap_or(*state));
                    assert!(follow.contains(&observed.as_str()));
                } else {
                    assert_eq!(observed, *state);
                }
            }
        }
    }

    #[test]
    fn a_state_and_what_its_guest_does_agree() {
        for power in PowerState::ALL {
            if let Some(state) = VmState::of_power(*power) {
                let off = state.power_state().is_off();
                assert_eq!(off, power.is_off(), "{power}");
            }
        }
    }

    #[test]
    fn power_states_read_back() {
        for state in PowerState::ALL {
            assert_eq!(PowerState::from_i32(state.as_i32()), *state);
        }
    }
}
