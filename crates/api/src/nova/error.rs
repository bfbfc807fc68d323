//! What can go wrong with a request, and Nova's words for it.

use godwit_core::ids::ServerUuid;
use godwit_store::{KeptAnswer, StoreError};

use crate::http::caller::Refusal;
use crate::http::idempotency::KeyError;
use crate::http::policy::BlockingError;
use crate::nova::schema::Violation;

/// A request that is not granted. Each variant is one of Nova's faults
/// (`contract: http.md §7`); the texts are part of the contract, so variants carry theirs.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    /// 406: this version is not spoken.
    #[error("{0}")]
    NotAcceptable(String),
    #[error("{0}")]
    Conflict(String),
    #[error("unsupported content type")]
    UnsupportedContentType,
    /// 422: well formed, but not with this key.
    #[error("{0}")]
    Unprocessable(String),
    /// 503: the same request may succeed a little later.
    #[error("the service is busy")]
    Unavailable(#[source] StoreError),
    /// 503: too many requests wait for others to decide them.
    #[error("too many requests wait for other services' decisions")]
    Crowded,
    /// 500. The cause goes to the log, never to the caller.
    #[error("the request failed within the service")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    pub const fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::NotAcceptable(_) => 406,
            Self::Conflict(_) => 409,
            Self::UnsupportedContentType => 415,
            Self::Unprocessable(_) => 422,
            Self::Internal(_) => 500,
            Self::Unavailable(_) | Self::Crowded => 503,
        }
    }

    /// The member that holds the fault.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "badRequest",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "itemNotFound",
            Self::NotAcceptable(_) | Self::Unprocessable(_) | Self::Internal(_) => "computeFault",
            Self::Conflict(_) => "conflictingRequest",
            Self::UnsupportedContentType => "badMediaType",
            Self::Unavailable(_) | Self::Crowded => "serviceUnavailable",
        }
    }

    /// The text, as the caller sees it.
    pub fn message(&self) -> &str {
        match self {
            Self::BadRequest(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::NotAcceptable(text)
            | Self::Conflict(text)
            | Self::Unprocessable(text) => text,
            Self::UnsupportedContentType => "Unsupported Content-Type",
            Self::Unavailable(_) | Self::Crowded => "Service is unavailable at this time.",
            Self::Internal(_) => "Unexpected API Error. Please contact the administrator",
        }
    }

    /// Nova's text for 404 where the handler gave none.
    pub fn no_such_resource() -> Self {
        Self::NotFound("The resource could not be found.".to_owned())
    }

    /// Nova's text for 400 where the handler gave none.
    pub fn malformed_request() -> Self {
        let text = "The server could not comply with the request since it is either malformed \
                    or otherwise incorrect.";
        Self::BadRequest(text.to_owned())
    }

    /// The body is not JSON, or not an action.
    pub fn malformed_body() -> Self {
        Self::BadRequest("Malformed request body".to_owned())
    }

    /// No such server, or none that the caller may know of; `id` as the caller wrote it.
    pub fn no_such_server(id: &str) -> Self {
        Self::NotFound(format!("Instance {id} could not be found."))
    }

    pub fn denied(rule: &str) -> Self {
        Self::Forbidden(format!("Policy doesn't allow {rule} to be performed."))
    }

    pub fn locked(server: ServerUuid) -> Self {
        Self::Conflict(format!("Instance {server} is locked"))
    }

    /// The server is nowhere, so nobody can do anything to it.
    pub fn not_ready(server: ServerUuid) -> Self {
        Self::Conflict(format!("Instance {server} is not ready"))
    }

    /// The host that would have to work does not.
    pub fn service_down() -> Self {
        Self::Conflict("Service is unavailable at this time.".to_owned())
    }

    /// The server is not in a state for `action`, and there is no more to say.
    pub fn invalid_state(server: ServerUuid, action: &str) -> Self {
        Self::Conflict(format!(
            "Instance {server} is in an invalid state for '{action}'"
        ))
    }

    /// The server's host may be switched off at any moment. Nova has no word for that.
    pub fn in_maintenance(server: ServerUuid, action: &str) -> Self {
        Self::Conflict(format!(
            "Cannot '{action}' instance {server} while its host is in maintenance"
        ))
    }

    /// The server's `attribute` has a value that does not go with `action`. No value at all is
    /// [`Self::invalid_state`].
    pub fn wrong_state(
        server: ServerUuid,
        action: &str,
        attribute: &str,
        value: Option<&str>,
    ) -> Self {
        let Some(value) = value else {
            return Self::invalid_state(server, action);
        };
        Self::Conflict(format!(
            "Cannot '{action}' instance {server} while it is in {attribute} {value}"
        ))
    }

    /// A body does not conform to its schema.
    pub fn invalid_body(violation: Violation) -> Self {
        Self::invalid("field/attribute", violation)
    }

    /// A query does not conform to its schema.
    pub fn invalid_query(violation: Violation) -> Self {
        Self::invalid("query parameters", violation)
    }

    fn invalid(place: &str, violation: Violation) -> Self {
        let Violation {
            attribute,
            value,
            detail,
        } = violation;
        Self::BadRequest(match attribute {
            Some(attribute) => {
                format!("Invalid input for {place} {attribute}. Value: {value}. {detail}")
            }
            None => detail,
        })
    }

    /// The fault as it is kept, to be given again; `None` where the same request may be granted
    /// later.
    pub(crate) fn kept(&self) -> Option<KeptAnswer> {
        match self {
            Self::BadRequest(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Conflict(text) => Some(KeptAnswer {
                status: self.code(),
                location: None,
                etag: None,
                body: text.clone(),
            }),
            Self::NotAcceptable(_)
            | Self::UnsupportedContentType
            | Self::Unprocessable(_)
            | Self::Unavailable(_)
            | Self::Crowded
            | Self::Internal(_) => None,
        }
    }

    /// A fault that was kept; `None` if the answer was none.
    pub(crate) fn again(answer: &KeptAnswer) -> Option<Self> {
        let fault = match answer.status {
            400 => Self::BadRequest,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            _ => return None,
        };
        Some(fault(answer.body.clone()))
    }

    /// An invariant of the code does not hold.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(rule) => Self::denied(&rule),
            Refusal::Failed(error) => Self::internal(error),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed => Self::BadRequest(KeyError::MALFORMED.to_owned()),
            KeyError::Reused => Self::Unprocessable(KeyError::REUSED.to_owned()),
            KeyError::InProgress => Self::Conflict(KeyError::IN_PROGRESS.to_owned()),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<BlockingError> for ApiError {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::Crowded => Self::Crowded,
            BlockingError::Failed(error) => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Unavailable(error)
        } else {
            Self::internal(error)
        }
    }
}
