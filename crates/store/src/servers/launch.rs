//! How a server was launched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What only whoever launched a server could know. Of a server that was adopted from its
/// hypervisor nobody does, and all of it is empty.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Launch {
    /// The request that made it, perhaps with others.
    pub reservation_id: Option<String>,
    /// Which of the servers of that request it is, from 0.
    pub launch_index: i64,
    /// A kernel's image beside its own, or nothing.
    pub kernel_id: String,
    /// A RAM disk's image beside its own, or nothing.
    pub ramdisk_id: String,
    /// Such as `/dev/vda`.
    pub root_device_name: Option<String>,
    /// What it was given to read when it first ran, in base 64.
    pub user_data: Option<String>,
    /// Was its file system fitted to its disk?
    pub auto_disk_config: bool,
    /// An address that its user noted.
    pub access_ipv4: Option<String>,
    /// An address that its user noted.
    pub access_ipv6: Option<String>,
    /// What its image said of itself.
    pub image_properties: BTreeMap<String, String>,
    /// The volumes attached to it.
    pub volumes: Vec<Volume>,
}

/// A volume attached to a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Volume {
    /// Which.
    pub id: String,
    /// Does it go with the server?
    pub delete_on_termination: bool,
    /// What the guest knows it as, such as `/dev/vda`.
    #[serde(default)]
    pub device: Option<String>,
    /// What its user called the attachment.
    #[serde(default)]
    pub tag: Option<String>,
    /// What the volume service calls the attachment.
    #[serde(default)]
    pub attachment_id: Option<String>,
    /// The attachment's own uuid, in Nova.
    #[serde(default)]
    pub mapping_uuid: Option<String>,
}
