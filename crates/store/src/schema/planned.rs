//! The tables of plans, runs and maintenance.

diesel::table! {
    plans (id) {
        id -> BigInt,
        uuid -> Text,
        project_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        kind -> Text,
        state -> Text,
        target -> Text,
        options -> Text,
        sources -> Text,
        valid_until -> Nullable<Timestamp>,
        due_at -> Nullable<Timestamp>,
        has_run -> Bool,
        failure_code -> Nullable<Text>,
        failure_message -> Nullable<Text>,
        fingerprint -> Nullable<Text>,
        facts -> Nullable<Text>,
        room -> Text,
        blocked -> Text,
        reasons -> Text,
        makespan -> Nullable<Text>,
        lower_bound -> Nullable<Text>,
        messages -> Text,
        generation -> BigInt,
        event_sequence -> BigInt,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    operations (id) {
        id -> BigInt,
        plan_id -> BigInt,
        place -> BigInt,
        uuid -> Text,
        kind -> Text,
        server_uuid -> Text,
        source -> Text,
        planned_destination -> Text,
        after_operations -> Text,
        after_host -> Nullable<Text>,
        because -> Text,
        estimates -> Text,
        weight -> BigInt,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        disk_gb -> BigInt,
        state -> Nullable<Text>,
        destination -> Nullable<Text>,
        waits_for_host -> Nullable<Text>,
        carried_out_as -> Nullable<Text>,
        migration_uuid -> Nullable<Text>,
        attempts -> BigInt,
        revisions -> BigInt,
        replan -> Bool,
        aborting -> Bool,
        failure_code -> Nullable<Text>,
        failure_message -> Nullable<Text>,
        actual -> Nullable<Text>,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    runs (id) {
        id -> BigInt,
        uuid -> Text,
        plan_id -> BigInt,
        project_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        kind -> Text,
        state -> Text,
        priority -> Text,
        planned -> Bool,
        host -> Nullable<Text>,
        constraints -> Text,
        blocked -> BigInt,
        attempts_max -> BigInt,
        deadline -> Nullable<Timestamp>,
        is_late -> Bool,
        rolling -> Nullable<Text>,
        percent -> BigInt,
        eta -> Nullable<Text>,
        waits_for -> Text,
        messages -> Text,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        cancel_requested_at -> Nullable<Timestamp>,
        generation -> BigInt,
        effect_sequence -> BigInt,
        event_sequence -> BigInt,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        short_since -> Nullable<Timestamp>,
        tally -> Nullable<Text>,
    }
}

diesel::table! {
    run_revisions (id) {
        id -> BigInt,
        run_id -> BigInt,
        operation_uuid -> Text,
        old_destination -> Text,
        new_destination -> Text,
        failure_code -> Nullable<Text>,
        failure_message -> Nullable<Text>,
        at -> Timestamp,
    }
}

diesel::table! {
    run_claims (run_id, host) {
        run_id -> BigInt,
        host -> Text,
        vcpus -> BigInt,
        memory_mb -> BigInt,
        disk_gb -> BigInt,
        created_at -> Timestamp,
    }
}

diesel::table! {
    maintenances (id) {
        id -> BigInt,
        host -> Text,
        state -> Text,
        holders -> Text,
        work -> Nullable<Text>,
        next -> Nullable<Text>,
        servers_left -> Text,
        reasons -> Text,
        home -> Text,
        return_home -> Text,
        evidence -> Text,
        run_ended_at -> Nullable<Timestamp>,
        retry_at -> Nullable<Timestamp>,
        retries -> BigInt,
        beside -> Nullable<Text>,
        cancelled_by -> Nullable<Text>,
        generation -> BigInt,
        event_sequence -> BigInt,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        reached -> BigInt,
        requests -> BigInt,
    }
}
