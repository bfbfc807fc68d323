//! `GET /versions/{id}`: a version's document, for whoever has a token.

use super::{Answer, ApiError, Call, Reply};
use crate::nova::root::Root;
use crate::nova::views::version::Version;

/// Shows a version. Its links lead to where it was asked for.
pub async fn show(call: &Call) -> Answer {
    let named = |root: &Root| root.id() == call.ids.id;
    let root = Root::ALL
        .into_iter()
        .find(named)
        .ok_or_else(ApiError::no_such_resource)?;
    let version = Version::document(root, call.links.base(), call.links.root());
    Reply::document("version", &version)
}
