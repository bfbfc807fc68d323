//! Every route of `/relocation/v1`, what is taken there, and who handles it.

use std::sync::LazyLock;

use actix_web::http::Method;
use futures::future::LocalBoxFuture;

use super::call::Call;
use super::page;
use super::problem::Problem;
use super::reply::Reply;
use super::{
    allocation, candidates, drain_check, events, fence, groups, hosts, maintenance, management,
    migrations, openapi, plans, pools, rules, runs, scopes, servers, snapshot, topology, webhooks,
};
use crate::http::route::{Route, Router, to};

/// What a handler makes of a request.
pub type Answer = Result<Reply, Problem>;

/// A row of the table.
#[derive(Debug)]
pub struct Operation {
    pub route: Route,
    pub takes: Takes,
    pub(crate) handler: Handler,
}

/// What a request says beside its path.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A query with these keys.
    Query(&'static [&'static str]),
    /// A body, and no query.
    Body,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// The same to everybody, with a token or without.
    Open(fn() -> Reply),
    Caller(ByCaller),
}

/// An async function, boxed.
pub(crate) type ByCaller = for<'a> fn(&'a Call) -> LocalBoxFuture<'a, Answer>;

impl Operation {
    const fn new(
        method: Method,
        path: &'static str,
        rules: &'static [&'static str],
        takes: Takes,
        handler: ByCaller,
    ) -> Self {
        Self {
            route: Route {
                method,
                path,
                rules,
                soft_rules: &[rules::HOSTS_SEE],
            },
            takes,
            handler: Handler::Caller(handler),
        }
    }

    /// The same with these rules that only change what it shows.
    const fn soft(mut self, rules: &'static [&'static str]) -> Self {
        self.route.soft_rules = rules;
        self
    }

    /// Does it answer without a token?
    pub fn is_open(&self) -> bool {
        match self.handler {
            Handler::Open(_) => true,
            Handler::Caller(_) => false,
        }
    }
}

const fn get(
    path: &'static str,
    rules: &'static [&'static str],
    keys: &'static [&'static str],
    handler: ByCaller,
) -> Operation {
    Operation::new(Method::GET, path, rules, Takes::Query(keys), handler)
}

const fn post(path: &'static str, rules: &'static [&'static str], handler: ByCaller) -> Operation {
    Operation::new(Method::POST, path, rules, Takes::Body, handler)
}

const fn put(path: &'static str, rules: &'static [&'static str], handler: ByCaller) -> Operation {
    Operation::new(Method::PUT, path, rules, Takes::Body, handler)
}

const fn delete(
    path: &'static str,
    rules: &'static [&'static str],
    handler: ByCaller,
) -> Operation {
    Operation::new(Method::DELETE, path, rules, Takes::Query(&[]), handler)
}

/// Every operation, in the order of the document.
pub static OPERATIONS: &[Operation] = &[
    get(
        "/relocation/v1/hosts",
        &[rules::HOSTS_LIST],
        &page::KEYS,
        to!(hosts::index),
    ),
    get(
        "/relocation/v1/hosts/{host}",
        &[rules::HOSTS_SHOW],
        &["fields"],
        to!(hosts::show),
    ),
    get(
        "/relocation/v1/hosts/{host}/allocation",
        &[rules::HOSTS_SHOW],
        &[],
        to!(allocation::of_one_host),
    ),
    put(
        "/relocation/v1/hosts/{host}/allocation",
        &[rules::HOSTS_SET_ALLOCATION],
        to!(allocation::set_of_host),
    ),
    get(
        "/relocation/v1/hosts/{host}/topology",
        &[rules::HOSTS_SHOW],
        &[],
        to!(topology::show),
    ),
    put(
        "/relocation/v1/hosts/{host}/topology",
        &[rules::HOSTS_SET_TOPOLOGY],
        to!(topology::set),
    ),
    post(
        "/relocation/v1/hosts/{host}/fence",
        &[rules::HOSTS_FENCE],
        to!(fence::fence),
    ),
    get(
        "/relocation/v1/hosts/{host}/maintenance",
        &[rules::MAINTENANCE_SHOW],
        &["fields"],
        to!(maintenance::show),
    ),
    post(
        "/relocation/v1/hosts/{host}/maintenance",
        &[rules::MAINTENANCE_ENTER],
        to!(maintenance::enter),
    ),
    Operation::new(
        Method::DELETE,
        "/relocation/v1/hosts/{host}/maintenance",
        &[rules::MAINTENANCE_LEAVE],
        Takes::Query(maintenance::LEAVE_KEYS),
        to!(maintenance::leave),
    ),
    get(
        "/relocation/v1/scopes",
        &[rules::SCOPES_LIST],
        &page::KEYS,
        to!(scopes::index),
    )
    .soft(&[rules::HOSTS_SEE, rules::SCOPES_SEE_DISABLED]),
    get(
        "/relocation/v1/scopes/{kind}/{scope}/allocation",
        &[rules::SCOPES_LIST],
        &[],
        to!(allocation::of_one_scope),
    )
    .soft(&[rules::HOSTS_SEE, rules::SCOPES_SEE_DISABLED]),
    put(
        "/relocation/v1/scopes/{kind}/{scope}/allocation",
        &[rules::SCOPES_SET_ALLOCATION],
        to!(allocation::set_of_scope),
    ),
    get(
        "/relocation/v1/scopes/{kind}/{scope}/management",
        &[rules::SCOPES_LIST],
        &[],
        to!(management::show),
    )
    .soft(&[rules::HOSTS_SEE, rules::SCOPES_SEE_DISABLED]),
    put(
        "/relocation/v1/scopes/{kind}/{scope}/management",
        &[rules::SCOPES_SET_MANAGEMENT],
        to!(management::set),
    ),
    get(
        "/relocation/v1/servers",
        &[rules::SERVERS_LIST],
        servers::KEYS,
        to!(servers::index),
    ),
    get(
        "/relocation/v1/servers/{id}",
        &[rules::SERVERS_SHOW],
        &["fields"],
        to!(servers::show),
    ),
    get(
        "/relocation/v1/servers/{id}/candidates",
        &[rules::SERVERS_CANDIDATES],
        &page::KEYS,
        to!(candidates::index),
    ),
    get(
        "/relocation/v1/hosts/{host}/drain-check",
        &[rules::HOSTS_DRAIN_CHECK],
        &[],
        to!(drain_check::show),
    ),
    put(
        "/relocation/v1/groups/{id}/members/{server}",
        &[rules::GROUPS_ADD_MEMBER],
        to!(groups::join),
    ),
    delete(
        "/relocation/v1/groups/{id}/members/{server}",
        &[rules::GROUPS_REMOVE_MEMBER],
        to!(groups::leave),
    ),
    get(
        "/relocation/v1/pools",
        &[rules::POOLS_LIST],
        &page::KEYS,
        to!(pools::index),
    ),
    get(
        "/relocation/v1/plans",
        &[rules::PLANS_LIST],
        plans::KEYS,
        to!(plans::index),
    ),
    post(
        "/relocation/v1/plans",
        &[rules::PLANS_CREATE],
        to!(plans::create),
    ),
    get(
        "/relocation/v1/plans/{id}",
        &[rules::PLANS_SHOW],
        &["fields"],
        to!(plans::show),
    ),
    delete(
        "/relocation/v1/plans/{id}",
        &[rules::PLANS_DELETE],
        to!(plans::delete),
    ),
    post(
        "/relocation/v1/plans/{id}/remake",
        &[rules::PLANS_REMAKE],
        to!(plans::remake),
    ),
    post(
        "/relocation/v1/plans/{id}/runs",
        &[rules::RUNS_CREATE],
        to!(runs::create),
    ),
    get(
        "/relocation/v1/runs",
        &[rules::RUNS_LIST],
        runs::KEYS,
        to!(runs::index),
    ),
    get(
        "/relocation/v1/runs/{id}",
        &[rules::RUNS_SHOW],
        &["fields"],
        to!(runs::show),
    ),
    post(
        "/relocation/v1/runs/{id}/cancel",
        &[rules::RUNS_CANCEL],
        to!(runs::cancel),
    ),
    post(
        "/relocation/v1/runs/{id}/operations/{operation}/skip",
        &[rules::RUNS_SKIP],
        to!(runs::skip),
    ),
    post(
        "/relocation/v1/runs/{id}/hosts/{host}/done",
        &[rules::RUNS_FINISH_HOST],
        to!(runs::finish_host),
    ),
    get(
        "/relocation/v1/migrations",
        &[rules::MIGRATIONS_LIST],
        migrations::KEYS,
        to!(migrations::index),
    ),
    get(
        "/relocation/v1/migrations/{id}",
        &[rules::MIGRATIONS_SHOW],
        &["fields"],
        to!(migrations::show),
    ),
    get(
        "/relocation/v1/events",
        &[rules::EVENTS_LIST],
        events::KEYS,
        to!(events::index),
    ),
    get(
        "/relocation/v1/snapshot",
        &[rules::SNAPSHOT_SHOW],
        &["fields"],
        to!(snapshot::show),
    ),
    get(
        "/relocation/v1/webhooks",
        &[rules::WEBHOOKS_LIST],
        &page::KEYS,
        to!(webhooks::index),
    ),
    post(
        "/relocation/v1/webhooks",
        &[rules::WEBHOOKS_CREATE],
        to!(webhooks::create),
    ),
    get(
        "/relocation/v1/webhooks/{id}",
        &[rules::WEBHOOKS_SHOW],
        &["fields"],
        to!(webhooks::show),
    ),
    delete(
        "/relocation/v1/webhooks/{id}",
        &[rules::WEBHOOKS_DELETE],
        to!(webhooks::delete),
    ),
    get(
        "/relocation/v1/webhooks/{id}/deliveries",
        &[rules::WEBHOOKS_SHOW],
        &page::KEYS,
        to!(webhooks::deliveries),
    ),
    post(
        "/relocation/v1/webhooks/{id}/deliveries/{delivery}/redeliver",
        &[rules::WEBHOOKS_REDELIVER],
        to!(webhooks::redeliver),
    ),
    Operation {
        route: Route {
            method: Method::GET,
            path: "/relocation/v1/openapi.json",
            rules: &[],
            soft_rules: &[],
        },
        takes: Takes::Query(&[]),
        handler: Handler::Open(openapi::show),
    },
];

static ROUTER: LazyLock<Router<&Operation>> =
    LazyLock::new(|| Router::new(OPERATIONS.iter().map(|it| (&it.route, it))));

/// What a path names, as the caller wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PathIds {
    pub id: String,
    pub delivery: String,
    pub host: String,
    pub kind: String,
    pub operation: String,
    pub scope: String,
    pub server: String,
}

/// The operation on a path, and the ids in it.
pub fn find(method: &Method, path: &str) -> Option<(&'static Operation, PathIds)> {
    let (found, params) = ROUTER.find(method, path)?;
    let operation: &'static Operation = found.first()?;
    let named = |name| params.get(name).unwrap_or_default().to_owned();
    let ids = PathIds {
        id: named("id"),
        delivery: named("delivery"),
        host: named("host"),
        kind: named("kind"),
        operation: named("operation"),
        scope: named("scope"),
        server: named("server"),
    };
    Some((operation, ids))
}

/// The methods on a path; empty where there is no such path.
pub(crate) fn methods(path: &str) -> Vec<&'static Method> {
    ROUTER.methods(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relocation::ROOT;

    #[test]
    fn every_route_is_found_by_its_own_path_and_stands_below_the_root() {
        for Operation { route, .. } in OPERATIONS {
            let (found, _) = find(&route.method, route.path).unwrap();
            assert_eq!(found.route.path, route.path);
            assert!(methods(route.path).contains(&&route.method));
            assert!(route.path.starts_with(ROOT));
        }
        assert!(find(&Method::GET, "/relocation/v1/migrations/").is_none());
        assert!(methods("/relocation/v1").is_empty());
    }

    #[test]
    fn every_rule_is_registered() {
        let registered = godwit_policy::registry::RULES;
        for Operation { route, .. } in OPERATIONS {
            for rule in route.all_rules() {
                assert!(registered.iter().any(|it| it.name == rule), "{rule}");
            }
        }
    }
}
