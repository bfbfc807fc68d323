-- The whole schema. The same tables, columns and indexes as for PostgreSQL; see schema/README.md.

-- Services: one nova-compute per agent, one nova-conductor per conductor.
CREATE TABLE services (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT NOT NULL UNIQUE,
    "binary"        TEXT NOT NULL CHECK ("binary" IN ('nova-compute', 'nova-conductor')),
    host            TEXT NOT NULL,
    zone            TEXT NOT NULL,
    disabled        BOOLEAN NOT NULL DEFAULT 0,
    disabled_reason TEXT,
    forced_down     BOOLEAN NOT NULL DEFAULT 0,
    last_seen_up    TIMESTAMP,
    report_count    BIGINT NOT NULL DEFAULT 0,
    version         TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP,
    UNIQUE (host, "binary")
);

-- Compute hosts. Memory in MiB, disks in GiB.
CREATE TABLE hosts (
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid               TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL UNIQUE,
    service_id         BIGINT NOT NULL UNIQUE REFERENCES services (id),
    node               TEXT NOT NULL,
    hypervisor_type    TEXT NOT NULL,
    hypervisor_version BIGINT NOT NULL,
    host_ip            TEXT,
    cpu_info           TEXT NOT NULL,
    arch               TEXT NOT NULL,
    vcpus              BIGINT NOT NULL,
    memory_mb          BIGINT NOT NULL,
    local_gb           BIGINT NOT NULL,
    local_free_gb      BIGINT NOT NULL,
    storage_pools      TEXT NOT NULL,
    agent_address      TEXT NOT NULL,
    agent_boot_id      TEXT NOT NULL,
    rpc_version        TEXT NOT NULL,
    capabilities       TEXT NOT NULL,
    last_inventory_at  TIMESTAMP,
    created_at         TIMESTAMP NOT NULL,
    updated_at         TIMESTAMP
);

-- Flavors. Memory and swap in MiB, disks in GiB.
CREATE TABLE flavors (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    flavorid     TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    vcpus        BIGINT NOT NULL,
    memory_mb    BIGINT NOT NULL,
    root_gb      BIGINT NOT NULL,
    ephemeral_gb BIGINT NOT NULL,
    swap_mb      BIGINT NOT NULL,
    extra_specs  TEXT NOT NULL
);

-- Servers. settled_at: when a move of it last ended; observations from before say nothing.
CREATE TABLE servers (
    id                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid              TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    hostname          TEXT NOT NULL,
    instance_name     TEXT NOT NULL,
    description       TEXT,
    project_id        TEXT NOT NULL,
    user_id           TEXT NOT NULL,
    host              TEXT,
    node              TEXT,
    vm_state          TEXT NOT NULL CHECK (vm_state IN (
        'active', 'building', 'paused', 'suspended', 'stopped', 'rescued',
        'resized', 'soft-delete', 'deleted', 'error', 'shelved',
        'shelved_offloaded'
    )),
    task_state        TEXT CHECK (task_state IN (
        'migrating', 'resize_prep', 'resize_migrating', 'resize_migrated',
        'resize_finish', 'resize_reverting', 'resize_confirming', 'rebuilding',
        'rebuild_block_device_mapping', 'rebuild_spawning', 'rebooting',
        'reboot_pending', 'reboot_started', 'rebooting_hard',
        'reboot_pending_hard', 'reboot_started_hard', 'updating_password',
        'scheduling', 'block_device_mapping', 'networking', 'spawning',
        'image_snapshot', 'image_snapshot_pending', 'image_pending_upload',
        'image_uploading', 'image_backup', 'pausing', 'unpausing', 'suspending',
        'resuming', 'powering-off', 'powering-on', 'rescuing', 'unrescuing',
        'deleting', 'soft-deleting', 'restoring', 'shelving',
        'shelving_image_pending_upload', 'shelving_image_uploading',
        'shelving_offloading', 'unshelving'
    )),
    power_state       BIGINT NOT NULL CHECK (power_state IN (0, 1, 3, 4, 6, 7)),
    progress          BIGINT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    locked_by         TEXT CHECK (locked_by IN ('owner', 'admin')),
    locked_reason     TEXT,
    vcpus             BIGINT NOT NULL,
    memory_mb         BIGINT NOT NULL,
    disk_gb           BIGINT NOT NULL,
    flavor_id         BIGINT NOT NULL REFERENCES flavors (id),
    image_ref         TEXT,
    key_name          TEXT,
    availability_zone TEXT,
    config_drive      BOOLEAN NOT NULL DEFAULT 0,
    metadata          TEXT NOT NULL,
    disks             TEXT NOT NULL,
    cpu               TEXT NOT NULL,
    fault             TEXT,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP,
    launched_at       TIMESTAMP,
    terminated_at     TIMESTAMP,
    deleted_at        TIMESTAMP,
    settled_at        TIMESTAMP,
    generation        BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX servers_by_age ON servers (created_at, id);
CREATE INDEX servers_by_project ON servers (project_id, created_at, id);
CREATE INDEX servers_by_host ON servers (host) WHERE deleted_at IS NULL;
CREATE INDEX servers_with_task ON servers (task_state) WHERE task_state IS NOT NULL;

-- What each host last said of each server it has.
CREATE TABLE sightings (
    server_uuid TEXT NOT NULL,
    host        TEXT NOT NULL,
    sighting    TEXT NOT NULL CHECK (sighting IN (
        'unreachable', 'absent', 'inactive', 'incoming', 'executing', 'moving',
        'handed_over'
    )),
    power_state BIGINT NOT NULL CHECK (power_state IN (0, 1, 3, 4, 6, 7)),
    observed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (server_uuid, host)
);
CREATE INDEX sightings_by_host ON sightings (host);

-- Migrations, under Nova's names. Bytes. What only describes a migration and what decides its
-- course (guarded by generation) share a row; progress never touches the generation.
CREATE TABLE migrations (
    id                   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid                 TEXT NOT NULL UNIQUE,
    instance_uuid        TEXT NOT NULL,
    migration_type       TEXT NOT NULL CHECK (migration_type IN ('live-migration', 'migration', 'resize', 'evacuation')),
    status               TEXT NOT NULL CHECK (status IN (
        'accepted', 'queued', 'preparing', 'running', 'running (post-copy)',
        'pre-migrating', 'migrating', 'post-migrating', 'finished',
        'confirming', 'confirmed', 'reverting', 'reverted', 'done', 'completed',
        'cancelled', 'failed', 'error'
    )),
    intent               TEXT CHECK (intent IN ('abort', 'force_complete')),
    settling             TEXT CHECK (settling IN ('finishing', 'cancelling', 'failing')),
    storage              TEXT CHECK (storage IN ('shared', 'copied')),
    request              TEXT NOT NULL,
    limits               TEXT NOT NULL,
    source_compute       TEXT NOT NULL,
    source_node          TEXT,
    dest_compute         TEXT,
    dest_node            TEXT,
    dest_host            TEXT,
    old_instance_type_id BIGINT,
    new_instance_type_id BIGINT,
    user_id              TEXT,
    project_id           TEXT,
    request_id           TEXT,
    deadline             TIMESTAMP,
    failure_code         TEXT,
    failure_message      TEXT,
    generation           BIGINT NOT NULL,
    effect_sequence      BIGINT NOT NULL,
    event_sequence       BIGINT NOT NULL,
    memory_total         BIGINT,
    memory_processed     BIGINT,
    memory_remaining     BIGINT,
    disk_total           BIGINT,
    disk_processed       BIGINT,
    disk_remaining       BIGINT,
    dirty_rate           BIGINT,
    throughput           BIGINT,
    downtime_ms          BIGINT,
    created_at           TIMESTAMP NOT NULL,
    updated_at           TIMESTAMP,
    status_since         TIMESTAMP NOT NULL,
    started_at           TIMESTAMP,
    ended_at             TIMESTAMP,
    hidden               BOOLEAN NOT NULL DEFAULT 0,
    imported             BOOLEAN NOT NULL DEFAULT 0,
    deleted_at           TIMESTAMP,
    CHECK ((ended_at IS NOT NULL) = (status IN ('confirmed', 'reverted', 'completed', 'cancelled', 'failed', 'error'))),
    CHECK ((failure_code IS NULL) = (failure_message IS NULL))
);
-- The rule that a server moves at most once at a time.
CREATE UNIQUE INDEX migrations_one_unfinished ON migrations (instance_uuid)
    WHERE ended_at IS NULL AND imported = 0;
-- What is going on stays quick to find, however much has ended.
CREATE INDEX migrations_unfinished ON migrations (created_at, id) WHERE ended_at IS NULL;
-- Two columns, as SQLite would take migrations_by_server rather than one alone, and read all rows.
CREATE INDEX migrations_unfinished_of ON migrations (instance_uuid, deleted_at)
    WHERE ended_at IS NULL;
CREATE INDEX migrations_due ON migrations (deadline) WHERE ended_at IS NULL AND deadline IS NOT NULL;
-- Lists are pages by age, under any one filter.
CREATE INDEX migrations_by_age ON migrations (created_at, id);
CREATE INDEX migrations_by_server ON migrations (instance_uuid, created_at, id);
CREATE INDEX migrations_by_status ON migrations (status, created_at, id);
CREATE INDEX migrations_by_type ON migrations (migration_type, created_at, id);
CREATE INDEX migrations_by_source ON migrations (source_compute, created_at, id);
CREATE INDEX migrations_by_destination ON migrations (dest_compute, created_at, id);
CREATE INDEX migrations_by_project ON migrations (project_id, created_at, id);
CREATE INDEX migrations_by_user ON migrations (user_id, created_at, id);
CREATE INDEX migrations_by_change ON migrations (updated_at, created_at);

-- The event log: append-only, gapless from 1 for each migration.
CREATE TABLE migration_events (
    migration_id BIGINT NOT NULL REFERENCES migrations (id),
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    at           TIMESTAMP NOT NULL,
    name         TEXT NOT NULL,
    from_status  TEXT,
    to_status    TEXT NOT NULL,
    actor        TEXT NOT NULL,
    request_id   TEXT,
    detail       TEXT NOT NULL,
    PRIMARY KEY (migration_id, sequence)
);

-- The outbox: effects to be performed by whoever holds their lease.
CREATE TABLE effects (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    migration_id BIGINT NOT NULL REFERENCES migrations (id),
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    effect       TEXT NOT NULL CHECK (effect IN (
        'schedule', 'cancel', 'prepare', 'start', 'watch', 'abort',
        'force_complete', 'finish', 'roll_back'
    )),
    created_at   TIMESTAMP NOT NULL,
    not_before   TIMESTAMP NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_epoch  BIGINT NOT NULL DEFAULT 0,
    lease_until  TIMESTAMP,
    last_error   TEXT,
    done_at      TIMESTAMP,
    outcome      TEXT CHECK (outcome IN ('done', 'superseded')),
    UNIQUE (migration_id, sequence),
    CHECK ((done_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX effects_undone ON effects (migration_id, sequence) WHERE done_at IS NULL;
CREATE INDEX effects_ready ON effects (not_before) WHERE done_at IS NULL;
CREATE INDEX effects_leased ON effects (lease_owner) WHERE done_at IS NULL;

-- Room held at a destination until the migration ends. Memory in MiB, disk in GiB.
CREATE TABLE claims (
    migration_id BIGINT NOT NULL PRIMARY KEY REFERENCES migrations (id),
    host         TEXT NOT NULL,
    vcpus        BIGINT NOT NULL,
    memory_mb    BIGINT NOT NULL,
    disk_gb      BIGINT NOT NULL,
    created_at   TIMESTAMP NOT NULL
);
CREATE INDEX claims_by_host ON claims (host);

-- Places among the migrations under way at a host.
CREATE TABLE slots (
    migration_id BIGINT NOT NULL REFERENCES migrations (id),
    role         TEXT NOT NULL CHECK (role IN ('source', 'destination')),
    host         TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (migration_id, role)
);
CREATE INDEX slots_by_host ON slots (host, role);

-- What rows and hypervisors disagree about. At most one is open for one subject.
CREATE TABLE discrepancies (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind           TEXT NOT NULL CHECK (kind IN (
        'seen_twice', 'seen_nowhere', 'seen_elsewhere', 'moved_by_hand',
        'overdue', 'destination_not_clean', 'guest_nowhere', 'host_silent'
    )),
    subject        TEXT NOT NULL,
    server_uuid    TEXT,
    migration_uuid TEXT,
    host           TEXT,
    detail         TEXT NOT NULL,
    opened_at      TIMESTAMP NOT NULL,
    closed_at      TIMESTAMP,
    closed_because TEXT
);
CREATE UNIQUE INDEX discrepancies_open ON discrepancies (subject) WHERE closed_at IS NULL;
CREATE INDEX discrepancies_open_by_server ON discrepancies (server_uuid) WHERE closed_at IS NULL;
