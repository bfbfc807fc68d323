//! What handlers answer when all went well.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, HeaderValue};
use godwit_store::KeptAnswer;
use serde::Serialize;

use super::problem::Problem;
use crate::http::json;

#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    status: StatusCode,
    location: Option<String>,
    etag: Option<EntityTag>,
    body: Vec<u8>,
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
            body: body.into(),
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
        KeptAnswer {
            status: self.status.as_u16(),
            location: self.location.clone(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// An answer that was kept.
    pub(crate) fn again(answer: KeptAnswer) -> Result<Self, Problem> {
        Ok(Self {
            status: StatusCode::from_u16(answer.status).map_err(Problem::internal)?,
            location: answer.location,
            ..Self::text(answer.body)
        })
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut response = HttpResponse::build(self.status);
        if !self.body.is_empty() {
            response.insert_header((header::CONTENT_TYPE, JSON));
        }
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if let Some(etag) = self.etag {
            response.insert_header(header::ETag(etag));
        }
        response.body(self.body)
    }
}
