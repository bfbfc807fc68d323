-- Plans, the runs that carry them out, and the maintenance of hosts. What is decided by is in columns
-- of its own, what is only shown is JSON.

CREATE TABLE plans (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT NOT NULL UNIQUE,
    -- Who asked for it; null where nobody did.
    project_id      TEXT,
    user_id         TEXT,
    request_id      TEXT,
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    target          TEXT NOT NULL,
    options         TEXT NOT NULL,
    -- Hosts or pools that servers or disks are to leave.
    sources         TEXT NOT NULL,
    -- Until when it is to be made, and then may be run.
    valid_until     TIMESTAMP,
    -- The same, as long as something happens then.
    due_at          TIMESTAMP,
    has_run         BOOLEAN NOT NULL DEFAULT FALSE,
    failure_code    TEXT,
    failure_message TEXT,
    -- What the inventory was in which it was made: a digest, and the facts.
    fingerprint     TEXT,
    facts           TEXT,
    -- What its run needs of each host at the same time.
    room            TEXT NOT NULL,
    blocked         TEXT NOT NULL,
    reasons         TEXT NOT NULL,
    makespan        TEXT,
    lower_bound     TEXT,
    messages        TEXT NOT NULL,
    generation      BIGINT NOT NULL,
    event_sequence  BIGINT NOT NULL DEFAULT 0,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP,
    -- When it was aborted, had expired or was deleted; null where its run says when it was over.
    ended_at        TIMESTAMP,
    deleted_at      TIMESTAMP
);
CREATE INDEX plans_by_project ON plans (project_id, id);
CREATE INDEX plans_by_state ON plans (state, id);
CREATE INDEX plans_by_kind ON plans (kind, id);
CREATE INDEX plans_open ON plans (project_id, id) WHERE due_at IS NOT NULL;
CREATE INDEX plans_due ON plans (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX plans_by_end ON plans (ended_at, id) WHERE ended_at IS NOT NULL;

-- Of a plan, and of its run: what is planned never changes, what comes of it stands beside.
CREATE TABLE operations (
    id                  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    plan_id             BIGINT NOT NULL REFERENCES plans (id),
    -- 1, 2, 3 and so on: the order in which they are to begin.
    place               BIGINT NOT NULL,
    uuid                TEXT NOT NULL UNIQUE,
    kind                TEXT NOT NULL,
    server_uuid         TEXT NOT NULL,
    source              TEXT NOT NULL,
    planned_destination TEXT NOT NULL,
    after_operations    TEXT NOT NULL,
    after_host          TEXT,
    because             TEXT NOT NULL,
    estimates           TEXT NOT NULL,
    weight              BIGINT NOT NULL,
    -- What the server takes of a host.
    vcpus               BIGINT NOT NULL,
    memory_mb           BIGINT NOT NULL,
    disk_gb             BIGINT NOT NULL,
    -- Null until it is run.
    state               TEXT,
    destination         TEXT,
    waits_for_host      TEXT,
    migration_uuid      TEXT,
    attempts            BIGINT NOT NULL DEFAULT 0,
    revisions           BIGINT NOT NULL DEFAULT 0,
    replan              BOOLEAN NOT NULL DEFAULT FALSE,
    aborting            BOOLEAN NOT NULL DEFAULT FALSE,
    failure_code        TEXT,
    failure_message     TEXT,
    actual              TEXT,
    started_at          TIMESTAMP,
    ended_at            TIMESTAMP,
    UNIQUE (plan_id, place)
);
CREATE INDEX operations_running ON operations (id) WHERE state = 'running';
CREATE INDEX operations_by_migration ON operations (migration_uuid) WHERE migration_uuid IS NOT NULL;

CREATE TABLE runs (
    id                  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT NOT NULL UNIQUE,
    plan_id             BIGINT NOT NULL UNIQUE REFERENCES plans (id),
    project_id          TEXT,
    user_id             TEXT,
    request_id          TEXT,
    kind                TEXT NOT NULL,
    state               TEXT NOT NULL,
    priority            TEXT NOT NULL,
    -- False while its plan is being made.
    planned             BOOLEAN NOT NULL,
    -- The host whose maintenance it works for.
    host                TEXT,
    constraints         TEXT NOT NULL,
    blocked             BIGINT NOT NULL,
    attempts_max        BIGINT NOT NULL,
    deadline            TIMESTAMP,
    is_late             BOOLEAN NOT NULL,
    -- Its hosts, if it is one of many.
    rolling             TEXT,
    percent             BIGINT NOT NULL,
    eta                 TEXT,
    -- The runs that it waits for.
    waits_for           TEXT NOT NULL,
    messages            TEXT NOT NULL,
    started_at          TIMESTAMP,
    ended_at            TIMESTAMP,
    cancel_requested_at TIMESTAMP,
    generation          BIGINT NOT NULL,
    effect_sequence     BIGINT NOT NULL,
    event_sequence      BIGINT NOT NULL DEFAULT 0,
    created_at          TIMESTAMP NOT NULL,
    updated_at          TIMESTAMP
);
CREATE INDEX runs_by_project ON runs (project_id, id);
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_kind ON runs (kind, id);
CREATE INDEX runs_unfinished ON runs (id) WHERE ended_at IS NULL;
CREATE INDEX runs_by_end ON runs (ended_at, id) WHERE ended_at IS NOT NULL;

-- What was changed while it was carried out.
CREATE TABLE run_revisions (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id          BIGINT NOT NULL REFERENCES runs (id),
    operation_uuid  TEXT NOT NULL,
    old_destination TEXT NOT NULL,
    new_destination TEXT NOT NULL,
    failure_code    TEXT,
    failure_message TEXT,
    at              TIMESTAMP NOT NULL
);
CREATE INDEX run_revisions_by_run ON run_revisions (run_id, id);

-- Room that a run holds for operations whose migrations have not claimed it yet.
CREATE TABLE run_claims (
    run_id     BIGINT NOT NULL REFERENCES runs (id),
    host       TEXT NOT NULL,
    vcpus      BIGINT NOT NULL,
    memory_mb  BIGINT NOT NULL,
    disk_gb    BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (run_id, host)
);
CREATE INDEX run_claims_room ON run_claims (host, run_id, vcpus, memory_mb, disk_gb);

-- One row a host that was ever held; its events are numbered by it.
CREATE TABLE maintenances (
    id               INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    host             TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL,
    holders          TEXT NOT NULL,
    -- The run under way, and the one that follows it.
    work             TEXT,
    next             TEXT,
    -- Servers that were left, with why, and why they cannot leave.
    servers_left     TEXT NOT NULL,
    reasons          TEXT NOT NULL,
    home             TEXT NOT NULL,
    return_home      TEXT NOT NULL,
    evidence         TEXT NOT NULL,
    run_ended_at     TIMESTAMP,
    retry_at         TIMESTAMP,
    retries          BIGINT NOT NULL,
    generation       BIGINT NOT NULL,
    event_sequence   BIGINT NOT NULL DEFAULT 0,
    created_at       TIMESTAMP NOT NULL,
    updated_at       TIMESTAMP
);
CREATE INDEX maintenances_by_state ON maintenances (state, host);
CREATE INDEX maintenances_to_retry ON maintenances (retry_at) WHERE retry_at IS NOT NULL;

-- What has expired of maintenance, whose rows stay.
CREATE INDEX events_of_maintenance ON events (position) WHERE subject_kind = 'maintenance';
