//! The names of the policy rules that this API asks.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = concat!("os_compute_api:", $text);)+
    };
}

rules! {
    SERVERS_INDEX = "servers:index";
    SERVERS_INDEX_ALL = "servers:index:get_all_tenants";
    SERVERS_DETAIL = "servers:detail";
    SERVERS_DETAIL_ALL = "servers:detail:get_all_tenants";
    SERVERS_ALL_FILTERS = "servers:allow_all_filters";
    SERVERS_SHOW = "servers:show";
    SERVER_FLAVOR_EXTRA_SPECS = "servers:show:flavor-extra-specs";
    HOST_STATUS = "servers:show:host_status";
    /// Show that nobody knows how a server's host is.
    HOST_STATUS_UNKNOWN = "servers:show:host_status:unknown-only";
    EXTENDED_ATTRIBUTES = "os-extended-server-attributes";
    MIGRATE_LIVE = "os-migrate-server:migrate_live";
    MIGRATE_LIVE_HOST = "os-migrate-server:migrate_live:host";
    MIGRATE = "os-migrate-server:migrate";
    MIGRATE_HOST = "os-migrate-server:migrate:host";
    CONFIRM_RESIZE = "servers:confirm_resize";
    REVERT_RESIZE = "servers:revert_resize";
    STOP = "servers:stop";
    START = "servers:start";
    REBOOT = "servers:reboot";
    EVACUATE = "os-evacuate";
    LOCK = "os-lock-server:lock";
    UNLOCK = "os-lock-server:unlock";
    /// Unlock what somebody of the other kind locked.
    UNLOCK_OVERRIDE = "os-lock-server:unlock:unlock_override";
    RESET_STATE = "os-admin-actions:reset_state";
    ACTIONS_LIST = "os-instance-actions:list";
    ACTIONS_SHOW = "os-instance-actions:show";
    /// Show the events of an action, with tracebacks and hosts.
    ACTION_EVENTS = "os-instance-actions:events";
    ACTION_EVENT_DETAILS = "os-instance-actions:events:details";
    SERVER_MIGRATIONS_INDEX = "servers:migrations:index";
    SERVER_MIGRATIONS_INDEX_HOST = "servers:migrations:index:host";
    SERVER_MIGRATIONS_SHOW = "servers:migrations:show";
    FORCE_COMPLETE = "servers:migrations:force_complete";
    ABORT = "servers:migrations:delete";
    MIGRATIONS_INDEX = "os-migrations:index";
    MIGRATIONS_INDEX_ALL = "os-migrations:index:all_projects";
    MIGRATIONS_INDEX_HOST = "os-migrations:index:host";
    FLAVOR_EXTRA_SPECS_INDEX = "os-flavor-extra-specs:index";
    FLAVOR_EXTRA_SPECS_SHOW = "os-flavor-extra-specs:show";
    SERVICES_LIST = "os-services:list";
    SERVICES_UPDATE = "os-services:update";
    SERVICES_DELETE = "os-services:delete";
    HYPERVISORS_LIST = "os-hypervisors:list";
    HYPERVISORS_DETAIL = "os-hypervisors:list-detail";
    HYPERVISORS_STATISTICS = "os-hypervisors:statistics";
    HYPERVISORS_SHOW = "os-hypervisors:show";
    HYPERVISORS_UPTIME = "os-hypervisors:uptime";
    HYPERVISORS_SEARCH = "os-hypervisors:search";
    HYPERVISORS_SERVERS = "os-hypervisors:servers";
    AGGREGATES_INDEX = "os-aggregates:index";
    AGGREGATES_SHOW = "os-aggregates:show";
    AGGREGATES_CREATE = "os-aggregates:create";
    AGGREGATES_UPDATE = "os-aggregates:update";
    AGGREGATES_DELETE = "os-aggregates:delete";
    AGGREGATES_ADD_HOST = "os-aggregates:add_host";
    AGGREGATES_REMOVE_HOST = "os-aggregates:remove_host";
    AGGREGATES_SET_METADATA = "os-aggregates:set_metadata";
    SERVER_GROUPS_INDEX = "os-server-groups:index";
    SERVER_GROUPS_INDEX_ALL = "os-server-groups:index:all_projects";
    SERVER_GROUPS_SHOW = "os-server-groups:show";
    SERVER_GROUPS_CREATE = "os-server-groups:create";
    SERVER_GROUPS_DELETE = "os-server-groups:delete";
    LIMITS = "limits";
    LIMITS_OF_OTHERS = "limits:other_project";
    ZONES_LIST = "os-availability-zone:list";
    ZONES_DETAIL = "os-availability-zone:detail";
    VOLUMES_INDEX = "os-volumes-attachments:index";
    VOLUMES_SHOW = "os-volumes-attachments:show";
    INTERFACES_LIST = "os-attach-interfaces:list";
    SECURITY_GROUPS_LIST = "os-security-groups:list";
    SECURITY_GROUPS_GET = "os-security-groups:get";
    ADDRESSES_INDEX = "ips:index";
    TAGS_INDEX = "os-server-tags:index";
    METADATA_INDEX = "server-metadata:index";
    METADATA_SHOW = "server-metadata:show";
    QUOTAS_SHOW = "os-quota-sets:show";
    QUOTAS_DETAIL = "os-quota-sets:detail";
    /// Show the quotas of projects that have none of their own.
    QUOTAS_DEFAULTS = "os-quota-sets:defaults";
    USAGE_LIST = "os-simple-tenant-usage:list";
    USAGE_SHOW = "os-simple-tenant-usage:show";
    EXTENSIONS = "extensions";
}

/// See zones that were disabled.
pub const SCOPES_SEE_DISABLED: &str = "relocation:scopes:see-disabled";
