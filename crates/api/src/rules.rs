//! The names of the policy rules that this API asks.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = concat!("os_compute_api:", $text);)+
    };
}

rules! {
    /// List servers.
    SERVERS_INDEX = "servers:index";
    /// List the servers of every project.
    SERVERS_INDEX_ALL = "servers:index:get_all_tenants";
    /// List servers in detail.
    SERVERS_DETAIL = "servers:detail";
    /// List the servers of every project in detail.
    SERVERS_DETAIL_ALL = "servers:detail:get_all_tenants";
    /// Filter servers by anything.
    SERVERS_ALL_FILTERS = "servers:allow_all_filters";
    /// Show a server.
    SERVERS_SHOW = "servers:show";
    /// Show the extra specs of a server's flavor.
    SERVER_FLAVOR_EXTRA_SPECS = "servers:show:flavor-extra-specs";
    /// Show how a server's host is.
    HOST_STATUS = "servers:show:host_status";
    /// Show that nobody knows how a server's host is.
    HOST_STATUS_UNKNOWN = "servers:show:host_status:unknown-only";
    /// Show where a server is.
    EXTENDED_ATTRIBUTES = "os-extended-server-attributes";
    /// Live-migrate.
    MIGRATE_LIVE = "os-migrate-server:migrate_live";
    /// Live-migrate to a named host.
    MIGRATE_LIVE_HOST = "os-migrate-server:migrate_live:host";
    /// Cold-migrate.
    MIGRATE = "os-migrate-server:migrate";
    /// Cold-migrate to a named host.
    MIGRATE_HOST = "os-migrate-server:migrate:host";
    /// Confirm a cold migration.
    CONFIRM_RESIZE = "servers:confirm_resize";
    /// Revert a cold migration.
    REVERT_RESIZE = "servers:revert_resize";
    /// Stop a server.
    STOP = "servers:stop";
    /// Start it.
    START = "servers:start";
    /// Reboot it.
    REBOOT = "servers:reboot";
    /// Evacuate.
    EVACUATE = "os-evacuate";
    /// Lock a server.
    LOCK = "os-lock-server:lock";
    /// Unlock it.
    UNLOCK = "os-lock-server:unlock";
    /// Unlock what somebody of the other kind locked.
    UNLOCK_OVERRIDE = "os-lock-server:unlock:unlock_override";
    /// Set a server's state by hand.
    RESET_STATE = "os-admin-actions:reset_state";
    /// List what was done to a server.
    ACTIONS_LIST = "os-instance-actions:list";
    /// Show one of it.
    ACTIONS_SHOW = "os-instance-actions:show";
    /// Show its events, tracebacks and hosts.
    ACTION_EVENTS = "os-instance-actions:events";
    /// Show why its events failed.
    ACTION_EVENT_DETAILS = "os-instance-actions:events:details";
    /// List a server's migrations.
    SERVER_MIGRATIONS_INDEX = "servers:migrations:index";
    /// Show their hosts in the list.
    SERVER_MIGRATIONS_INDEX_HOST = "servers:migrations:index:host";
    /// Show a server's migration.
    SERVER_MIGRATIONS_SHOW = "servers:migrations:show";
    /// Complete a migration by force.
    FORCE_COMPLETE = "servers:migrations:force_complete";
    /// Abort a migration.
    ABORT = "servers:migrations:delete";
    /// List migrations.
    MIGRATIONS_INDEX = "os-migrations:index";
    /// List those of every project.
    MIGRATIONS_INDEX_ALL = "os-migrations:index:all_projects";
    /// Show their hosts in the list.
    MIGRATIONS_INDEX_HOST = "os-migrations:index:host";
    /// Show a flavor's extra specs.
    FLAVOR_EXTRA_SPECS_INDEX = "os-flavor-extra-specs:index";
    /// Show one of them.
    FLAVOR_EXTRA_SPECS_SHOW = "os-flavor-extra-specs:show";
    /// List services.
    SERVICES_LIST = "os-services:list";
    /// Enable, disable and force down services.
    SERVICES_UPDATE = "os-services:update";
    /// Delete services.
    SERVICES_DELETE = "os-services:delete";
    /// List hypervisors.
    HYPERVISORS_LIST = "os-hypervisors:list";
    /// List hypervisors in detail.
    HYPERVISORS_DETAIL = "os-hypervisors:list-detail";
    /// Sum up the hypervisors.
    HYPERVISORS_STATISTICS = "os-hypervisors:statistics";
    /// Show a hypervisor.
    HYPERVISORS_SHOW = "os-hypervisors:show";
    /// Show since when a hypervisor runs.
    HYPERVISORS_UPTIME = "os-hypervisors:uptime";
    /// Search hypervisors.
    HYPERVISORS_SEARCH = "os-hypervisors:search";
    /// List the servers on hypervisors.
    HYPERVISORS_SERVERS = "os-hypervisors:servers";
    /// List host aggregates.
    AGGREGATES_INDEX = "os-aggregates:index";
    /// Show a host aggregate.
    AGGREGATES_SHOW = "os-aggregates:show";
    /// List server groups.
    SERVER_GROUPS_INDEX = "os-server-groups:index";
    /// List those of every project.
    SERVER_GROUPS_INDEX_ALL = "os-server-groups:index:all_projects";
    /// Show a server group.
    SERVER_GROUPS_SHOW = "os-server-groups:show";
    /// Make one.
    SERVER_GROUPS_CREATE = "os-server-groups:create";
    /// Delete it.
    SERVER_GROUPS_DELETE = "os-server-groups:delete";
    /// Show the limits of one's own project.
    LIMITS = "limits";
    /// Show those of another project.
    LIMITS_OF_OTHERS = "limits:other_project";
}
