//! What changes host aggregates.

use actix_web::http::Method;

use super::{Action, Does, Route, Versions};
use crate::nova::handlers::aggregates;
use crate::nova::rules;
use crate::nova::schemas::aggregates as bodies;

pub(super) const CREATE: Route = Route {
    method: Method::POST,
    path: "/os-aggregates",
    rules: &[rules::AGGREGATES_CREATE],
    soft_rules: &[],
    does: Does::Write {
        versions: Versions::ALL,
        body: bodies::CREATE,
        handler: aggregates::create,
    },
};

pub(super) const UPDATE: Route = Route {
    method: Method::PUT,
    path: "/os-aggregates/{id}",
    rules: &[rules::AGGREGATES_UPDATE],
    soft_rules: &[],
    does: Does::Write {
        versions: Versions::ALL,
        body: bodies::UPDATE,
        handler: aggregates::update,
    },
};

pub(super) const DELETE: Route = Route {
    method: Method::DELETE,
    path: "/os-aggregates/{id}",
    rules: &[rules::AGGREGATES_DELETE],
    soft_rules: &[],
    does: Does::Handle {
        versions: Versions::ALL,
        query: None,
        handler: aggregates::delete,
    },
};

pub(super) const ACT: Route = Route {
    method: Method::POST,
    path: "/os-aggregates/{id}/action",
    rules: &[],
    soft_rules: &[],
    does: Does::Act(&[
        Action {
            name: "add_host",
            rules: &[rules::AGGREGATES_ADD_HOST],
            versions: Versions::ALL,
            body: bodies::A_HOST,
            handler: aggregates::add_host,
        },
        Action {
            name: "remove_host",
            rules: &[rules::AGGREGATES_REMOVE_HOST],
            versions: Versions::ALL,
            body: bodies::A_HOST,
            handler: aggregates::remove_host,
        },
        Action {
            name: "set_metadata",
            rules: &[rules::AGGREGATES_SET_METADATA],
            versions: Versions::ALL,
            body: bodies::SET_METADATA,
            handler: aggregates::set_metadata,
        },
    ]),
};
