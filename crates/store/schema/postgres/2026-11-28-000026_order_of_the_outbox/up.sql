-- The outbox is claimed in this order: what goes on first, then what begins. A long queue of what is
-- still to be placed keeps no move that has begun.
CREATE INDEX effects_to_claim ON effects ((effect = 'schedule'), id) WHERE done_at IS NULL;
DROP INDEX effects_in_order;

-- What is claimed of hosts is added up each time a destination is looked for: from the index alone.
CREATE INDEX claims_room ON claims (host, migration_id, vcpus, memory_mb, disk_gb);
DROP INDEX claims_by_host;
