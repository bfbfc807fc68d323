//! A volume attached to a server, as a thing of its own.

use godwit_core::ids::ServerUuid;
use godwit_store::{Server, Volume};
use serde::Serialize;

use super::{Gated, Microversion, milestone};

/// The whole document. A volume is the id of its attachment.
#[derive(Debug, Serialize)]
pub struct VolumeAttachmentView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Gated<&'a str>,
    #[serde(rename = "volumeId")]
    volume_id: &'a str,
    #[serde(rename = "serverId")]
    server_id: ServerUuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_on_termination: Gated<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_id: Gated<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bdm_uuid: Gated<Option<&'a str>>,
}

impl<'a> VolumeAttachmentView<'a> {
    /// The document of `volume`, attached to `server`; `None` where the version shows the volume
    /// service's id of the attachment, and nobody knows that.
    pub fn new(server: &Server, volume: &'a Volume, version: Microversion) -> Option<Self> {
        let since = |milestone| version >= milestone;
        let named = since(milestone::ATTACHMENT_IDS);
        let attachment_id = match volume.attachment_id.as_deref() {
            Some(id) => named.then_some(id),
            None if named => return None,
            None => None,
        };
        Some(Self {
            id: (!named).then_some(&volume.id),
            volume_id: &volume.id,
            server_id: server.uuid,
            device: volume.device.as_deref(),
            tag: since(milestone::ATTACHMENT_TAGS).then_some(volume.tag.as_deref()),
            delete_on_termination: since(milestone::ATTACHMENT_FATE)
                .then_some(volume.delete_on_termination),
            attachment_id,
            bdm_uuid: named.then_some(volume.mapping_uuid.as_deref()),
        })
    }
}
