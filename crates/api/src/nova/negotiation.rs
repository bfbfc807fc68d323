//! Which microversion a request asks for (`contract: http.md §3`).
//!
//! Two headers, one of them shared with other services, each possibly repeated. Whatever
//! cannot be understood as a request for this service is as good as absent; whatever is one
//! and cannot be served is an error.

use std::sync::LazyLock;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;

use crate::nova::microversion::Microversion;

/// The header all of OpenStack shares.
pub static STANDARD: HeaderName = HeaderName::from_static("openstack-api-version");
/// Nova's own, older header.
pub static LEGACY: HeaderName = HeaderName::from_static("x-openstack-nova-api-version");

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionError {
    /// Not a version at all: 400, and the answer names no version.
    Malformed(String),
    /// A version, but none of ours: 406, and the answer echoes it.
    Unsupported(String),
}

/// The version that the headers ask for.
pub fn negotiate(headers: &HeaderMap) -> Result<Microversion, VersionError> {
    let asked = standard(headers).or_else(|| legacy(headers));
    asked.map_or(Ok(Microversion::MIN), |text| parse(&text))
}

fn parse(text: &str) -> Result<Microversion, VersionError> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^([1-9][0-9]*)\.([1-9][0-9]*|0)$").expect("the pattern is a constant")
    });
    if text == "latest" {
        return Ok(Microversion::MAX);
    }
    let Some(parts) = FORM.captures(text) else {
        return Err(VersionError::Malformed(text.to_owned()));
    };
    // A number that does not fit is certainly none of ours.
    let version = parts[1].parse().and_then(|major: u32| {
        let minor: u32 = parts[2].parse()?;
        Ok(Microversion::new(major, minor))
    });
    match version {
        Ok(version) if (Microversion::MIN..=Microversion::MAX).contains(&version) => Ok(version),
        _ => Err(VersionError::Unsupported(text.to_owned())),
    }
}

/// The last element that speaks of this service wins.
fn standard(headers: &HeaderMap) -> Option<String> {
    let value = joined(headers, &STANDARD)?;
    value.rsplit(',').find_map(|element| {
        let (service, version) = element.trim().split_once(char::is_whitespace)?;
        service
            .eq_ignore_ascii_case("compute")
            .then(|| version.trim().to_owned())
    })
}

fn legacy(headers: &HeaderMap) -> Option<String> {
    let value = joined(headers, &LEGACY)?;
    let version = value.rsplit(',').next().unwrap_or_default().trim();
    Some(version.to_owned())
}

/// All values of a header as one, the way every HTTP/1.1 intermediary may join them.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name);
    let mut value = latin1(values.next()?);
    for more in values {
        value.push(',');
        value.push_str(&latin1(more));
    }
    Some(value)
}

fn latin1(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Microversion, VersionError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        negotiate(&headers)
    }

    fn version(minor: u32) -> Result<Microversion, VersionError> {
        Ok(Microversion::new(2, minor))
    }

    #[test]
    fn the_standard_header() {
        let malformed = |text: &str| Err(VersionError::Malformed(text.to_owned()));
        let unsupported = |text: &str| Err(VersionError::Unsupported(text.to_owned()));
        for (value, expected) in [
            ("compute 2.80", version(80)),
            ("COMPUTE 2.80", version(80)),
            ("compute  2.80", version(80)),
            ("compute\t2.80", version(80)),
            ("compute latest", version(104)),
            ("compute 2.80, volume 3.0", version(80)),
            ("volume 3.0, compute 2.80", version(80)),
            ("compute 2.80,compute 2.90", version(90)),
            ("volume 3.1", version(1)),
            ("compute", version(1)),
            ("2.80", version(1)),
            ("", version(1)),
            ("compute 2.104", version(104)),
            ("compute 2.105", unsupported("2.105")),
            ("compute 2.999", unsupported("2.999")),
            ("compute 2.0", unsupported("2.0")),
            ("compute 1.1", unsupported("1.1")),
            ("compute 3.0", unsupported("3.0")),
            ("compute 2.99999999999", unsupported("2.99999999999")),
            ("compute abc", malformed("abc")),
            ("compute 2", malformed("2")),
            ("compute 2.01", malformed("2.01")),
            ("compute 2.080", malformed("2.080")),
            ("compute -1.1", malformed("-1.1")),
            ("compute LATEST", malformed("LATEST")),
            ("compute 2.80 2.90", malformed("2.80 2.90")),
        ] {
            let got = asked(&[("OpenStack-API-Version", value)]);
            assert_eq!(got, expected, "{value:?}");
        }
    }

    #[test]
    fn the_legacy_header() {
        for (value, expected) in [
            ("2.10", version(10)),
            ("latest", version(104)),
            ("2.80, 2.10", version(10)),
            ("", Err(VersionError::Malformed(String::new()))),
            ("x", Err(VersionError::Malformed("x".to_owned()))),
            (
                "compute 2.10",
                Err(VersionError::Malformed("compute 2.10".to_owned())),
            ),
        ] {
            let got = asked(&[("X-OpenStack-Nova-API-Version", value)]);
            assert_eq!(got, expected, "{value:?}");
        }
    }

    #[test]
    fn the_standard_header_wins_where_it_speaks_of_compute() {
        let old = ("X-OpenStack-Nova-API-Version", "2.10");
        let new = |value| asked(&[old, ("OpenStack-API-Version", value)]);
        assert_eq!(new("compute 2.20"), version(20));
        assert_eq!(new("volume 3.20"), version(10));
    }

    #[test]
    fn repeated_headers_are_one_list() {
        let header = "OpenStack-API-Version";
        let got = asked(&[(header, "compute 2.20"), (header, "volume 3.0")]);
        assert_eq!(got, version(20));
        let got = asked(&[(header, "compute 2.20"), (header, "compute 2.30")]);
        assert_eq!(got, version(30));
    }
}
