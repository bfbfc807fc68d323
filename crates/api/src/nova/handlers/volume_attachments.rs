//! The volumes attached to a server: the same that the server itself shows. Clients take a
//! server without an image for one that started from a volume, and look for it here.

use super::{Answer, ApiError, Call, Reply, paging, rules};
use crate::nova::views::volume_attachment::VolumeAttachmentView;

pub async fn index(call: &Call) -> Answer {
    let server = call.server().await?.allow(call, rules::VOLUMES_INDEX)?;
    let server = &server.resource;
    let (offset, limit) = paging::slice(call);
    let volumes = server.launch.volumes.iter().skip(offset).take(limit);
    let views = volumes.filter_map(|it| VolumeAttachmentView::new(server, it, call.version));
    Reply::list("volumeAttachments", views)
}

pub async fn show(call: &Call) -> Answer {
    let server = call.server().await?.allow(call, rules::VOLUMES_SHOW)?;
    let server = &server.resource;
    let id = &call.ids.id;
    let volume = server.launch.volumes.iter().find(|it| it.id == *id);
    let view = volume.and_then(|it| VolumeAttachmentView::new(server, it, call.version));
    let view = view.ok_or_else(|| {
        ApiError::NotFound(format!(
            "Instance {} is not attached to volume {id}",
            call.ids.server
        ))
    })?;
    Reply::document("volumeAttachment", &view)
}
