-- The queue in its order, with what decides whether a move has to wait: looking for those that need
-- not wait reads nothing else of the others.
CREATE INDEX migrations_queued ON migrations (created_at, id, source_compute, dest_compute)
    WHERE status = 'queued' AND ended_at IS NULL;
