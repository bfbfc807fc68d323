//! Every rule with its default: Nova's, as far as they decide about moving servers, and those of
//! `/relocation/v1`, which Nova has no word for.
//!
//! One table. Overriding a rule in a policy file, the sample file, and the check that no route is
//! without a rule all go by it.
//!
//! A quirk is kept on purpose. Nova names the predecessors of its base rules with a `rule:` before
//! them (`ADMIN_API`), which no policy file does; so an override of `admin_api` does not decide
//! who is an administrator, and it must not start to here.

use crate::rule_default::{DeprecatedRule, RuleDefault};
use crate::scope::Scope;

/// The rule that decides who is an administrator.
pub const CONTEXT_IS_ADMIN: &str = "context_is_admin";

const ADMIN: &str = "rule:context_is_admin";
const MANAGER: &str = "rule:project_manager_or_admin";
const MEMBER: &str = "rule:project_member_or_admin";
const READER: &str = "rule:project_reader_or_admin";

const ADMIN_API: DeprecatedRule<'_> = was("rule:admin_api", "is_admin:True", "21.0.0");
const ADMIN_OR_OWNER: DeprecatedRule<'_> = was(
    "rule:admin_or_owner",
    "is_admin:True or project_id:%(project_id)s",
    "21.0.0",
);
const SERVER_MIGRATIONS: DeprecatedRule<'_> =
    was("os_compute_api:servers:migrations:index", ADMIN, "32.0.0");
const MIGRATIONS: DeprecatedRule<'_> = was("os_compute_api:os-migrations:index", ADMIN, "32.0.0");
const MIGRATE_LIVE: DeprecatedRule<'_> = was(
    "os_compute_api:os-migrate-server:migrate_live",
    ADMIN,
    "32.0.0",
);
const FLAVOR_EXTRA_SPECS: DeprecatedRule<'_> = DeprecatedRule {
    name: "os_compute_api:os-flavor-extra-specs:index",
    check: "rule:admin_or_owner",
    since: None,
};
const INSTANCE_ACTIONS: DeprecatedRule<'_> = was(
    "os_compute_api:os-instance-actions",
    "rule:admin_or_owner",
    "21.0.0",
);
const SERVICES: DeprecatedRule<'_> = was("os_compute_api:os-services", "rule:admin_api", "21.0.0");
const HYPERVISORS: DeprecatedRule<'_> =
    was("os_compute_api:os-hypervisors", "rule:admin_api", "21.0.0");
const SECURITY_GROUPS: DeprecatedRule<'_> = was(
    "os_compute_api:os-security-groups",
    "rule:admin_or_owner",
    "22.0.0",
);
const INTERFACES: DeprecatedRule<'_> = was(
    "os_compute_api:os-attach-interfaces",
    "rule:admin_or_owner",
    "21.0.0",
);
const USED_LIMITS: DeprecatedRule<'_> =
    was("os_compute_api:os-used-limits", "rule:admin_api", "21.0.0");

const fn was(
    name: &'static str,
    check: &'static str,
    since: &'static str,
) -> DeprecatedRule<'static> {
    DeprecatedRule {
        name,
        check,
        since: Some(since),
    }
}

/// A rule of the API. All of them are for project-scoped tokens only.
const fn project(
    name: &'static str,
    check: &'static str,
    description: &'static str,
) -> RuleDefault<'static> {
    RuleDefault::new(name, check, description).scoped(&[Scope::Project])
}

/// Every registered rule: first those that others build on, then those of the API.
pub static RULES: &[RuleDefault<'static>] = &[
    RuleDefault::new(
        CONTEXT_IS_ADMIN,
        "role:admin",
        "Who is an administrator. Decides what `is_admin:True` means in other rules, and who sees and unlocks the servers of every project.",
    )
    .replacing(ADMIN_API),
    RuleDefault::new(
        "admin_or_owner",
        "is_admin:True or project_id:%(project_id)s",
        "Administrators, and anyone of the project that owns the resource.",
    )
    .deprecated("21.0.0"),
    RuleDefault::new(
        "admin_api",
        "is_admin:True",
        "Administrators only.",
    )
    .deprecated("21.0.0"),
    RuleDefault::new(
        "project_manager_api",
        "role:manager and project_id:%(project_id)s",
        "Managers of the project that owns the resource.",
    )
    .replacing(ADMIN_API),
    RuleDefault::new(
        "project_member_api",
        "role:member and project_id:%(project_id)s",
        "Members of the project that owns the resource.",
    )
    .replacing(ADMIN_OR_OWNER),
    RuleDefault::new(
        "project_reader_api",
        "role:reader and project_id:%(project_id)s",
        "Readers of the project that owns the resource.",
    )
    .replacing(ADMIN_OR_OWNER),
    RuleDefault::new(
        "service_api",
        "role:service",
        "Other services of the cloud.",
    )
    .replacing(ADMIN_API),
    RuleDefault::new(
        "project_manager_or_admin",
        "rule:project_manager_api or rule:context_is_admin",
        "Managers of the project that owns the resource, and administrators.",
    )
    .replacing(ADMIN_API),
    RuleDefault::new(
        "project_member_or_admin",
        "rule:project_member_api or rule:context_is_admin",
        "Members of the project that owns the resource, and administrators.",
    )
    .replacing(ADMIN_OR_OWNER),
    RuleDefault::new(
        "project_reader_or_admin",
        "rule:project_reader_api or rule:context_is_admin",
        "Readers of the project that owns the resource, and administrators.",
    )
    .replacing(ADMIN_OR_OWNER),
    RuleDefault::new(
        "service_or_admin",
        "rule:service_api or rule:context_is_admin",
        "Other services of the cloud, and administrators.",
    )
    .replacing(ADMIN_API),
    project("os_compute_api:servers:migrations:index", MANAGER, "List the unfinished live migrations of a server, hosts left out."),
    project("os_compute_api:servers:migrations:index:host", ADMIN, "See the hosts in the list of a server's live migrations.").replacing(SERVER_MIGRATIONS),
    project("os_compute_api:servers:migrations:show", ADMIN, "Show one unfinished live migration of a server."),
    project("os_compute_api:servers:migrations:force_complete", MANAGER, "Force a running live migration to complete."),
    project("os_compute_api:servers:migrations:delete", MANAGER, "Abort a live migration."),
    project("os_compute_api:os-migrations:index", MANAGER, "List the migrations of one's own project, hosts left out."),
    project("os_compute_api:os-migrations:index:all_projects", ADMIN, "List the migrations of every project, or of another one.").replacing(MIGRATIONS),
    project("os_compute_api:os-migrations:index:host", ADMIN, "See the hosts in the list of migrations.").replacing(MIGRATIONS),
    project("os_compute_api:os-migrate-server:migrate", MANAGER, "Cold-migrate a server to a host that the service chooses."),
    project("os_compute_api:os-migrate-server:migrate:host", ADMIN, "Cold-migrate a server to a named host."),
    project("os_compute_api:os-migrate-server:migrate_live", MANAGER, "Live-migrate a server to a host that the service chooses."),
    project("os_compute_api:os-migrate-server:migrate_live:host", ADMIN, "Live-migrate a server to a named host.").replacing(MIGRATE_LIVE),
    project("os_compute_api:os-evacuate", ADMIN, "Evacuate a server from a host that failed."),
    project("os_compute_api:os-lock-server:lock", MEMBER, "Lock a server."),
    project("os_compute_api:os-lock-server:unlock", MEMBER, "Unlock a server."),
    project("os_compute_api:os-lock-server:unlock:unlock_override", ADMIN, "Unlock a server that somebody else locked; asked after the rule for unlocking."),
    project("os_compute_api:os-admin-actions:reset_state", ADMIN, "Set the state of a server by hand."),
    project("os_compute_api:servers:confirm_resize", MEMBER, "Confirm a resize or a cold migration."),
    project("os_compute_api:servers:revert_resize", MEMBER, "Revert a resize or a cold migration."),
    project("os_compute_api:servers:stop", MEMBER, "Stop a server."),
    project("os_compute_api:servers:start", MEMBER, "Start a server."),
    project("os_compute_api:servers:reboot", MEMBER, "Reboot a server."),
    project("os_compute_api:servers:index", READER, "List servers."),
    project("os_compute_api:servers:detail", READER, "List servers with their details."),
    project("os_compute_api:servers:index:get_all_tenants", ADMIN, "List the servers of every project."),
    project("os_compute_api:servers:detail:get_all_tenants", ADMIN, "List the servers of every project with their details."),
    project("os_compute_api:servers:allow_all_filters", ADMIN, "Use every filter when listing servers; without it, filters for administrators are dropped."),
    project("os_compute_api:servers:show", READER, "Show a server."),
    project("os_compute_api:servers:show:flavor-extra-specs", READER, "See the extra specs in the flavor of a server (from 2.47).").replacing(FLAVOR_EXTRA_SPECS),
    project("os_compute_api:servers:show:host_status", ADMIN, "See the status of a server's host (from 2.16), whatever it is."),
    project("os_compute_api:servers:show:host_status:unknown-only", ADMIN, "See the status of a server's host only when it is UNKNOWN; asked after the rule for seeing it always."),
    project("os_compute_api:os-extended-server-attributes", ADMIN, "See a server's host, instance name and the other extended attributes. From 2.90 the hostname is everybody's."),
    project("os_compute_api:os-instance-actions:list", READER, "List what was done to a server.").replacing(INSTANCE_ACTIONS),
    project("os_compute_api:os-instance-actions:show", READER, "Show one action on a server.").replacing(INSTANCE_ACTIONS),
    project("os_compute_api:os-instance-actions:events", ADMIN, "See the events of an action: from 2.51 their tracebacks, from 2.62 their hosts."),
    project("os_compute_api:os-instance-actions:events:details", ADMIN, "See the details of an action's events (from 2.84), which can give away how the cloud is built."),
    project("os_compute_api:os-flavor-extra-specs:index", READER, "List the extra specs of a flavor; see them in flavors (from 2.61)."),
    project("os_compute_api:os-flavor-extra-specs:show", READER, "Show one extra spec of a flavor."),
    project("os_compute_api:os-services:list", ADMIN, "List the compute services.").replacing(SERVICES),
    project("os_compute_api:os-services:update", ADMIN, "Enable, disable and force down compute services.").replacing(SERVICES),
    project("os_compute_api:os-services:delete", ADMIN, "Delete a compute service.").replacing(SERVICES),
    project("os_compute_api:os-hypervisors:list", ADMIN, "List hypervisors.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:list-detail", ADMIN, "List hypervisors with their details.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:statistics", ADMIN, "Sum up all hypervisors.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:show", ADMIN, "Show a hypervisor.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:uptime", ADMIN, "Show the uptime of a hypervisor.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:search", ADMIN, "Search hypervisors by name.").replacing(HYPERVISORS),
    project("os_compute_api:os-hypervisors:servers", ADMIN, "List the servers on hypervisors by name.").replacing(HYPERVISORS),
    project("os_compute_api:os-aggregates:index", ADMIN, "List host aggregates."),
    project("os_compute_api:os-aggregates:show", ADMIN, "Show a host aggregate."),
    project("os_compute_api:os-aggregates:create", ADMIN, "Make a host aggregate."),
    project("os_compute_api:os-aggregates:update", ADMIN, "Rename a host aggregate, and say which availability zone it is."),
    project("os_compute_api:os-aggregates:delete", ADMIN, "Delete a host aggregate."),
    project("os_compute_api:os-aggregates:add_host", ADMIN, "Add a host to an aggregate."),
    project("os_compute_api:os-aggregates:remove_host", ADMIN, "Remove a host from an aggregate."),
    project("os_compute_api:os-aggregates:set_metadata", ADMIN, "Replace or remove metadata of a host aggregate."),
    project("os_compute_api:os-server-groups:create", MEMBER, "Make a server group."),
    project("os_compute_api:os-server-groups:delete", MEMBER, "Delete a server group."),
    project("os_compute_api:os-server-groups:index", READER, "List the server groups of one's own project."),
    project("os_compute_api:os-server-groups:index:all_projects", ADMIN, "List the server groups of every project; asked of administrators only, others get their own."),
    project("os_compute_api:os-server-groups:show", READER, "Show a server group."),
    project("os_compute_api:limits", "@", "Show the limits and the use of one's own project."),
    project("os_compute_api:limits:other_project", ADMIN, "Show the limits and the use of another project.").replacing(USED_LIMITS),
    project("os_compute_api:os-availability-zone:list", "@", "List availability zones."),
    project("os_compute_api:os-availability-zone:detail", ADMIN, "List availability zones with their hosts and services."),
    project("os_compute_api:os-volumes-attachments:index", READER, "List the volumes attached to a server."),
    project("os_compute_api:os-volumes-attachments:show", READER, "Show a volume attached to a server."),
    project("os_compute_api:os-attach-interfaces:list", READER, "List the ports of a server.").replacing(INTERFACES),
    project("os_compute_api:os-security-groups:get", READER, "List the security groups of one's own project.").replacing(SECURITY_GROUPS),
    project("os_compute_api:os-security-groups:list", READER, "List the security groups of a server.").replacing(SECURITY_GROUPS),
    project("os_compute_api:ips:index", READER, "List the addresses of a server."),
    project("os_compute_api:os-server-tags:index", READER, "List the tags of a server."),
    project("os_compute_api:server-metadata:index", READER, "List the metadata of a server."),
    project("os_compute_api:server-metadata:show", READER, "Show one item of the metadata of a server."),
    project("os_compute_api:os-quota-sets:show", READER, "Show the quotas of a project."),
    project("os_compute_api:os-quota-sets:detail", READER, "Show the quotas of a project with what it uses."),
    project("os_compute_api:os-quota-sets:defaults", "@", "Show the quotas of projects that have none of their own."),
    project("os_compute_api:os-simple-tenant-usage:list", ADMIN, "List what every project used over a time."),
    project("os_compute_api:os-simple-tenant-usage:show", READER, "Show what a project used over a time."),
    project("os_compute_api:extensions", "@", "List and show the extensions of the API."),
    project("compute:servers:resize:cross_cell", "!", "Resize a server across cells."),
    project("relocation:migrations:list", READER, "List the migrations of the servers of one's own project."),
    project("relocation:migrations:show", READER, "Show a migration of a server."),
    project("relocation:events:list", READER, "Read the events of the servers of one's own project."),
    project("relocation:snapshot:show", READER, "Read what there is at one moment, for events to go on from: the servers of one's own project and their unfinished migrations."),
    project("relocation:webhooks:list", READER, "List the webhooks of one's own project."),
    project("relocation:webhooks:show", READER, "Show a webhook, and what it was told."),
    project("relocation:webhooks:create", MANAGER, "Have the events that one sees sent somewhere."),
    project("relocation:webhooks:delete", MANAGER, "Delete a webhook."),
    project("relocation:webhooks:redeliver", MANAGER, "Have an event sent to a webhook once more."),
    project("relocation:hosts:list", ADMIN, "List hosts, for those who may see them."),
    project("relocation:hosts:show", ADMIN, "Show a host, to those who may see hosts."),
    project("relocation:servers:list", READER, "List the servers of one's own project with what they are made of."),
    project("relocation:servers:show", READER, "Show a server with what it is made of."),
    project("relocation:servers:candidates", MANAGER, "Ask where a server could go, for those who may see hosts."),
    project("relocation:hosts:drain-check", ADMIN, "Ask whether a host could be emptied."),
    project("relocation:groups:add-member", MANAGER, "Put a server of one's own project into a server group of it."),
    project("relocation:groups:remove-member", MANAGER, "Take a server out of a server group."),
    project("relocation:pools:list", ADMIN, "List storage pools, for those who may see hosts."),
    project("relocation:hosts:set-allocation", ADMIN, "Say whether servers are put on a host."),
    project("relocation:hosts:set-topology", ADMIN, "Say in which zone, pod and cluster a host is."),
    project("relocation:hosts:fence", ADMIN, "Declare a host dead."),
    project("relocation:scopes:list", ADMIN, "List zones, pods and clusters, for those who may see hosts."),
    project("relocation:scopes:set-allocation", ADMIN, "Say whether servers are put on the hosts of a zone, pod or cluster."),
    project("relocation:scopes:set-management", ADMIN, "Say whether the hosts of a cluster take part in moves."),
    project("relocation:scopes:see-disabled", ADMIN, "See zones, pods and clusters that were disabled."),
    project("relocation:plans:list", READER, "List the plans of one's own project."),
    project("relocation:plans:show", READER, "Show a plan."),
    project("relocation:plans:create", MANAGER, "Plan to move servers of one's own project. Who sees every project's may plan to empty hosts."),
    project("relocation:plans:delete", MANAGER, "Delete a plan that has not been run."),
    project("relocation:plans:remake", MANAGER, "Plan the same anew."),
    project("relocation:runs:list", READER, "List the runs of one's own project."),
    project("relocation:runs:show", READER, "Show a run."),
    project("relocation:runs:create", MANAGER, "Run a plan."),
    project("relocation:runs:cancel", MANAGER, "Cancel a run."),
    project("relocation:runs:skip", MANAGER, "Leave out an operation of a run."),
    project("relocation:runs:finish-host", ADMIN, "Be done with a host that a run of many hosts holds."),
    project("relocation:maintenance:show", ADMIN, "Show the maintenance of a host."),
    project("relocation:maintenance:enter", ADMIN, "Hold a host for maintenance, which empties it."),
    project("relocation:maintenance:leave", ADMIN, "Release a host that is held for maintenance."),
    project("relocation:hosts:see", ADMIN, "See hosts by name, and texts that may name them. Without it a host is an opaque id, or absent."),
];
