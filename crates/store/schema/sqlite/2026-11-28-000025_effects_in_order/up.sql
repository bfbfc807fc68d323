-- The outbox is claimed in the order in which effects were asked for; without this a database may
-- go through all that were ever done.
CREATE INDEX effects_in_order ON effects (id) WHERE done_at IS NULL;
