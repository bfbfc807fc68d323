//! Bodies: of which type they may be, and which action they name (`contract: http.md §5, §8`).

use actix_web::http::header::{self, HeaderMap};
use serde_json::Value;

use crate::nova::error::ApiError;

/// Is the body of a type that is read, whether there is a body or not?
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(header::CONTENT_TYPE);
    let Some(value) = values.next() else {
        return Ok(());
    };
    // Several together are one value that names no type.
    if values.next().is_some() {
        return Err(ApiError::UnsupportedContentType);
    }
    let text = value
        .to_str()
        .map_err(|_| ApiError::UnsupportedContentType)?;
    match text.split(';').next().unwrap_or_default().trim() {
        "" | "text/plain" | "application/json" | "application/vnd.openstack.compute+json" => Ok(()),
        _ => Err(ApiError::UnsupportedContentType),
    }
}

/// The one member of a body that names an action, and its value.
///
/// Nova takes whatever Python calls one element long for a body with one action; what is then
/// not a name is no such resource.
pub(crate) fn action(body: &[u8]) -> Result<(String, Value), ApiError> {
    // Nesting beyond any body's is an error of the parser, long before the stack ends.
    let value: Value = serde_json::from_slice(body).map_err(|_| ApiError::malformed_body())?;
    match value {
        Value::Object(members) if members.len() == 1 => members
            .into_iter()
            .next()
            .ok_or_else(ApiError::malformed_body),
        Value::Array(items) if items.len() == 1 => Err(ApiError::no_such_resource()),
        Value::String(text) if text.chars().count() == 1 => Err(ApiError::no_such_resource()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Err(ApiError::no_such_resource()),
        Value::Object(_) | Value::Array(_) | Value::String(_) => Err(ApiError::malformed_body()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn what_names_an_action() {
        assert_eq!(
            action(br#"{"lock": null}"#).unwrap(),
            ("lock".to_owned(), Value::Null)
        );
        let deep = [&b"[".repeat(200)[..], &b"]".repeat(200)].concat();
        let bom = b"\xef\xbb\xbf{\"lock\": null}";
        for (body, code) in [
            (&b""[..], 400),
            (b"{", 400),
            (b"not json", 400),
            (b"{}", 400),
            (b"[]", 400),
            (b"\"lock\"", 400),
            (b"\"\"", 400),
            (br#"{"a": 1, "b": 2}"#, 400),
            (b"\xff", 400),
            (bom, 400),
            (&deep, 400),
            (b"NaN", 400),
            (br#"["lock"]"#, 404),
            (b"\"l\"", 404),
            (b"null", 404),
            (b"true", 404),
            (b"1", 404),
        ] {
            assert_eq!(action(body).unwrap_err().code(), code, "{body:?}");
        }
    }

    #[test]
    fn types_that_are_read() {
        let check = |value: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in value {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            }
            check_content_type(&headers).is_ok()
        };
        for good in [
            "",
            "text/plain",
            "application/json",
            "application/json; charset=utf-8",
            "application/vnd.openstack.compute+json",
        ] {
            assert!(check(&[good]), "{good}");
        }
        assert!(check(&[]));
        for bad in [
            "text/xml",
            "APPLICATION/JSON",
            "application/x-www-form-urlencoded",
            "x",
        ] {
            assert!(!check(&[bad]), "{bad}");
        }
        assert!(!check(&["application/json", "application/json"]));
    }
}
