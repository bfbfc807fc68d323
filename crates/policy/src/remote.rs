//! Checks that ask another service: `http:` and `https:`.
//!
//! The crate does no I/O. It says what to ask and judges the answer; how the question travels
//! (time-out, TLS, content type) is the caller's.

use serde_json::{Value, json};

use crate::credentials::Credentials;
use crate::target::Target;

/// Carries questions to other services. An implementation may block: callers that must not be
/// blocked find out with [`Enforcer::asks_remote`](crate::Enforcer::asks_remote).
pub trait RemoteCheck: Send + Sync {
    /// Posts `question` to its URL and returns the body of the answer, whatever its status.
    ///
    /// # Errors
    /// When there is no answer. The rule then denies.
    fn post(&self, question: &RemoteQuestion<'_>) -> Result<String, RemoteFailure>;
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RemoteFailure(pub String);

/// A question to another service.
#[derive(Debug)]
pub struct RemoteQuestion<'a> {
    /// Where to post it.
    pub url: &'a str,
    /// The rule that is being enforced.
    pub rule: &'a str,
    /// What the caller wants to act on.
    pub target: &'a Target,
    /// Who the caller is.
    pub credentials: &'a Credentials,
}

impl RemoteQuestion<'_> {
    /// The body as `application/x-www-form-urlencoded` pairs, each value a JSON document. This is
    /// the form that services expect unless configured otherwise.
    #[must_use]
    pub fn form(&self) -> [(&'static str, String); 3] {
        [
            ("rule", Value::from(self.rule).to_string()),
            ("target", self.target.as_json().to_string()),
            ("credentials", self.credentials.to_json().to_string()),
        ]
    }

    /// The body as one JSON document.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "rule": self.rule,
            "target": self.target.as_json(),
            "credentials": self.credentials.to_json(),
        })
    }
}

/// Whether a service's answer allows: it says `True`, in double quotes or not.
pub(crate) fn allows(answer: &str) -> bool {
    answer.trim_start_matches('"').trim_end_matches('"') == "True"
}

#[cfg(test)]
mod tests {
    use super::allows;

    #[test]
    fn only_true_allows() {
        for answer in ["True", "\"True\"", "\"\"True"] {
            assert!(allows(answer));
        }
        for answer in ["", "true", "True\n", "'True'", "False", "\"", "True True"] {
            assert!(!allows(answer));
        }
    }
}
