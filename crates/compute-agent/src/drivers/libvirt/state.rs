//! What this driver saves of a migration: exactly what it may undo later.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DriverState {
    /// Destination: made for the guest, or about to be; in the order of making.
    pub(super) made: Vec<Made>,
    /// Destination: all of it is made. From then on the guest may come any time, and what was
    /// made is not made anew.
    pub(super) ready: bool,
    /// Source: the move was begun, or was about to be. Called what it was when agents first
    /// wrote it.
    #[serde(rename = "departure")]
    pub(super) started: Option<Started>,
    /// Source of a cold move: the guest was powered off, or was about to be.
    pub(super) powered_off: Option<PoweredOff>,
    /// Destination: the guest was defined here from its definition, or was about to be. From
    /// then on the domain of its uuid is this migration's.
    pub(super) booting: bool,
}

/// How a cold move found its guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoweredOff {
    pub(super) was: Was,
    /// Is the move over? Nothing is powered off or on any more.
    pub(super) over: bool,
}

/// What a guest did before it was powered off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Was {
    Running,
    /// It was in memory, paused by its user.
    Paused,
    /// It was off, and stays off.
    Off,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made {
    Directory(PathBuf),
    Disk(PathBuf),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    /// The files whose content the destination gets a copy of.
    pub(super) copied: Vec<PathBuf>,
    /// Was libvirt told that it may switch to post-copy?
    pub(super) post_copy: bool,
    /// Did we pause the guest, or were about to, to get the move over with? libvirt lifts such
    /// a pause itself when the move fails; but not one that came when it just had.
    pub(super) paused: bool,
    /// Is the move over? It is never begun again.
    pub(super) over: bool,
}
