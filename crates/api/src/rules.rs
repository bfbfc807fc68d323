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
    /// Show a flavor's extra specs.
    FLAVOR_EXTRA_SPECS = "servers:show:flavor-extra-specs";
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
}
