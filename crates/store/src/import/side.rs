//! Tables that only add to servers: what their images and users said, and their volumes. Of
//! these everything is in memory that is shown, until the servers have been read.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use uuid::Uuid;

use super::columns::Flag;
use super::dump::{Dump, DumpError};
use crate::Volume;

/// What images leave in a server's system metadata.
const IMAGE: &str = "image_";

/// What of it says how an image is stored, not what it is like.
const NO_PROPERTY: [&str; 5] = [
    "base_image_ref",
    "container_format",
    "disk_format",
    "min_disk",
    "min_ram",
];

/// Where Nova keeps the reason of a lock.
const LOCKED_REASON: &str = "locked_reason";

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Said {
    pub(super) locked_reason: Option<String>,
    pub(super) image_properties: BTreeMap<String, String>,
}

/// What is said of servers, by server.
pub(super) type Metadata = HashMap<Uuid, Said>;

/// The volumes of servers, by server, in the order of their rows.
pub(super) type Volumes = HashMap<Uuid, Vec<Volume>>;

#[derive(Debug, Deserialize)]
struct MetadataRow {
    instance_uuid: Option<Uuid>,
    key: String,
    value: Option<String>,
    #[serde(default)]
    deleted: Flag,
}

#[derive(Debug, Deserialize)]
struct MappingRow {
    instance_uuid: Option<Uuid>,
    volume_id: Option<String>,
    #[serde(default)]
    delete_on_termination: Flag,
    device_name: Option<String>,
    tag: Option<String>,
    attachment_id: Option<String>,
    uuid: Option<String>,
    #[serde(default)]
    deleted: Flag,
}

fn keep(metadata: &mut Metadata, row: MetadataRow) {
    let (Some(server), Some(value), false) = (row.instance_uuid, row.value, row.deleted.0) else {
        return;
    };
    if row.key == LOCKED_REASON {
        metadata.entry(server).or_default().locked_reason = Some(value);
    } else if let Some(property) = row.key.strip_prefix(IMAGE)
        && !NO_PROPERTY.contains(&property)
    {
        let said = metadata.entry(server).or_default();
        said.image_properties.insert(property.to_owned(), value);
    }
}

fn attach(volumes: &mut Volumes, row: MappingRow) {
    if let (Some(server), Some(id), false) = (row.instance_uuid, row.volume_id, row.deleted.0) {
        volumes.entry(server).or_default().push(Volume {
            id,
            delete_on_termination: row.delete_on_termination.0,
            device: row.device_name,
            tag: row.tag,
            attachment_id: row.attachment_id,
            mapping_uuid: row.uuid,
        });
    }
}

/// Reads both tables; one that the dump does not have says nothing.
pub(super) fn read(dump: &Dump) -> Result<(Metadata, Volumes), DumpError> {
    let (mut metadata, mut volumes) = (Metadata::new(), Volumes::new());
    if let Some(mut rows) = dump.rows("instance_system_metadata")? {
        while let Some((_, row)) = rows.next()? {
            keep(&mut metadata, row);
        }
    }
    if let Some(mut rows) = dump.rows("block_device_mapping")? {
        while let Some((_, row)) = rows.next()? {
            attach(&mut volumes, row);
        }
    }
    Ok((metadata, volumes))
}
