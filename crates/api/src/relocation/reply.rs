//! What handlers answer when all went well.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use futures::stream::BoxStream;
use godwit_store::KeptAnswer;
use serde::Serialize;

use super::problem::Problem;
use crate::http::json;

const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What comes when it comes.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, Infallible>>;

pub struct Reply {
    status: StatusCode,
    location: Option<String>,
    etag: Option<EntityTag>,
    body: Body,
    /// What is given again in place of the body, where that is for one time only.
    kept: Option<Vec<u8>>,
}

enum Body {
    /// A document, or nothing.
    Whole(Vec<u8>),
    /// A stream of this type.
    Stream(&'static str, Pieces),
}

impl Reply {
    /// 200 with a document.
    ///
    /// # Errors
    /// A problem when `document` has no JSON form.
    pub fn json(document: &impl Serialize) -> Result<Self, Problem> {
        let mut body = Vec::with_capacity(1024);
        json::write(&mut body, document).map_err(Problem::internal)?;
        Ok(Self::text(body))
    }

    /// 200 with a document that is JSON already.
    pub(crate) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: StatusCode::OK,
            location: None,
            etag: None,
            body: Body::Whole(body.into()),
            kept: None,
        }
    }

    /// 204.
    pub(crate) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            ..Self::text("")
        }
    }

    /// The same, but who sends the request again gets the body of another answer.
    pub(crate) fn kept_as(self, other: Self) -> Self {
        let kept = match other.body {
            Body::Whole(body) => Some(body),
            Body::Stream(..) => None,
        };
        Self { kept, ..self }
    }

    /// 200 with a stream.
    pub(crate) fn stream(kind: &'static str, pieces: Pieces) -> Self {
        Self {
            body: Body::Stream(kind, pieces),
            ..Self::text("")
        }
    }

    /// The same with another status, and where what was made is.
    #[must_use]
    pub fn made(self, status: StatusCode, location: String) -> Self {
        Self {
            status,
            location: Some(location),
            ..self
        }
    }

    /// The same with the version of what it shows.
    #[must_use]
    pub fn tagged(self, etag: EntityTag) -> Self {
        let etag = Some(etag);
        Self { etag, ..self }
    }

    /// The answer as it is kept, to be given again.
    pub(crate) fn kept(&self) -> KeptAnswer {
        let body = match (&self.kept, &self.body) {
            (Some(body), _) | (None, Body::Whole(body)) => body.as_slice(),
            // Only what changes something is kept, and none of that is a stream.
            (None, Body::Stream(..)) => &[],
        };
        KeptAnswer {
            status: self.status.as_u16(),
            location: self.location.clone(),
            etag: self.etag.as_ref().map(ToString::to_string),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }

    /// An answer that was kept.
    pub(crate) fn again(answer: KeptAnswer) -> Result<Self, Problem> {
        let etag = answer.etag.map(|it| it.parse::<EntityTag>());
        Ok(Self {
            status: StatusCode::from_u16(answer.status).map_err(Problem::internal)?,
            location: answer.location,
            etag: etag.transpose().map_err(Problem::internal)?,
            ..Self::text(answer.body)
        })
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut response = HttpResponse::build(self.status);
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if let Some(etag) = self.etag {
            response.insert_header(header::ETag(etag));
        }
        match self.body {
            Body::Whole(body) => {
                if !body.is_empty() {
                    response.insert_header((header::CONTENT_TYPE, JSON));
                }
                response.body(body)
            }
            Body::Stream(kind, pieces) => response
                .insert_header((header::CONTENT_TYPE, kind))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                // Proxies that would gather it pass it on.
                .insert_header((UNBUFFERED, "no"))
                .streaming(pieces),
        }
    }
}
