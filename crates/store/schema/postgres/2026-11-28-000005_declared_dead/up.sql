-- The same change as for SQLite; see schema/README.md.

-- Since when an operator vouches that a host executes nothing: what it said before does not count.
ALTER TABLE services ADD COLUMN forced_down_at TIMESTAMP;
UPDATE services SET forced_down_at = COALESCE(updated_at, created_at) WHERE forced_down;

-- Kinds of discrepancies are checked when they are read, so that a new one needs no new table.
ALTER TABLE discrepancies DROP CONSTRAINT discrepancies_kind_check;

-- What hosts still have to clean.
CREATE INDEX discrepancies_open_by_kind ON discrepancies (kind, id) WHERE closed_at IS NULL;
