//! What lists of servers look at in text, as filters by pattern do.

use std::borrow::Cow;

use godwit_core::time::Timestamp;

use super::Server;
use crate::columns::{instant, text};

/// Something about a server that a pattern may look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerAttribute {
    /// What its user says of it.
    Description,
    /// How it calls itself.
    Hostname,
    /// The key that it was given.
    KeyName,
    /// Where it was asked to be.
    AvailabilityZone,
    /// `True` if it has a configuration drive.
    ConfigDrive,
    /// How far something that is done to it is, in percent.
    Progress,
    /// `owner` or `admin`.
    LockedBy,
    /// When it was created: `2026-11-01 00:00:00`.
    CreatedAt,
    /// When it first ran.
    LaunchedAt,
    /// When it ended.
    TerminatedAt,
    /// The request that made it.
    ReservationId,
    /// Which of the servers of that request it is.
    LaunchIndex,
    /// A kernel's image beside its own.
    KernelId,
    /// A RAM disk's image beside its own.
    RamdiskId,
    /// Such as `/dev/vda`.
    RootDeviceName,
    /// `1` if its file system was fitted to its disk, else `0`.
    AutoDiskConfig,
    /// An address that its user noted.
    AccessIpv4,
    /// An address that its user noted.
    AccessIpv6,
}

impl ServerAttribute {
    /// What `server` has of it; `None` matches no pattern.
    pub(super) fn of(self, server: &Server) -> Option<Cow<'_, str>> {
        let launch = &server.launch;
        match self {
            Self::Description => server.description.as_deref().map(Cow::from),
            Self::Hostname => Some(Cow::from(&server.hostname)),
            Self::KeyName => server.key_name.as_deref().map(Cow::from),
            Self::AvailabilityZone => server.availability_zone.as_deref().map(Cow::from),
            Self::ConfigDrive => Some(Cow::from(if server.config_drive { "True" } else { "" })),
            Self::Progress => Some(Cow::from(server.progress.to_string())),
            Self::LockedBy => server.lock.as_ref().map(|lock| Cow::from(text(lock.by))),
            Self::CreatedAt => Some(Cow::from(second(server.created_at))),
            Self::LaunchedAt => server.launched_at.map(second).map(Cow::from),
            Self::TerminatedAt => server.terminated_at.map(second).map(Cow::from),
            Self::ReservationId => launch.reservation_id.as_deref().map(Cow::from),
            Self::LaunchIndex => Some(Cow::from(launch.launch_index.to_string())),
            Self::KernelId => Some(Cow::from(&launch.kernel_id)),
            Self::RamdiskId => Some(Cow::from(&launch.ramdisk_id)),
            Self::RootDeviceName => launch.root_device_name.as_deref().map(Cow::from),
            Self::AutoDiskConfig => {
                Some(Cow::from(if launch.auto_disk_config { "1" } else { "0" }))
            }
            Self::AccessIpv4 => launch.access_ipv4.as_deref().map(Cow::from),
            Self::AccessIpv6 => launch.access_ipv6.as_deref().map(Cow::from),
        }
    }
}

fn second(at: Timestamp) -> String {
    instant(at).format("%Y-%m-%d %H:%M:%S").to_string()
}
