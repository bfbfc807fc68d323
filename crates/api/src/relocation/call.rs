//! A request that has come as far as its handler: authenticated, routed, its query and body read.

use actix_web::HttpRequest;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::Value;

use super::page::List;
use super::params::Params;
use super::problem::Problem;
use super::reply::Reply;
use super::rules;
use super::visibility::Visibility;
use crate::http::caller::Caller;
use crate::http::links::Base;
use crate::http::state::ApiState;

/// A request on its way to its handler.
pub struct Call {
    pub state: Data<ApiState>,
    pub caller: Caller,
    /// What the path names, as the caller wrote it.
    pub id: String,
    pub params: Params,
    /// Null where the route takes none.
    pub body: Value,
    /// This request's address without its query.
    address: String,
}

impl Call {
    pub(crate) fn new(
        state: Data<ApiState>,
        caller: Caller,
        id: String,
        params: Params,
        body: Value,
        address: String,
    ) -> Self {
        Self {
            state,
            caller,
            id,
            params,
            body,
            address,
        }
    }

    /// What the caller sees.
    pub fn sees(&self) -> Visibility<'_> {
        // A token without a project sees nobody's things.
        let own = || self.caller.project_id().unwrap_or_default();
        Visibility {
            hosts: self.caller.permits_own(rules::HOSTS_SEE),
            project: (!self.caller.sees_every_project()).then(own),
        }
    }

    /// The address of the same list behind `marker`, which the query calls `name`.
    pub(crate) fn next(&self, name: &str, marker: &str) -> String {
        format!("{}?{}", self.address, self.params.with(name, marker))
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

/// The address of a request without its query.
pub(crate) fn address(request: &HttpRequest, state: &ApiState) -> String {
    let base = Base::of(request, &state.link_rules);
    format!("{base}{}", request.path())
}
