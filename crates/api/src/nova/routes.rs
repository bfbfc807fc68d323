//! Every route of Nova's API, what is taken there, and who handles it.
//!
//! The table is what the router matches, what decides 404 and whether a method exists in a
//! version, and what tests walk: against policy, against the pages of `api-ref/` and their
//! samples. A handler may ask only rules that its route names.

mod table;

use std::sync::LazyLock;

use actix_web::http::{Method, StatusCode};
use futures::future::LocalBoxFuture;

pub use self::table::OPERATIONS;
use crate::http::route::{Route, Router};
use crate::nova::call::{Call, PathIds};
use crate::nova::error::ApiError;
use crate::nova::microversion::Microversion;
use crate::nova::reply::Reply;
use crate::nova::schema::body::Edition;
use crate::nova::schema::query::QuerySchema;

/// What a handler makes of a request.
pub type Answer = Result<Reply, ApiError>;

#[derive(Clone, Copy, Debug)]
pub struct Versions {
    pub since: Microversion,
    /// The last; `None`: the newest there is.
    pub until: Option<Microversion>,
}

impl Versions {
    pub fn contain(self, version: Microversion) -> bool {
        self.since <= version && self.until.is_none_or(|until| version <= until)
    }
}

#[derive(Debug)]
pub struct Operation {
    pub route: Route,
    pub versions: Versions,
    pub takes: Takes,
    /// Of an action: the status with which it is granted. Should the process die before it has
    /// answered, the same request with the same key gets it later, without a body.
    pub answers: StatusCode,
    pub(crate) handler: Handler,
}

/// What a request says beside its path.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A query; `None`: any, unread.
    Query(Option<&'static QuerySchema>),
    /// A body; without editions it is never looked at.
    Body(&'static [Edition]),
    /// A body whose one member names this action and holds what the schema is about. A path takes
    /// several of them.
    Action(&'static str, &'static [Edition]),
}

/// Queries that are read have no parameters where nothing else is said.
const NO_PARAMETERS: Takes = Takes::Query(Some(&QuerySchema::NONE));

pub(crate) type Handler = for<'a> fn(&'a Call) -> LocalBoxFuture<'a, Answer>;

const fn get(path: &'static str, handler: Handler) -> Operation {
    Operation::new(Method::GET, path, NO_PARAMETERS, handler)
}

const fn delete(path: &'static str, handler: Handler) -> Operation {
    Operation::new(Method::DELETE, path, Takes::Query(None), handler)
}

const fn post(path: &'static str, handler: Handler) -> Operation {
    Operation::new(Method::POST, path, Takes::Body(&[]), handler)
}

const fn put(path: &'static str, handler: Handler) -> Operation {
    Operation::new(Method::PUT, path, Takes::Body(&[]), handler)
}

const fn action(path: &'static str, name: &'static str, handler: Handler) -> Operation {
    Operation::new(Method::POST, path, Takes::Action(name, &[]), handler)
}

impl Operation {
    /// In all versions, and for everybody with a token.
    const fn new(method: Method, path: &'static str, takes: Takes, handler: Handler) -> Self {
        Self {
            route: Route {
                method,
                path,
                rules: &[],
                soft_rules: &[],
            },
            versions: Versions {
                since: Microversion::MIN,
                until: None,
            },
            takes,
            answers: StatusCode::ACCEPTED,
            handler,
        }
    }

    const fn answers(mut self, status: StatusCode) -> Self {
        self.answers = status;
        self
    }

    const fn rules(mut self, rules: &'static [&'static str]) -> Self {
        self.route.rules = rules;
        self
    }

    const fn soft_rules(mut self, rules: &'static [&'static str]) -> Self {
        self.route.soft_rules = rules;
        self
    }

    const fn query(mut self, schema: &'static QuerySchema) -> Self {
        self.takes = Takes::Query(Some(schema));
        self
    }

    const fn unread_query(mut self) -> Self {
        self.takes = Takes::Query(None);
        self
    }

    const fn body(mut self, editions: &'static [Edition]) -> Self {
        self.takes = match self.takes {
            Takes::Action(name, _) => Takes::Action(name, editions),
            Takes::Query(_) | Takes::Body(_) => Takes::Body(editions),
        };
        self
    }

    const fn since(mut self, since: Microversion) -> Self {
        self.versions.since = since;
        self
    }

    const fn before(mut self, end: Microversion) -> Self {
        self.versions.until = Some(end.previous());
        self
    }

    /// The action that a body has to name.
    pub fn action(&self) -> Option<&'static str> {
        match self.takes {
            Takes::Query(_) | Takes::Body(_) => None,
            Takes::Action(name, _) => Some(name),
        }
    }
}

/// What the table says of a method and a path.
pub struct Found {
    pub first: &'static Operation,
    /// All of them: several where bodies name actions.
    pub all: &'static [&'static Operation],
    pub ids: PathIds,
}

/// Finds the operations on a path below the versioned root.
pub fn find(method: &Method, path: &str) -> Option<Found> {
    static ROUTER: LazyLock<Router<&Operation>> =
        LazyLock::new(|| Router::new(OPERATIONS.iter().map(|it| (&it.route, it))));
    let (all, params) = ROUTER.find(method, path)?;
    let id = |name| params.get(name).unwrap_or_default().to_owned();
    let ids = PathIds {
        server: id("server_id"),
        migration: id("migration_id"),
        key: id("key"),
        id: id("id"),
    };
    let first = all.first()?;
    Some(Found { first, all, ids })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> Option<&'static str> {
        find(method, path).map(|found| found.first.route.path)
    }

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for Operation { route, .. } in OPERATIONS {
            assert_eq!(found(&route.method, route.path), Some(route.path));
        }
    }

    #[test]
    fn several_operations_on_a_path_are_actions() {
        for Operation { route, .. } in OPERATIONS {
            let all = find(&route.method, route.path).unwrap().all;
            assert!(all.len() == 1 || all.iter().all(|it| it.action().is_some()));
        }
    }

    #[test]
    fn ids_are_as_they_were_written() {
        let ids = find(&Method::GET, "/servers/../migrations/ 1").unwrap().ids;
        assert_eq!((ids.server.as_str(), ids.migration.as_str()), ("..", " 1"));
    }

    #[test]
    fn what_is_no_route_is_not_found() {
        for path in [
            "/servers/",
            "/Servers",
            "/servers.json",
            "/servers/1/",
            "/os-migrations/detail",
            "/servers/1/Migrations",
            "/servers/1/migrations/2/3",
            "",
        ] {
            assert_eq!(found(&Method::GET, path), None, "{path}");
        }
        assert_eq!(found(&Method::PATCH, "/servers"), None);
        assert_eq!(
            found(&Method::GET, "/servers/detail"),
            Some("/servers/detail")
        );
        assert_eq!(
            found(&Method::GET, "/servers/detail.json"),
            Some("/servers/{server_id}")
        );
    }

    #[test]
    fn every_rule_is_registered() {
        for Operation { route, .. } in OPERATIONS {
            for rule in route.all_rules() {
                let known = godwit_policy::registry::RULES
                    .iter()
                    .any(|it| it.name == rule);
                assert!(known, "{rule} of {route:?}");
            }
        }
    }
}
