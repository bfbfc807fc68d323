//! The table.

use actix_web::http::Method;

use super::{Action, Does, Route, Versions};
use crate::handlers::{flavors, live_migration, migrations, server_migrations, servers, versions};
use crate::microversion::milestone;
use crate::rules;
use crate::schema::query::QuerySchema;
use crate::schemas;

/// Every route below a versioned root.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/versions/{id}",
        rules: &[],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: None,
            handler: versions::show,
        },
    },
    Route {
        method: Method::GET,
        path: "/servers",
        rules: &[rules::SERVERS_INDEX, rules::SERVERS_INDEX_ALL],
        soft_rules: &[rules::SERVERS_ALL_FILTERS],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::servers::LIST),
            handler: servers::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/servers/detail",
        rules: &[rules::SERVERS_DETAIL, rules::SERVERS_DETAIL_ALL],
        soft_rules: &[
            rules::SERVERS_ALL_FILTERS,
            rules::EXTENDED_ATTRIBUTES,
            rules::HOST_STATUS,
            rules::HOST_STATUS_UNKNOWN,
            rules::FLAVOR_EXTRA_SPECS,
        ],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::servers::LIST),
            handler: servers::detail,
        },
    },
    Route {
        method: Method::GET,
        path: "/servers/{server_id}",
        rules: &[rules::SERVERS_SHOW],
        soft_rules: &[
            rules::EXTENDED_ATTRIBUTES,
            rules::HOST_STATUS,
            rules::HOST_STATUS_UNKNOWN,
            rules::FLAVOR_EXTRA_SPECS,
        ],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: servers::show,
        },
    },
    Route {
        method: Method::POST,
        path: "/servers/{server_id}/action",
        rules: &[rules::MIGRATE_LIVE, rules::MIGRATE_LIVE_HOST],
        soft_rules: &[],
        does: Does::Act(&[Action {
            name: "os-migrateLive",
            versions: Versions::ALL,
            body: schemas::live_migration::BODY,
            handler: live_migration::migrate,
        }]),
    },
    Route {
        method: Method::GET,
        path: "/servers/{server_id}/migrations",
        rules: &[rules::SERVER_MIGRATIONS_INDEX],
        soft_rules: &[rules::SERVER_MIGRATIONS_INDEX_HOST],
        does: Does::Handle {
            versions: Versions::since(milestone::SERVER_MIGRATIONS),
            query: Some(&QuerySchema::NONE),
            handler: server_migrations::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/servers/{server_id}/migrations/{migration_id}",
        rules: &[rules::SERVER_MIGRATIONS_SHOW],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::since(milestone::SERVER_MIGRATIONS),
            query: Some(&QuerySchema::NONE),
            handler: server_migrations::show,
        },
    },
    Route {
        method: Method::DELETE,
        path: "/servers/{server_id}/migrations/{migration_id}",
        rules: &[rules::ABORT],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::since(milestone::ABORT),
            query: None,
            handler: server_migrations::abort,
        },
    },
    Route {
        method: Method::POST,
        path: "/servers/{server_id}/migrations/{migration_id}/action",
        rules: &[rules::FORCE_COMPLETE],
        soft_rules: &[],
        does: Does::Act(&[Action {
            name: "force_complete",
            versions: Versions::since(milestone::FORCE_COMPLETE),
            body: schemas::server_migrations::FORCE_COMPLETE,
            handler: server_migrations::force_complete,
        }]),
    },
    Route {
        method: Method::GET,
        path: "/os-migrations",
        rules: &[rules::MIGRATIONS_INDEX, rules::MIGRATIONS_INDEX_ALL],
        soft_rules: &[rules::MIGRATIONS_INDEX_HOST],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::migrations::LIST),
            handler: migrations::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/flavors",
        rules: &[],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::flavors::LIST),
            handler: flavors::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/flavors/detail",
        rules: &[],
        soft_rules: &[rules::FLAVOR_EXTRA_SPECS],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::flavors::LIST),
            handler: flavors::detail,
        },
    },
    Route {
        method: Method::GET,
        path: "/flavors/{id}",
        rules: &[],
        soft_rules: &[rules::FLAVOR_EXTRA_SPECS],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: flavors::show,
        },
    },
];
