//! A change of the inventory that matters to a plan.

use godwit_core::ids::{HostName, ServerUuid};
use serde::Serialize;

use crate::relocation::visibility::Visibility;

/// A server is elsewhere, or nowhere any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    pub server: ServerUuid,
    /// Where it was when the plan was made.
    pub was: HostName,
    pub is: Option<HostName>,
}

#[derive(Debug, Serialize)]
pub struct DifferenceView {
    code: &'static str,
    server: ServerUuid,
    was: Option<String>,
    is: Option<String>,
}

impl DifferenceView {
    pub fn new(moved: &Moved, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let host = |host: &HostName| sees.host(owner, host.as_str());
        Self {
            code: "server-host",
            server: moved.server,
            was: host(&moved.was),
            is: moved.is.as_ref().and_then(host),
        }
    }
}
