//! Every route: method, path, versions, policy rules, query, handler.
//!
//! The table is what the router matches, what decides 404 and whether a method exists in a
//! version, and what tests walk: against policy, against the pages of `api-ref/` and their
//! samples. A handler may ask only rules that its route names.

mod aggregates;
mod dashboards;
mod server_actions;
mod table;

use std::sync::LazyLock;

use actix_web::http::Method;
use futures::future::LocalBoxFuture;
use serde_json::Value;

pub use self::table::ROUTES;
use crate::nova::call::{Call, PathIds};
use crate::nova::error::ApiError;
use crate::nova::microversion::Microversion;
use crate::nova::reply::Reply;
use crate::nova::schema::body::Edition;
use crate::nova::schema::query::QuerySchema;

/// What a handler gives.
pub type Answer<'a> = LocalBoxFuture<'a, Result<Reply, ApiError>>;

/// The versions in which something exists.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    /// The first.
    pub since: Microversion,
    /// The last; `None`: the newest there is.
    pub until: Option<Microversion>,
}

impl Versions {
    /// All of them.
    pub const ALL: Self = Self::since(Microversion::MIN);

    /// From `since` on.
    pub const fn since(since: Microversion) -> Self {
        Self { since, until: None }
    }

    /// Those below `end`.
    pub const fn before(end: Microversion) -> Self {
        Self::range(Microversion::MIN, end)
    }

    /// Those from `since` on, and below `end`.
    pub const fn range(since: Microversion, end: Microversion) -> Self {
        Self {
            since,
            until: Some(end.previous()),
        }
    }

    /// Is `version` one of them?
    pub fn contain(self, version: Microversion) -> bool {
        self.since <= version && self.until.is_none_or(|until| version <= until)
    }
}

/// A method on a path.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path below the versioned root, with ids as `{name}`.
    pub path: &'static str,
    /// The policy rules that decide whether it is granted; the one that is asked of everybody
    /// stands first. Empty: it is for everybody with a token, or each action has its own.
    pub rules: &'static [&'static str],
    /// The policy rules that only change what the answer shows.
    pub soft_rules: &'static [&'static str],
    /// What it does.
    pub does: Does,
}

/// What a route does.
#[derive(Debug)]
pub enum Does {
    /// One thing.
    Handle {
        /// The versions in which it does.
        versions: Versions,
        /// The query; `None`: any, unread.
        query: Option<&'static QuerySchema>,
        /// How.
        handler: for<'a> fn(&'a Call) -> Answer<'a>,
    },
    /// One thing, with a body.
    Write {
        /// The versions in which it does.
        versions: Versions,
        /// What the body must be like.
        body: &'static [Edition],
        /// How.
        handler: for<'a> fn(&'a Call, &'a Value) -> Answer<'a>,
    },
    /// One of several things, which the body names.
    Act(&'static [Action]),
}

/// One thing that a body may ask for.
#[derive(Debug)]
pub struct Action {
    /// The one member of the body.
    pub name: &'static str,
    /// The policy rules that decide whether it is granted; the first of them unless the body
    /// asks for more.
    pub rules: &'static [&'static str],
    /// The versions in which it exists.
    pub versions: Versions,
    /// What the member's value must be like.
    pub body: &'static [Edition],
    /// How it is done.
    pub handler: for<'a> fn(&'a Call, &'a Value) -> Answer<'a>,
}

impl Route {
    /// Every policy rule that its handlers may ask.
    pub fn all_rules(&self) -> impl Iterator<Item = &'static str> {
        let actions: &[Action] = match &self.does {
            Does::Handle { .. } | Does::Write { .. } => &[],
            Does::Act(actions) => actions,
        };
        let of_actions = actions.iter().flat_map(|action| action.rules);
        let own = self.rules.iter().chain(self.soft_rules);
        own.chain(of_actions).copied()
    }
}

/// Finds the route of a path below the versioned root, and the ids in it.
pub fn find(method: &Method, path: &str) -> Option<(&'static Route, PathIds)> {
    static ROUTER: LazyLock<matchit::Router<Vec<&'static Route>>> = LazyLock::new(router);
    let found = ROUTER.at(path).ok()?;
    let route = found.value.iter().find(|route| route.method == *method)?;
    let id = |name| found.params.get(name).unwrap_or_default().to_owned();
    let ids = PathIds {
        server: id("server_id"),
        migration: id("migration_id"),
        key: id("key"),
        id: id("id"),
    };
    Some((route, ids))
}

fn router() -> matchit::Router<Vec<&'static Route>> {
    let mut paths: Vec<&'static str> = ROUTES.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut router = matchit::Router::new();
    for path in paths {
        let routes = ROUTES.iter().filter(|route| route.path == path).collect();
        router
            .insert(path, routes)
            .expect("a test inserts every path of the table");
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> Option<&'static str> {
        find(method, path).map(|(route, _)| route.path)
    }

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for route in ROUTES {
            assert_eq!(found(&route.method, route.path), Some(route.path));
        }
    }

    #[test]
    fn ids_are_as_they_were_written() {
        let (_, ids) = find(&Method::GET, "/servers/../migrations/ 1").unwrap();
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
        for route in ROUTES {
            for rule in route.all_rules() {
                let known = godwit_policy::registry::NOVA
                    .iter()
                    .any(|it| it.name == rule);
                assert!(known, "{rule} of {route:?}");
            }
        }
    }
}
