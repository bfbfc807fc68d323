//! The tables as diesel sees them, on both backends. Only types that both have: uuids and JSON
//! are text, instants are `TIMESTAMP` in UTC.

mod planned;

pub(crate) use self::planned::{maintenances, operations, plans, run_claims, run_revisions, runs};

/// A table of more than 32 columns, of which `table!` has 32. For it to have more of them diesel
/// implements its traits for longer tuples, and takes several times as long to compile. The columns
/// beside are as good as the others, wherever rows come from one of the sources that are named; only
/// the default selection lacks them.
macro_rules! wide_table {
    (
        $table:ident $key:tt { $($main:tt)* }
        beside, in ($($source:ty),+) { $($column:ident -> $type:ty,)+ }
    ) => {
        pub(crate) mod $table {
            use diesel::backend::Backend;
            use diesel::expression::{
                AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate,
            };
            use diesel::query_builder::{AstPass, QueryFragment, QueryId};
            use diesel::query_source::{AppearsInFromClause, Column, Once};
            use diesel::result::QueryResult;
            #[allow(unused_imports, reason = "not every table needs all of them")]
            use diesel::sql_types::{BigInt, Nullable, Text};

            pub(crate) use self::main::$table::*;

            mod main {
                diesel::table! { $table $key { $($main)* } }
            }

            $(
                #[allow(non_camel_case_types)]
                #[derive(Debug, Clone, Copy, QueryId)]
                pub(crate) struct $column;

                impl Expression for $column {
                    type SqlType = $type;
                }

                impl Column for $column {
                    type Table = table;
                    const NAME: &'static str = stringify!($column);
                }

                impl<DB: Backend> QueryFragment<DB> for $column {
                    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                        out.push_identifier(stringify!($table))?;
                        out.push_sql(".");
                        out.push_identifier(Self::NAME)
                    }
                }

                impl<QS: AppearsInFromClause<table, Count = Once>> AppearsOnTable<QS> for $column {}

                impl ValidGrouping<()> for $column {
                    type IsAggregate = is_aggregate::No;
                }
            )+

            wide_table!(selectable ($($source),+) $($column)+);
        }
    };
    (selectable $sources:tt $($column:ident)+) => {
        $(wide_table!(one $sources $column);)+
    };
    (one ($($source:ty),+) $column:ident) => {
        $(impl SelectableExpression<$source> for $column {})+
    };
}

diesel::table! {
    services (id) {
        id -> BigInt,
        uuid -> Text,
        binary -> Text,
        host -> Text,
        zone -> Text,
        disabled -> Bool,
        disabled_reason -> Nullable<Text>,
        forced_down -> Bool,
        last_seen_up -> Nullable<Timestamp>,
        report_count -> BigInt,
        version -> Text,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        forced_down_at -> Nullable<Timestamp>,
        registered_zone -> Nullable<Text>,
        silent_since -> Nullable<Timestamp>,
        disabled_by -> Nullable<Text>,
        disabled_since -> Nullable<Timestamp>,
        forced_down_by -> Nullable<Text>,
        forced_down_reason -> Nullable<Text>,
    }
}

diesel::table! {
    deleted_services (host, binary) {
        host -> Text,
        binary -> Text,
        disabled -> Bool,
        disabled_reason -> Nullable<Text>,
        forced_down -> Bool,
        deleted_at -> Timestamp,
        disabled_by -> Nullable<Text>,
        disabled_since -> Nullable<Timestamp>,
        forced_down_at -> Nullable<Timestamp>,
        forced_down_by -> Nullable<Text>,
        forced_down_reason -> Nullable<Text>,
    }
}

diesel::table! {
    aggregates (id) {
        id -> BigInt,
        uuid -> Text,
        name -> Text,
        availability_zone -> Nullable<Text>,
        metadata -> Text,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        changed_by -> Nullable<Text>,
    }
}

diesel::table! {
    aggregate_hosts (id) {
        id -> BigInt,
        aggregate_id -> BigInt,
        host -> Text,
        changed_by -> Nullable<Text>,
    }
}

diesel::table! {
    host_topologies (host) {
        host -> Text,
        pod -> Nullable<Text>,
        cluster -> Nullable<Text>,
        changed_at -> Timestamp,
        changed_by -> Nullable<Text>,
        left_cluster -> Nullable<Text>,
        left_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    scope_allocations (kind, name) {
        kind -> Text,
        name -> Text,
        disabled -> Bool,
        reason -> Nullable<Text>,
        said_by -> Nullable<Text>,
        since -> Nullable<Timestamp>,
    }
}

diesel::table! {
    cluster_managements (cluster) {
        cluster -> Text,
        managed -> Bool,
        reason -> Nullable<Text>,
        said_by -> Nullable<Text>,
        since -> Nullable<Timestamp>,
        reconciled_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    hosts (id) {
        id -> BigInt,
        uuid -> Text,
        name -> Text,
        service_id -> BigInt,
        node -> Text,
        hypervisor_type -> Text,
        hypervisor_version -> BigInt,
        host_ip -> Nullable<Text>,
        cpu_info -> Text,
        arch -> Text,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        local_gb -> BigInt,
        local_free_gb -> BigInt,
        storage_pools -> Text,
        agent_address -> Text,
        agent_boot_id -> Text,
        rpc_version -> Text,
        capabilities -> Text,
        last_inventory_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        imported_usage -> Nullable<Text>,
        restored_at -> Nullable<Timestamp>,
        links -> Nullable<Text>,
        stream_bytes_per_second -> Nullable<BigInt>,
        moved_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    flavors (id) {
        id -> BigInt,
        flavorid -> Text,
        name -> Text,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        root_gb -> BigInt,
        ephemeral_gb -> BigInt,
        swap_mb -> BigInt,
        extra_specs -> Text,
    }
}

wide_table! {
    servers (id) {
        id -> BigInt,
        uuid -> Text,
        name -> Text,
        hostname -> Text,
        instance_name -> Text,
        description -> Nullable<Text>,
        project_id -> Text,
        user_id -> Text,
        host -> Nullable<Text>,
        node -> Nullable<Text>,
        vm_state -> Text,
        task_state -> Nullable<Text>,
        power_state -> BigInt,
        progress -> BigInt,
        locked_by -> Nullable<Text>,
        locked_reason -> Nullable<Text>,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        disk_gb -> BigInt,
        flavor_id -> BigInt,
        image_ref -> Nullable<Text>,
        key_name -> Nullable<Text>,
        availability_zone -> Nullable<Text>,
        config_drive -> Bool,
        fault -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        launched_at -> Nullable<Timestamp>,
        terminated_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
        settled_at -> Nullable<Timestamp>,
        generation -> BigInt,
    }
    beside, in (table, diesel::dsl::InnerJoinQuerySource<table, super::flavors::table>) {
        metadata -> Text,
        disks -> Text,
        cpu -> Text,
        definition -> Nullable<Text>,
        launch -> Nullable<Text>,
        dirty_bytes_per_second -> Nullable<BigInt>,
    }
}

diesel::table! {
    sightings (server_uuid, host) {
        server_uuid -> Text,
        host -> Text,
        sighting -> Text,
        power_state -> BigInt,
        observed_at -> Timestamp,
    }
}

wide_table! {
    migrations (id) {
        id -> BigInt,
        uuid -> Text,
        instance_uuid -> Text,
        migration_type -> Text,
        status -> Text,
        intent -> Nullable<Text>,
        settling -> Nullable<Text>,
        storage -> Nullable<Text>,
        source_compute -> Text,
        source_node -> Nullable<Text>,
        dest_compute -> Nullable<Text>,
        dest_node -> Nullable<Text>,
        dest_host -> Nullable<Text>,
        old_instance_type_id -> Nullable<BigInt>,
        new_instance_type_id -> Nullable<BigInt>,
        user_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        deadline -> Nullable<Timestamp>,
        failure_code -> Nullable<Text>,
        generation -> BigInt,
        effect_sequence -> BigInt,
        event_sequence -> BigInt,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        status_since -> Timestamp,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        hidden -> Bool,
        imported -> Bool,
        deleted_at -> Nullable<Timestamp>,
        server_project_id -> Nullable<Text>,
    }
    beside, in (table) {
        request -> Text,
        limits -> Text,
        failure_message -> Nullable<Text>,
        memory_total -> Nullable<BigInt>,
        memory_processed -> Nullable<BigInt>,
        memory_remaining -> Nullable<BigInt>,
        disk_total -> Nullable<BigInt>,
        disk_processed -> Nullable<BigInt>,
        disk_remaining -> Nullable<BigInt>,
        dirty_rate -> Nullable<BigInt>,
        throughput -> Nullable<BigInt>,
        downtime_ms -> Nullable<BigInt>,
        placed_in_group -> Nullable<BigInt>,
        operation_uuid -> Nullable<Text>,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        position -> Nullable<BigInt>,
        subject_kind -> Text,
        subject_id -> BigInt,
        sequence -> BigInt,
        at -> Timestamp,
        name -> Text,
        from_status -> Nullable<Text>,
        to_status -> Text,
        actor -> Text,
        request_id -> Nullable<Text>,
        detail -> Text,
        user_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        owner_project_id -> Nullable<Text>,
    }
}

diesel::table! {
    host_logs (id) {
        id -> BigInt,
        host -> Text,
        event_sequence -> BigInt,
    }
}

diesel::table! {
    event_kinds (kind) {
        kind -> Text,
    }
}

diesel::table! {
    events_expired (id) {
        id -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    effects (id) {
        id -> BigInt,
        subject_kind -> Text,
        subject_id -> BigInt,
        sequence -> BigInt,
        effect -> Text,
        created_at -> Timestamp,
        not_before -> Timestamp,
        attempts -> BigInt,
        lease_owner -> Nullable<Text>,
        lease_epoch -> BigInt,
        lease_until -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        done_at -> Nullable<Timestamp>,
        outcome -> Nullable<Text>,
        trace_parent -> Nullable<Text>,
    }
}

diesel::table! {
    claims (migration_id) {
        migration_id -> BigInt,
        host -> Text,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        disk_gb -> BigInt,
        created_at -> Timestamp,
    }
}

diesel::table! {
    slots (migration_id, role) {
        migration_id -> BigInt,
        role -> Text,
        host -> Text,
        created_at -> Timestamp,
        bytes_per_second -> Nullable<BigInt>,
    }
}

diesel::table! {
    discrepancies (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        server_uuid -> Nullable<Text>,
        migration_uuid -> Nullable<Text>,
        host -> Nullable<Text>,
        detail -> Text,
        opened_at -> Timestamp,
        closed_at -> Nullable<Timestamp>,
        closed_because -> Nullable<Text>,
    }
}

diesel::table! {
    instance_actions (id) {
        id -> BigInt,
        action -> Text,
        instance_uuid -> Text,
        request_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        start_time -> Nullable<Timestamp>,
        finish_time -> Nullable<Timestamp>,
        message -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    instance_actions_events (id) {
        id -> BigInt,
        action_id -> BigInt,
        event -> Text,
        start_time -> Nullable<Timestamp>,
        finish_time -> Nullable<Timestamp>,
        result -> Nullable<Text>,
        traceback -> Nullable<Text>,
        host -> Nullable<Text>,
        details -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    server_groups (id) {
        id -> BigInt,
        uuid -> Text,
        name -> Text,
        project_id -> Text,
        user_id -> Text,
        policy -> Text,
        max_server_per_host -> Nullable<BigInt>,
        created_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
        changed_by -> Nullable<Text>,
    }
}

diesel::table! {
    server_group_members (id) {
        id -> BigInt,
        group_id -> BigInt,
        server_uuid -> Text,
        origin -> Text,
        created_at -> Timestamp,
        changed_by -> Nullable<Text>,
    }
}

diesel::table! {
    idempotency_keys (id) {
        id -> BigInt,
        user_id -> Text,
        project_id -> Text,
        route -> Text,
        key -> Text,
        fingerprint -> Text,
        answer -> Text,
        open_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        uuid -> Text,
        project_id -> Text,
        user_id -> Nullable<Text>,
        url -> Text,
        types -> Text,
        secret -> Text,
        sees_hosts -> Bool,
        sees_project -> Nullable<Text>,
        position -> BigInt,
        created_at -> Timestamp,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> BigInt,
        uuid -> Text,
        webhook_id -> BigInt,
        position -> BigInt,
        event_type -> Text,
        subject -> Text,
        body -> Text,
        state -> Text,
        attempts -> BigInt,
        not_before -> Timestamp,
        give_up_at -> Timestamp,
        lease_until -> Nullable<Timestamp>,
        status -> Nullable<BigInt>,
        error -> Nullable<Text>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    notification_cursors (reader) {
        reader -> Text,
        position -> BigInt,
        holder -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
    }
}

diesel::joinable!(hosts -> services (service_id));
diesel::joinable!(aggregate_hosts -> aggregates (aggregate_id));
diesel::joinable!(servers -> flavors (flavor_id));
diesel::joinable!(claims -> migrations (migration_id));
diesel::joinable!(slots -> migrations (migration_id));
diesel::joinable!(instance_actions_events -> instance_actions (action_id));
diesel::joinable!(server_group_members -> server_groups (group_id));
diesel::joinable!(operations -> plans (plan_id));
diesel::joinable!(runs -> plans (plan_id));
diesel::joinable!(run_revisions -> runs (run_id));
diesel::joinable!(run_claims -> runs (run_id));
diesel::allow_tables_to_appear_in_same_query!(
    services,
    deleted_services,
    aggregates,
    aggregate_hosts,
    host_topologies,
    scope_allocations,
    cluster_managements,
    hosts,
    flavors,
    servers,
    sightings,
    migrations,
    events,
    events_expired,
    host_logs,
    event_kinds,
    effects,
    claims,
    slots,
    discrepancies,
    instance_actions,
    instance_actions_events,
    server_groups,
    server_group_members,
    idempotency_keys,
    webhooks,
    webhook_deliveries,
    notification_cursors,
    plans,
    operations,
    runs,
    run_revisions,
    run_claims,
    maintenances,
);
