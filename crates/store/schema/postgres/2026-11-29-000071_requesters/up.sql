-- Who declared a service's host dead, as a JSON object of user, project and request_id. Null where
-- nobody wrote it down.
ALTER TABLE services ADD COLUMN forced_down_by TEXT;

-- The request that made a webhook, beside its user and project.
ALTER TABLE webhooks ADD COLUMN request_id TEXT;

-- Who changed it last, as above. Null where nobody asked for it, or nobody wrote it down.
ALTER TABLE aggregates ADD COLUMN changed_by TEXT;
ALTER TABLE aggregate_hosts ADD COLUMN changed_by TEXT;
ALTER TABLE server_groups ADD COLUMN changed_by TEXT;
ALTER TABLE server_group_members ADD COLUMN changed_by TEXT;
