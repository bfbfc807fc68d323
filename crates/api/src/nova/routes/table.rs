//! The table.

use actix_web::http::StatusCode;

use super::{Operation, action, delete, get, post, put};
use crate::http::route::to;
use crate::nova::handlers::{
    aggregates, availability_zones, cold_migration, evacuation, extensions, flavor_extra_specs,
    flavors, hypervisors, instance_actions, limits, live_migration, locks, migrations, power,
    quotas, reset_state, resize, server_groups, server_migrations, server_parts, servers, services,
    tenant_usage, versions, volume_attachments,
};
use crate::nova::microversion::milestone;
use crate::nova::rules;
use crate::nova::schemas::{self, server_actions};

const SERVER_ACTION: &str = "/servers/{server_id}/action";
const AGGREGATE_ACTION: &str = "/os-aggregates/{id}/action";

pub static OPERATIONS: &[Operation] = &[
    get("/versions/{id}", to!(versions::show)).unread_query(),
    get("/servers", to!(servers::index))
        .rules(&[rules::SERVERS_INDEX, rules::SERVERS_INDEX_ALL])
        .soft_rules(&[rules::SERVERS_ALL_FILTERS])
        .query(&schemas::servers::LIST),
    get("/servers/detail", to!(servers::detail))
        .rules(&[rules::SERVERS_DETAIL, rules::SERVERS_DETAIL_ALL])
        .soft_rules(&[
            rules::SERVERS_ALL_FILTERS,
            rules::EXTENDED_ATTRIBUTES,
            rules::HOST_STATUS,
            rules::HOST_STATUS_UNKNOWN,
            rules::SERVER_FLAVOR_EXTRA_SPECS,
        ])
        .query(&schemas::servers::LIST),
    get("/servers/{server_id}", to!(servers::show))
        .rules(&[rules::SERVERS_SHOW])
        .soft_rules(&[
            rules::EXTENDED_ATTRIBUTES,
            rules::HOST_STATUS,
            rules::HOST_STATUS_UNKNOWN,
            rules::SERVER_FLAVOR_EXTRA_SPECS,
        ]),
    action(
        SERVER_ACTION,
        "os-migrateLive",
        to!(live_migration::migrate),
    )
    .rules(&[rules::MIGRATE_LIVE, rules::MIGRATE_LIVE_HOST])
    .body(schemas::live_migration::BODY),
    action(SERVER_ACTION, "migrate", to!(cold_migration::migrate))
        .rules(&[rules::MIGRATE, rules::MIGRATE_HOST])
        .body(server_actions::MIGRATE),
    action(SERVER_ACTION, "confirmResize", to!(resize::confirm))
        .rules(&[rules::CONFIRM_RESIZE])
        .answers(StatusCode::NO_CONTENT),
    action(SERVER_ACTION, "revertResize", to!(resize::revert)).rules(&[rules::REVERT_RESIZE]),
    action(SERVER_ACTION, "evacuate", to!(evacuation::evacuate))
        .rules(&[rules::EVACUATE])
        .body(schemas::evacuation::BODY)
        .answers(StatusCode::OK),
    action(SERVER_ACTION, "os-stop", to!(power::stop)).rules(&[rules::STOP]),
    action(SERVER_ACTION, "os-start", to!(power::start)).rules(&[rules::START]),
    action(SERVER_ACTION, "reboot", to!(power::reboot))
        .rules(&[rules::REBOOT])
        .body(server_actions::REBOOT),
    action(SERVER_ACTION, "lock", to!(locks::lock))
        .rules(&[rules::LOCK])
        .body(server_actions::LOCK),
    action(SERVER_ACTION, "unlock", to!(locks::unlock))
        .rules(&[rules::UNLOCK, rules::UNLOCK_OVERRIDE]),
    action(SERVER_ACTION, "os-resetState", to!(reset_state::reset))
        .rules(&[rules::RESET_STATE])
        .body(server_actions::RESET_STATE),
    get(
        "/servers/{server_id}/os-instance-actions",
        to!(instance_actions::index),
    )
    .rules(&[rules::ACTIONS_LIST])
    .query(&schemas::instance_actions::LIST),
    get(
        "/servers/{server_id}/os-instance-actions/{id}",
        to!(instance_actions::show),
    )
    .rules(&[rules::ACTIONS_SHOW])
    .soft_rules(&[rules::ACTION_EVENTS, rules::ACTION_EVENT_DETAILS]),
    get(
        "/servers/{server_id}/migrations",
        to!(server_migrations::index),
    )
    .rules(&[rules::SERVER_MIGRATIONS_INDEX])
    .soft_rules(&[rules::SERVER_MIGRATIONS_INDEX_HOST])
    .since(milestone::SERVER_MIGRATIONS),
    get(
        "/servers/{server_id}/migrations/{migration_id}",
        to!(server_migrations::show),
    )
    .rules(&[rules::SERVER_MIGRATIONS_SHOW])
    .since(milestone::SERVER_MIGRATIONS),
    delete(
        "/servers/{server_id}/migrations/{migration_id}",
        to!(server_migrations::abort),
    )
    .rules(&[rules::ABORT])
    .since(milestone::ABORT),
    action(
        "/servers/{server_id}/migrations/{migration_id}/action",
        "force_complete",
        to!(server_migrations::force_complete),
    )
    .rules(&[rules::FORCE_COMPLETE])
    .since(milestone::FORCE_COMPLETE)
    .body(schemas::server_migrations::FORCE_COMPLETE),
    get("/os-migrations", to!(migrations::index))
        .rules(&[rules::MIGRATIONS_INDEX, rules::MIGRATIONS_INDEX_ALL])
        .soft_rules(&[rules::MIGRATIONS_INDEX_HOST])
        .query(&schemas::migrations::LIST),
    get("/flavors", to!(flavors::index)).query(&schemas::flavors::LIST),
    get("/flavors/detail", to!(flavors::detail))
        .soft_rules(&[rules::FLAVOR_EXTRA_SPECS_INDEX])
        .query(&schemas::flavors::LIST),
    get("/flavors/{id}", to!(flavors::show)).soft_rules(&[rules::FLAVOR_EXTRA_SPECS_INDEX]),
    get(
        "/flavors/{id}/os-extra_specs",
        to!(flavor_extra_specs::index),
    )
    .rules(&[rules::FLAVOR_EXTRA_SPECS_INDEX]),
    get(
        "/flavors/{id}/os-extra_specs/{key}",
        to!(flavor_extra_specs::show),
    )
    .rules(&[rules::FLAVOR_EXTRA_SPECS_SHOW]),
    get("/os-services", to!(services::index))
        .rules(&[rules::SERVICES_LIST])
        .query(&schemas::services::LIST),
    put("/os-services/{id}", to!(services::update))
        .rules(&[rules::SERVICES_UPDATE])
        .body(schemas::services::UPDATE),
    delete("/os-services/{id}", to!(services::delete)).rules(&[rules::SERVICES_DELETE]),
    get("/os-hypervisors", to!(hypervisors::index))
        .rules(&[rules::HYPERVISORS_LIST])
        .query(&schemas::hypervisors::LIST),
    get("/os-hypervisors/detail", to!(hypervisors::detail))
        .rules(&[rules::HYPERVISORS_DETAIL])
        .query(&schemas::hypervisors::LIST),
    get("/os-hypervisors/statistics", to!(hypervisors::statistics))
        .rules(&[rules::HYPERVISORS_STATISTICS])
        .before(milestone::HYPERVISOR_UPTIME),
    get("/os-hypervisors/{id}", to!(hypervisors::show))
        .rules(&[rules::HYPERVISORS_SHOW])
        .query(&schemas::hypervisors::SHOW),
    get("/os-hypervisors/{id}/uptime", to!(hypervisors::uptime))
        .rules(&[rules::HYPERVISORS_UPTIME])
        .before(milestone::HYPERVISOR_UPTIME),
    get("/os-hypervisors/{id}/search", to!(hypervisors::search))
        .rules(&[rules::HYPERVISORS_SEARCH])
        .before(milestone::UUID_IDS),
    get("/os-hypervisors/{id}/servers", to!(hypervisors::servers))
        .rules(&[rules::HYPERVISORS_SERVERS])
        .before(milestone::UUID_IDS),
    get("/os-aggregates", to!(aggregates::index)).rules(&[rules::AGGREGATES_INDEX]),
    get("/os-aggregates/{id}", to!(aggregates::show)).rules(&[rules::AGGREGATES_SHOW]),
    post("/os-aggregates", to!(aggregates::create))
        .rules(&[rules::AGGREGATES_CREATE])
        .body(schemas::aggregates::CREATE),
    put("/os-aggregates/{id}", to!(aggregates::update))
        .rules(&[rules::AGGREGATES_UPDATE])
        .body(schemas::aggregates::UPDATE),
    delete("/os-aggregates/{id}", to!(aggregates::delete)).rules(&[rules::AGGREGATES_DELETE]),
    action(AGGREGATE_ACTION, "add_host", to!(aggregates::add_host))
        .rules(&[rules::AGGREGATES_ADD_HOST])
        .body(schemas::aggregates::A_HOST)
        .answers(StatusCode::OK),
    action(
        AGGREGATE_ACTION,
        "remove_host",
        to!(aggregates::remove_host),
    )
    .rules(&[rules::AGGREGATES_REMOVE_HOST])
    .body(schemas::aggregates::A_HOST)
    .answers(StatusCode::OK),
    action(
        AGGREGATE_ACTION,
        "set_metadata",
        to!(aggregates::set_metadata),
    )
    .rules(&[rules::AGGREGATES_SET_METADATA])
    .body(schemas::aggregates::SET_METADATA)
    .answers(StatusCode::OK),
    get("/os-server-groups", to!(server_groups::index))
        .rules(&[rules::SERVER_GROUPS_INDEX])
        // Only administrators are asked for this one; whoever is none gets his own groups.
        .soft_rules(&[rules::SERVER_GROUPS_INDEX_ALL])
        .query(&schemas::server_groups::LIST),
    post("/os-server-groups", to!(server_groups::create))
        .rules(&[rules::SERVER_GROUPS_CREATE])
        .body(schemas::server_groups::CREATE),
    get("/os-server-groups/{id}", to!(server_groups::show)).rules(&[rules::SERVER_GROUPS_SHOW]),
    delete("/os-server-groups/{id}", to!(server_groups::delete))
        .rules(&[rules::SERVER_GROUPS_DELETE]),
    get("/limits", to!(limits::show))
        .rules(&[rules::LIMITS, rules::LIMITS_OF_OTHERS])
        .query(&schemas::limits::SHOW),
    get("/os-availability-zone", to!(availability_zones::index))
        .rules(&[rules::ZONES_LIST])
        .soft_rules(&[rules::SCOPES_SEE_DISABLED]),
    get(
        "/os-availability-zone/detail",
        to!(availability_zones::detail),
    )
    .rules(&[rules::ZONES_DETAIL])
    .soft_rules(&[rules::SCOPES_SEE_DISABLED]),
    get(
        "/servers/{server_id}/os-volume_attachments",
        to!(volume_attachments::index),
    )
    .rules(&[rules::VOLUMES_INDEX])
    .query(&schemas::volume_attachments::LIST),
    get(
        "/servers/{server_id}/os-volume_attachments/{id}",
        to!(volume_attachments::show),
    )
    .rules(&[rules::VOLUMES_SHOW])
    .unread_query(),
    get(
        "/servers/{server_id}/os-interface",
        to!(server_parts::interfaces),
    )
    .rules(&[rules::INTERFACES_LIST]),
    get(
        "/servers/{server_id}/os-security-groups",
        to!(server_parts::security_groups_of_server),
    )
    .rules(&[rules::SECURITY_GROUPS_LIST]),
    get("/servers/{server_id}/ips", to!(server_parts::addresses)).rules(&[rules::ADDRESSES_INDEX]),
    get("/servers/{server_id}/tags", to!(server_parts::tags))
        .rules(&[rules::TAGS_INDEX])
        .since(milestone::TAGS)
        .unread_query(),
    get("/servers/{server_id}/metadata", to!(server_parts::metadata))
        .rules(&[rules::METADATA_INDEX]),
    get(
        "/servers/{server_id}/metadata/{key}",
        to!(server_parts::metadata_item),
    )
    .rules(&[rules::METADATA_SHOW]),
    get("/os-security-groups", to!(server_parts::security_groups))
        .rules(&[rules::SECURITY_GROUPS_GET])
        .before(milestone::NO_NETWORK_LIMITS)
        .unread_query(),
    get("/os-quota-sets/{id}", to!(quotas::show))
        .rules(&[rules::QUOTAS_SHOW])
        .query(&schemas::quotas::SHOW),
    get("/os-quota-sets/{id}/detail", to!(quotas::detail))
        .rules(&[rules::QUOTAS_DETAIL])
        .query(&schemas::quotas::SHOW),
    get("/os-quota-sets/{id}/defaults", to!(quotas::defaults))
        .rules(&[rules::QUOTAS_DEFAULTS])
        .unread_query(),
    get("/os-simple-tenant-usage", to!(tenant_usage::index))
        .rules(&[rules::USAGE_LIST])
        .query(&schemas::tenant_usage::LIST),
    get("/os-simple-tenant-usage/{id}", to!(tenant_usage::show))
        .rules(&[rules::USAGE_SHOW])
        .query(&schemas::tenant_usage::SHOW),
    get("/extensions", to!(extensions::index)).rules(&[rules::EXTENSIONS]),
    get("/extensions/{id}", to!(extensions::show)).rules(&[rules::EXTENSIONS]),
];
