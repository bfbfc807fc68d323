//! The names of the policy rules that this API asks.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = concat!("relocation:", $text);)+
    };
}

rules! {
    MIGRATIONS_LIST = "migrations:list";
    MIGRATIONS_SHOW = "migrations:show";
    EVENTS_LIST = "events:list";
    SNAPSHOT_SHOW = "snapshot:show";
    WEBHOOKS_LIST = "webhooks:list";
    WEBHOOKS_SHOW = "webhooks:show";
    WEBHOOKS_CREATE = "webhooks:create";
    WEBHOOKS_DELETE = "webhooks:delete";
    WEBHOOKS_REDELIVER = "webhooks:redeliver";
    HOSTS_LIST = "hosts:list";
    HOSTS_SHOW = "hosts:show";
    SERVERS_LIST = "servers:list";
    SERVERS_SHOW = "servers:show";
    SERVERS_CANDIDATES = "servers:candidates";
    HOSTS_DRAIN_CHECK = "hosts:drain-check";
    GROUPS_ADD_MEMBER = "groups:add-member";
    GROUPS_REMOVE_MEMBER = "groups:remove-member";
    POOLS_LIST = "pools:list";
    HOSTS_SET_ALLOCATION = "hosts:set-allocation";
    HOSTS_SET_TOPOLOGY = "hosts:set-topology";
    HOSTS_FENCE = "hosts:fence";
    SCOPES_LIST = "scopes:list";
    SCOPES_SET_ALLOCATION = "scopes:set-allocation";
    SCOPES_SET_MANAGEMENT = "scopes:set-management";
    PLANS_LIST = "plans:list";
    PLANS_SHOW = "plans:show";
    PLANS_CREATE = "plans:create";
    PLANS_DELETE = "plans:delete";
    PLANS_REMAKE = "plans:remake";
    RUNS_LIST = "runs:list";
    RUNS_SHOW = "runs:show";
    RUNS_CREATE = "runs:create";
    RUNS_CANCEL = "runs:cancel";
    RUNS_SKIP = "runs:skip";
    RUNS_FINISH_HOST = "runs:finish-host";
    MAINTENANCE_SHOW = "maintenance:show";
    MAINTENANCE_ENTER = "maintenance:enter";
    MAINTENANCE_LEAVE = "maintenance:leave";
    /// See scopes that were disabled.
    SCOPES_SEE_DISABLED = "scopes:see-disabled";
    /// See hosts by name, and texts that may name them.
    HOSTS_SEE = "hosts:see";
}
