-- The same change as for SQLite; see schema/README.md.

-- Where hosts belong beside their zones. Hosts by name: one that is gone and comes back is still
-- meant. Pods and clusters are there as long as a host is in them.
CREATE TABLE host_topologies (
    host       TEXT NOT NULL PRIMARY KEY,
    pod        TEXT,
    cluster    TEXT,
    changed_at TIMESTAMP NOT NULL,
    changed_by TEXT
);
CREATE INDEX host_topologies_by_pod ON host_topologies (pod);
CREATE INDEX host_topologies_by_cluster ON host_topologies (cluster);

-- What operators said of zones, pods and clusters: whether anything is put there. By name, as above.
CREATE TABLE scope_allocations (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    reason   TEXT,
    said_by  TEXT,
    since    TIMESTAMP,
    PRIMARY KEY (kind, name)
);

-- Clusters of which it was said whether their hosts take part in moves. Managed again, and no
-- reconciled_at: its hosts are still being looked at.
CREATE TABLE cluster_managements (
    cluster       TEXT NOT NULL PRIMARY KEY,
    managed       BOOLEAN NOT NULL,
    reason        TEXT,
    said_by       TEXT,
    since         TIMESTAMP,
    reconciled_at TIMESTAMP
);

-- Who said of a host that nothing is put there, and since when.
ALTER TABLE services ADD COLUMN disabled_by TEXT;
ALTER TABLE services ADD COLUMN disabled_since TIMESTAMP;
