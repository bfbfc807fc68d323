//! `GET /openapi.json`: the document of this API. It is kept by hand, and held to the table of
//! routes and to real answers by tests (decision 17).

use super::reply::Reply;

/// The document.
pub const DOCUMENT: &str = include_str!("openapi.json");

pub fn show() -> Reply {
    Reply::text(DOCUMENT)
}
