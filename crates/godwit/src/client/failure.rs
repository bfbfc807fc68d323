//! How a command goes wrong, and which number the program ends with.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde::Deserialize;

/// What came of a command. Scripts rely on the numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Done, or accepted.
    Done,
    /// Refused or failed.
    Failed,
    /// Said wrongly.
    Usage,
    /// Something stands in the way.
    Blocked,
    Partial,
    Cancelled,
    /// What was waited for has not ended in time.
    TimedOut,
    /// By Ctrl-C.
    Interrupted,
}

impl Outcome {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Blocked => 3,
            Self::Partial => 4,
            Self::Cancelled => 5,
            Self::TimedOut => 6,
            // As shells count who ends by this signal.
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.number())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    /// Whom to ask, and as whom, cannot be told.
    #[error("{0}")]
    Access(String),
    #[error("cannot reach {address}: {cause}")]
    Unreachable { address: String, cause: String },
    #[error(transparent)]
    Problem(#[from] Box<Problem>),
    #[error("{address} answers what makes no sense: {cause}")]
    Garbled { address: String, cause: String },
    /// A name stands for nothing, or for many.
    #[error("{0}")]
    Name(String),
    #[error("{0}")]
    TimedOut(String),
    #[error("{0}")]
    Interrupted(String),
}

impl Failure {
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_) => Outcome::Usage,
            Self::TimedOut(_) => Outcome::TimedOut,
            Self::Interrupted(_) => Outcome::Interrupted,
            Self::Access(_)
            | Self::Unreachable { .. }
            | Self::Problem(_)
            | Self::Garbled { .. }
            | Self::Name(_) => Outcome::Failed,
        }
    }

    pub(super) fn unreachable(address: &reqwest::Url, error: reqwest::Error) -> Self {
        Self::Unreachable {
            address: origin(address),
            // Without the address, which may be long, and stands there already.
            cause: root_cause(&error.without_url()),
        }
    }

    pub(super) fn garbled(address: &reqwest::Url, cause: impl fmt::Display) -> Self {
        Self::Garbled {
            address: origin(address),
            cause: cause.to_string(),
        }
    }

    /// Is it the answer that there is no such thing?
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == 404)
    }

    /// With a hint, where the API has refused with this code.
    pub(super) fn with_hint(mut self, code: &str, hint: impl FnOnce() -> String) -> Self {
        if let Self::Problem(problem) = &mut self
            && problem.code == code
        {
            problem.hint = Some(hint());
        }
        self
    }

    /// Is it the answer that one may not, or not as often?
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == 403)
    }
}

fn origin(address: &reqwest::Url) -> String {
    address.origin().ascii_serialization()
}

/// What an HTTP client says of itself is that it failed; the cause is at the end.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A request that was not granted (RFC 9457).
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) code: String,
    pub(crate) request_id: String,
    pub(crate) errors: Vec<InputError>,
    pub(crate) differences: Vec<Difference>,
    /// What the caller could do, where this client knows it.
    #[serde(skip)]
    pub(crate) hint: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InputError {
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

/// What has changed since a plan was made.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Difference {
    pub(crate) code: String,
    pub(crate) server: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) was: Option<String>,
    pub(crate) is: Option<String>,
}

impl Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, detail) = (self.title.trim_end_matches('.'), &self.detail);
        // With several errors the detail repeats them.
        if !self.errors.is_empty() || detail.is_empty() || *detail == self.title {
            write!(formatter, "{title}")?;
        } else if matches!(self.status, 403 | 404) {
            // It says the same of what was asked for.
            write!(formatter, "{}", detail.trim_end_matches('.'))?;
        } else {
            write!(formatter, "{title}: {detail}")?;
        }
        for InputError { pointer, detail } in &self.errors {
            if *detail == self.title {
                continue;
            }
            write!(formatter, "\n  {pointer}: {detail}")?;
        }
        for it in &self.differences {
            let subject = it.server.as_ref().or(it.host.as_ref());
            let subject = subject.map_or("", String::as_str);
            let [was, is] = [&it.was, &it.is].map(|it| it.as_deref().unwrap_or("nothing"));
            write!(formatter, "\n  {} {subject}: was {was}, is {is}", it.code)?;
        }
        write!(formatter, "\n  {}", self.status)?;
        if !self.code.is_empty() {
            write!(formatter, " {}", self.code)?;
        }
        if !self.request_id.is_empty() {
            write!(formatter, ", request {}", self.request_id)?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(document: serde_json::Value) -> Problem {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn a_problem_is_shown_with_its_pointers_code_and_request() {
        let problem = problem(json!({
            "type": "about:blank", "title": "The request is malformed.", "status": 400,
            "detail": "#/a: One; #/b: Two", "code": "invalid-input", "request_id": "req-1",
            "errors": [{"pointer": "#/a", "detail": "One"}, {"pointer": "#/b", "detail": "Two"}],
        }));
        assert_eq!(
            problem.to_string(),
            "The request is malformed\n  #/a: One\n  #/b: Two\n  400 invalid-input, request req-1"
        );
    }

    #[test]
    fn what_is_not_there_is_said_once() {
        let problem = problem(json!({
            "title": "There is no such thing that you may know of.", "status": 404,
            "detail": "There is no such host.", "code": "not-found", "request_id": "r",
        }));
        let hint = Some("godwit hosts".to_owned());
        assert_eq!(
            Problem { hint, ..problem }.to_string(),
            "There is no such host\n  404 not-found, request r\n  godwit hosts"
        );
    }

    #[test]
    fn a_stale_plan_is_shown_with_what_has_changed() {
        let problem = problem(json!({
            "title": "Stale.", "status": 409, "detail": "It has changed.", "code": "plan-stale",
            "request_id": "r",
            "differences": [{"code": "memory", "host": "host-2", "was": "8", "is": null}],
        }));
        assert_eq!(
            problem.to_string(),
            "Stale: It has changed.\n  memory host-2: was 8, is nothing\n  409 plan-stale, request r"
        );
    }

    #[test]
    fn outcomes_have_the_documented_numbers() {
        let all = [
            Outcome::Done,
            Outcome::Failed,
            Outcome::Usage,
            Outcome::Blocked,
            Outcome::Partial,
            Outcome::Cancelled,
            Outcome::TimedOut,
            Outcome::Interrupted,
        ];
        let page = include_str!("../../../../docs/command-line.md");
        for (outcome, number) in all.into_iter().zip([0, 1, 2, 3, 4, 5, 6, 130]) {
            assert_eq!(outcome.number(), number);
            assert_eq!(page.matches(&format!("\n| {number} | ")).count(), 1);
        }
    }
}
