//! The id of a request, which its answer and its lines in the log carry.

use std::fmt;

use actix_web::{HttpMessage, HttpRequest};
use uuid::Uuid;

/// The id that the logging layer gave a request, in OpenStack's form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(tracing_actix_web::RequestId);

impl RequestId {
    /// `None` where no logging layer stands before the API.
    pub(crate) fn of(request: &impl HttpMessage) -> Option<Self> {
        request.extensions().get().copied().map(Self)
    }

    /// The id as text, whatever stands before the API.
    pub(crate) fn text(request: &HttpRequest) -> String {
        Self::of(request).map_or_else(|| format!("req-{}", Uuid::nil()), |id| id.to_string())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req-{}", *self.0)
    }
}
