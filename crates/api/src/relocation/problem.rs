//! How a request goes wrong: problem documents (RFC 9457) with a code for programs.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use godwit_core::plan::request::{Invalid, InvalidCode};
use godwit_core::words;
use godwit_store::{EventReadError, StoreError};
use serde::Serialize;
use serde_json::Value;

use crate::http::body::BodyError;
use crate::http::caller::Refusal;
use crate::http::idempotency::KeyError;
use crate::http::policy::BlockingError;
use crate::http::token::Unauthenticated;

words!(
    /// What went wrong. Codes never change meaning; new ones are added.
    Code, "problem code", {
        /// The request is malformed, or names what there is not.
        InvalidInput = "invalid-input",
        /// A destination is named for none or for many servers.
        DestinationNeedsOneServer = "destination-needs-one-server",
        /// No token, or none that is good.
        Unauthorized = "unauthorized",
        /// Policy does not allow it.
        Forbidden = "forbidden",
        /// The project has as much of it as it may.
        QuotaExceeded = "quota-exceeded",
        /// There is no such thing that the caller may know of.
        NotFound = "not-found",
        /// Nobody of this name holds the host.
        HolderUnknown = "holder-unknown",
        /// The path takes other methods.
        MethodNotAllowed = "method-not-allowed",
        /// The body did not arrive in time.
        RequestTimeout = "request-timeout",
        /// The same request with the same key is being answered.
        IdempotencyKeyInProgress = "idempotency-key-in-progress",
        /// The plan is being made, or was aborted.
        PlanNotReady = "plan-not-ready",
        /// The plan was ready for too long.
        PlanExpired = "plan-expired",
        /// The inventory has changed in a way that matters to the plan.
        PlanStale = "plan-stale",
        /// The plan has been run.
        PlanAlreadyRun = "plan-already-run",
        /// The operation has begun.
        OperationStarted = "operation-started",
        /// It has ended.
        AlreadyEnded = "already-ended",
        /// It is not in a state for that.
        WrongState = "wrong-state",
        /// A pod or cluster would be in two places, or servers would change their zone.
        TopologyConflict = "topology-conflict",
        /// The server may not come into the group, or leave it.
        GroupConflict = "group-conflict",
        /// Nobody has told this service how hosts are switched off.
        FencingNotConfigured = "fencing-not-configured",
        /// Events from the cursor on are no longer kept.
        CursorExpired = "cursor-expired",
        /// It has changed since the caller read it.
        PreconditionFailed = "precondition-failed",
        /// The body is longer than is read.
        PayloadTooLarge = "payload-too-large",
        /// The body is not JSON by its type.
        UnsupportedMediaType = "unsupported-media-type",
        /// The key came with another request before.
        IdempotencyKeyReused = "idempotency-key-reused",
        /// The request failed within the service.
        InternalError = "internal-error",
        /// The service is busy, or cannot ask what it needs.
        Unavailable = "unavailable",
    }
);

impl Code {
    /// The status of answers with this code.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidInput | Self::DestinationNeedsOneServer => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::QuotaExceeded => StatusCode::FORBIDDEN,
            Self::NotFound | Self::HolderUnknown => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::IdempotencyKeyInProgress
            | Self::PlanNotReady
            | Self::PlanExpired
            | Self::PlanStale
            | Self::PlanAlreadyRun
            | Self::OperationStarted
            | Self::AlreadyEnded
            | Self::WrongState
            | Self::TopologyConflict
            | Self::GroupConflict
            | Self::FencingNotConfigured => StatusCode::CONFLICT,
            Self::CursorExpired => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it means, whatever the request was.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidInput => "The request is malformed, or names what there is not.",
            Self::DestinationNeedsOneServer => "A destination is for one server.",
            Self::Unauthorized => "The request has no token, or none that is good.",
            Self::Forbidden => "Policy does not allow it.",
            Self::QuotaExceeded => "The project has as much of it as it may.",
            Self::NotFound => "There is no such thing that you may know of.",
            Self::HolderUnknown => "Nobody of this name holds the host.",
            Self::MethodNotAllowed => "The path takes other methods.",
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::IdempotencyKeyInProgress => {
                "The same request with the same key is being answered."
            }
            Self::PlanNotReady => "The plan is being made, or was aborted.",
            Self::PlanExpired => "The plan was ready for too long.",
            Self::PlanStale => "The inventory has changed in a way that matters to the plan.",
            Self::PlanAlreadyRun => "The plan has been run.",
            Self::OperationStarted => "The operation has begun.",
            Self::AlreadyEnded => "It has ended.",
            Self::WrongState => "It is not in a state for that.",
            Self::TopologyConflict => {
                "A pod or cluster would be in two places, or servers would change their zone."
            }
            Self::GroupConflict => "The server may not come into the server group, or leave it.",
            Self::FencingNotConfigured => "No fencing by power is configured.",
            Self::CursorExpired => "Events from the cursor on are no longer kept.",
            Self::PreconditionFailed => "It has changed since you read it.",
            Self::PayloadTooLarge => "The body is too long.",
            Self::UnsupportedMediaType => "The body is not JSON by its type.",
            Self::IdempotencyKeyReused => "The key was sent before, with another request.",
            Self::InternalError => "The request failed within the service.",
            Self::Unavailable => "The service is busy, or cannot ask what it needs.",
        }
    }
}

/// What is wrong with one part of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InputError {
    /// A JSON pointer into the body as a URI fragment (`#/servers/0`), `?name` for a part of the
    /// query, or a header's name.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What stands in a problem beside its text.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Parts {
    /// What is wrong with the request.
    Errors(Vec<InputError>),
    /// What has changed in the inventory.
    Differences(Vec<Value>),
    /// Why it cannot be.
    Reasons(Vec<Value>),
}

/// A request that is not granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    parts: Parts,
    header: Option<(HeaderName, String)>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            parts: Parts::Errors(Vec::new()),
            header: None,
        }
    }

    /// What is the matter, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A part of the request is wrong.
    pub fn input(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::inputs(vec![InputError {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    /// Parts of the request are wrong, at least one.
    pub fn inputs(errors: Vec<InputError>) -> Self {
        let parts: Vec<String> = errors
            .iter()
            .map(|InputError { pointer, detail }| format!("{pointer}: {detail}"))
            .collect();
        Self {
            parts: Parts::Errors(errors),
            ..Self::new(Code::InvalidInput, parts.join("; "))
        }
    }

    /// Core finds parts of the request wrong, at least one; `None`: it finds nothing wrong.
    pub(super) fn invalid(wrong: Vec<Invalid>) -> Option<Self> {
        let of_destination = wrong
            .iter()
            .any(|it| it.code == InvalidCode::DestinationNeedsOneServer);
        let errors = wrong.into_iter().map(|it| InputError {
            pointer: format!("#{}", it.pointer),
            detail: sentence(&it.detail),
        });
        let errors: Vec<InputError> = errors.collect();
        let problem = (!errors.is_empty()).then(|| Self::inputs(errors))?;
        Some(match of_destination {
            true => Self {
                code: Code::DestinationNeedsOneServer,
                ..problem
            },
            false => problem,
        })
    }

    /// The same with what has changed in the inventory.
    pub(super) fn with_differences(self, differences: Vec<Value>) -> Self {
        let parts = Parts::Differences(differences);
        Self { parts, ..self }
    }

    /// The same with why it cannot be.
    pub(super) fn with_reasons(self, reasons: Vec<Value>) -> Self {
        let parts = Parts::Reasons(reasons);
        Self { parts, ..self }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no {what}."))
    }

    /// An invariant of the code does not hold. The cause goes to the log, never to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "the request failed");
        Self::new(Code::InternalError, "The log says why.")
    }

    /// The same, with a header that its status asks for.
    pub(crate) fn with_header(self, name: HeaderName, value: String) -> Self {
        let header = Some((name, value));
        Self { header, ..self }
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn into_response(self, request_id: &str) -> HttpResponse {
        const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
        let status = self.code.status();
        let (errors, differences, reasons): (&[InputError], &[Value], &[Value]) = match &self.parts
        {
            Parts::Errors(errors) => (errors, &[], &[]),
            Parts::Differences(differences) => (&[], differences, &[]),
            Parts::Reasons(reasons) => (&[], &[], reasons),
        };
        let document = Document {
            uri: format!("urn:godwit:problem:{}", self.code),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors,
            differences,
            reasons,
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, TYPE));
        if let Some(header) = &self.header {
            response.insert_header((header.0.clone(), header.1.as_str()));
        }
        // It is text and numbers, and always has a JSON form.
        response.body(serde_json::to_vec(&document).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    uri: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[InputError]>::is_empty")]
    errors: &'a [InputError],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    differences: &'a [Value],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    reasons: &'a [Value],
}

/// `cluster c is in zone z` as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!(
        "{}{}.",
        first.map(String::from).unwrap_or_default(),
        letters.as_str()
    )
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the service is busy");
            Self::new(Code::Unavailable, "The database is busy. Try again later.")
        } else {
            Self::internal(error)
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(rule) => {
                Self::new(Code::Forbidden, format!("Policy does not allow {rule}."))
            }
            Refusal::Failed(error) => Self::internal(error),
        }
    }
}

impl From<BlockingError> for Problem {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::Crowded => Self::new(
                Code::Unavailable,
                "Too many requests wait for other services' decisions. Try again later.",
            ),
            BlockingError::Failed(error) => Self::internal(error),
        }
    }
}

impl From<Unauthenticated> for Problem {
    fn from(refused: Unauthenticated) -> Self {
        match refused {
            Unauthenticated::NoGoodToken(authenticate) => {
                Self::new(Code::Unauthorized, "Send a good token as X-Auth-Token.")
                    .with_header(header::WWW_AUTHENTICATE, authenticate)
            }
            Unauthenticated::CannotBeChecked => Self::new(
                Code::Unavailable,
                "The identity service cannot be asked about the token. Try again later.",
            ),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(Code::PayloadTooLarge, "Send less."),
            BodyError::Incomplete => Self::new(
                Code::RequestTimeout,
                "The body broke off, or took too long.",
            ),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed => Self::input("Idempotency-Key", KeyError::MALFORMED),
            KeyError::Reused => Self::new(Code::IdempotencyKeyReused, KeyError::REUSED),
            KeyError::InProgress => {
                Self::new(Code::IdempotencyKeyInProgress, KeyError::IN_PROGRESS)
            }
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<EventReadError> for Problem {
    fn from(error: EventReadError) -> Self {
        match error {
            EventReadError::Expired(position) => Self::new(
                Code::CursorExpired,
                format!(
                    "Events are not kept from position {position} on. Begin anew with \
                     /relocation/v1/snapshot."
                ),
            ),
            EventReadError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_a_sentence() {
        assert_eq!(sentence("pod p is in zone z"), "Pod p is in zone z.");
    }

    #[test]
    fn what_core_finds_wrong_is_told_with_its_place() {
        let invalid = |code, pointer: &str| Invalid {
            code,
            pointer: pointer.to_owned(),
            detail: "it is wrong".to_owned(),
        };
        assert!(Problem::invalid(Vec::new()).is_none());
        let plain = invalid(InvalidCode::InvalidInput, "");
        let problem = Problem::invalid(vec![plain.clone()]).unwrap();
        let expected = Problem::input("#", "It is wrong.");
        assert_eq!(problem, expected);
        let many = invalid(InvalidCode::DestinationNeedsOneServer, "/destination");
        let problem = Problem::invalid(vec![plain, many]).unwrap();
        assert_eq!(problem.code(), Code::DestinationNeedsOneServer);
        let Parts::Errors(errors) = problem.parts else {
            panic!("it is about the request");
        };
        assert_eq!(errors[1].pointer, "#/destination");
    }
}
