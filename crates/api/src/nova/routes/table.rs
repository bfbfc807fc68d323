//! The table.

use actix_web::http::Method;

use super::aggregates as writes;
use super::dashboards;
use super::server_actions::SERVER_ACTIONS;
use super::{Action, Does, Route, Versions};
use crate::nova::handlers::{
    aggregates, flavor_extra_specs, flavors, hypervisors, instance_actions, limits, migrations,
    server_groups, server_migrations, servers, services, versions,
};
use crate::nova::microversion::milestone;
use crate::nova::rules;
use crate::nova::schema::query::QuerySchema;
use crate::nova::schemas;

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
            rules::SERVER_FLAVOR_EXTRA_SPECS,
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
            rules::SERVER_FLAVOR_EXTRA_SPECS,
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
        rules: &[],
        soft_rules: &[],
        does: Does::Act(SERVER_ACTIONS),
    },
    Route {
        method: Method::GET,
        path: "/servers/{server_id}/os-instance-actions",
        rules: &[rules::ACTIONS_LIST],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::instance_actions::LIST),
            handler: instance_actions::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/servers/{server_id}/os-instance-actions/{id}",
        rules: &[rules::ACTIONS_SHOW],
        soft_rules: &[rules::ACTION_EVENTS, rules::ACTION_EVENT_DETAILS],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: instance_actions::show,
        },
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
        rules: &[],
        soft_rules: &[],
        does: Does::Act(&[Action {
            name: "force_complete",
            rules: &[rules::FORCE_COMPLETE],
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
        soft_rules: &[rules::FLAVOR_EXTRA_SPECS_INDEX],
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
        soft_rules: &[rules::FLAVOR_EXTRA_SPECS_INDEX],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: flavors::show,
        },
    },
    Route {
        method: Method::GET,
        path: "/flavors/{id}/os-extra_specs",
        rules: &[rules::FLAVOR_EXTRA_SPECS_INDEX],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: flavor_extra_specs::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/flavors/{id}/os-extra_specs/{key}",
        rules: &[rules::FLAVOR_EXTRA_SPECS_SHOW],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: flavor_extra_specs::show,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-services",
        rules: &[rules::SERVICES_LIST],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::services::LIST),
            handler: services::index,
        },
    },
    Route {
        method: Method::PUT,
        path: "/os-services/{id}",
        rules: &[rules::SERVICES_UPDATE],
        soft_rules: &[],
        does: Does::Write {
            versions: Versions::ALL,
            body: schemas::services::UPDATE,
            handler: services::update,
        },
    },
    Route {
        method: Method::DELETE,
        path: "/os-services/{id}",
        rules: &[rules::SERVICES_DELETE],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: None,
            handler: services::delete,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors",
        rules: &[rules::HYPERVISORS_LIST],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::hypervisors::LIST),
            handler: hypervisors::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/detail",
        rules: &[rules::HYPERVISORS_DETAIL],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::hypervisors::LIST),
            handler: hypervisors::detail,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/statistics",
        rules: &[rules::HYPERVISORS_STATISTICS],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::before(milestone::HYPERVISOR_UPTIME),
            query: Some(&QuerySchema::NONE),
            handler: hypervisors::statistics,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/{id}",
        rules: &[rules::HYPERVISORS_SHOW],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::hypervisors::SHOW),
            handler: hypervisors::show,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/{id}/uptime",
        rules: &[rules::HYPERVISORS_UPTIME],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::before(milestone::HYPERVISOR_UPTIME),
            query: Some(&QuerySchema::NONE),
            handler: hypervisors::uptime,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/{id}/search",
        rules: &[rules::HYPERVISORS_SEARCH],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::before(milestone::UUID_IDS),
            query: Some(&QuerySchema::NONE),
            handler: hypervisors::search,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-hypervisors/{id}/servers",
        rules: &[rules::HYPERVISORS_SERVERS],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::before(milestone::UUID_IDS),
            query: Some(&QuerySchema::NONE),
            handler: hypervisors::servers,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-aggregates",
        rules: &[rules::AGGREGATES_INDEX],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: aggregates::index,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-aggregates/{id}",
        rules: &[rules::AGGREGATES_SHOW],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: aggregates::show,
        },
    },
    writes::CREATE,
    writes::UPDATE,
    writes::DELETE,
    writes::ACT,
    Route {
        method: Method::GET,
        path: "/os-server-groups",
        rules: &[rules::SERVER_GROUPS_INDEX],
        // Only administrators are asked for this one; whoever is none gets his own groups.
        soft_rules: &[rules::SERVER_GROUPS_INDEX_ALL],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::server_groups::LIST),
            handler: server_groups::index,
        },
    },
    Route {
        method: Method::POST,
        path: "/os-server-groups",
        rules: &[rules::SERVER_GROUPS_CREATE],
        soft_rules: &[],
        does: Does::Write {
            versions: Versions::ALL,
            body: schemas::server_groups::CREATE,
            handler: server_groups::create,
        },
    },
    Route {
        method: Method::GET,
        path: "/os-server-groups/{id}",
        rules: &[rules::SERVER_GROUPS_SHOW],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&QuerySchema::NONE),
            handler: server_groups::show,
        },
    },
    Route {
        method: Method::DELETE,
        path: "/os-server-groups/{id}",
        rules: &[rules::SERVER_GROUPS_DELETE],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: None,
            handler: server_groups::delete,
        },
    },
    Route {
        method: Method::GET,
        path: "/limits",
        rules: &[rules::LIMITS, rules::LIMITS_OF_OTHERS],
        soft_rules: &[],
        does: Does::Handle {
            versions: Versions::ALL,
            query: Some(&schemas::limits::SHOW),
            handler: limits::show,
        },
    },
    dashboards::ZONES,
    dashboards::ZONES_DETAIL,
    dashboards::VOLUMES,
    dashboards::VOLUME,
    dashboards::INTERFACES,
    dashboards::SERVER_SECURITY_GROUPS,
    dashboards::ADDRESSES,
    dashboards::TAGS,
    dashboards::METADATA,
    dashboards::METADATA_ITEM,
    dashboards::SECURITY_GROUPS,
    dashboards::QUOTAS,
    dashboards::QUOTAS_DETAIL,
    dashboards::QUOTAS_DEFAULTS,
    dashboards::USAGES,
    dashboards::USAGE,
    dashboards::EXTENSIONS,
    dashboards::EXTENSION,
];
