//! `GET /versions/{id}`: a version's document, for whoever has a token.

use crate::call::Call;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::root::Root;
use crate::routes::Answer;
use crate::views::version::VersionDocument;

/// Shows a version. Its links lead to where it was asked for.
pub fn show(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let named = |root: &Root| root.id() == call.ids.id;
        let root = Root::ALL
            .into_iter()
            .find(named)
            .ok_or_else(ApiError::no_such_resource)?;
        Reply::json(&VersionDocument::new(
            root,
            call.links.base(),
            call.links.root(),
        ))
    })
}
