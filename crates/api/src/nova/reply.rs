//! Answers: what handlers return, and how it goes out.

mod outside;

use std::cell::Cell;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use godwit_store::KeptAnswer;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::http::json;
use crate::http::token::Unauthenticated;
use crate::nova::error::ApiError;
use crate::nova::microversion::Microversion;
use crate::nova::negotiation::{LEGACY, STANDARD};
use crate::nova::views::Next;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FAULT: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
const VENDOR: &str = "application/vnd.openstack.compute+json";

/// What a handler answers when all went well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    /// 200 with a document.
    pub fn json(document: &impl Serialize) -> Result<Self, ApiError> {
        Self::json_with(StatusCode::OK, document)
    }

    /// A document with another status.
    pub fn json_with(status: StatusCode, document: &impl Serialize) -> Result<Self, ApiError> {
        let mut body = Vec::with_capacity(1024);
        json::write(&mut body, document).map_err(ApiError::internal)?;
        Ok(Self { status, body })
    }

    /// 200 with a document of one member.
    pub fn document(name: &'static str, value: &impl Serialize) -> Result<Self, ApiError> {
        Self::linked(name, value, "", None)
    }

    /// 200 with a list.
    pub fn list<T: Serialize>(
        name: &'static str,
        items: impl Iterator<Item = T>,
    ) -> Result<Self, ApiError> {
        Self::document(name, &Items(Cell::new(Some(items))))
    }

    /// 200 with a page of a list, and as `{name}_links` where it goes on.
    pub fn page<T: Serialize>(
        name: &'static str,
        items: impl Iterator<Item = T>,
        next: Next,
    ) -> Result<Self, ApiError> {
        let links = format!("{name}_links");
        Self::linked(name, Items(Cell::new(Some(items))), &links, next)
    }

    /// 200 with a document of one member, and as `links` where it goes on.
    pub fn linked<T: Serialize>(
        name: &'static str,
        value: T,
        links: &str,
        next: Next,
    ) -> Result<Self, ApiError> {
        Self::json(&Linked {
            name,
            value,
            links,
            next,
        })
    }

    /// 202 without a body: what was asked for is durable, and will be done.
    pub fn accepted() -> Self {
        Self::empty(StatusCode::ACCEPTED)
    }

    pub fn empty(status: StatusCode) -> Self {
        let body = Vec::new();
        Self { status, body }
    }

    /// 204: done, and there is nothing to say about it.
    pub fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// The answer as it is kept, to be given again.
    pub(crate) fn kept(&self) -> KeptAnswer {
        KeptAnswer {
            status: self.status.as_u16(),
            location: None,
            etag: None,
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// An answer that was kept.
    pub(crate) fn again(answer: KeptAnswer) -> Result<Self, ApiError> {
        Ok(Self {
            status: StatusCode::from_u16(answer.status).map_err(ApiError::internal)?,
            body: answer.body.into_bytes(),
        })
    }

    /// The response, in the content type that the request prefers.
    pub fn into_response(self, request: &HeaderMap) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status);
        if prefers_vendor_type(request) {
            builder.insert_header((header::CONTENT_TYPE, VENDOR));
        } else {
            builder.insert_header((header::CONTENT_TYPE, JSON));
        }
        builder.body(self.body)
    }
}

/// Items of a list, each made when it is written: once.
struct Items<I>(Cell<Option<I>>);

impl<I: Iterator<Item: Serialize>> Serialize for Items<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let items = self
            .0
            .take()
            .ok_or_else(|| S::Error::custom("a list is written once"))?;
        to.collect_seq(items)
    }
}

struct Linked<'a, T> {
    name: &'static str,
    value: T,
    links: &'a str,
    next: Next,
}

impl<T: Serialize> Serialize for Linked<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry(self.name, &self.value)?;
        if let Some(next) = &self.next {
            map.serialize_entry(self.links, next)?;
        }
        map.end()
    }
}

/// A fault: `{"itemNotFound": {"code": 404, "message": "…"}}`.
pub(crate) fn fault(error: &ApiError) -> HttpResponse {
    let status = StatusCode::from_u16(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ error.name(): { "code": error.code(), "message": error.message() } });
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, FAULT))
        .body(body.to_string())
}

pub(crate) fn no_such_route(request: &HeaderMap, head: bool) -> HttpResponse {
    let text = "The resource could not be found.";
    outside::error(StatusCode::NOT_FOUND, text, request, head)
}

pub(crate) fn too_large(request: &HeaderMap) -> HttpResponse {
    let text = "Request is too large.";
    outside::error(StatusCode::PAYLOAD_TOO_LARGE, text, request, false)
}

/// The request has no bearer, in Keystone's words.
pub(crate) fn unauthenticated(refused: &Unauthenticated) -> HttpResponse {
    match refused {
        Unauthenticated::NoGoodToken(authenticate) => {
            let body = json!({ "error": {
                "code": 401,
                "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            }});
            HttpResponse::Unauthorized()
                .insert_header((header::CONTENT_TYPE, JSON))
                .insert_header((header::WWW_AUTHENTICATE, authenticate.as_str()))
                .body(body.to_string())
        }
        Unauthenticated::CannotBeChecked => {
            let body = json!({ "serviceUnavailable": {
                "code": 503,
                "message": "The identity service cannot be asked, so the request's token cannot \
                            be checked. Try again later.",
            }});
            HttpResponse::ServiceUnavailable()
                .insert_header((header::CONTENT_TYPE, FAULT))
                .body(body.to_string())
        }
    }
}

/// The version headers of an answer. `version` is as spoken, or as asked for in vain.
pub(crate) fn set_version(response: &mut HttpResponse, version: NamedVersion<'_>) {
    const VARY: [&str; 2] = ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"];
    let (standard, legacy) = match version {
        NamedVersion::Negotiated(version) => version_headers(version),
        NamedVersion::Refused(text) => (value(&format!("compute {text}")), value(text)),
    };
    let headers = response.headers_mut();
    headers.insert(STANDARD.clone(), standard);
    headers.insert(LEGACY.clone(), legacy);
    // A line each, as Nova writes them.
    headers.remove(header::VARY);
    for by in VARY {
        headers.append(header::VARY, HeaderValue::from_static(by));
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NamedVersion<'a> {
    Negotiated(Microversion),
    /// Asked for, but not one of ours.
    Refused(&'a str),
}

/// Both headers, made once per version: they are on every answer.
fn version_headers(version: Microversion) -> (HeaderValue, HeaderValue) {
    static MADE: LazyLock<Vec<(HeaderValue, HeaderValue)>> = LazyLock::new(|| {
        let all = Microversion::all().map(|version| version.to_string());
        all.map(|text| (value(&format!("compute {text}")), value(&text)))
            .collect()
    });
    let index = version.minor().saturating_sub(Microversion::MIN.minor());
    let made = usize::try_from(index)
        .ok()
        .and_then(|index| MADE.get(index));
    made.cloned().unwrap_or_else(|| {
        let text = version.to_string();
        (value(&format!("compute {text}")), value(&text))
    })
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The ids of a request, on every answer below a versioned root.
pub(crate) fn set_request_id(response: &mut HttpResponse, id: &str) {
    const NAMES: [HeaderName; 2] = [
        HeaderName::from_static("x-openstack-request-id"),
        HeaderName::from_static("x-compute-request-id"),
    ];
    let id = value(id);
    for name in NAMES {
        response.headers_mut().insert(name, id.clone());
    }
}

/// Does the request want the vendor's media type more than plain JSON?
fn prefers_vendor_type(request: &HeaderMap) -> bool {
    // Nearly nobody does, and every answer asks.
    let mut accepts = request.get_all(header::ACCEPT);
    if !accepts.any(|value| value.to_str().is_ok_and(|value| value.contains(VENDOR))) {
        return false;
    }
    let ranges = ranges(request).unwrap_or_default();
    let weight = |wanted| {
        let matching = ranges.iter().filter(|range| range.name == wanted);
        matching.map(|range| range.weight).max().unwrap_or(0)
    };
    weight(VENDOR) > weight("application/json")
}

/// A media range that a request accepts.
struct Range<'a> {
    name: &'a str,
    /// Does it ask for more than a name, a version for example?
    parameters: bool,
    /// In thousandths.
    weight: u32,
}

/// What a request accepts; `None` where it says something else.
fn ranges(request: &HeaderMap) -> Option<Vec<Range<'_>>> {
    let mut ranges = Vec::new();
    for value in request.get_all(header::ACCEPT) {
        let texts = value.to_str().ok()?.split(',').map(str::trim);
        for text in texts.filter(|text| !text.is_empty()) {
            ranges.push(Range::read(text)?);
        }
    }
    Some(ranges)
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| name.contains('/'))?;
        let mut range = Self {
            name,
            parameters: false,
            weight: 1000,
        };
        for part in parts {
            match part.strip_prefix("q=") {
                None => range.parameters = true,
                Some(weight) => {
                    let weight: f32 = weight.parse().ok()?;
                    // Clamped, so the conversion is exact.
                    range.weight = (weight.clamp(0.0, 1.0) * 1000.0).round() as u32;
                }
            }
        }
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn the_vendor_type_only_where_it_is_preferred() {
        for (value, expected) in [
            ("", false),
            ("*/*", false),
            ("application/xml", false),
            ("application/json", false),
            (VENDOR, true),
            (
                "application/json, application/vnd.openstack.compute+json",
                false,
            ),
            (
                "application/json;q=0.5, application/vnd.openstack.compute+json",
                true,
            ),
            (
                "application/json, application/vnd.openstack.compute+json;q=0.9",
                false,
            ),
            ("application/vnd.openstack.compute+json;q=0", false),
            ("application/vnd.openstack.compute+json;version=2.1", true),
        ] {
            assert_eq!(prefers_vendor_type(&accept(value)), expected, "{value}");
        }
    }

    #[test]
    fn every_version_has_its_headers() {
        for version in Microversion::all() {
            let (standard, legacy) = version_headers(version);
            assert_eq!(standard, value(&format!("compute {version}")));
            assert_eq!(legacy, value(&version.to_string()));
        }
    }
}
