-- What cold moves and evacuations need, and instance actions. The same change as for PostgreSQL,
-- but that SQLite changes a CHECK by making its table anew; see schema/README.md.

-- What a server is on its hypervisor, in its driver's words: what boots it elsewhere.
ALTER TABLE servers ADD COLUMN definition TEXT;

-- What an imported host was said to give, until an agent speaks for it.
ALTER TABLE hosts ADD COLUMN imported_usage TEXT;

-- Schedulers, which only databases that were imported have.
CREATE TABLE new_services (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT NOT NULL UNIQUE,
    "binary"        TEXT NOT NULL CHECK ("binary" IN (
        'nova-compute', 'nova-conductor', 'nova-scheduler'
    )),
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
INSERT INTO new_services SELECT * FROM services;
DROP TABLE services;
ALTER TABLE new_services RENAME TO services;

-- An evacuation that is done no longer occupies its server; only its source is still to be cleaned.
CREATE TABLE new_migrations (
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
    CHECK ((ended_at IS NOT NULL) = (status IN ('confirmed', 'reverted', 'completed', 'cancelled', 'failed', 'error', 'done'))),
    CHECK ((failure_code IS NULL) = (failure_message IS NULL))
);
INSERT INTO new_migrations SELECT * FROM migrations;
DROP TABLE migrations;
ALTER TABLE new_migrations RENAME TO migrations;
CREATE UNIQUE INDEX migrations_one_unfinished ON migrations (instance_uuid)
    WHERE ended_at IS NULL AND imported = 0;
CREATE INDEX migrations_unfinished ON migrations (created_at, id) WHERE ended_at IS NULL;
CREATE INDEX migrations_unfinished_of ON migrations (instance_uuid, deleted_at)
    WHERE ended_at IS NULL;
CREATE INDEX migrations_due ON migrations (deadline) WHERE ended_at IS NULL AND deadline IS NOT NULL;
CREATE INDEX migrations_by_age ON migrations (created_at, id);
CREATE INDEX migrations_by_server ON migrations (instance_uuid, created_at, id);
CREATE INDEX migrations_by_status ON migrations (status, created_at, id);
CREATE INDEX migrations_by_type ON migrations (migration_type, created_at, id);
CREATE INDEX migrations_by_source ON migrations (source_compute, created_at, id);
CREATE INDEX migrations_by_destination ON migrations (dest_compute, created_at, id);
CREATE INDEX migrations_by_project ON migrations (project_id, created_at, id);
CREATE INDEX migrations_by_user ON migrations (user_id, created_at, id);
CREATE INDEX migrations_by_change ON migrations (updated_at, created_at);

-- What a dead host that returns has to clean.
CREATE INDEX migrations_done_by_source ON migrations (source_compute, id) WHERE status = 'done';

-- Two effects more.
CREATE TABLE new_effects (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    migration_id BIGINT NOT NULL REFERENCES migrations (id),
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    effect       TEXT NOT NULL CHECK (effect IN (
        'schedule', 'cancel', 'prepare', 'start', 'watch', 'abort',
        'force_complete', 'finish', 'roll_back', 'boot', 'withdraw'
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
INSERT INTO new_effects SELECT * FROM effects;
DROP TABLE effects;
ALTER TABLE new_effects RENAME TO effects;
CREATE INDEX effects_undone ON effects (migration_id, sequence) WHERE done_at IS NULL;
CREATE INDEX effects_ready ON effects (not_before) WHERE done_at IS NULL;
CREATE INDEX effects_leased ON effects (lease_owner) WHERE done_at IS NULL;

-- What was asked of servers, whoever asked, and the steps of it.
CREATE TABLE instance_actions (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    action        TEXT NOT NULL,
    instance_uuid TEXT NOT NULL,
    request_id    TEXT,
    user_id       TEXT,
    project_id    TEXT,
    start_time    TIMESTAMP,
    finish_time   TIMESTAMP,
    message       TEXT,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP,
    deleted_at    TIMESTAMP
);
CREATE INDEX instance_actions_by_server ON instance_actions (instance_uuid, created_at, id);
CREATE INDEX instance_actions_by_request ON instance_actions (request_id, instance_uuid);

CREATE TABLE instance_actions_events (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    action_id   BIGINT NOT NULL REFERENCES instance_actions (id),
    event       TEXT NOT NULL,
    start_time  TIMESTAMP,
    finish_time TIMESTAMP,
    result      TEXT,
    traceback   TEXT,
    host        TEXT,
    details     TEXT,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP
);
CREATE INDEX instance_actions_events_by_action ON instance_actions_events (action_id, id);
