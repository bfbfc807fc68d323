-- Events of hosts and discrepancies, beside those of migrations.

-- What a host's events are numbered by: it is known by its name, and comes back under it when its rows
-- were deleted.
CREATE TABLE host_logs (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    host           TEXT NOT NULL UNIQUE,
    event_sequence BIGINT NOT NULL DEFAULT 0
);

-- When an agent was last heard before its silence was told; null while it is heard. Whoever notices
-- first tells it.
ALTER TABLE services ADD COLUMN silent_since TIMESTAMP;

-- Whose server an event is about, where its subject has no row that says so for good.
ALTER TABLE events ADD COLUMN owner_project_id TEXT;

-- The kinds of subjects, beside migrations, that every reader of events understands by now. The
-- release before this one understands none of them, so nothing of them is written as long as it may
-- run: an upgrade that is repeated, or that has the database alone, says that it does not.
CREATE TABLE event_kinds (
    kind TEXT NOT NULL PRIMARY KEY
);

-- What has expired of hosts, which stay, and what was closed, the longest ago first.
CREATE INDEX events_of_hosts ON events (position) WHERE subject_kind = 'host';
CREATE INDEX discrepancies_by_end ON discrepancies (closed_at, id) WHERE closed_at IS NOT NULL;
