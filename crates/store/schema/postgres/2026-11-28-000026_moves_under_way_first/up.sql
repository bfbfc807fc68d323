-- The outbox is claimed in this order: what goes on first, then what begins. A long queue of what is
-- still to be placed keeps no move that has begun.
CREATE INDEX effects_to_claim ON effects ((effect = 'schedule'), id) WHERE done_at IS NULL;
DROP INDEX effects_in_order;
