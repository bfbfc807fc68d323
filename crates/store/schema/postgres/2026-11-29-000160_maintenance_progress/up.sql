-- How far a host is on its way into maintenance or out of it, in percent, by the runs that have ended.
ALTER TABLE maintenances ADD COLUMN reached BIGINT NOT NULL DEFAULT 0;

-- How often somebody has asked for a change of it, which is its version for those who ask.
ALTER TABLE maintenances ADD COLUMN requests BIGINT NOT NULL DEFAULT 0;

-- A project's runs that go on are counted whenever it asks for a plan.
CREATE INDEX runs_unfinished_by_project ON runs (project_id) WHERE ended_at IS NULL;
