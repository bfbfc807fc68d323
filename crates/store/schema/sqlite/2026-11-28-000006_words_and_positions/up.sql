-- Words are checked when they are read, and by `db check`: a new one then needs no table anew, as
-- SQLite would. The same change as for PostgreSQL, but that the tables are made anew this once;
-- see schema/README.md.

CREATE TABLE new_services (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT NOT NULL UNIQUE,
    "binary"        TEXT NOT NULL,
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
    registered_zone TEXT,
    forced_down_at  TIMESTAMP,
    UNIQUE (host, "binary")
);
INSERT INTO new_services SELECT * FROM services;
DROP TABLE services;
ALTER TABLE new_services RENAME TO services;

CREATE TABLE new_servers (
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
    vm_state          TEXT NOT NULL,
    task_state        TEXT,
    power_state       BIGINT NOT NULL,
    progress          BIGINT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    locked_by         TEXT,
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
    generation        BIGINT NOT NULL DEFAULT 1,
    definition        TEXT,
    launch            TEXT
);
INSERT INTO new_servers SELECT * FROM servers;
DROP TABLE servers;
ALTER TABLE new_servers RENAME TO servers;
CREATE INDEX servers_by_age ON servers (created_at DESC, uuid);
CREATE INDEX servers_by_project ON servers (project_id, created_at DESC, uuid);
CREATE INDEX servers_by_host ON servers (host) WHERE deleted_at IS NULL;
CREATE INDEX servers_with_task ON servers (task_state) WHERE task_state IS NOT NULL;

CREATE TABLE new_sightings (
    server_uuid TEXT NOT NULL,
    host        TEXT NOT NULL,
    sighting    TEXT NOT NULL,
    power_state BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (server_uuid, host)
);
INSERT INTO new_sightings SELECT * FROM sightings;
DROP TABLE sightings;
ALTER TABLE new_sightings RENAME TO sightings;
CREATE INDEX sightings_by_host ON sightings (host);

CREATE TABLE new_migrations (
    id                   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid                 TEXT NOT NULL UNIQUE,
    instance_uuid        TEXT NOT NULL,
    migration_type       TEXT NOT NULL,
    status               TEXT NOT NULL,
    intent               TEXT,
    settling             TEXT,
    storage              TEXT,
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
    placed_in_group      BIGINT,
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
CREATE INDEX migrations_done_by_source ON migrations (source_compute, id) WHERE status = 'done';

CREATE TABLE new_slots (
    migration_id BIGINT NOT NULL REFERENCES migrations (id),
    role         TEXT NOT NULL,
    host         TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (migration_id, role)
);
INSERT INTO new_slots SELECT * FROM slots;
DROP TABLE slots;
ALTER TABLE new_slots RENAME TO slots;
CREATE INDEX slots_by_host ON slots (host, role);

-- Nobody is left who names the subject of an effect by its migration.
CREATE TABLE new_effects (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject_kind TEXT NOT NULL,
    subject_id   BIGINT NOT NULL,
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    effect       TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    not_before   TIMESTAMP NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_epoch  BIGINT NOT NULL DEFAULT 0,
    lease_until  TIMESTAMP,
    last_error   TEXT,
    done_at      TIMESTAMP,
    outcome      TEXT,
    CHECK ((done_at IS NULL) = (outcome IS NULL))
);
INSERT INTO new_effects
    SELECT id, subject_kind, subject_id, sequence, effect, created_at, not_before, attempts,
           lease_owner, lease_epoch, lease_until, last_error, done_at, outcome
    FROM effects;
DROP TABLE effects;
ALTER TABLE new_effects RENAME TO effects;
CREATE UNIQUE INDEX effects_by_subject ON effects (subject_kind, subject_id, sequence);
CREATE INDEX effects_undone ON effects (subject_kind, subject_id, sequence) WHERE done_at IS NULL;
CREATE INDEX effects_ready ON effects (not_before) WHERE done_at IS NULL;
CREATE INDEX effects_leased ON effects (lease_owner) WHERE done_at IS NULL;

-- The event log of every subject: append-only, without gaps from 1 for each of them. `position`
-- is the place among all events. It is given after the commit, so that a reader never overtakes
-- a writer; see docs/adr/0013. No event is ever deleted, so its id needs no AUTOINCREMENT.
CREATE TABLE events (
    id           INTEGER NOT NULL PRIMARY KEY,
    position     BIGINT,
    subject_kind TEXT NOT NULL,
    subject_id   BIGINT NOT NULL,
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    at           TIMESTAMP NOT NULL,
    name         TEXT NOT NULL,
    from_status  TEXT,
    to_status    TEXT NOT NULL,
    actor        TEXT NOT NULL,
    request_id   TEXT,
    detail       TEXT NOT NULL,
    UNIQUE (subject_kind, subject_id, sequence)
);
-- In the order of their instants, but where clocks disagreed never before an earlier event of the
-- same migration.
INSERT INTO events (position, subject_kind, subject_id, sequence, at, name, from_status, to_status,
                    actor, request_id, detail)
    SELECT ROW_NUMBER() OVER (ORDER BY latest, migration_id, sequence), 'migration', migration_id,
           sequence, at, name, from_status, to_status, actor, request_id, detail
    FROM (SELECT *, MAX(at) OVER (PARTITION BY migration_id ORDER BY sequence) AS latest
          FROM migration_events) AS lines
    ORDER BY latest, migration_id, sequence;
DROP TABLE migration_events;
-- An event is in one of these at a time.
CREATE UNIQUE INDEX events_by_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_without_position ON events (id) WHERE position IS NULL;
