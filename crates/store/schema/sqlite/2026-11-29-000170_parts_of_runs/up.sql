-- How many of a run's operations are in each state, as of the generation that it names: so that a step
-- need not read those that it is not about. Null, or of another generation: it is counted.
ALTER TABLE runs ADD COLUMN tally TEXT;

-- Of a plan those that run, that are left to do, and that go somewhere.
CREATE INDEX operations_in_state ON operations (plan_id, state, destination);
-- Of a server those that are left to do.
CREATE INDEX operations_open ON operations (server_uuid) WHERE ended_at IS NULL;
