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
    /// Make a host aggregate.
    AGGREGATES_CREATE = "os-aggregates:create";
    /// Rename a host aggregate, and say which availability zone it is.
    AGGREGATES_UPDATE = "os-aggregates:update";
    /// Delete a host aggregate.
    AGGREGATES_DELETE = "os-aggregates:delete";
    /// Add a host to an aggregate.
    AGGREGATES_ADD_HOST = "os-aggregates:add_host";
    /// Remove a host from an aggregate.
    AGGREGATES_REMOVE_HOST = "os-aggregates:remove_host";
    /// Say more of a host aggregate.
    AGGREGATES_SET_METADATA = "os-aggregates:set_metadata";
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
    /// List availability zones.
    ZONES_LIST = "os-availability-zone:list";
    /// List them with their hosts.
    ZONES_DETAIL = "os-availability-zone:detail";
    /// List the volumes attached to a server.
    VOLUMES_INDEX = "os-volumes-attachments:index";
    /// Show one of them.
    VOLUMES_SHOW = "os-volumes-attachments:show";
    /// List the ports of a server.
    INTERFACES_LIST = "os-attach-interfaces:list";
    /// List the security groups of a server.
    SECURITY_GROUPS_LIST = "os-security-groups:list";
    /// List the security groups of a project.
    SECURITY_GROUPS_GET = "os-security-groups:get";
    /// List the addresses of a server.
    ADDRESSES_INDEX = "ips:index";
    /// List the tags of a server.
    TAGS_INDEX = "os-server-tags:index";
    /// List the metadata of a server.
    METADATA_INDEX = "server-metadata:index";
    /// Show one item of it.
    METADATA_SHOW = "server-metadata:show";
    /// Show the quotas of a project.
    QUOTAS_SHOW = "os-quota-sets:show";
    /// Show them with what is used.
    QUOTAS_DETAIL = "os-quota-sets:detail";
    /// Show those of projects that have none of their own.
    QUOTAS_DEFAULTS = "os-quota-sets:defaults";
    /// List what each project used over a time.
    USAGE_LIST = "os-simple-tenant-usage:list";
    /// Show what one project used.
    USAGE_SHOW = "os-simple-tenant-usage:show";
    /// List the extensions of the API.
    EXTENSIONS = "extensions";
}
