//! Who asked for a change.

use serde::{Deserialize, Serialize};

/// The user of a request, its project, and the request's id; what is not known is `None`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Requester {
    pub user: Option<String>,
    pub project: Option<String>,
    pub request_id: Option<String>,
}
