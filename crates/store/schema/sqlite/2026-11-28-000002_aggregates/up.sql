-- Host aggregates. The zone of an aggregate is the zone of its hosts, and stands beside what else
-- its metadata says.
CREATE TABLE aggregates (
    id                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid              TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL UNIQUE,
    availability_zone TEXT,
    metadata          TEXT NOT NULL,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP
);

-- Hosts by name: one that is gone and comes back is still meant.
CREATE TABLE aggregate_hosts (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    aggregate_id BIGINT NOT NULL REFERENCES aggregates (id),
    host         TEXT NOT NULL,
    UNIQUE (aggregate_id, host)
);
CREATE INDEX aggregate_hosts_by_host ON aggregate_hosts (host);

-- Where a host belongs as long as no aggregate says otherwise.
ALTER TABLE services ADD COLUMN registered_zone TEXT;
UPDATE services SET registered_zone = zone WHERE "binary" = 'nova-compute';
