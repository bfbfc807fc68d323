//! A request that has come as far as its handler: authenticated, routed, its query and body read.

use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::Value;

use super::ROOT;
use super::page::List;
use super::params::Params;
use super::problem::Problem;
use super::reply::Reply;
use super::streams::Streams;
use super::visibility::Visibility;
use crate::http::caller::Caller;
use crate::http::state::ApiState;

/// A request on its way to its handler.
pub struct Call {
    pub state: Data<ApiState>,
    pub streams: Data<Streams>,
    pub caller: Caller,
    /// What the path names, as the caller wrote it.
    pub id: String,
    /// The delivery that the path names.
    pub delivery: String,
    pub params: Params,
    pub headers: HeaderMap,
    /// Null where the route takes none.
    pub body: Value,
    pub request_id: String,
    /// What addresses begin with.
    pub(super) base: String,
    /// As the caller wrote it.
    pub(super) path: String,
}

impl Call {
    /// What the caller sees.
    pub fn sees(&self) -> Visibility<'_> {
        Visibility::of(&self.caller)
    }

    /// The address of a path below the root.
    pub(crate) fn address_of(&self, path: &str) -> String {
        format!("{}{ROOT}{path}", self.base)
    }

    /// The address of the same list behind `marker`, which the query calls `name`.
    pub(crate) fn next(&self, name: &str, marker: &str) -> String {
        let query = self.params.with(name, marker);
        format!("{}{}?{query}", self.base, self.path)
    }

    /// 200 with a list.
    pub(crate) fn list<T: Serialize>(
        &self,
        items: Vec<T>,
        next: Option<String>,
        total: Option<i64>,
    ) -> Result<Reply, Problem> {
        Reply::json(&List { items, next, total })
    }
}
