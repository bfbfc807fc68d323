-- Since when an operator vouches that a host executes nothing: what it said before does not count.
ALTER TABLE services ADD COLUMN forced_down_at TIMESTAMP;
UPDATE services SET forced_down_at = COALESCE(updated_at, created_at) WHERE forced_down;

-- Kinds of discrepancies are checked when they are read, so that a new one needs no new table.
CREATE TABLE new_discrepancies (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    server_uuid    TEXT,
    migration_uuid TEXT,
    host           TEXT,
    detail         TEXT NOT NULL,
    opened_at      TIMESTAMP NOT NULL,
    closed_at      TIMESTAMP,
    closed_because TEXT
);
INSERT INTO new_discrepancies SELECT * FROM discrepancies;
DROP TABLE discrepancies;
ALTER TABLE new_discrepancies RENAME TO discrepancies;
CREATE UNIQUE INDEX discrepancies_open ON discrepancies (subject) WHERE closed_at IS NULL;
CREATE INDEX discrepancies_open_by_server ON discrepancies (server_uuid) WHERE closed_at IS NULL;

-- What hosts still have to clean.
CREATE INDEX discrepancies_open_by_kind ON discrepancies (kind, id) WHERE closed_at IS NULL;
