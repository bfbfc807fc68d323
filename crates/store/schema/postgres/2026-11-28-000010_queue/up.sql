-- The queue in its order, with what decides whether a move has to wait: looking for those that need
-- not wait reads nothing else of the others.
CREATE INDEX migrations_queued ON migrations (created_at, id, source_compute, dest_compute)
    WHERE status = 'queued' AND ended_at IS NULL;

-- What is looked at with each inventory, and ten times a second: rows of a few, found without the
-- others.
CREATE INDEX migrations_done_by_server ON migrations (instance_uuid) WHERE status = 'done';
CREATE INDEX services_forced_down ON services (host) WHERE forced_down;
