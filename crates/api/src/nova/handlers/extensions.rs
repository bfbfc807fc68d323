//! The list of extensions, which says nothing any more.

use super::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::extension::ExtensionView;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::EXTENSIONS)?;
    Reply::document("extensions", &ExtensionView::list(call.links.root()))
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_global(rules::EXTENSIONS)?;
    let found = ExtensionView::find(call.links.root(), &call.ids.id);
    let extension = found.ok_or_else(ApiError::no_such_resource)?;
    Reply::document("extension", extension)
}
