//! Versions of what can be changed: `ETag`, and `If-Match` of those who change it.

use actix_web::http::header::{self, EntityTag, HeaderMap, from_comma_delimited};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::problem::{Code, Problem};

/// The version of something that was changed so often.
pub fn of_generation(generation: i64) -> EntityTag {
    EntityTag::new_strong(generation.to_string())
}

/// The version of something whose changes nobody counts: of all that it consists of.
///
/// # Errors
/// `internal-error` where it has no JSON form.
pub fn of_content(content: &impl Serialize) -> Result<EntityTag, Problem> {
    let content = serde_json::to_vec(content).map_err(Problem::internal)?;
    let digest = hex::encode(Sha256::digest(content));
    let tag = digest.get(..TAG).unwrap_or(&digest);
    Ok(EntityTag::new_strong(tag.to_owned()))
}

/// Hexadecimal digits of a digest that tell versions of one thing apart.
const TAG: usize = 24;

/// Is the version that the caller read still the `current` one? Who names none does not care.
///
/// # Errors
/// `precondition-failed`, and `invalid-input` where the header is no list of versions.
pub fn check(headers: &HeaderMap, current: &EntityTag) -> Result<(), Problem> {
    let named = || headers.get_all(header::IF_MATCH);
    if named().next().is_none() || named().all(|value| value.as_bytes().trim_ascii() == b"*") {
        return Ok(());
    }
    // What is no tag is left out of the list.
    let tags: Vec<EntityTag> = from_comma_delimited(named()).unwrap_or_default();
    if tags.is_empty() {
        let detail = "It is * or a list of entity tags.";
        return Err(Problem::input("If-Match", detail));
    }
    match tags.iter().any(|tag| tag.strong_eq(current)) {
        true => Ok(()),
        false => Err(Problem::new(
            Code::PreconditionFailed,
            format!("Its version is {current} by now. Read it again."),
        )),
    }
}

/// Does the caller want just the version changed that he read?
pub fn names_one(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(header::IF_MATCH);
    named.any(|value| value.as_bytes().trim_ascii() != b"*")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn checked(if_match: Option<&'static str>) -> Option<Code> {
        let mut headers = HeaderMap::new();
        if let Some(value) = if_match {
            headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
        }
        let checked = check(&headers, &of_generation(7));
        checked.err().map(|problem| problem.code())
    }

    #[test]
    fn what_is_the_same_has_the_same_version() {
        let version = |content: serde_json::Value| of_content(&content).unwrap();
        let one = version(serde_json::json!(["power", null]));
        assert_eq!(one, version(serde_json::json!(["power", null])));
        assert_ne!(one, version(serde_json::json!(["water", null])));
        assert_eq!(one.tag().len(), TAG);
    }

    #[test]
    fn only_the_version_that_was_read_is_changed() {
        for good in [None, Some("*"), Some("\"7\""), Some("\"6\", \"7\"")] {
            assert_eq!(checked(good), None, "{good:?}");
        }
        for old in ["\"6\"", "W/\"7\"", "\"6\", \"8\""] {
            assert_eq!(checked(Some(old)), Some(Code::PreconditionFailed), "{old}");
        }
        for bad in ["7", "", "*, *"] {
            assert_eq!(checked(Some(bad)), Some(Code::InvalidInput), "{bad}");
        }
    }
}
