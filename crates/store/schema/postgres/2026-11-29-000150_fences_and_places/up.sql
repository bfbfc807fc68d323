-- The same change as for SQLite; see schema/README.md.

-- How it is known that a service's host is dead, where whoever declared it so said it.
ALTER TABLE services ADD COLUMN forced_down_reason TEXT;

-- Who said what of services that were deleted, and since when: one that comes back keeps that, too.
ALTER TABLE deleted_services ADD COLUMN disabled_by TEXT;
ALTER TABLE deleted_services ADD COLUMN disabled_since TIMESTAMP;
ALTER TABLE deleted_services ADD COLUMN forced_down_at TIMESTAMP;
ALTER TABLE deleted_services ADD COLUMN forced_down_by TEXT;
ALTER TABLE deleted_services ADD COLUMN forced_down_reason TEXT;

-- The cluster that a host has left while that took no part in moves, and when: the host takes part once
-- it was looked at since. Null once it was.
ALTER TABLE host_topologies ADD COLUMN left_cluster TEXT;
ALTER TABLE host_topologies ADD COLUMN left_at TIMESTAMP;
