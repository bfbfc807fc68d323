//! A request that has come as far as its handler: authenticated, routed, its query and body read.

use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use godwit_core::requester::Requester;
use godwit_facts::Basis;
use godwit_store::ActionNote;
use serde::Serialize;
use serde_json::Value;

use super::ROOT;
use super::page::{List, Page};
use super::params::Params;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::PathIds;
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
    pub ids: PathIds,
    pub request_id: String,
    pub params: Params,
    pub headers: HeaderMap,
    /// Null where the route takes none.
    pub body: Value,
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

    /// Who asks, as it is written down with what changes.
    pub(crate) fn requester(&self) -> Requester {
        self.caller.requester(&self.request_id)
    }

    /// The same, with its trace and the present.
    pub(crate) fn note(&self) -> ActionNote {
        self.caller.note(&self.request_id, self.state.clock.now())
    }

    /// What the store's rows are read by at this moment.
    pub(crate) fn basis(&self) -> Basis {
        let config = &self.state.config;
        Basis {
            now: self.state.clock.now(),
            down_time: config.service_down_time,
            ratios: config.allocation_ratios,
        }
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

    /// 200 with the part of a list that `page` asks for, of which one item more was `found` where there
    /// are more: `marker` says where it ends, `item` what is shown of each.
    ///
    /// # Errors
    /// Those of `item`.
    pub(crate) fn page<T>(
        &self,
        page: &Page<'_>,
        mut found: Vec<T>,
        total: Option<i64>,
        marker: impl Fn(&T) -> String,
        item: impl Fn(&T) -> Result<Value, Problem>,
    ) -> Result<Reply, Problem> {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let goes_on = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| goes_on);
        let next = last.map(|last| self.next("marker", &marker(last)));
        let items = found.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        self.list(items, next, total)
    }
}
