//! Versions of what can be changed: `ETag`, and `If-Match` of those who change it.

use actix_web::HttpRequest;
use actix_web::http::header::{self, EntityTag, Header, IfMatch};

use super::problem::{Code, Problem};

/// The version of something that was changed so often.
pub fn of_generation(generation: i64) -> EntityTag {
    EntityTag::new_strong(generation.to_string())
}

/// Is the version that the caller read still the `current` one? Who names none does not care.
///
/// # Errors
/// `precondition-failed`, and `invalid-input` where the header is no list of versions.
pub fn check(request: &HttpRequest, current: &EntityTag) -> Result<(), Problem> {
    if !request.headers().contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let malformed = || Problem::input("If-Match", "It is * or a list of entity tags.");
    let matches = match IfMatch::parse(request) {
        Ok(IfMatch::Any) => true,
        // What is no tag is left out of the list.
        Ok(IfMatch::Items(tags)) if !tags.is_empty() => {
            tags.iter().any(|tag| tag.strong_eq(current))
        }
        Ok(IfMatch::Items(_)) | Err(_) => return Err(malformed()),
    };
    match matches {
        true => Ok(()),
        false => Err(Problem::new(
            Code::PreconditionFailed,
            format!("Its version is {current} by now. Read it again."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn checked(if_match: Option<&str>) -> Option<Code> {
        let request = TestRequest::default();
        let request = match if_match {
            Some(value) => request.insert_header((header::IF_MATCH, value)),
            None => request,
        };
        let checked = check(&request.to_http_request(), &of_generation(7));
        checked.err().map(|problem| problem.code())
    }

    #[test]
    fn only_the_version_that_was_read_is_changed() {
        for good in [None, Some("*"), Some("\"7\""), Some("\"6\", \"7\"")] {
            assert_eq!(checked(good), None, "{good:?}");
        }
        for old in ["\"6\"", "W/\"7\"", "\"6\", \"8\""] {
            assert_eq!(checked(Some(old)), Some(Code::PreconditionFailed), "{old}");
        }
        assert_eq!(checked(Some("7")), Some(Code::InvalidInput));
    }
}
